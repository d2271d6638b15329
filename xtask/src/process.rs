//! Running other programs. Each gets a process group of its own, so that stopping it also stops what it started, and so
//! that Ctrl+C reaches us alone and everything ends in the right order.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;

/// How often we look whether something has happened yet.
const POLL: Duration = Duration::from_millis(50);

/// A program that was asked to end and has not done so after this long is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A program in the background. Dropping it ends it.
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    pub fn start(command: &mut Command) -> Result<Running> {
        let name = name_of(command);
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Ok(Running { child: child.with_context(|| format!("{name} does not start"))?, name })
    }

    /// Starts a program that prints one line once it is ready, and gives that line too. Its standard output must not be
    /// set; what else it prints there is thrown away.
    pub fn start_and_wait_for_line(command: &mut Command, limit: Duration) -> Result<(Running, String)> {
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let Some(output) = running.child.stdout.take() else { bail!("{} has no output", running.name) };
        let lines = lines_of(output);
        let deadline = Instant::now() + limit;
        loop {
            interrupt::check()?;
            match lines.recv_timeout(POLL) {
                Ok(line) => return Ok((running, line)),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => bail!("{} says nothing after {limit:?}", running.name),
                Err(RecvTimeoutError::Disconnected) => bail!("{} ended before it was ready", running.name),
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Whether it ends by itself within this time.
    pub fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while self.ended()?.is_none() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(POLL);
        }
        Ok(true)
    }

    fn wait_unless_interrupted(&mut self) -> Result<ExitStatus> {
        loop {
            interrupt::check()?;
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(Some(_))) {
            return;
        }
        signal_group("TERM", self.pid());
        if !matches!(self.ends_within(GRACE), Ok(true)) {
            signal_group("KILL", self.pid());
            // Nothing is left to do about a process that even SIGKILL does not end.
            let _ = self.child.wait();
        }
    }
}

/// Runs a program to its end with our own output; an error where it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let mut running = Running::start(command)?;
    expect_success(&running.name.clone(), running.wait_unless_interrupted()?)
}

/// Runs a program to its end and shows `look` each line of its standard output before it is printed.
pub fn run_watching(command: &mut Command, mut look: impl FnMut(&str)) -> Result<()> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let Some(output) = running.child.stdout.take() else { bail!("{} has no output", running.name) };
    let lines = lines_of(output);
    loop {
        interrupt::check()?;
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                look(&line);
                println!("{line}");
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    expect_success(&running.name.clone(), running.wait_unless_interrupted()?)
}

/// What a short-lived program prints on its standard output; an error, with what it says, where it fails.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = name_of(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{name} does not start"))?;
    if !output.status.success() {
        bail!("{name} fails ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// Like `output`, for programs that print text.
pub fn text(command: &mut Command) -> Result<String> {
    let name = name_of(command);
    let text = String::from_utf8(output(command)?).with_context(|| format!("{name} prints what is no text"))?;
    Ok(text.trim_end().to_owned())
}

/// Whether a short-lived program exists and succeeds. It is run in silence.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Looks again and again until there is something. `what` completes the sentence "… did not happen within …".
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        interrupt::check()?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what} did not happen within {} seconds", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

fn expect_success(name: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{name} fails ({status})");
    }
    Ok(())
}

/// The lines of an output, read on a thread of their own so that waiting for one can be given up. What is not text is
/// shown with replacement characters, as a terminal would.
fn lines_of(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
        // Nobody listens any more, but a full pipe would stop the program that writes.
        io::copy(&mut output, &mut io::sink())
    });
    receiver
}

/// The standard library can only kill; the shell's own `kill` knows the other signals, and exists everywhere.
fn signal_group(signal: &str, pid: u32) {
    succeeds("sh", &["-c", &format!("kill -{signal} -{pid}")]);
}

fn name_of(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for word in command.get_args().take(2).filter_map(OsStr::to_str) {
        name.push(' ');
        name.push_str(word);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_gets_ready_runs_until_dropped() {
        let limit = Duration::from_secs(10);
        let (mut running, line) =
            Running::start_and_wait_for_line(&mut shell("echo ready; exec sleep 60"), limit).unwrap();
        assert_eq!(line, "ready");
        assert!(running.ended().unwrap().is_none());
        let pid = running.pid();
        drop(running);
        assert!(!succeeds("sh", &["-c", &format!("kill -0 {pid}")]));
    }

    #[test]
    fn a_program_that_ends_instead_of_getting_ready_is_an_error() {
        assert!(Running::start_and_wait_for_line(&mut shell("exit 0"), Duration::from_secs(10)).is_err());
    }

    #[test]
    fn failures_are_errors_with_the_reason() {
        assert_eq!(text(&mut shell("echo yes")).unwrap(), "yes");
        let error = text(&mut shell("echo because >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("because"), "{error}");
        assert!(run(&mut shell("exit 1")).is_err());
    }

    #[test]
    fn watching_sees_every_line() {
        let mut seen = Vec::new();
        run_watching(&mut shell("printf 'a\\nb'"), |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["a", "b"]);
    }
}
