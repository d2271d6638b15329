//! The frames of protocol version 1, after the two opening ones of [`crate::hello`].
//!
//! The order of variants and fields is the wire format: new variants go to the end, and a changed one is a new
//! protocol version. `golden` in the tests holds the bytes of each.

use serde::{Deserialize, Serialize};

use crate::address::Name;
use crate::message::{Entry, Epoch, MailboxId, Outcome, Seq, Submission};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// The Ed25519 signature over [`crate::login::statement`].
    Proof {
        #[serde(with = "crate::codec::bytes")]
        signature: Vec<u8>,
    },
    /// Asks for a mailbox from the entry behind `after` on, now and from now on. `epoch` is the one that the welcome
    /// told; a client that knew another one begins with `after` 0.
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
}

/// What a client learns on login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who the server says the client is.
    pub name: Name,
    /// The person's own mailbox, its epoch and its newest entry's number.
    pub mailbox: MailboxId,
    pub epoch: Epoch,
    pub last_seq: Seq,
    /// The highest counter that the server has seen of this device, 0 for none.
    pub last_counter: u64,
    pub limits: Limits,
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

/// The body of a [`ServerFrame::Delivery`] around an entry that is encoded already, as it lies in the store.
pub fn delivery_body(mailbox: MailboxId, seq: Seq, entry: &[u8]) -> Result<Vec<u8>, crate::codec::FrameError> {
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
    let mut body = crate::codec::encode(&Head::Delivery { mailbox, seq })?;
    body.extend_from_slice(entry);
    Ok(body)
}
