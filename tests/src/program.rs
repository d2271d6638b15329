//! A program of ours as a process: where it lies, what it says, how it ends.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use crate::wait_for;

/// The programs that tests start.
const PROGRAMS: [&str; 2] = ["malote-server", "malote-cli"];

/// The file of one of our programs.
pub fn program(name: &str) -> PathBuf {
    // Looked at once: who edits while tests run does not disturb them.
    static DIRECTORY: LazyLock<Result<PathBuf, String>> = LazyLock::new(directory_of_fresh_programs);
    match &*DIRECTORY {
        Ok(directory) => directory.join(name),
        Err(reason) => panic!("{reason}: run `cargo build --workspace --bins` first"),
    }
}

/// Cargo does not build programs for the tests of another package, so one that is missing or older than its sources is
/// refused: it would prove nothing.
fn directory_of_fresh_programs() -> Result<PathBuf, String> {
    let directory = programs_directory();
    for name in PROGRAMS {
        let path = directory.join(name);
        let built = modified(&path).map_err(|_| format!("{} is not there", path.display()))?;
        if let Some(newer) = sources(&path).into_iter().find(|source| modified(source).is_ok_and(|at| at > built)) {
            return Err(format!("{} is older than {}", path.display(), newer.display()));
        }
    }
    Ok(directory)
}

/// The folder where Cargo puts everything that it makes.
pub fn target_directory() -> PathBuf {
    programs_directory().parent().expect("programs lie below a target folder").to_owned()
}

/// Cargo puts tests into a folder `deps` below the one where it puts programs.
fn programs_directory() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own file");
    let folder = this.parent().expect("a file lies in a folder");
    let programs = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    programs.expect("a test lies below a target folder").to_owned()
}

/// What a program was built from: Cargo writes it beside the program, in the syntax of make.
fn sources(program: &Path) -> Vec<PathBuf> {
    let rule = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let (_, sources) = rule.split_once(": ").unwrap_or_default();
    let sources = sources.trim_end().replace("\\ ", "\0");
    sources.split(' ').map(|source| source.replace('\0', " ").into()).collect()
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// A process. Dropping it kills it.
pub struct Running {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
    /// Bytes of the standard output that [`Running::next_line`] has given away.
    given: usize,
}

/// What is left of a process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing where a signal ended it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    /// Starts a process without anything on its standard input.
    pub fn start(command: &mut Command) -> Running {
        Running::start_with_input(command, Vec::new())
    }

    /// Starts a process that reads these bytes from its standard input.
    pub fn start_with_input(command: &mut Command, input: Vec<u8>) -> Running {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut stdin = child.stdin.take().expect("standard input was asked for");
        // Whoever does not want to read it all need not.
        thread::spawn(move || io::Write::write_all(&mut stdin, &input));
        let stdout = Output::of(child.stdout.take().expect("standard output was asked for"));
        let stderr = Output::of(child.stderr.take().expect("standard error was asked for"));
        Running { name, child, stdout, stderr, given: 0 }
    }

    /// Waits for the next line of the standard output; panics where there is none.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        self.line().unwrap_or_else(|| panic!("{} ended without a further line: {}", self.name, self.stderr()))
    }

    /// Waits for the next line of the standard output; nothing where it ends before.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        wait_for(&format!("a line of {}", self.name), || {
            let has_ended = self.has_ended();
            self.poll_line().map(Some).or(has_ended.then_some(None))
        })
    }

    /// What it has said on its standard error.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends it a signal, by name. The standard library can only kill; the shell's own `kill` exists everywhere.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} cannot be sent SIG{signal}", self.name);
    }

    /// Its number among the system's processes.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it holds, as the system counts them.
    pub fn memory(&self) -> u64 {
        self.bytes_of("VmRSS:")
    }

    /// The most that it has held since it started, or since [`Running::forget_peak`].
    pub fn peak_memory(&self) -> u64 {
        self.bytes_of("VmHWM:")
    }

    /// From here on, the peak is that of what follows (proc(5), `clear_refs`).
    pub fn forget_peak(&self) {
        const FORGET_PEAK: &str = "5";
        fs::write(format!("/proc/{}/clear_refs", self.id()), FORGET_PEAK).expect("its peak can be forgotten");
    }

    fn bytes_of(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the system tells of it");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
        kilobytes * 1024
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn has_ended(&mut self) -> bool {
        self.poll_status().is_some()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let status = wait_for(&format!("the end of {}", self.name), || self.poll_status());
        Ended { status: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn poll_status(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name))?;
        self.stdout.finish();
        self.stderr.finish();
        Some(status)
    }

    /// The next line of the standard output, where it is there already.
    pub fn poll_line(&mut self) -> Option<String> {
        let text = self.stdout.text();
        let (line, _) = text[self.given..].split_once('\n')?;
        self.given += line.len() + 1;
        Some(line.to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Ended {
    /// The same, if it ended with this status; panics with everything it said otherwise.
    #[track_caller]
    pub fn expect_status(self, status: i32) -> Ended {
        assert_eq!(self.status, Some(status), "{}{}", self.stdout, self.stderr);
        self
    }

    /// What it said on its standard error, which must be one sentence on one line.
    #[track_caller]
    pub fn only_sentence(&self) -> &str {
        let sentence = self.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(!sentence.is_empty() && !sentence.contains('\n'), "not one line: {:?}", self.stderr);
        assert_eq!(self.stdout, "");
        sentence
    }
}

/// An output of a process, gathered on a thread so that the process never waits for us.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static) -> Output {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let gathered = bytes.clone();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                gathered.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
            }
        });
        Output { bytes, reader: Some(reader) }
    }

    /// Waits for what is still in the pipe of a process that has ended.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading a pipe does not panic");
        }
    }

    /// Everything so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}
