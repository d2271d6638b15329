//! The answers that are kept for a device, so that what is asked twice is answered alike.

use malote_common::{MessageId, Outcome, codec, limits};

use super::super::StoreError;
use super::unexpected;

/// A device's last answers in the order of their counters, encoded one behind the other.
pub struct Answers(pub Vec<u8>);

impl Answers {
    /// What was answered to this counter, and for which message.
    pub fn find(&self, counter: u64) -> Result<Option<(MessageId, Vec<Outcome>)>, StoreError> {
        let mut rest = &self.0[..];
        while !rest.is_empty() {
            let ((found, message, outcomes), behind) = first(rest)?;
            if found == counter {
                return Ok(Some((message, outcomes)));
            }
            rest = behind;
        }
        Ok(None)
    }

    /// Forgets what is behind the window that ends with `newest`, which is what retries cannot reach any more.
    pub fn forget_before(&mut self, newest: u64) -> Result<(), StoreError> {
        let mut rest = &self.0[..];
        while !rest.is_empty() {
            let ((counter, ..), behind) = first(rest)?;
            if is_kept(counter, newest) {
                break;
            }
            rest = behind;
        }
        let forgotten = self.0.len().saturating_sub(rest.len());
        self.0.drain(..forgotten);
        Ok(())
    }

    pub fn push(&mut self, counter: u64, message: MessageId, outcomes: &[Outcome]) -> Result<(), StoreError> {
        codec::append(&mut self.0, &(counter, message, outcomes)).map_err(unexpected)
    }
}

/// Whether the answer to a counter is still kept when `newest` has been answered.
pub fn is_kept(counter: u64, newest: u64) -> bool {
    counter.saturating_add(limits::WINDOW) > newest
}

type Kept = (u64, MessageId, Vec<Outcome>);

fn first(answers: &[u8]) -> Result<(Kept, &[u8]), StoreError> {
    codec::decode_first(answers).map_err(unexpected)
}
