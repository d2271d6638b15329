//! How a mailbox's runs are found: each names the one before it, and some of them, the milestones, are in an index.

use malote_common::{MailboxId, Seq, codec};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::{PersonId, StoreError};
use super::{number, unexpected};

/// One of so many runs of a mailbox is a milestone: the way back to an entry is never longer.
const STRIDE: u64 = 16;

/// Where a mailbox's stored runs end.
#[derive(Clone, Copy)]
pub struct Tail {
    /// The newest one's row, 0 where there is none.
    pub newest: i64,
    /// How many there are.
    pub runs: i64,
}

impl Tail {
    /// A run with this last entry was stored as the row `id`.
    pub fn append(&mut self, tx: &Transaction, mailbox: MailboxId, last: Seq, id: i64) -> Result<(), StoreError> {
        (self.newest, self.runs) = (id, self.runs.saturating_add(1));
        // Mailboxes that grow together have their milestones at different times, so that no commit has them all.
        if (mailbox.0.wrapping_add(self.runs as u64)).is_multiple_of(STRIDE) {
            tx.prepare_cached("INSERT INTO milestone (mailbox, last, run) VALUES (?, ?, ?)")?.execute(params![
                number(mailbox.0),
                number(last),
                id
            ])?;
        }
        Ok(())
    }
}

/// Who gets receipts for entries that follow each other: how many of them are whose.
#[derive(Debug, Default)]
pub struct Authors(Vec<(u64, Option<u64>)>);

impl Authors {
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

/// A stored run.
pub struct Stored {
    pub id: i64,
    pub outline: Outline,
}

/// Runs that follow each other in a mailbox whose newest one is `newest`: from the one with the entry `seq` to a milestone
/// or the newest. None where there is no such entry yet.
pub fn stretch(connection: &Connection, mailbox: MailboxId, newest: i64, seq: Seq) -> Result<Vec<Stored>, StoreError> {
    let milestone = connection
        .prepare_cached("SELECT run FROM milestone WHERE mailbox = ? AND last >= ? ORDER BY last LIMIT 1")?
        .query_row(params![number(mailbox.0), number(seq)], |row| row.get(0))
        .optional()?;
    let mut statement =
        connection.prepare_cached("SELECT mailbox, last, count, previous, authors FROM run WHERE id = ?")?;
    let missing = || unexpected(format!("entry {seq} of mailbox {} is missing", mailbox.0));
    let (mut found, mut id): (Vec<Stored>, i64) = (Vec::new(), milestone.unwrap_or(newest));
    while found.last().is_none_or(|run| run.outline.first > seq) {
        // Before a mailbox's first entry there is none to look for.
        if id == 0 {
            return if found.is_empty() || seq == 0 { Ok(found) } else { Err(missing()) };
        }
        let mut rows = statement.query([id])?;
        let row = rows.next()?.ok_or_else(missing)?;
        let (owner, last, count, previous): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let authors = Authors(codec::decode(row.get_ref(4)?.as_blob().map_err(unexpected)?).map_err(unexpected)?);
        let before = last.checked_sub(count).filter(|before| (0..last).contains(before)).ok_or_else(missing)?;
        let follows = found.last().is_none_or(|later| number(later.outline.first - 1) == last);
        if owner != number(mailbox.0) || !follows {
            return Err(missing());
        }
        if found.is_empty() && last < number(seq) {
            // Of a milestone it would be damage.
            return if milestone.is_none() { Ok(found) } else { Err(missing()) };
        }
        found.push(Stored { id, outline: Outline { first: before as u64 + 1, last: last as u64, authors } });
        id = previous;
    }
    found.reverse();
    Ok(found)
}

/// Shows the outlines of a mailbox's stored runs that reach into `from..=to`, in order.
pub fn outlines(
    connection: &Connection,
    mailbox: MailboxId,
    newest: i64,
    (from, to): (Seq, Seq),
    mut show: impl FnMut(&Outline),
) -> Result<(), StoreError> {
    let mut next = from;
    while next <= to {
        let runs = stretch(connection, mailbox, newest, next)?;
        let Some(last) = runs.last() else { break };
        next = last.outline.last + 1;
        runs.iter().map(|run| &run.outline).take_while(|run| run.first <= to).for_each(&mut show);
    }
    Ok(())
}
