//! The write-ahead log: what is committed goes there first, and is copied into the file beside the commits.
//!
//! SQLite begins the log anew once all of it is in the file. Under a load that never pauses there is always a little more,
//! so a thread copies nearly all of it, and the thread that commits copies that little rest itself.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::super::StoreError;

/// Pages in the log after which they are copied into the file: 64 MiB, so that a page that changes with each commit is
/// copied once for hundreds of them.
const LONG: u32 = 64 * 1024 * 1024 / 4096;

/// Pages that the committing thread copies itself: a few milliseconds' work.
const REST: u32 = LONG / 32;

/// Pages that are not in the file yet at which commits wait for the copying: it bounds the log where the disk is slow.
const TOO_LONG: u32 = 4 * LONG;

/// How often the thread looks for what has come while it was copying, before it waits to be asked again.
const ROUNDS: usize = 8;

/// Looks after the log of one store.
pub struct Log {
    path: PathBuf,
    limits: Limits,
    copier: Option<Copier>,
}

/// Numbers of pages, as above.
#[derive(Clone, Copy)]
struct Limits {
    long: u32,
    rest: u32,
    too_long: u32,
}

struct Copier {
    /// Asks for copying. Dropped, it ends the thread.
    asked: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Held while pages are copied.
    copying: Mutex<()>,
    failure: Mutex<Option<String>>,
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
    pub fn new(path: &Path) -> Log {
        Log { path: path.to_owned(), limits: Limits { long: LONG, rest: REST, too_long: TOO_LONG }, copier: None }
    }

    /// Looks after the log; to be called after each commit, on its connection. Fails where copying has failed, after which
    /// the file cannot be relied on.
    pub fn tend(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(failure) = self.copier.as_ref().and_then(|copier| take(&copier.state.failure)) {
            return Err(StoreError::Failed(failure));
        }
        let length = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if length.pages < self.limits.long {
            return Ok(());
        }
        if length.rest() > self.limits.rest && length.rest() < self.limits.too_long {
            return self.copier()?.ask();
        }
        if length.rest() == 0 {
            return Ok(());
        }
        // Waits for the thread where that is copying.
        let state = self.copier()?.state.clone();
        let _copying = state.copying.lock().unwrap_or_else(PoisonError::into_inner);
        match checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            // What is in the log is durable; the next commit is told if there is no space for it either.
            Ok(_) | Err(StoreError::Full) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    fn copier(&mut self) -> Result<&Copier, StoreError> {
        let copier = match self.copier.take() {
            Some(copier) => copier,
            None => Copier::start(self.path.clone(), self.limits)?,
        };
        Ok(self.copier.insert(copier))
    }
}

impl Copier {
    fn start(path: PathBuf, limits: Limits) -> Result<Copier, StoreError> {
        let (asked, asking) = mpsc::sync_channel(1);
        let state = Arc::new(State::default());
        let thread = std::thread::Builder::new().name("store log".into()).spawn({
            let state = state.clone();
            move || {
                if let Err(error) = copy(&path, limits, &asking, &state) {
                    *state.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
            }
        });
        let thread = thread.map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Copier { asked: Some(asked), thread: Some(thread), state })
    }

    fn ask(&self) -> Result<(), StoreError> {
        match self.asked.as_ref().map(|asked| asked.try_send(())) {
            // It is at work already.
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
            // Its failure is taken with the next commit.
            Some(Err(TrySendError::Disconnected(()))) | None => Ok(()),
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.asked = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that copies the log has panicked");
        }
    }
}

/// Copies whenever asked, until there is only a little left.
fn copy(path: &Path, limits: Limits, asking: &mpsc::Receiver<()>, state: &State) -> Result<(), StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", 16)?;
    while asking.recv().is_ok() {
        for _ in 0..ROUNDS {
            let _copying = state.copying.lock().unwrap_or_else(PoisonError::into_inner);
            match checkpoint(&connection, "PRAGMA wal_checkpoint(PASSIVE)") {
                Ok(length) if length.rest() > limits.rest => {}
                // Space may come back.
                Ok(_) | Err(StoreError::Full) => break,
                Err(failed) => return Err(failed),
            }
        }
    }
    Ok(())
}

fn take<T>(from: &Mutex<Option<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn checkpoint(connection: &Connection, pragma: &str) -> Result<Length, StoreError> {
    let length = connection.prepare_cached(pragma)?.query_row([], |row| {
        // Both are -1 where there is no log yet.
        let (pages, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Length { pages: pages.max(0) as u32, copied: copied.max(0) as u32 })
    })?;
    Ok(length)
}
