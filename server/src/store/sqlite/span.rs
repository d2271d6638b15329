//! Where a mailbox's runs are: in spans of some that follow each other. The newest span is in the mailbox's own row, and goes
//! into a table when it is full.

use malote_common::{MailboxId, Seq, codec};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::StoreError;
use super::{number, unexpected};

/// Runs of a full span. An index of single runs would have a page changed for each mailbox by each commit.
const FULL: usize = 16;

/// Runs of a mailbox that follow each other. In a column it is [`Span::encode`]d.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The last entry's number; 0 before the first.
    last: Seq,
    /// Each run's row, and how many entries it has.
    runs: Vec<(u64, u64)>,
}

/// One of a span's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    pub id: i64,
    pub first: Seq,
    pub last: Seq,
}

impl Stored {
    /// How many entries it has.
    pub fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// What its sums are bound to, so that no run passes for another.
    pub fn place(&self, mailbox: MailboxId) -> [u64; 3] {
        [mailbox.0, self.first, self.last]
    }
}

impl Span {
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        codec::encode(&(self.last, &self.runs)).map_err(unexpected)
    }

    /// The first entry's number; one behind the last where there is no run.
    pub fn first(&self) -> Seq {
        self.runs.iter().fold(self.last.saturating_add(1), |first, (_, count)| first.saturating_sub(*count))
    }

    pub fn last(&self) -> Seq {
        self.last
    }

    pub fn runs(&self) -> impl Iterator<Item = Stored> {
        self.runs.iter().scan(self.first(), |next, (id, count)| {
            let first = *next;
            *next = next.saturating_add(*count);
            Some(Stored { id: *id as i64, first, last: next.saturating_sub(1) })
        })
    }

    /// Adds the run that was stored as the row `id` to the newest span of a mailbox.
    pub fn append(&mut self, tx: &Transaction, mailbox: MailboxId, id: i64, count: u64) -> Result<(), StoreError> {
        self.runs.push((id as u64, count));
        self.last = self.last.saturating_add(count);
        // The first span of each mailbox has another length, so that those that grow together are not full together.
        let full = if self.first() == 1 { (mailbox.0 as usize % FULL).saturating_add(1) } else { FULL };
        if self.runs.len() >= full {
            tx.prepare_cached("INSERT INTO span (mailbox, last, runs) VALUES (?, ?, ?)")?.execute(params![
                number(mailbox.0),
                number(self.last),
                self.encode()?
            ])?;
            self.runs.clear();
        }
        Ok(())
    }
}

impl FromSql for Span {
    fn column_result(value: ValueRef) -> FromSqlResult<Span> {
        let (last, runs): (u64, Vec<(u64, u64)>) = codec::decode(value.as_blob()?).map_err(FromSqlError::other)?;
        let entries = runs.iter().try_fold(0u64, |entries, (_, count)| entries.checked_add(*count));
        let is_possible = entries.is_some_and(|entries| entries <= last && last < Seq::MAX);
        match is_possible && runs.iter().all(|(_, count)| *count > 0) {
            true => Ok(Span { last, runs }),
            false => Err(FromSqlError::InvalidType),
        }
    }
}

/// A mailbox's stored runs from the one with the entry `from` on, in order: those of one span, and none behind the last.
/// `newest` is the mailbox's newest span.
pub fn runs_from(
    connection: &Connection,
    mailbox: MailboxId,
    newest: &Span,
    from: Seq,
) -> Result<Vec<Stored>, StoreError> {
    let from = from.max(1);
    let earlier;
    let span = match from < newest.first() {
        true => {
            earlier = full_span(connection, mailbox, from)?;
            &earlier
        }
        false => newest,
    };
    Ok(span.runs().filter(|run| run.last >= from).collect())
}

/// The span with this entry, from the table.
fn full_span(connection: &Connection, mailbox: MailboxId, seq: Seq) -> Result<Span, StoreError> {
    let found: Option<(Span, bool)> = connection
        .prepare_cached(
            "SELECT runs, sum = row_sum(mailbox, last, runs) FROM span WHERE mailbox = ? AND last >= ? ORDER BY last LIMIT 1",
        )?
        .query_row(params![number(mailbox.0), number(seq)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_there = |(span, is_whole): &(Span, bool)| *is_whole && (span.first()..=span.last).contains(&seq);
    found
        .filter(is_there)
        .map(|(span, _)| span)
        .ok_or_else(|| unexpected(format!("entry {seq} of mailbox {} is missing", mailbox.0)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use malote_common::Timestamp;
    use rusqlite::OpenFlags;

    use super::super::super::{Operation, PersonId, Store, StoreError, contract};
    use super::super::{SqliteStore, log, opening};
    use super::*;

    /// Commits with a message each, for two people by turns: enough for several spans of each.
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
    fn every_entry_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mailboxes = filled(&path);
        let mut store = SqliteStore::open(&path).unwrap();
        let spans: u32 = store.connection.query_row("SELECT count(*) FROM span", [], |row| row.get(0)).unwrap();
        assert!((COMMITS / FULL as u64).abs_diff(spans.into()) <= 2, "{spans}");
        for mailbox in mailboxes {
            for after in 0..=COMMITS / 2 + 1 {
                let rest: Vec<Seq> = (after + 1..=COMMITS / 2).collect();
                assert_eq!(read(&mut store, mailbox, after).unwrap(), rest);
            }
        }
    }

    #[test]
    fn a_lost_run_is_a_failure_when_it_is_read_and_found_beside_serving() {
        for damage in [
            "UPDATE run SET id = 1000 WHERE id = 80",
            "DELETE FROM run WHERE id = 80",
            "DELETE FROM span WHERE mailbox = {} AND last > 30 AND last < 50",
            "DELETE FROM span WHERE mailbox = {}",
            "UPDATE span SET runs = (SELECT runs FROM span WHERE mailbox = {} LIMIT 1) WHERE mailbox = {} AND last > 50",
            "UPDATE span SET runs = x'00' WHERE mailbox = {}",
            "UPDATE mailbox SET newest = (SELECT newest FROM mailbox ORDER BY id LIMIT 1) WHERE id = {}",
            "UPDATE mailbox SET newest = x'ffff' WHERE id = {}",
            "UPDATE mailbox SET last_seq = 5 WHERE id = {}",
            "UPDATE mailbox SET last_seq = -1 WHERE id = {}",
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let [mailbox, _] = filled(&path);
            let sql = format!("PRAGMA foreign_keys = OFF; {}", damage.replace("{}", &mailbox.0.to_string()));
            opening::connect(&path, OpenFlags::default()).unwrap().execute_batch(&sql).unwrap();
            let mut store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
            let read = read(&mut store, mailbox, 0);
            assert!(matches!(read, Err(StoreError::Failed(_))), "{damage}: {read:?}");
            if damage.contains("UPDATE mailbox") {
                for operation in [
                    Operation::Acknowledge { mailbox, seq: 40 },
                    Operation::Submit {
                        author: PersonId(0),
                        device: contract::DEVICE,
                        submission: contract::submission(COMMITS + 1, &["Usuario1"], "oi"),
                    },
                ] {
                    let mut store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
                    let done = store.commit(&[operation], Timestamp(1));
                    assert!(matches!(done, Err(StoreError::Failed(_))), "{damage}: {done:?}");
                }
            }
            drop(store);
            let store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
            while !store.reading.as_ref().is_none_or(|reading| reading.has_ended()) {
                std::thread::yield_now();
            }
            assert!(matches!(store.check(), Err(StoreError::Failed(_))), "{damage}");
        }
    }
}
