//! Reading a large store through while it is in use, so that damage is found before somebody needs what is there.
//!
//! SQLite's own check would hold one view of the file for as long as it takes, and the log could not begin anew meanwhile.
//! So this reads a little at a time, and rests in between.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use malote_common::codec::{self, HEADER_BYTES};
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::answers::Answers;
use super::authors::Authors;
use super::background::Background;
use super::span::{Span, Stored};
use super::{number, unexpected};

/// How much longer than the reading the rests are: a tenth of one processor is left to it.
const REST: u32 = 9;

/// Rests are no longer than this, so that a slow disk does not make it take for ever.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Where the reading of a table stands: the key of the last row, whose second part is 0 where there is none.
type Place = (i64, i64);

/// Reads some rows behind a place, and says where it stands then; nothing at the end.
type Step = fn(&Connection, Place) -> Result<Option<Place>, StoreError>;

/// Reads everything that is not read before the store is used, on a thread of its own.
pub fn start(path: &Path) -> Result<Background, StoreError> {
    let path = path.to_owned();
    Background::start("store check", move |stopped| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.pragma_update(None, "cache_size", -1024)?;
        let tables: [Step; 6] = [devices, members, opened, mailboxes, spans, runs];
        tables.iter().try_for_each(|step| through(&connection, *step, stopped))
    })
}

/// Reads a table to its end, or until it is stopped.
fn through(connection: &Connection, step: Step, stopped: &Receiver<()>) -> Result<(), StoreError> {
    let mut place = (-1, -1);
    loop {
        let begun = Instant::now();
        let Some(next) = step(connection, place)? else { return Ok(()) };
        let rest = (begun.elapsed() * REST).min(LONGEST_REST);
        if stopped.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
        place = next;
    }
}

fn mailboxes(connection: &Connection, (after, _): Place) -> Result<Option<Place>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id, last_seq, newest FROM mailbox WHERE id > ? ORDER BY id LIMIT 64")?;
    let mut rows = statement.query([after])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        let (id, last_seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        covers(connection, id, &row.get(2)?, last_seq)?;
        place = Some((id, 0));
    }
    Ok(place)
}

fn spans(connection: &Connection, after: Place) -> Result<Option<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT mailbox, last, runs FROM span WHERE (mailbox, last) > (?, ?) ORDER BY mailbox, last LIMIT 64",
    )?;
    let mut rows = statement.query([after.0, after.1])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        let (mailbox, last): Place = (row.get(0)?, row.get(1)?);
        covers(connection, mailbox, &row.get(2)?, last)?;
        place = Some((mailbox, last));
    }
    Ok(place)
}

/// Fails unless the span ends with the entry `last`, follows another or begins with the first entry, and all its runs are
/// there.
fn covers(connection: &Connection, mailbox: i64, span: &Span, last: i64) -> Result<(), StoreError> {
    let mut earlier = connection.prepare_cached("SELECT 1 FROM span WHERE mailbox = ? AND last = ?")?;
    let mut run =
        connection.prepare_cached("SELECT 1 FROM run WHERE id = ? AND mailbox = ? AND last = ? AND count = ?")?;
    let follows = span.first() == 1 || earlier.exists([mailbox, number(span.first() - 1)])?;
    let mut is_whole = follows && number(span.last()) == last;
    for Stored { id, first, last } in span.runs() {
        is_whole &= run.exists([id, mailbox, number(last), number(last - first + 1)])?;
    }
    match is_whole {
        true => Ok(()),
        false => Err(unexpected(format!("entries of mailbox {mailbox} up to {last} are missing"))),
    }
}

fn runs(connection: &Connection, (after, _): Place) -> Result<Option<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, mailbox, last, count, authors, entries FROM run WHERE id > ? ORDER BY id LIMIT 64",
    )?;
    let mut rows = statement.query([after])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        let (id, mailbox, last, count): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let authors = Authors::decode(row.get_ref(4)?.as_blob().map_err(unexpected)?)?;
        let entries = row.get_ref(5)?.as_blob().map_err(unexpected)?;
        let (found, bytes) = codec::frames(entries)
            .fold((0, 0), |(found, bytes), entry| (found + 1, bytes + HEADER_BYTES + entry.len()));
        if (found, bytes) != (count, entries.len()) || !u64::try_from(count).is_ok_and(|count| authors.are(count)) {
            return Err(unexpected(format!("the entries of mailbox {mailbox} up to {last} are damaged")));
        }
        place = Some((id, 0));
    }
    Ok(place)
}

fn devices(connection: &Connection, (after, _): Place) -> Result<Option<Place>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id, answers FROM device WHERE id > ? ORDER BY id LIMIT 256")?;
    let mut rows = statement.query([after])?;
    let mut place = None;
    while let Some(row) = rows.next()? {
        // Whoever looks for a counter that nobody uses decodes all of them.
        Answers(row.get(1)?).find(u64::MAX)?;
        place = Some((row.get(0)?, 0));
    }
    Ok(place)
}

fn members(connection: &Connection, place: Place) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT room, person FROM member WHERE (room, person) > (?, ?) ORDER BY room, person LIMIT 1000";
    pairs(connection, sql, place)
}

fn opened(connection: &Connection, place: Place) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT mailbox, seq FROM opened WHERE (mailbox, seq) > (?, ?) ORDER BY mailbox, seq LIMIT 1000";
    pairs(connection, sql, place)
}

fn pairs(connection: &Connection, sql: &str, after: Place) -> Result<Option<Place>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([after.0, after.1], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let places: Vec<Place> = rows.collect::<Result<_, _>>()?;
    Ok(places.last().copied())
}
