//! A clock on the wall for a program under attack: as wrong as it is told to be, and changed while the program runs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;

use crate::shim;

/// Preloaded into the program.
const SHIM: &str = include_str!("shim.c");

/// The clock of one computer, whose programs share it.
pub struct Clock {
    /// The shim, and by how much the clock is wrong.
    workshop: TempDir,
}

impl Clock {
    /// A clock that is wrong by so many seconds.
    pub fn wrong_by(seconds: i64) -> Result<Clock> {
        let workshop = tempfile::tempdir()?;
        shim::build(SHIM, &workshop.path().join("clock.so"))?;
        let clock = Clock { workshop };
        fs::write(clock.file(), seconds.to_ne_bytes())?;
        Ok(clock)
    }

    /// Sets it: from now on it is wrong by so many seconds.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // In place, so that no program sees an empty file.
        File::options().write(true).open(self.file())?.write_all_at(&seconds.to_ne_bytes(), 0)?;
        Ok(())
    }

    /// The variables that give this clock to a process.
    pub fn environment(&self) -> [(&'static str, OsString); 2] {
        [("LD_PRELOAD", self.workshop.path().join("clock.so").into()), ("MALOTE_CLOCK", self.file().into())]
    }

    fn file(&self) -> PathBuf {
        self.workshop.path().join("seconds")
    }
}
