//! Who gets receipts for the entries of stored runs.

use malote_common::{MailboxId, Seq, codec};
use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{PersonId, StoreError};
use super::span::{self, Span};
use super::{number, unexpected};

/// Who gets receipts for entries that follow each other: how many of them are whose.
#[derive(Debug, Default)]
pub struct Authors(Vec<(u64, Option<u64>)>);

impl Authors {
    pub fn decode(bytes: &[u8]) -> Result<Authors, StoreError> {
        codec::decode(bytes).map(Authors).map_err(unexpected)
    }

    /// Whether they are those of so many entries.
    pub fn are(&self, entries: u64) -> bool {
        self.0.iter().try_fold(0u64, |sum, (count, _)| sum.checked_add(*count)) == Some(entries)
    }

    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        codec::encode(&self.0).map_err(unexpected)
    }

    pub fn push(&mut self, author: Option<PersonId>) {
        let author = author.map(|person| person.0);
        match self.0.last_mut() {
            Some((count, last)) if *last == author => *count += 1,
            _ => self.0.push((1, author)),
        }
    }
}

/// What is known of a run without its entries.
pub struct Outline {
    pub first: Seq,
    pub last: Seq,
    pub authors: Authors,
}

impl Outline {
    /// Each stretch of entries with the same author that reaches into `from..=to`, by the last of them that lies there.
    pub fn authors(&self, from: Seq, to: Seq) -> impl Iterator<Item = (PersonId, Seq)> {
        let mut next = self.first;
        self.authors.0.iter().filter_map(move |(count, author)| {
            let (first, last) = (next, next.saturating_add(*count).saturating_sub(1));
            next = last.saturating_add(1);
            author.filter(|_| first <= to && last >= from).map(|author| (PersonId(author), last.min(to)))
        })
    }
}

/// Shows the outlines of a mailbox's stored runs that reach into `from..=to`, in order. `newest` is the mailbox's newest span.
pub fn outlines(
    tx: &Transaction,
    mailbox: MailboxId,
    newest: &Span,
    (from, to): (Seq, Seq),
    mut show: impl FnMut(&Outline),
) -> Result<(), StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT authors FROM run WHERE id = ? AND mailbox = ? AND last = ? AND count = ?")?;
    let mut next = from;
    while next <= to {
        let runs = span::runs_from(tx, mailbox, newest, next)?;
        let Some(end) = runs.last() else { break };
        next = end.last + 1;
        for run in runs.iter().take_while(|run| run.first <= to) {
            let count = run.last - run.first + 1;
            let found: Option<Vec<u8>> = statement
                .query_row(params![run.id, number(mailbox.0), number(run.last), number(count)], |row| row.get(0))
                .optional()?;
            let authors = found.map(|bytes| Authors::decode(&bytes)).transpose()?.filter(|authors| authors.are(count));
            let missing = || unexpected(format!("the authors of mailbox {} up to {} are missing", mailbox.0, run.last));
            show(&Outline { first: run.first, last: run.last, authors: authors.ok_or_else(missing)? });
        }
    }
    Ok(())
}
