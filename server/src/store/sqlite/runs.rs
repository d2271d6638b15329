//! Entries as they are stored: in runs, with their authors and what finds out damage beside them.

use std::sync::Arc;

use malote_common::codec::HEADER_BYTES;
use malote_common::{Entry, EntryRef, MailboxId, Seq, codec};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::{PersonId, Run, StoreError};
use super::authors::{Author, Authors, Outline};
use super::damage::Found;
use super::span::{self, Span, Stored};
use super::{number, sum, unexpected};

/// Bytes of one stored run, unless a single entry is longer: a page that ends in the middle of a run reads the rest in vain.
const RUN_BYTES: usize = 64 * 1024;

/// Bytes that check one entry: its length and its sum, each in 4 bytes, little endian.
const CHECK_BYTES: usize = 8;

/// What a run's row is read by.
pub const COLUMNS: &str = "SELECT whole, authors, checks, entries FROM run WHERE id = ?";

/// How far a mailbox goes, and whether its row is as it was written.
const READ_ENDS: &str =
    "SELECT last_seq, newest, sum = row_sum(id, epoch, last_seq, delivered, newest) FROM mailbox WHERE id = ?";

/// See [`super::super::Store::entries`]. What lies there in many runs is read as one. Entries that were damaged are replaced,
/// and the runs in which they are are added to what was found.
pub fn read(
    connection: &Connection,
    found: &Found,
    mailbox: MailboxId,
    after: Seq,
    max_bytes: usize,
) -> Result<Option<Run>, StoreError> {
    let ends: Option<(i64, Span, bool)> = connection
        .prepare_cached(READ_ENDS)?
        .query_row([number(mailbox.0)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((last_seq, newest, is_whole)) = ends else { return Ok(None) };
    if !is_whole || number(newest.last()) != last_seq {
        return Err(sum::changed("mailbox"));
    }
    let mut statement = connection.prepare_cached(COLUMNS)?;
    let (mut last, mut bytes) = (after, Vec::new());
    'page: while number(last) < last_seq {
        let next = last.saturating_add(1);
        let runs = span::runs_from(connection, mailbox, &newest, next)?;
        if runs.is_empty() {
            return Err(missing(mailbox, next));
        }
        for run in runs {
            let mut rows = statement.query([run.id])?;
            let columns = Columns::of(rows.next()?.ok_or_else(|| missing(mailbox, run.last))?);
            let mended;
            let entries = match columns.whole_entries(mailbox, &run) {
                Some(entries) => entries,
                None => {
                    found.add(mailbox, run);
                    mended = columns.mend(connection, mailbox, &run)?;
                    &mended.bytes
                }
            };
            for (seq, entry) in (run.first..=run.last).zip(codec::frames(entries)) {
                if seq <= after {
                    continue;
                }
                if !bytes.is_empty() && bytes.len().saturating_add(stored_bytes(entry)) > max_bytes {
                    break 'page;
                }
                codec::write_frame(&mut bytes, entry);
                last = seq;
            }
        }
    }
    Ok((last > after).then(|| Run { mailbox, first: after.saturating_add(1), last, bytes: Arc::from(bytes) }))
}

/// A run as it is fit to be read.
pub struct Mended {
    pub outline: Outline,
    /// The entries with their lengths before them, as many as there were.
    pub bytes: Vec<u8>,
    /// Those that were damaged and replaced, with their authors as far as they are known.
    pub damaged: Vec<(Seq, Author)>,
    /// Nothing about the row has to be changed.
    pub is_intact: bool,
}

/// Makes the best of a run's row.
pub fn mend(connection: &Connection, mailbox: MailboxId, run: &Stored) -> Result<Mended, StoreError> {
    let mut statement = connection.prepare_cached(COLUMNS)?;
    let mut rows = statement.query([run.id])?;
    let row = rows.next()?.ok_or_else(|| missing(mailbox, run.last))?;
    Columns::of(row).mend(connection, mailbox, run)
}

fn missing(mailbox: MailboxId, seq: Seq) -> StoreError {
    unexpected(format!("entry {seq} of mailbox {} is missing", mailbox.0))
}

/// A run's row. What has not the type that was written is nothing.
pub struct Columns<'a> {
    whole: Option<i64>,
    authors: &'a [u8],
    checks: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Columns<'a> {
    /// From the columns that are read in this order.
    pub fn of(row: &'a Row) -> Columns<'a> {
        let blob = |index| row.get_ref(index).ok().and_then(|value| value.as_blob().ok()).unwrap_or_default();
        Columns { whole: row.get(0).ok(), authors: blob(1), checks: blob(2), entries: blob(3) }
    }

    /// The entries, if they are as they were written.
    pub fn whole_entries(&self, mailbox: MailboxId, run: &Stored) -> Option<&'a [u8]> {
        let whole = sum::of(&run.place(mailbox), self.entries);
        (self.whole == Some(whole.into())).then_some(self.entries)
    }

    /// Whether everything is as it was written.
    pub fn is_intact(&self, mailbox: MailboxId, run: &Stored) -> bool {
        self.whole_entries(mailbox, run).is_some()
            && Authors::unseal(mailbox, run, self.authors).is_some()
            && sum::unseal(&run.place(mailbox), self.checks).is_some()
    }

    /// Keeps what is as it was written, and finds out whose the rest was.
    fn mend(&self, connection: &Connection, mailbox: MailboxId, run: &Stored) -> Result<Mended, StoreError> {
        let entries: Vec<Option<&[u8]>> = match self.whole_entries(mailbox, run) {
            Some(entries) => codec::frames(entries).map(Some).collect(),
            None => self.sound_entries(mailbox, run),
        };
        let authors = match Authors::unseal(mailbox, run, self.authors) {
            Some(authors) => authors.each().collect(),
            None => authors_of(connection, mailbox, &entries)?,
        };
        if entries.len() as u64 != run.count() || authors.len() != entries.len() {
            return Err(unexpected(format!(
                "mailbox {} has other entries up to {} than were written",
                mailbox.0, run.last
            )));
        }
        let mut mended = Mended {
            outline: Outline { first: run.first, last: run.last, authors: Authors::default() },
            bytes: Vec::with_capacity(self.entries.len()),
            damaged: Vec::new(),
            is_intact: self.is_intact(mailbox, run),
        };
        for ((seq, author), entry) in (run.first..).zip(authors).zip(entries) {
            mended.outline.authors.push(author);
            match entry {
                Some(entry) => codec::write_frame(&mut mended.bytes, entry),
                None => {
                    let number = author.person().map(|person| person.0);
                    let entry = codec::encode(&EntryRef::Damaged { number }).map_err(unexpected)?;
                    codec::write_frame(&mut mended.bytes, &entry);
                    mended.damaged.push((seq, author));
                }
            }
        }
        Ok(mended)
    }

    /// Each entry that is as it was written.
    fn sound_entries(&self, mailbox: MailboxId, run: &Stored) -> Vec<Option<&'a [u8]>> {
        let checks = sum::unseal(&run.place(mailbox), self.checks).unwrap_or_default();
        if checks.len() as u64 != run.count().saturating_mul(CHECK_BYTES as u64) {
            return (run.first..=run.last).map(|_| None).collect();
        }
        let mut begins = 0usize;
        let entries = checks.as_chunks::<CHECK_BYTES>().0.iter().map(|check| {
            let [length, expected] = halves(*check);
            let body = begins.saturating_add(HEADER_BYTES);
            let ends = body.saturating_add(length as usize);
            let header = self.entries.get(begins..body).filter(|header| *header == length.to_be_bytes());
            begins = ends;
            // Where only the length that stands before it has changed, the entry is as it was; but it is simpler to say that
            // it is not than to be sure of it.
            self.entries.get(body..ends).filter(|entry| header.is_some() && sum::of(&[], entry) == expected)
        });
        entries.collect()
    }
}

/// What an entry takes in its run.
fn stored_bytes(entry: &[u8]) -> usize {
    entry.len().saturating_add(HEADER_BYTES)
}

/// An entry's length and its sum.
fn halves(check: [u8; CHECK_BYTES]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = check;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// The authors of entries, as the entries themselves tell.
fn authors_of(
    connection: &Connection,
    mailbox: MailboxId,
    entries: &[Option<&[u8]>],
) -> Result<Vec<Author>, StoreError> {
    let mut rooms = connection.prepare_cached("SELECT 1 FROM room WHERE mailbox = ?")?;
    let is_room = rooms.exists([number(mailbox.0)])?;
    let author = |entry: &Option<&[u8]>| match entry.and_then(|entry| codec::decode::<Entry>(entry).ok()) {
        Some(Entry::Message { number: Some(author), .. }) if is_room => Author::Member(PersonId(author)),
        Some(Entry::Message { number: Some(author), .. }) => Author::Sender(PersonId(author)),
        _ => Author::Nobody,
    };
    Ok(entries.iter().map(author).collect())
}

/// Entries that are new in a mailbox and not yet in the table.
#[derive(Default)]
pub struct Fresh {
    bytes: Vec<u8>,
    /// The runs that they are stored as, each with where its bytes end.
    runs: Vec<(Outline, usize)>,
}

impl Fresh {
    /// Appends an encoded entry.
    pub fn push(&mut self, seq: Seq, author: Author, entry: &[u8]) {
        let begins = self.runs.len().checked_sub(2).and_then(|before| self.runs.get(before)).map_or(0, |(_, end)| *end);
        let is_full = self.bytes.len().saturating_sub(begins).saturating_add(stored_bytes(entry)) > RUN_BYTES;
        if self.bytes.is_empty() {
            // Where there is one entry for a mailbox there often are more, and to grow is to copy.
            self.bytes.reserve(stored_bytes(entry).saturating_mul(8).min(RUN_BYTES));
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
            tx.prepare_cached("INSERT INTO run (whole, authors, checks, entries) VALUES (?, ?, ?, ?)")?;
        for (run, end) in &self.runs {
            let entries = self.bytes.get(begins..*end).unwrap_or_default();
            let place = Stored { id: 0, first: run.first, last: run.last };
            let whole = sum::of(&place.place(mailbox), entries);
            let id = statement.insert(params![
                whole,
                run.authors.seal(mailbox, &place)?,
                checks(mailbox, &place, entries),
                entries
            ])?;
            newest.append(tx, mailbox, id, place.count())?;
            begins = *end;
        }
        Ok(Some(Run { mailbox, first, last, bytes: Arc::from(self.bytes) }))
    }
}

/// Writes a mended run into its row.
pub fn replace(tx: &Transaction, mailbox: MailboxId, run: &Stored, mended: &Mended) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE run SET whole = ?, authors = ?, checks = ?, entries = ? WHERE id = ?")?.execute(
        params![
            sum::of(&run.place(mailbox), &mended.bytes),
            mended.outline.authors.seal(mailbox, run)?,
            checks(mailbox, run, &mended.bytes),
            mended.bytes,
            run.id
        ],
    )?;
    Ok(())
}

/// What finds out which of these entries are damaged.
fn checks(mailbox: MailboxId, run: &Stored, entries: &[u8]) -> Vec<u8> {
    let mut checks = Vec::with_capacity((run.count() as usize).saturating_mul(CHECK_BYTES).saturating_add(sum::BYTES));
    for entry in codec::frames(entries) {
        checks.extend((entry.len() as u32).to_le_bytes());
        checks.extend(sum::of(&[], entry).to_le_bytes());
    }
    sum::seal(&run.place(mailbox), checks)
}
