//! Entries that follow each other in one mailbox, the way they are written, read and handed on: many at once.

use std::sync::Arc;

use malote_common::{MailboxId, Seq, codec};

/// Consecutive entries of one mailbox, each an encoded [`malote_common::Entry`], shared by all who read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub mailbox: MailboxId,
    /// The first entry's number.
    pub first: Seq,
    /// The last entry's number; at least `first`.
    pub last: Seq,
    /// The entries, each with its length before it, as [`codec::write_frame`] writes it.
    pub bytes: Arc<[u8]>,
}

impl Run {
    /// A single entry.
    pub fn of_one(mailbox: MailboxId, seq: Seq, entry: &[u8]) -> Run {
        let mut bytes = Vec::with_capacity(entry.len().saturating_add(codec::HEADER_BYTES));
        codec::write_frame(&mut bytes, entry);
        Run { mailbox, first: seq, last: seq, bytes: bytes.into() }
    }

    /// The entries with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        (self.first..=self.last).zip(codec::frames(&self.bytes))
    }
}
