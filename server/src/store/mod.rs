//! Where everything lives that must survive: people, names, devices, mailboxes, and the answers already given.
//!
//! [`Store`] is the contract; [`sqlite`] is the embedded backend. A second one for several servers at once is meant
//! to fit behind the same trait, so nothing outside a store may assume that it is the only one who writes to it.

#[cfg(test)]
pub mod contract;
mod names;
mod run;
pub mod sqlite;

use malote_common::frame::{Membership, NameRefusal, Person, Room, RoomRefusal};
use malote_common::{DeviceId, Epoch, MailboxId, Message, Name, Outcome, Seq, Submission, Timestamp};

pub use run::Run;

/// A person's number, the one in `UsuarioN`. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(pub u64);

/// What a server keeps, and what it promises about it.
///
/// *Durable.* [`Store::commit`] returns `Ok` only when all of the batch would survive a power cut. After
/// [`StoreError::Full`] nothing of the batch was carried out, and the store goes on working; what changes nothing never
/// meets it. After [`StoreError::Failed`] nothing is known of the batch; the caller must end and start anew, never try
/// again.
///
/// *Ordered.* Operations are carried out in the order of the batch, batches in the order of calls; each operation
/// sees those before it. Entries of one mailbox are numbered 1, 2, 3, … without gaps, in the order in which they
/// were appended; a number is never used twice within an epoch.
///
/// *Idempotent.* A submission is named by its device and counter. Carrying out one that is among the device's last
/// [`malote_common::limits::WINDOW`] counters gives the same answer and appends nothing. Acknowledging or reading
/// what is acknowledged or read already appends nothing.
///
/// *In turn.* A device's submissions are carried out in rising order of their counters. Refused as
/// [`Outcome::OutOfTurn`] are inquiries after what was not carried out, and what
/// [would overtake](Submission::would_overtake) one that was refused for a passing reason, here or on its way, which
/// leaves a gap behind the highest counter.
///
/// *Named.* No two people have names in use that are the same or look alike, and what somebody gave up leads nowhere and
/// stays out of others' reach for [`malote_common::limits::NAME_REST`], of which no leap of the clock takes more than a few
/// days. The given name leads to its person always.
///
/// *Apart.* A message to a room is one entry of the room's mailbox, whatever the number of its members, and only members
/// put one there. A room in which nobody ever wrote goes with its last member, unless the server needs it. A member may see it from [`Membership::first`] on: what came while they were in the room, and the
/// [`malote_common::limits::ROOM_HISTORY`] entries before. Everybody is in the room of everybody, from their first login.
///
/// *Bounded.* Per device, `WINDOW` answers are kept; per mailbox, at most
/// [`malote_common::limits::MAILBOX_ENTRIES`] messages wait undelivered; [`Store::entries`] and [`Store::people`]
/// return no more than they are asked for. Receipts are few against what they are for, and are always appended.
///
/// `contract::check` holds every backend to this.
pub trait Store: Send {
    /// Carries out a batch as one transaction; `answers[i]` belongs to `batch[i]`.
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Committed, StoreError>;

    /// Entries of a mailbox behind `after`, in order: as many as fit into `max_bytes` of runs, and at least one if there is
    /// one. Where they were cut when they were stored does not show.
    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError>;

    /// Up to `limit` people with numbers above `after`, in order. `connected` is false: a store does not know.
    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError>;

    /// Up to `limit` rooms behind the one called `after`, in the order of their folded names.
    fn rooms(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError>;

    /// Up to `limit` members of a room with numbers above `after`, in order. `connected` is false, as above.
    fn members(&mut self, room: MailboxId, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError>;
}

/// A change to what is stored.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Somebody has proved to hold `key`. A new key becomes a new person, with the next number and a mailbox.
    Login { key: [u8; 32], device: DeviceId },
    /// A person posts a message; answered by [`Answer::Submitted`].
    Submit { author: PersonId, device: DeviceId, submission: Submission },
    /// A person has all entries of a mailbox up to `seq`. The authors of the messages among them get receipts.
    Acknowledge { mailbox: MailboxId, seq: Seq },
    /// A person has opened these entries of a mailbox. The authors of the messages among them get receipts.
    Read { mailbox: MailboxId, seqs: Vec<Seq> },
    /// A person wants to be called so; nothing stands for the given name. Answered by [`Answer::Named`] or
    /// [`Answer::NameRefused`].
    TakeName { person: PersonId, name: Option<Name> },
    /// A person enters a room; `create` makes it where there is none. Answered by [`Answer::Entered`] or
    /// [`Answer::RoomRefused`].
    Enter { person: PersonId, room: Name, create: bool },
    /// A person leaves a room. Answered by [`Answer::Left`] or [`Answer::RoomRefused`].
    Leave { person: PersonId, room: Name },
    /// The server itself needs this room, and makes it where there is none. Answered by [`Answer::Opened`].
    OpenRoom { room: Name },
    /// Somebody who is no person says something in a room. Answered by [`Answer::Noted`].
    Post { room: MailboxId, from: Name, message: Message },
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// One for each operation.
    pub answers: Vec<Answer>,
    /// The new entries: runs of each mailbox that got any, in the order of their numbers.
    pub appended: Vec<Run>,
}

/// What came of an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    LoggedIn(Login),
    /// One outcome per target.
    Submitted {
        outcomes: Vec<Outcome>,
    },
    /// For [`Operation::Acknowledge`], [`Operation::Read`] and [`Operation::Post`].
    Noted,
    /// The name to show from now on.
    Named(Name),
    NameRefused(NameRefusal),
    /// `created` where the room is new, `changed` where the person was not in it before.
    Entered {
        membership: Membership,
        created: bool,
        changed: bool,
    },
    /// `changed` where the person was in it before.
    Left {
        mailbox: MailboxId,
        changed: bool,
    },
    RoomRefused(RoomRefusal),
    Opened {
        mailbox: MailboxId,
        last_seq: Seq,
    },
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub person: PersonId,
    pub name: Name,
    pub mailbox: MailboxId,
    pub epoch: Epoch,
    pub last_seq: Seq,
    /// The highest counter carried out for this device; 0 for none.
    pub last_counter: u64,
    /// Whether this key was never seen before.
    pub is_new: bool,
    /// The rooms that the person is in.
    pub rooms: Vec<Membership>,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left; nothing was carried out.
    #[error("the disk is full")]
    Full,
    /// The store cannot be relied on any more.
    #[error("{0}")]
    Failed(String),
}
