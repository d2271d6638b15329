//! Who wrote the entries of stored runs, and who gets receipts for them.

use malote_common::{MailboxId, Seq, codec};
use rusqlite::{OptionalExtension, Transaction};

use super::super::{PersonId, StoreError};
use super::damage::Found;
use super::span::{self, Span, Stored};
use super::{runs, sum, unexpected};

/// Who wrote an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// Nobody who can be told anything.
    Nobody,
    /// A person, who gets receipts for it.
    Sender(PersonId),
    /// A member of the room that it is in, who gets none: those of a thousand members would be a thousand for one message.
    Member(PersonId),
}

impl Author {
    pub fn person(self) -> Option<PersonId> {
        match self {
            Author::Nobody => None,
            Author::Sender(person) | Author::Member(person) => Some(person),
        }
    }
}

/// The authors of entries that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    /// Whether they get no receipts.
    is_room: bool,
    /// How many entries are whose.
    stretches: Vec<(u64, Option<u64>)>,
}

impl Authors {
    /// From a column, where that is as it was written for this run of a mailbox.
    pub fn unseal(mailbox: MailboxId, run: &Stored, sealed: &[u8]) -> Option<Authors> {
        let (is_room, stretches) = codec::decode(sum::unseal(&run.place(mailbox), sealed)?).ok()?;
        let authors = Authors { is_room, stretches };
        let entries = authors.stretches.iter().try_fold(0u64, |sum, (count, _)| sum.checked_add(*count));
        (entries == Some(run.count())).then_some(authors)
    }

    pub fn seal(&self, mailbox: MailboxId, run: &Stored) -> Result<Vec<u8>, StoreError> {
        let bytes = codec::encode(&(self.is_room, &self.stretches)).map_err(unexpected)?;
        Ok(sum::seal(&run.place(mailbox), bytes))
    }

    pub fn push(&mut self, author: Author) {
        self.is_room |= matches!(author, Author::Member(_));
        let person = author.person().map(|person| person.0);
        match self.stretches.last_mut() {
            Some((count, last)) if *last == person => *count = count.saturating_add(1),
            _ => self.stretches.push((1, person)),
        }
    }

    /// One for each entry.
    pub fn each(&self) -> impl Iterator<Item = Author> {
        self.stretches.iter().flat_map(|(count, person)| {
            let author = match person {
                None => Author::Nobody,
                Some(number) if self.is_room => Author::Member(PersonId(*number)),
                Some(number) => Author::Sender(PersonId(*number)),
            };
            (0..*count).map(move |_| author)
        })
    }
}

/// What is known of a run without its entries.
pub struct Outline {
    pub first: Seq,
    pub last: Seq,
    pub authors: Authors,
}

impl Outline {
    /// Each stretch of entries with the same author that reaches into `from..=to`, by the last of them that lies there. Only
    /// authors who get receipts.
    pub fn senders(&self, from: Seq, to: Seq) -> impl Iterator<Item = (PersonId, Seq)> {
        let mut next = self.first;
        self.authors.stretches.iter().filter(|_| !self.authors.is_room).filter_map(move |(count, author)| {
            let (first, last) = (next, next.saturating_add(*count).saturating_sub(1));
            next = last.saturating_add(1);
            author.filter(|_| first <= to && last >= from).map(|author| (PersonId(author), last.min(to)))
        })
    }
}

/// Shows the outlines of a mailbox's stored runs that reach into `from..=to`, in order. `newest` is the mailbox's newest span.
pub fn outlines(
    tx: &Transaction,
    found: &Found,
    mailbox: MailboxId,
    newest: &Span,
    (from, to): (Seq, Seq),
    mut show: impl FnMut(&Outline),
) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached("SELECT authors FROM run WHERE id = ?")?;
    let mut next = from;
    while next <= to {
        let runs = span::runs_from(tx, mailbox, newest, next)?;
        let Some(end) = runs.last() else { break };
        next = end.last.saturating_add(1);
        for run in runs.iter().take_while(|run| run.first <= to) {
            let sealed: Option<Vec<u8>> = statement.query_row([run.id], |row| row.get(0)).optional()?;
            let authors = match sealed.and_then(|sealed| Authors::unseal(mailbox, run, &sealed)) {
                Some(authors) => authors,
                None => {
                    found.add(mailbox, *run);
                    runs::mend(tx, mailbox, run)?.outline.authors
                }
            };
            show(&Outline { first: run.first, last: run.last, authors });
        }
    }
    Ok(())
}
