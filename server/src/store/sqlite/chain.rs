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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use malote_common::Timestamp;

    use super::super::super::{Operation, Store, StoreError, contract};
    use super::super::{SqliteStore, log};
    use super::*;

    /// Commits with a message each, for two people by turns: enough for several milestones of each.
    const COMMITS: u64 = 150;

    /// Two people's mailboxes with a run for each of their messages.
    fn filled(path: &Path) -> [MailboxId; 2] {
        let mut store = SqliteStore::open(path).unwrap();
        let ids = contract::people(&mut store, 3);
        for counter in 1..=COMMITS {
            let to = if counter % 2 == 0 { "Usuario1" } else { "Usuario2" };
            let submission = contract::submission(counter, &[to], "oi");
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        [ids[1].mailbox, ids[2].mailbox]
    }

    /// Reads a mailbox behind `after` to its end, an entry at a time.
    fn read(store: &mut SqliteStore, mailbox: MailboxId, after: Seq) -> Result<Vec<Seq>, StoreError> {
        let mut seqs = Vec::new();
        while let Some(run) = store.entries(mailbox, seqs.last().copied().unwrap_or(after), 1)?.first() {
            assert!(run.first == run.last, "a page of one byte has one entry");
            seqs.push(run.last);
        }
        Ok(seqs)
    }

    #[test]
    fn every_entry_is_found_also_without_milestones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mailboxes = filled(&path);
        let mut store = SqliteStore::open(&path).unwrap();
        let milestones: u32 =
            store.connection.query_row("SELECT count(*) FROM milestone", [], |row| row.get(0)).unwrap();
        assert!((COMMITS / STRIDE).abs_diff(milestones.into()) <= 2, "{milestones}");
        for delete in ["", "DELETE FROM milestone"] {
            store.connection.execute_batch(delete).unwrap();
            for mailbox in mailboxes {
                for after in 0..=COMMITS / 2 + 1 {
                    let rest: Vec<Seq> = (after + 1..=COMMITS / 2).collect();
                    assert_eq!(read(&mut store, mailbox, after).unwrap(), rest);
                }
            }
        }
    }

    #[test]
    fn a_broken_chain_is_a_failure_when_it_is_read_and_found_beside_serving() {
        for damage in [
            "UPDATE run SET previous = id WHERE mailbox = {}",
            "UPDATE run SET previous = previous + 1 WHERE mailbox = {} AND last = 40",
            "UPDATE run SET previous = 0 WHERE mailbox = {} AND last = 40",
            "UPDATE run SET mailbox = 1 WHERE mailbox = {} AND last = 40",
            "UPDATE run SET last = 41 WHERE mailbox = {} AND last = 40",
            "DELETE FROM run WHERE mailbox = {} AND last = 40",
            "UPDATE milestone SET run = run + 1 WHERE mailbox = {}",
            "UPDATE milestone SET run = 100000 WHERE mailbox = {}",
            "UPDATE mailbox SET newest = newest - 1 WHERE id = {}",
            "UPDATE mailbox SET newest = 0 WHERE id = {}",
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let [mailbox, _] = filled(&path);
            let sql = format!("PRAGMA foreign_keys = OFF; {}", damage.replace("{}", &mailbox.0.to_string()));
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            let mut store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
            let read = read(&mut store, mailbox, 0);
            assert!(matches!(read, Err(StoreError::Failed(_))), "{damage}: {read:?}");
            drop(store);
            let store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
            while !store.reading.as_ref().is_none_or(|reading| reading.has_ended()) {
                std::thread::yield_now();
            }
            assert!(matches!(store.check(), Err(StoreError::Failed(_))), "{damage}");
        }
    }
}
