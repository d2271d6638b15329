//! A disk for a program under attack: it forgets at a power cut what was not synced, and fails when it is told to.

mod journal;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::Rng;
use tempfile::TempDir;

pub use journal::Loss;
use journal::{Files, Journal};

use crate::shim;

/// What happened to a disk until and at a power cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    pub syncs: u64,
    /// Sectors that were written and are lost.
    pub lost_sectors: u64,
    /// Writes to the store's file, beside its log.
    pub copied_pages: u64,
    /// How often the log was begun, or begun anew.
    pub logs_begun: u64,
}

/// Preloaded into the program.
const SHIM: &str = include_str!("shim.c");

/// What a disk can be told to do.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Syncs fail.
    Sync,
    /// Writes fail.
    Write,
    /// Syncs are said to be done, and are not: as if nobody had asked for them.
    Lie,
}

impl Fault {
    /// The file that tells the shim of it.
    fn command(self) -> &'static str {
        match self {
            Fault::Sync => "sync",
            Fault::Write => "write",
            Fault::Lie => "lie",
        }
    }
}

/// The disk under one folder, for one process at a time.
pub struct Disk {
    folder: PathBuf,
    /// The shim, its journal and its commands.
    workshop: TempDir,
    /// What was there when the process started.
    before: Files,
}

impl Disk {
    /// A disk under this folder, which nobody writes to.
    pub fn new(folder: &Path) -> Result<Disk> {
        let workshop = tempfile::tempdir()?;
        shim::build(SHIM, &workshop.path().join("disk.so"))?;
        fs::create_dir(workshop.path().join("commands"))?;
        Ok(Disk { folder: folder.canonicalize()?, workshop, before: Files::new() })
    }

    /// Takes note of what is there: the process may be started now, with [`Disk::environment`].
    pub fn begin(&mut self) -> Result<()> {
        self.before = read(&self.folder)?;
        let journal = self.journal();
        if journal.exists() {
            fs::remove_file(journal)?;
        }
        Ok(())
    }

    /// The variables that put this disk under a process.
    pub fn environment(&self) -> [(&'static str, OsString); 4] {
        [
            ("LD_PRELOAD", self.workshop.path().join("disk.so").into()),
            ("MALOTE_DISK", self.folder.clone().into()),
            ("MALOTE_DISK_JOURNAL", self.journal().into()),
            ("MALOTE_DISK_COMMANDS", self.workshop.path().join("commands").into()),
        ]
    }

    /// Has the fault from now on, or no more.
    pub fn set(&self, fault: Fault, has: bool) -> Result<()> {
        let command = self.workshop.path().join("commands").join(fault.command());
        match has {
            true => fs::write(command, "")?,
            false if command.exists() => fs::remove_file(command)?,
            false => {}
        }
        Ok(())
    }

    /// Whether the process has come so far that it noted anything.
    pub fn has_journal(&self) -> bool {
        self.journal().exists()
    }

    /// Leaves in the folder what the disk has after a power cut at the moment in which the process was killed.
    pub fn cut(&mut self, loss: Loss, random: &mut impl Rng) -> Result<Toll> {
        let journal =
            Journal::parse(&fs::read(self.journal()).context("the program has no journal: was it preloaded?")?)?;
        let mut now = read(&self.folder)?;
        now.keys().try_for_each(fs::remove_file)?;
        journal.repeat_last(&mut now);
        let before = std::mem::take(&mut self.before);
        // Whatever was overlooked would make every cut meaningless.
        let noted = journal.after_cut(before.clone(), Loss::Nothing, random).files;
        for path in now.keys().chain(noted.keys()) {
            // A file that was only opened is nothing to the journal.
            let [there, noted] = [&now, &noted].map(|files| files.get(path).map_or(&[][..], Vec::as_slice));
            ensure!(there == noted, "{} is not what the journal makes of it", path.display());
        }
        let left = journal.after_cut(before, loss, random);
        for (path, content) in &left.files {
            fs::write(path, content)?;
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
        }
        // Made from the log by whoever opens it next.
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if is_shared_memory(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(Toll {
            syncs: journal.syncs(),
            lost_sectors: left.lost_sectors,
            copied_pages: journal.writes("store.db", None),
            logs_begun: journal.writes("store.db-wal", Some(0)),
        })
    }

    fn journal(&self) -> PathBuf {
        self.workshop.path().join("journal")
    }
}

/// Every file of a folder without further folders, but for what is not meant to survive its processes.
fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && !is_shared_memory(&path) {
            files.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(files)
}

fn is_shared_memory(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm")
}
