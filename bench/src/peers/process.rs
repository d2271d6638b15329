//! A server as a process: pinned, watched, and ended by its number.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::interrupt;
use crate::machine::Cores;

/// How often we look whether something has happened yet.
const POLL: Duration = Duration::from_millis(5);

/// Every server here is ready within a fraction of this; where it is reached, it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that was asked to end and has not done so after this long is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Dropping it ends it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program on the server's core. What it says goes into the file `log` below `folder`.
    pub fn start(command: &mut Command, cores: &Cores, folder: &Path) -> Result<Process> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // A child is born where its parent is.
        let child = cores.on_the_servers(|| command.spawn())?.with_context(|| format!("{name} does not start"))?;
        Ok(Process { name, child, log })
    }

    /// Waits until something can be seen, in what the program says or elsewhere.
    pub fn wait_for<T>(&mut self, mut look: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            interrupt::check()?;
            if let Some(found) = look(&self.said()) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before it was ready: {}", self.name, self.said().trim());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after {PATIENCE:?}: {}", self.name, self.said().trim());
            }
            thread::sleep(POLL);
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process without memory")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Time that it has spent on a core so far.
    pub fn processor_time(&self) -> Result<Duration> {
        crate::machine::processor_time(&self.child.id().to_string())
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + GRACE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do about a process that even SIGKILL does not end.
        let _ = self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), &Cores::unpinned(), folder).unwrap()
    }

    #[test]
    fn a_server_runs_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell("echo ready; exec sleep 60", folder.path());
        assert_eq!(process.wait_for(|said| said.strip_suffix('\n').map(str::to_owned)).unwrap(), "ready");
        assert!(process.memory().unwrap() > 0);
        let place = PathBuf::from(format!("/proc/{}", process.child.id()));
        assert!(place.exists());
        drop(process);
        assert!(!place.exists());
    }

    #[test]
    fn a_server_that_ends_before_it_is_ready_is_an_error_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = shell("echo because >&2; exit 3", folder.path()).wait_for(|_| None::<()>).unwrap_err();
        assert!(error.to_string().contains("because"), "{error}");
    }
}
