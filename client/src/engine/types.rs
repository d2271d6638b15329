//! What goes into an engine, and what comes out.

use std::time::{Duration, Instant};

use malote_common::fingerprint::Fingerprint;
use malote_common::frame::{Closing, NameRefusal, Person, Room, RoomRefusal};
use malote_common::{Address, Content, MailboxId, MessageId, Name, Seq, Timestamp};

use crate::archive::{ArchiveError, Change, Draft, News};

/// The time, as the driver read it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For delays.
    pub instant: Instant,
    /// For showing to people, and for delays that outlast the program.
    pub wall: Timestamp,
}

/// What a user wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Answered by [`Event::Queued`] with the same token, or [`Event::NotQueued`].
    Send {
        token: u64,
        to: Vec<Address>,
        content: Content,
        in_reply_to: Option<MessageId>,
    },
    /// The user opened a message: its row, and its place at the server.
    Open {
        row: i64,
        mailbox: MailboxId,
        seq: Seq,
    },
    /// The user empties the inbox, or a room's list.
    Clear {
        clearing: i64,
        room: Option<MailboxId>,
    },
    Restore {
        clearing: i64,
    },
    SaveDraft(Draft),
    /// Whether authors learn that their messages were opened.
    TellRead(bool),
    /// The user was asked for a name, and is not asked again by itself.
    AskedName,
    /// Enter a room; `create` makes it where there is none. Asked until it is answered, by [`Event::Entered`] or
    /// [`Event::RoomRefused`].
    Enter {
        room: Name,
        create: bool,
    },
    /// Answered in the same way by [`Event::Left`] or [`Event::RoomRefused`].
    Leave {
        room: Name,
    },
    /// Take a name, or the given one back. Answered in the same way by [`Event::Named`] or [`Event::NameRefused`].
    TakeName {
        name: Option<Name>,
    },
    /// Answered by [`Event::Rooms`], if there is a connection.
    ListRooms,
    /// Answered by [`Event::Members`], now and after each reconnection.
    ListMembers {
        mailbox: MailboxId,
    },
    /// Do not wait any longer before the next attempt to connect.
    ConnectNow,
    /// From now on this is the key of the server at this address.
    Trust(Fingerprint),
}

/// What users learn.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Status(Status),
    /// A page of the directory; `complete` when all have been told.
    People {
        people: Vec<Person>,
        complete: bool,
    },
    /// People who came, left or changed their names just now.
    Presence {
        people: Vec<Person>,
    },
    /// Something changed in the archive.
    News(News),
    /// A message is on this computer's disk, and goes out by itself.
    Queued {
        token: u64,
        id: MessageId,
    },
    /// All that waited at the server is here.
    CaughtUp,
    /// All rooms that there are.
    Rooms {
        rooms: Vec<Room>,
    },
    /// All who are in a room.
    Members {
        mailbox: MailboxId,
        people: Vec<Person>,
    },
    /// Somebody has entered a room that we are in, or left it.
    Member {
        mailbox: MailboxId,
        person: Person,
        entered: bool,
    },
    /// We are in this room now; `created` where it is new.
    Entered {
        room: Name,
        mailbox: MailboxId,
        created: bool,
    },
    /// We are not in this room any more.
    Left {
        room: Name,
        mailbox: MailboxId,
    },
    RoomRefused {
        room: Name,
        why: RoomRefusal,
    },
    /// We are called so now.
    Named {
        name: Name,
    },
    NameRefused {
        name: Name,
        why: NameRefusal,
    },
    /// A message could not be written; it is not on this computer's disk, and [`Event::NotKept`] says why.
    NotQueued {
        token: u64,
    },
    /// A change could not be written; nothing of it happened.
    NotKept(ArchiveError),
    /// The first change since then is on this computer's disk.
    KeptAgain,
}

/// How it stands with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Connecting,
    Online {
        name: Name,
        /// The number in our given name.
        number: u64,
    },
    /// Not connected, and trying again after the given time.
    Waiting {
        problem: Problem,
        retry_in: Duration,
    },
    /// Not connected, and not trying again before the user does something.
    Stopped {
        problem: Problem,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No computer has that name.
    UnknownHost,
    /// The computer answers, but nothing listens on that port.
    Refused,
    /// The computer does not answer.
    Unreachable,
    /// Something listens there, and it is not a Malote server.
    NotMalote,
    /// The server has another key than before.
    KeyChanged { expected: Fingerprint, found: Fingerprint },
    /// The server speaks other versions only.
    Version,
    /// The connection broke.
    Lost,
    /// The server says nothing any more.
    Silent,
    /// The server closed the connection and said why.
    Closed(Closing),
    /// This computer's disk does not take what came.
    Disk(ArchiveError),
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Dial the server.
    Connect,
    /// Send these bytes.
    Send(Vec<u8>),
    Disconnect,
    /// Hang up, and begin anew with an engine that has what is on the disk.
    Reload,
    /// Write this to the disk before doing anything that stands behind it.
    Keep(Change),
    Tell(Event),
}
