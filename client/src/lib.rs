//! Malote's client without a face: the window and the command line are two users of it.
//!
//! [`engine`] decides what to send, keep and show, without input or output. [`archive`] keeps it on disk, in the
//! [`profile`]'s folder. [`client`] is the thread that connects the two with a server.
//!
//! What may panic or wrap around is denied, so that no byte from the network or the disk can make it happen.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod address;
pub mod archive;
pub mod backoff;
pub mod client;
pub mod connection;
pub mod discovery;
pub mod doctor;
pub mod engine;
pub mod explain;
pub mod people;
pub mod profile;

pub use address::ServerAddress;
pub use archive::{Archive, ArchiveError, Reader};
pub use client::{Client, Options};
pub use discovery::{Discovery, Found};
pub use doctor::Checkup;
pub use engine::{Command, Event, Problem, Status};
pub use people::People;
pub use profile::{Profile, ProfileError};
