//! What sessions ask of the post office, and what it tells them.

use std::sync::Arc;

use malote_common::frame::{Membership, NameRefusal, Person, Room, RoomRefusal};
use malote_common::{DeviceId, MailboxId, Message, Name, Outcome, Seq, Submission};

use super::News;
use crate::store::{Login, Run};

/// A connection, for as long as it lasts. Those made later have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What sessions ask of the post office.
#[derive(Clone, Debug)]
pub enum Request {
    /// The session's client has proved to hold this key. Answered by [`Event::LoggedIn`] or [`Event::Full`].
    Login { key: [u8; 32], device: DeviceId },
    /// Answered by [`Event::Outcomes`].
    Submit(Submission),
    /// The client has everything up to `seq`.
    Acknowledge { mailbox: MailboxId, seq: Seq },
    /// Answered by [`Event::ReadNoted`].
    Read { mailbox: MailboxId, seqs: Vec<Seq> },
    /// Has everything up to `after` and wants to be told of new entries.
    Resume { mailbox: MailboxId, after: Seq },
    /// Wants the page behind `after`. Answered by [`Event::Page`], unless the session may not read that mailbox.
    Fetch { mailbox: MailboxId, after: Seq },
    /// Wants a page of the directory, and to be told of changes. Answered by [`Event::People`].
    People { after: Option<u64> },
    /// Wants a page of the list of rooms. Answered by [`Event::Rooms`].
    Rooms { after: Option<Name> },
    /// Wants a page of a room's members. Answered by [`Event::Members`].
    Members { mailbox: MailboxId, after: Option<u64> },
    /// Answered by [`Event::Entered`] or [`Event::RoomRefused`].
    Enter { room: Name, create: bool },
    /// Answered by [`Event::Left`] or [`Event::RoomRefused`].
    Leave { room: Name },
    /// Answered by [`Event::Named`] or [`Event::NameRefused`].
    TakeName { name: Option<Name> },
    /// The connection is over.
    Gone,
    /// The server's own web listener wants to hear what is said in this room, which is made where there is none. No
    /// session of a client says this or what follows. Answered by [`Event::Bridged`].
    Bridge { room: Name },
    /// A visitor of the web listener says something in the room that it hears.
    Post { from: Name, message: Message },
}

/// What the post office tells a session.
#[derive(Clone, Debug)]
pub enum Event {
    LoggedIn(Box<Login>),
    /// As many clients as are allowed are here already.
    Full,
    /// The same device has logged in on another connection, which takes this one's place.
    Superseded,
    Outcomes {
        counter: u64,
        outcomes: Vec<Outcome>,
    },
    /// New entries of a mailbox that the session has resumed.
    Entries(Run),
    /// What the session fetched; nothing where it has seen all that there is.
    Page {
        mailbox: MailboxId,
        entries: Vec<Run>,
    },
    People {
        people: Vec<Person>,
        more: bool,
    },
    /// Who comes and goes, for those who watch or have resumed a room.
    News(Arc<News>),
    ReadNoted {
        mailbox: MailboxId,
        seqs: Vec<Seq>,
    },
    Rooms {
        rooms: Vec<Room>,
        more: bool,
    },
    Members {
        mailbox: MailboxId,
        people: Vec<Person>,
        more: bool,
    },
    /// The session's person has entered a room, by this session (`asked`) or another.
    Entered {
        membership: Membership,
        created: bool,
        asked: bool,
    },
    Left {
        room: Name,
        mailbox: MailboxId,
        asked: bool,
    },
    RoomRefused {
        room: Name,
        why: RoomRefusal,
    },
    Named {
        name: Name,
        asked: bool,
    },
    NameRefused {
        name: Name,
        why: NameRefusal,
    },
    /// The web listener hears this room, from behind `last_seq` on.
    Bridged {
        mailbox: MailboxId,
        last_seq: Seq,
    },
}

impl Request {
    /// What it asks of the store, in look-ups of about the same length.
    pub fn weight(&self) -> usize {
        match self {
            Request::Submit(submission) => submission.targets.len().max(1),
            Request::Read { seqs, .. } => seqs.len().max(1),
            _ => 1,
        }
    }

    /// Bytes of messages that it brings into mailboxes.
    pub fn bytes(&self) -> usize {
        match self {
            Request::Submit(submission) => submission.message.content.len().saturating_mul(submission.targets.len()),
            Request::Post { message, .. } => message.content.len(),
            _ => 0,
        }
    }
}

impl Event {
    /// Whether a session that misses this event can ask for its content later.
    pub fn can_be_missed(&self) -> bool {
        matches!(self, Event::Entries(_) | Event::News(_))
    }
}
