//! The frames of protocol version 1, after the two opening ones of [`crate::hello`].
//!
//! The order of variants and fields is the wire format: new variants go to the end, and a changed one is a new
//! protocol version. `golden` in the tests holds the bytes of each.

use serde::{Deserialize, Serialize};

use crate::address::Name;
use crate::codec::{self, FrameError};
use crate::message::{Entry, Epoch, MailboxId, Outcome, Seq, Submission};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// The Ed25519 signature over [`crate::login::statement`].
    Proof {
        #[serde(with = "crate::codec::bytes")]
        signature: Vec<u8>,
    },
    /// Asks for a mailbox, its own or that of a room it is in, from the entry behind `after` on, now and from now on.
    /// `epoch` is the one that the server told; a client that knew another one begins with what is before the first entry
    /// that it may see, which is `after` 0 in its own mailbox.
    Resume { mailbox: MailboxId, epoch: Epoch, after: Seq },
    /// Posts a message.
    Submit(Submission),
    /// All entries up to `seq` are on this device's disk.
    Acknowledge { mailbox: MailboxId, seq: Seq },
    /// These entries were opened: at most [`crate::limits::READ_PER_FRAME`].
    Read { mailbox: MailboxId, seqs: Vec<Seq> },
    /// Asks for the page of the directory behind the person with the number `after`; from the first page on, the
    /// client is told who comes and goes.
    People { after: Option<u64> },
    /// Asks for a [`ServerFrame::Pong`] with the same token.
    Ping { token: u64 },
    /// Answers a [`ServerFrame::Ping`].
    Pong { token: u64 },
    /// Asks for the page of the list of rooms behind the room of this name, in alphabetical order of folded names.
    Rooms { after: Option<Name> },
    /// Enters a room; `create` makes it where there is none. Answered by [`ServerFrame::Entered`], also where the person
    /// is in it already, or [`ServerFrame::RoomRefused`].
    Enter { room: Name, create: bool },
    /// Leaves a room. Answered by [`ServerFrame::Left`], also where the person is not in it, or
    /// [`ServerFrame::RoomRefused`].
    Leave { room: Name },
    /// Asks for the page of a room's members behind the person with the number `after`. Whether asked or not, whoever has
    /// resumed a room is told who enters and leaves it.
    Members { mailbox: MailboxId, after: Option<u64> },
    /// Takes a chosen name, or goes back to the given one. Answered by [`ServerFrame::Named`] or
    /// [`ServerFrame::NameRefused`].
    TakeName { name: Option<Name> },
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerFrame {
    /// The proof held; this is who you are.
    Welcome(Welcome),
    /// Answers the submission with this counter, in the order of its targets.
    Outcomes { counter: u64, outcomes: Vec<Outcome> },
    /// One entry of a mailbox that the client has resumed; they come in rising order without gaps.
    Delivery { mailbox: MailboxId, seq: Seq, entry: Entry },
    /// A page of the directory in rising order of numbers; `more` where it is not the last.
    People { people: Vec<Person>, more: bool },
    /// People who came, left or changed since the last such frame or page.
    Presence { people: Vec<Person> },
    /// Asks for a [`ClientFrame::Pong`] with the same token.
    Ping { token: u64 },
    /// Answers a [`ClientFrame::Ping`].
    Pong { token: u64 },
    /// The server closes the connection and says why.
    Closing(Closing),
    /// Answers a [`ClientFrame::Read`]: the receipts for these entries are on the server's disk. None of them where
    /// the disk is full.
    ReadNoted { mailbox: MailboxId, seqs: Vec<Seq> },
    /// A page of the list of rooms; `more` where it is not the last.
    Rooms { rooms: Vec<Room>, more: bool },
    /// The client's person is in this room now, by this device or another; `created` where it made the room.
    Entered { membership: Membership, created: bool },
    /// The client's person is not in this room any more; nothing more of it will come.
    Left { room: Name, mailbox: MailboxId },
    /// Answers a [`ClientFrame::Enter`] or [`ClientFrame::Leave`].
    RoomRefused { room: Name, why: RoomRefusal },
    /// A page of a room's members in rising order of numbers; `more` where it is not the last. A page that was not asked
    /// for is the first one of a list that replaces what was told before.
    Members { mailbox: MailboxId, people: Vec<Person>, more: bool },
    /// Somebody has entered a room that the client has resumed, or left it.
    Member { mailbox: MailboxId, person: Person, entered: bool },
    /// The client's person is called so now, by this device or another.
    Named { name: Name },
    /// Answers a [`ClientFrame::TakeName`].
    NameRefused { name: Name, why: NameRefusal },
}

/// What a client learns on login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who the server says the client is: the name to show, and the number in the given name.
    pub name: Name,
    pub number: u64,
    /// The person's own mailbox, its epoch and its newest entry's number.
    pub mailbox: MailboxId,
    pub epoch: Epoch,
    pub last_seq: Seq,
    /// The highest counter that the server has seen of this device, 0 for none.
    pub last_counter: u64,
    pub limits: Limits,
    /// The rooms that the person is in, [`crate::address::EVERYBODY`] among them: at most
    /// [`crate::limits::ROOMS_PER_PERSON`].
    pub rooms: Vec<Membership>,
}

/// A person's place in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub room: Name,
    pub mailbox: MailboxId,
    pub epoch: Epoch,
    /// The first entry that this person may see.
    pub first: Seq,
    /// The newest entry.
    pub last_seq: Seq,
}

/// One line of the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub name: Name,
    pub mailbox: MailboxId,
    /// How many people are in it.
    pub members: u64,
}

/// The server's limits, in bytes and pieces; see [`crate::limits`] for what each is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub subject_bytes: u32,
    pub body_bytes: u32,
    pub recipients: u32,
    pub frame_bytes: u32,
    pub window: u32,
}

/// One line of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The number in the name that the server gave, which never changes.
    pub number: u64,
    /// The name to show.
    pub name: Name,
    /// Whether any device of this person is connected.
    pub connected: bool,
}

/// Why somebody cannot have a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameRefusal {
    /// Somebody else has it.
    Taken,
    /// It looks like this name, which somebody else has (Unicode Technical Standard 39, 4).
    LooksLike(Name),
    /// It is kept for the program's own use, or looks like such a name.
    Reserved,
    /// Somebody else gave it up not long ago, and mail for them may still come.
    GivenUp,
    /// Worth trying again after so many milliseconds.
    RateLimited { retry_after_ms: u64 },
    /// The server's disk is full.
    ServerFull,
}

/// Why somebody cannot enter or leave a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomRefusal {
    /// There is no such room.
    Unknown,
    /// A new room's name would look like this room's name.
    LooksLike(Name),
    /// It is kept for the program's own use, or looks like such a name. Nobody leaves the room of everybody.
    Reserved,
    /// The person is in [`crate::limits::ROOMS_PER_PERSON`] rooms already.
    TooManyRooms,
    /// Worth trying again after so many milliseconds.
    RateLimited { retry_after_ms: u64 },
    /// The server's disk is full, or it has [`crate::limits::ROOMS`] rooms.
    ServerFull,
}

impl NameRefusal {
    /// The name under which scripts know it, as in `malote-cli --json name`.
    pub fn code(&self) -> &'static str {
        match self {
            NameRefusal::Taken => "taken",
            NameRefusal::LooksLike(_) => "looks_like",
            NameRefusal::Reserved => "reserved",
            NameRefusal::GivenUp => "given_up",
            NameRefusal::RateLimited { .. } => "rate_limited",
            NameRefusal::ServerFull => "server_full",
        }
    }
}

impl RoomRefusal {
    /// The name under which scripts know it, as in `malote-cli --json join`.
    pub fn code(&self) -> &'static str {
        match self {
            RoomRefusal::Unknown => "unknown_room",
            RoomRefusal::LooksLike(_) => "looks_like",
            RoomRefusal::Reserved => "reserved",
            RoomRefusal::TooManyRooms => "too_many_rooms",
            RoomRefusal::RateLimited { .. } => "rate_limited",
            RoomRefusal::ServerFull => "server_full",
        }
    }
}

/// Why a server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// A frame could not be read or did not fit the conversation.
    ProtocolError,
    /// The signature does not prove the key.
    WrongProof,
    /// As many clients as the server was told to allow are connected.
    ServerFull,
    /// The same device has connected again.
    Superseded,
    /// The server is being stopped.
    ShuttingDown,
    /// Nothing was heard for too long.
    Silent,
    /// The server cannot write to its disk any more.
    StoreFailed,
}

impl Default for Limits {
    fn default() -> Limits {
        use crate::limits::*;
        Limits {
            subject_bytes: SUBJECT_BYTES as u32,
            body_bytes: BODY_BYTES as u32,
            recipients: RECIPIENTS as u32,
            frame_bytes: FRAME_BYTES as u32,
            window: WINDOW as u32,
        }
    }
}

/// Appends a [`ServerFrame::Delivery`] around an entry that is encoded already, as it lies in the store.
pub fn append_delivery(wire: &mut Vec<u8>, mailbox: MailboxId, seq: Seq, entry: &[u8]) -> Result<(), FrameError> {
    /// The same variant with nothing behind the numbers.
    #[derive(Serialize)]
    enum Head {
        #[allow(dead_code)]
        Welcome,
        #[allow(dead_code)]
        Outcomes,
        Delivery {
            mailbox: MailboxId,
            seq: Seq,
        },
    }
    codec::append_frame(wire, |wire| {
        codec::append(wire, &Head::Delivery { mailbox, seq })?;
        wire.extend_from_slice(entry);
        Ok(())
    })
}
