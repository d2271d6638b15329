//! Entries as they are stored: in runs, with their authors beside them.

use std::sync::Arc;

use malote_common::codec::HEADER_BYTES;
use malote_common::{MailboxId, Seq, codec};
use rusqlite::{Connection, Transaction, params};

use super::super::{PersonId, Run, StoreError};
use super::{number, unexpected};

/// Bytes of one stored run, unless a single entry is longer: a page that ends in the middle of a run reads the rest in vain.
const RUN_BYTES: usize = 64 * 1024;

/// See [`super::super::Store::entries`]. What lies there in many runs is read as one.
pub fn read(
    connection: &Connection,
    mailbox: MailboxId,
    after: Seq,
    max_bytes: usize,
) -> Result<Option<Run>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT last, count, entries FROM run WHERE mailbox = ? AND last > ? ORDER BY last")?;
    let mut rows = statement.query(params![number(mailbox.0), number(after)])?;
    let (mut last, mut bytes) = (after, Vec::new());
    'page: while let Some(row) = rows.next()? {
        let (run_last, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        let entries = row.get_ref(2)?.as_blob().map_err(unexpected)?;
        let missing = || unexpected(format!("entry {} of mailbox {} is missing", last + 1, mailbox.0));
        // The one before the run's first entry.
        let mut seq = run_last.checked_sub(count).and_then(|seq| u64::try_from(seq).ok()).ok_or_else(missing)?;
        if seq > last {
            return Err(missing());
        }
        for entry in codec::frames(entries) {
            seq += 1;
            if seq <= after {
                continue;
            }
            if !bytes.is_empty() && bytes.len() + HEADER_BYTES + entry.len() > max_bytes {
                break 'page;
            }
            codec::write_frame(&mut bytes, entry);
            last = seq;
        }
        if seq != run_last as u64 {
            return Err(unexpected(format!("a run of mailbox {} is cut short", mailbox.0)));
        }
    }
    Ok((last > after).then(|| Run { mailbox, first: after + 1, last, bytes: Arc::from(bytes) }))
}

/// Who gets receipts for entries that follow each other: how many of them are whose.
#[derive(Debug, Default)]
pub struct Authors(Vec<(u64, Option<u64>)>);

impl Authors {
    fn decode(bytes: &[u8]) -> Result<Authors, StoreError> {
        codec::decode(bytes).map(Authors).map_err(unexpected)
    }

    fn push(&mut self, author: Option<PersonId>) {
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
    authors: Authors,
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

/// Shows the outlines of a mailbox's stored runs that reach into `from..=to`, in order.
pub fn outlines(
    tx: &Transaction,
    mailbox: MailboxId,
    (from, to): (Seq, Seq),
    mut show: impl FnMut(&Outline),
) -> Result<(), StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT last, count, authors FROM run WHERE mailbox = ? AND last >= ? ORDER BY last")?;
    let mut rows = statement.query(params![number(mailbox.0), number(from)])?;
    while let Some(row) = rows.next()? {
        let (last, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        let authors = Authors::decode(row.get_ref(2)?.as_blob().map_err(unexpected)?)?;
        let outline = Outline { first: (last - count + 1) as u64, last: last as u64, authors };
        if outline.first > to {
            break;
        }
        show(&outline);
    }
    Ok(())
}

/// Entries that are new in a mailbox and not yet in the table.
#[derive(Default)]
pub struct Fresh {
    bytes: Vec<u8>,
    /// The runs that they are stored as, each with where its bytes end.
    runs: Vec<(Outline, usize)>,
}

impl Fresh {
    /// Appends an encoded entry. `author` is who gets receipts for it.
    pub fn push(&mut self, seq: Seq, author: Option<PersonId>, entry: &[u8]) {
        let begins = self.runs.len().checked_sub(2).and_then(|before| self.runs.get(before)).map_or(0, |(_, end)| *end);
        let is_full = self.bytes.len() - begins + HEADER_BYTES + entry.len() > RUN_BYTES;
        if self.bytes.is_empty() {
            // Where there is one entry for a mailbox there often are more, and to grow is to copy.
            self.bytes.reserve((8 * (HEADER_BYTES + entry.len())).min(RUN_BYTES));
        }
        codec::write_frame(&mut self.bytes, entry);
        match self.runs.last_mut().filter(|_| !is_full) {
            Some((run, end)) => {
                run.last = seq;
                run.authors.push(author);
                *end = self.bytes.len();
            }
            None => {
                let mut authors = Authors::default();
                authors.push(author);
                self.runs.push((Outline { first: seq, last: seq, authors }, self.bytes.len()));
            }
        }
    }

    pub fn outlines(&self) -> impl Iterator<Item = &Outline> {
        self.runs.iter().map(|(run, _)| run)
    }

    /// Puts the entries into the table, and gives them back as one run, where there are any.
    pub fn store(self, tx: &Transaction, mailbox: MailboxId) -> Result<Option<Run>, StoreError> {
        let (Some((oldest, _)), Some((newest, _))) = (self.runs.first(), self.runs.last()) else { return Ok(None) };
        let (first, last, mut begins) = (oldest.first, newest.last, 0);
        let mut statement =
            tx.prepare_cached("INSERT INTO run (mailbox, last, count, authors, entries) VALUES (?, ?, ?, ?, ?)")?;
        for (run, end) in &self.runs {
            let authors = codec::encode(&run.authors.0).map_err(unexpected)?;
            let entries = self.bytes.get(begins..*end).unwrap_or_default();
            statement.execute(params![
                number(mailbox.0),
                number(run.last),
                number(run.last - run.first + 1),
                authors,
                entries
            ])?;
            begins = *end;
        }
        Ok(Some(Run { mailbox, first, last, bytes: Arc::from(self.bytes) }))
    }
}
