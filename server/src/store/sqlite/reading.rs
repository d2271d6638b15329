//! Reading a store through, so that damage is found before somebody needs what is there: a small one before it is used, a large
//! one while it is.
//!
//! SQLite's own check would hold one view of a large file for as long as it takes, and the log could not begin anew meanwhile.
//! So this reads a little at a time, and rests in between.

use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use malote_common::MailboxId;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::background::Background;
use super::damage::Found;
use super::runs::Columns;
use super::span::Span;
use super::{number, opening, sum, unexpected};

/// How much longer than the reading the rests are: a tenth of one processor is left to it.
const REST: u32 = 9;

/// Rests are no longer than this, so that a slow disk does not make it take for ever.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Where the reading of a table stands: the key of the last row, whose second part is 0 where there is none.
type Place = (i64, i64);

/// Reads some rows behind a place, and says where it stands then; nothing at the end.
type Step = fn(&Connection, &Found, Place) -> Result<Option<Place>, StoreError>;

/// What is not read before a large store is used.
const STEPS: [Step; 5] = [devices, members, opened, mailboxes, spans];

/// Reads it beside the commits, on a thread of its own.
pub fn start(path: &Path, found: &Found) -> Result<Background, StoreError> {
    let (path, found) = (path.to_owned(), found.clone());
    Background::start("store check", move |stopped| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = opening::connect(&path, flags)?;
        connection.pragma_update(None, "cache_size", -1024)?;
        let rest = |reading: Duration| {
            let rest = reading.saturating_mul(REST).min(LONGEST_REST);
            stopped.recv_timeout(rest) != Err(RecvTimeoutError::Disconnected)
        };
        STEPS.iter().try_for_each(|step| through(&connection, &found, *step, rest))
    })
}

/// Reads it at once.
pub fn read_all(connection: &Connection, found: &Found) -> Result<(), StoreError> {
    STEPS.iter().try_for_each(|step| through(connection, found, *step, |_| true))
}

/// Reads a table to its end, or until `goes_on`, which is told how long it was read for, does not.
fn through(
    connection: &Connection,
    found: &Found,
    step: Step,
    goes_on: impl Fn(Duration) -> bool,
) -> Result<(), StoreError> {
    let mut place = (-1, -1);
    loop {
        let begun = Instant::now();
        match step(connection, found, place)? {
            Some(next) if goes_on(begun.elapsed()) => place = next,
            _ => return Ok(()),
        }
    }
}

fn mailboxes(connection: &Connection, found: &Found, (after, _): Place) -> Result<Option<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, last_seq, newest, sum = row_sum(id, epoch, last_seq, delivered, newest) FROM mailbox
         WHERE id > ? ORDER BY id LIMIT 16",
    )?;
    let mut rows = statement.query([after])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        let (id, last_seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        if !row.get::<_, bool>(3)? {
            return Err(sum::changed("mailbox"));
        }
        covers(connection, found, id, &row.get(2)?, last_seq)?;
        place = Some((id, 0));
    }
    Ok(place)
}

fn spans(connection: &Connection, found: &Found, after: Place) -> Result<Option<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT mailbox, last, runs, sum = row_sum(mailbox, last, runs) FROM span
         WHERE (mailbox, last) > (?, ?) ORDER BY mailbox, last LIMIT 16",
    )?;
    let mut rows = statement.query([after.0, after.1])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        let (mailbox, last): Place = (row.get(0)?, row.get(1)?);
        if !row.get::<_, bool>(3)? {
            return Err(sum::changed("span"));
        }
        covers(connection, found, mailbox, &row.get(2)?, last)?;
        place = Some((mailbox, last));
    }
    Ok(place)
}

/// Fails unless the span ends with the entry `last`, follows another or begins with the first entry, and all its runs are
/// there. Those in which damage is are added to what was found.
fn covers(connection: &Connection, found: &Found, mailbox: i64, span: &Span, last: i64) -> Result<(), StoreError> {
    let missing = || unexpected(format!("entries of mailbox {mailbox} up to {last} are missing"));
    let mut earlier = connection.prepare_cached("SELECT 1 FROM span WHERE mailbox = ? AND last = ?")?;
    let follows = span.first() == 1 || earlier.exists([mailbox, number(span.first().saturating_sub(1))])?;
    if !follows || number(span.last()) != last {
        return Err(missing());
    }
    let mut statement = connection.prepare_cached(super::runs::COLUMNS)?;
    let owner = MailboxId(mailbox as u64);
    for run in span.runs() {
        let mut rows = statement.query([run.id])?;
        let row = rows.next()?.ok_or_else(missing)?;
        if !Columns::of(row).is_intact(owner, &run) {
            found.add(owner, run);
        }
    }
    Ok(())
}

fn devices(connection: &Connection, _: &Found, after: Place) -> Result<Option<Place>, StoreError> {
    rows(connection, "device", "id, 0", "id > ?1 AND ?2 = ?2", after)
}

fn members(connection: &Connection, _: &Found, after: Place) -> Result<Option<Place>, StoreError> {
    rows(connection, "member", "room, person", "(room, person) > (?1, ?2)", after)
}

fn opened(connection: &Connection, _: &Found, after: Place) -> Result<Option<Place>, StoreError> {
    rows(connection, "opened", "mailbox, seq", "(mailbox, seq) > (?1, ?2)", after)
}

/// Reads rows of a table that are behind a place, in the order of their keys, and compares their sums.
fn rows(
    connection: &Connection,
    table: &str,
    key: &str,
    behind: &str,
    after: Place,
) -> Result<Option<Place>, StoreError> {
    let sum = sum::of_row(connection, table)?;
    let mut statement = connection
        .prepare_cached(&format!("SELECT {key}, sum = {sum} FROM {table} WHERE {behind} ORDER BY 1, 2 LIMIT 256"))?;
    let mut rows = statement.query([after.0, after.1])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        if !row.get::<_, bool>(2)? {
            return Err(sum::changed(table));
        }
        place = Some((row.get(0)?, row.get(1)?));
    }
    Ok(place)
}
