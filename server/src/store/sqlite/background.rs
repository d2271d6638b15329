//! Work on the store's file that goes on beside the commits.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tracing::warn;

use super::super::StoreError;

/// A thread with such work. It ends before this is gone.
pub struct Background {
    /// Wakes the thread. Dropped, it ends it.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Background {
    /// Starts a thread of this name. `work` ends when what it is given says that nobody can wake it any more.
    pub fn start(
        name: &str,
        work: impl FnOnce(&Receiver<()>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Background, StoreError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let failure = Arc::new(Mutex::new(None));
        let thread = std::thread::Builder::new().name(name.into()).spawn({
            let failure = failure.clone();
            move || {
                if let Err(error) = work(&woken) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
            }
        });
        let thread = thread.map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Background { wake: Some(wake), thread: Some(thread), failure })
    }

    /// Wakes the thread, unless it is awake or has ended.
    pub fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }

    /// Ends the work, and tells whether it has failed.
    pub fn end(mut self) -> Result<(), StoreError> {
        self.finish();
        self.check()
    }

    fn finish(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("a thread that works on the store has panicked");
        }
    }

    #[cfg(test)]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Fails once the work has failed: the file cannot be relied on.
    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(StoreError::Failed(failure.clone())),
            None => Ok(()),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.finish();
    }
}
