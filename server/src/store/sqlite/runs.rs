//! Entries as they are stored: in runs, with their authors beside them.

use std::sync::Arc;

use malote_common::codec::HEADER_BYTES;
use malote_common::{MailboxId, Seq, codec};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::{PersonId, Run, StoreError};
use super::authors::{Authors, Outline};
use super::span::{self, Span};
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
    let ends: Option<(i64, Span)> = connection
        .prepare_cached("SELECT last_seq, newest FROM mailbox WHERE id = ?")?
        .query_row([number(mailbox.0)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((last_seq, newest)) = ends else { return Ok(None) };
    let missing = || unexpected(format!("entries of mailbox {} are missing", mailbox.0));
    if number(newest.last()) != last_seq {
        return Err(missing());
    }
    let mut statement =
        connection.prepare_cached("SELECT entries FROM run WHERE id = ? AND mailbox = ? AND last = ? AND count = ?")?;
    let (mut last, mut bytes) = (after, Vec::new());
    'page: while number(last) < last_seq {
        let runs = span::runs_from(connection, mailbox, &newest, last + 1)?;
        if runs.is_empty() {
            return Err(missing());
        }
        for run in runs {
            let count = run.last - run.first + 1;
            let mut rows = statement.query(params![run.id, number(mailbox.0), number(run.last), number(count)])?;
            let row = rows.next()?.ok_or_else(missing)?;
            let entries = row.get_ref(0)?.as_blob().map_err(unexpected)?;
            let mut seq = run.first - 1;
            for entry in codec::frames(entries) {
                seq += 1;
                if seq > run.last {
                    return Err(unexpected(format!("a run of mailbox {} is too long", mailbox.0)));
                }
                if seq <= after {
                    continue;
                }
                if !bytes.is_empty() && bytes.len() + HEADER_BYTES + entry.len() > max_bytes {
                    break 'page;
                }
                codec::write_frame(&mut bytes, entry);
                last = seq;
            }
            if seq != run.last {
                return Err(unexpected(format!("a run of mailbox {} is cut short", mailbox.0)));
            }
        }
    }
    Ok((last > after).then(|| Run { mailbox, first: after + 1, last, bytes: Arc::from(bytes) }))
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

    /// Puts the entries into the table, and gives them back as one run, where there are any. `newest` is the mailbox's newest
    /// span, to which they are added.
    pub fn store(self, tx: &Transaction, mailbox: MailboxId, newest: &mut Span) -> Result<Option<Run>, StoreError> {
        let (Some((oldest, _)), Some((youngest, _))) = (self.runs.first(), self.runs.last()) else { return Ok(None) };
        let (first, last, mut begins) = (oldest.first, youngest.last, 0);
        let mut statement =
            tx.prepare_cached("INSERT INTO run (mailbox, last, count, authors, entries) VALUES (?, ?, ?, ?, ?)")?;
        for (run, end) in &self.runs {
            let entries = self.bytes.get(begins..*end).unwrap_or_default();
            let count = run.last - run.first + 1;
            let (owner, last) = (number(mailbox.0), number(run.last));
            let id = statement.insert(params![owner, last, number(count), run.authors.encode()?, entries])?;
            newest.append(tx, mailbox, id, count)?;
            begins = *end;
        }
        Ok(Some(Run { mailbox, first, last, bytes: Arc::from(self.bytes) }))
    }
}
