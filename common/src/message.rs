//! Messages, the entries of mailboxes, and what the server answers to a submission.

use serde::{Deserialize, Serialize};

use crate::address::{Address, Name};
use crate::limits;
use crate::time::Timestamp;

/// A message's identity for ever, 16 random bytes chosen by its author's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(#[serde(with = "crate::codec::hex")] pub [u8; 16]);

/// One installation of a client, 16 random bytes. A person may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId(#[serde(with = "crate::codec::hex")] pub [u8; 16]);

/// A mailbox on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxId(pub u64);

/// An entry's number in its mailbox: the first is 1, each further one is greater by one, none is used again.
pub type Seq = u64;

/// Which life of a mailbox a [`Seq`] belongs to. A server restored from a backup has new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(#[serde(with = "crate::codec::hex")] pub [u8; 16]);

/// What an author wrote. The server stores it encoded and never looks inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// One line, at most [`limits::SUBJECT_BYTES`] bytes; may be empty.
    pub subject: String,
    /// At most [`limits::BODY_BYTES`] bytes; may be empty.
    pub body: String,
}

/// A message as its author's program hands it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    /// All recipients, as they are shown to each of them: 1 to [`limits::RECIPIENTS`].
    pub to: Vec<Address>,
    pub in_reply_to: Option<MessageId>,
    /// What the author's clock showed.
    pub sent_at: Timestamp,
    /// An encoded [`Content`] of at most [`limits::CONTENT_BYTES`] bytes.
    #[serde(with = "crate::codec::bytes")]
    pub content: Vec<u8>,
}

/// One attempt to post a message to some of its recipients.
///
/// `(device, counter)` names the attempt: however often it arrives, it is carried out once and answered alike. A
/// recipient that was refused for a passing reason is tried again in a new attempt with the same message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Grows with each submission of a device, from 1.
    pub counter: u64,
    /// The first counter used since the author's program last heard of a passing refusal. Where a submission was
    /// refused for a passing reason, those behind it that were sent before that was known are refused as well
    /// ([`Outcome::OutOfTurn`]): otherwise they would overtake it. 0 makes it an [inquiry](Submission::is_inquiry).
    pub since: u64,
    /// Which of `message.to` to deliver to, as indices in rising order.
    pub targets: Vec<u8>,
    pub message: Message,
}

/// The server's answer for one recipient of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is on the server's disk, as this entry of the recipient's mailbox.
    Accepted { mailbox: MailboxId, seq: Seq },
    /// Nobody bears that name.
    UnknownRecipient,
    /// The room exists and the author is not in it.
    NotAMember,
    /// Subject, body or recipients are over the limits.
    TooLarge,
    /// The submission contradicts itself or the protocol.
    Invalid,
    /// The recipient has [`limits::MAILBOX_ENTRIES`] entries waiting.
    MailboxFull,
    /// The server's disk is full.
    ServerFull,
    /// The author sends faster than the server allows; worth trying again after so many milliseconds.
    RateLimited { retry_after_ms: u64 },
    /// One before it was refused for a passing reason, and this one must not overtake it.
    OutOfTurn,
}

impl Outcome {
    /// Whether a later attempt may end otherwise.
    pub fn is_temporary(self) -> bool {
        use Outcome::{MailboxFull, OutOfTurn, RateLimited, ServerFull};
        matches!(self, MailboxFull | ServerFull | RateLimited { .. } | OutOfTurn)
    }

    /// The name under which scripts know it, as in `malote-cli --json send`.
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Accepted { .. } => "accepted",
            Outcome::UnknownRecipient => "unknown_recipient",
            Outcome::NotAMember => "not_a_member",
            Outcome::TooLarge => "too_large",
            Outcome::Invalid => "invalid",
            Outcome::MailboxFull => "mailbox_full",
            Outcome::ServerFull => "server_full",
            Outcome::RateLimited { .. } => "rate_limited",
            Outcome::OutOfTurn => "out_of_turn",
        }
    }
}

/// What stands under one number in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A message, with what the server vouches for.
    Message {
        /// The author's name when the message was accepted, stamped from the key that logged in.
        from: Name,
        /// The number in the author's given name; nothing for a visitor of the web listener, who is nobody in particular.
        number: Option<u64>,
        /// What the server's clock showed when it accepted the message.
        accepted_at: Timestamp,
        message: Message,
    },
    /// What became of messages that this mailbox's person wrote.
    Receipt(Receipt),
    /// What stood here was damaged on the server's disk. `number` is that of its author, as in a message, where that is known
    /// still; the author was told.
    Damaged { number: Option<u64> },
}

/// An [`Entry`] whose parts belong to others, to be written without copying them. Its bytes are those of the entry.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum EntryRef<'a> {
    Message { from: &'a Name, number: Option<u64>, accepted_at: Timestamp, message: &'a Message },
    Receipt(&'a Receipt),
    Damaged { number: Option<u64> },
}

/// News of messages that somebody wrote, for their author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// All that the author has in this mailbox up to `seq` is on the recipient's own disk.
    Delivered { mailbox: MailboxId, seq: Seq, at: Timestamp },
    /// The recipient has opened this message.
    Read { mailbox: MailboxId, seq: Seq, at: Timestamp },
    /// This message was damaged on the server's disk before the recipient had it, and is not coming.
    Damaged { mailbox: MailboxId, seq: Seq, at: Timestamp },
}

/// What is wrong with a [`Content`] that somebody wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    #[error("the subject has {bytes} bytes; at most {max} are allowed", max = limits::SUBJECT_BYTES)]
    SubjectTooLong { bytes: usize },
    #[error("the body has {bytes} bytes; at most {max} are allowed", max = limits::BODY_BYTES)]
    BodyTooLong { bytes: usize },
}

impl Content {
    /// Checks the limits of what is about to be sent.
    pub fn check(&self) -> Result<(), ContentError> {
        if self.subject.len() > limits::SUBJECT_BYTES {
            return Err(ContentError::SubjectTooLong { bytes: self.subject.len() });
        }
        if self.body.len() > limits::BODY_BYTES {
            return Err(ContentError::BodyTooLong { bytes: self.body.len() });
        }
        Ok(())
    }
}

impl Submission {
    /// What a server can say of a submission without knowing anybody: `None`, or the refusal for all its recipients.
    pub fn refusal(&self) -> Option<Outcome> {
        let recipients = self.message.to.len();
        if recipients > limits::RECIPIENTS || self.message.content.len() > limits::CONTENT_BYTES {
            return Some(Outcome::TooLarge);
        }
        let rising = self.targets.is_sorted_by(|a, b| a < b);
        let within = self.targets.last().is_some_and(|last| usize::from(*last) < recipients);
        let counted = (1..=limits::HIGHEST_COUNTER).contains(&self.counter) && self.since <= self.counter;
        (!rising || !within || !counted).then_some(Outcome::Invalid)
    }

    /// Whether it only asks what became of an earlier attempt with this counter, whose answer was lost with the
    /// connection. Where that was never carried out, it is not carried out now either: what stood before it may have been
    /// refused meanwhile.
    pub fn is_inquiry(&self) -> bool {
        self.since == 0
    }

    /// Whether it was sent without knowing that the one with the counter `refused` was refused for a passing reason.
    pub fn would_overtake(&self, refused: u64) -> bool {
        self.since <= refused && refused < self.counter
    }

    /// The recipients that this submission is for.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.targets.iter().filter_map(|index| self.message.to.get(usize::from(*index)))
    }
}

/// Writes identities the way people and scripts see them: 32 hexadecimal digits.
macro_rules! hexadecimal {
    ($($type:ty),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    )*};
}
hexadecimal!(MessageId, DeviceId, Epoch);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn submission(recipients: u64, targets: &[u8], content: usize) -> Submission {
        Submission {
            counter: 1,
            since: 1,
            targets: targets.to_vec(),
            message: Message {
                id: MessageId([1; 16]),
                to: (0..recipients).map(|n| Address::Person(Name::given(n))).collect(),
                in_reply_to: None,
                sent_at: Timestamp(0),
                content: vec![0; content],
            },
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(submission(3, &[0, 2], 10).refusal(), None);
        assert_eq!(submission(100, &[99], limits::CONTENT_BYTES).refusal(), None);
        assert_eq!(submission(101, &[0], 10).refusal(), Some(Outcome::TooLarge));
        assert_eq!(submission(1, &[0], limits::CONTENT_BYTES + 1).refusal(), Some(Outcome::TooLarge));
        for targets in [&[][..], &[1], &[0, 0], &[1, 0]] {
            assert_eq!(submission(1, targets, 10).refusal(), Some(Outcome::Invalid), "{targets:?}");
        }
        for counter in [0, i64::MAX as u64 + 1, u64::MAX] {
            assert_eq!(Submission { counter, ..submission(1, &[0], 1) }.refusal(), Some(Outcome::Invalid));
        }
    }

    #[test]
    fn a_borrowed_entry_has_the_bytes_of_an_owned_one() {
        let Submission { message, .. } = submission(2, &[0], 300);
        let (from, number, accepted_at) = (Name::given(4), Some(4), Timestamp(1_700_000_000_000));
        let borrowed = codec::encode(&EntryRef::Message { from: &from, number, accepted_at, message: &message });
        assert_eq!(borrowed, codec::encode(&Entry::Message { from, number, accepted_at, message }));
        for receipt in [
            Receipt::Delivered { mailbox: MailboxId(3), seq: 300, at: Timestamp(-5) },
            Receipt::Read { mailbox: MailboxId(70_000), seq: 1, at: Timestamp(5) },
            Receipt::Damaged { mailbox: MailboxId(5), seq: 2, at: Timestamp(0) },
        ] {
            assert_eq!(codec::encode(&EntryRef::Receipt(&receipt)), codec::encode(&Entry::Receipt(receipt)));
        }
    }

    #[test]
    fn contents() {
        let content = |subject, body| Content { subject: "a".repeat(subject), body: "b".repeat(body) };
        assert_eq!(content(998, limits::BODY_BYTES).check(), Ok(()));
        assert_eq!(content(999, 0).check(), Err(ContentError::SubjectTooLong { bytes: 999 }));
        let bytes = limits::BODY_BYTES + 1;
        assert_eq!(content(0, bytes).check(), Err(ContentError::BodyTooLong { bytes }));
    }
}
