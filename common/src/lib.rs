//! What both sides of Malote's wire agree on: addresses, messages, frames, their encoding, and the limits.
//!
//! Nothing here does input or output or reads a clock. `docs/PROTOCOL.md` describes the same in prose, with the
//! bytes of this crate's golden vectors as examples.

// Everything here reads what strangers sent: nothing may panic or wrap around because of it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod address;
pub mod announcement;
pub mod codec;
pub mod fingerprint;
pub mod frame;
pub mod hello;
pub mod limits;
pub mod login;
pub mod message;
pub mod text;
pub mod time;

pub use address::{Address, Name};
pub use message::{
    Content, DeviceId, Entry, EntryRef, Epoch, MailboxId, Message, MessageId, Outcome, Receipt, Seq, Submission,
};
pub use time::Timestamp;
