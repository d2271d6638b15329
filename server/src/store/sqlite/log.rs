//! The write-ahead log: what is committed goes there first, and is copied into the file beside the commits.
//!
//! SQLite begins the log anew once all of it is in the file. Under a load that never pauses there is always a little more,
//! so a thread copies nearly all of it, and the thread that commits copies that little rest itself.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::background::Background;
use super::mark::Mark;
use super::opening;

/// Numbers of pages.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Not in the file yet, at which the thread copies them: few, since commits wait while the disk takes them all at once.
    pub step: u32,
    /// In the log, after which it is to begin anew.
    pub long: u32,
    /// Not in the file yet, that the committing thread copies itself.
    pub rest: u32,
    /// In the log, at which commits wait for the copying: it bounds the log where the disk is slow, or where each commit is
    /// more than a little.
    pub too_long: u32,
}

/// 2 MiB, 64 MiB, 1 MiB and 256 MiB.
pub const LIMITS: Limits = Limits { step: 256, long: 8 * 1024, rest: 128, too_long: 32 * 1024 };

/// How often the thread looks for what has come while it was copying, before it waits to be asked again.
const ROUNDS: usize = 8;

/// Looks after the log of one store.
pub struct Log {
    limits: Limits,
    copier: Background,
    mark: Mark,
    /// Held while pages are copied.
    copying: Arc<Mutex<()>>,
}

/// How much is in the log, in pages.
struct Length {
    pages: u32,
    copied: u32,
}

impl Length {
    fn rest(&self) -> u32 {
        self.pages.saturating_sub(self.copied)
    }
}

impl Log {
    /// Starts the thread that copies, with a connection of its own: later the system may have none left to give.
    pub fn open(path: &Path, limits: Limits) -> Result<Log, StoreError> {
        let connection = opening::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Opens the log.
        checkpoint(&connection, LOOK)?;
        let copying = Arc::<Mutex<()>>::default();
        let copier = Background::start("store log", {
            let copying = copying.clone();
            move |woken| copy(&connection, limits.rest, &copying, woken)
        })?;
        Ok(Log { limits, copier, mark: Mark::open(path)?, copying })
    }

    /// Fails where copying has failed, after which the file cannot be relied on.
    pub fn check(&self) -> Result<(), StoreError> {
        self.copier.check()
    }

    /// Ends the thread, and copies the rest on this connection. Tells whether all of the log is in the file, which then does
    /// without it.
    pub fn end(self, connection: &Connection) -> Result<bool, StoreError> {
        self.copier.end()?;
        let is_copied = unless_full(checkpoint(connection, COPY))?.is_some_and(|length| length.rest() == 0);
        if is_copied {
            self.mark.clear()?;
        }
        Ok(is_copied)
    }

    /// Looks after the log; to be called after each commit, on its connection.
    pub fn tend(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let length = checkpoint(connection, LOOK)?;
        self.mark.note(length.pages)?;
        let may_begin_anew = length.pages >= self.limits.long && length.rest() <= self.limits.rest;
        if !may_begin_anew && length.pages < self.limits.too_long {
            if length.rest() >= self.limits.step {
                self.copier.wake();
            }
            return Ok(());
        }
        // Waits for the thread where that is copying.
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        unless_full(checkpoint(connection, COPY)).map(drop)
    }
}

/// Copies whenever woken, until there is only a little left.
fn copy(connection: &Connection, rest: u32, copying: &Mutex<()>, woken: &Receiver<()>) -> Result<(), StoreError> {
    while woken.recv().is_ok() {
        for _ in 0..ROUNDS {
            let _copying = copying.lock().unwrap_or_else(PoisonError::into_inner);
            let length = unless_full(checkpoint(connection, COPY))?;
            if length.is_none_or(|length| length.rest() <= rest) {
                break;
            }
        }
    }
    Ok(())
}

/// Tells how long the log is.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";

/// Copies what no reader is in the way of.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// What is in the log is durable; where there is no space to copy it, there may be later, and commits will be told.
fn unless_full(result: Result<Length, StoreError>) -> Result<Option<Length>, StoreError> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(StoreError::Full) => Ok(None),
        Err(failed) => Err(failed),
    }
}

fn checkpoint(connection: &Connection, pragma: &str) -> Result<Length, StoreError> {
    let length = connection.prepare_cached(pragma)?.query_row([], |row| {
        // Both are -1 where there is no log yet.
        let (pages, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Length { pages: pages.max(0) as u32, copied: copied.max(0) as u32 })
    })?;
    Ok(length)
}
