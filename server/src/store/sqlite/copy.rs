//! Looking at a store without serving it, and copies of it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use malote_common::{MailboxId, Seq};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::damage::Found;
use super::{mark, opening, reading, runs};

pub use mark::check as check_log;

/// How long a copy waits before it tries again, where the server is just beginning its log anew.
const PAUSE: Duration = Duration::from_millis(20);

/// People and mailboxes that there may be since a backup was made, at most. Newcomers get other numbers after a restore, or mail
/// for some would reach others; by chance, since the same backup may be brought back twice.
const UNKNOWN_PEOPLE: i64 = 10_000;
const UNKNOWN_MAILBOXES: i64 = 1_000_000;

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    pub people: u64,
    pub rooms: u64,
    /// Messages and receipts.
    pub entries: u64,
    /// Those among them that are damaged. The next start sets them aside.
    pub damaged: Vec<(MailboxId, Seq)>,
    /// Runs of entries in which damage was found before.
    pub set_aside: u64,
}

/// Reads a store through, also while it is in use. Fails as [`super::SqliteStore::open`] does.
pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    mark::check(path)?;
    look_through(&existing(path)?, path)
}

/// Copies a store as it is at one moment, also while it is in use. `to` is a file that is not there yet; it is on the disk when
/// this is done. Fails where anything but messages is damaged, and leaves nothing then.
pub fn back_up(path: &Path, to: &Path) -> Result<Inspection, StoreError> {
    mark::check(path)?;
    let source = existing(path)?;
    opening::refuse_others(&source)?;
    opening::make_private(to).map_err(failed)?;
    let copied = copy(&source, to).and_then(|()| finish(existing(to)?, to, |_| Ok(())));
    if copied.is_err() {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(opening::beside(to, suffix));
        }
    }
    copied
}

/// Begins a new life of a store that was brought back from a copy: all its mailboxes get new epochs, so that everybody's
/// program notices and sends again what the copy does not have.
///
/// Of a copy that `is_of_one_moment` is not true of, such as one whose log was damaged, nobody can tell what it has: it forgets
/// what was posted by whom, so that everything comes again that may not have arrived.
pub fn bring_back(path: &Path, is_of_one_moment: bool) -> Result<Inspection, StoreError> {
    finish(existing(path)?, path, |connection| {
        let tx = connection.transaction()?;
        tx.execute("UPDATE mailbox SET epoch = randomblob(16)", [])?;
        if !is_of_one_moment {
            tx.execute("UPDATE device SET last_counter = 0, refused = 0, answers = x''", [])?;
        }
        let given = "SELECT coalesce(max(person), 0), coalesce(max(mailbox), 0) FROM given";
        let (people, mailboxes): (i64, i64) = tx.query_row(given, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let highest =
            "SELECT coalesce((SELECT max(number) FROM person), 0), coalesce((SELECT max(id) FROM mailbox), 0)";
        let (person, mailbox): (i64, i64) = tx.query_row(highest, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        tx.execute("DELETE FROM given", [])?;
        tx.execute(
            "INSERT INTO given (person, mailbox) VALUES (?1 + ?2 + abs(random() % ?2), ?3 + ?4 + abs(random() % ?4))",
            [people.max(person), UNKNOWN_PEOPLE, mailboxes.max(mailbox), UNKNOWN_MAILBOXES],
        )?;
        Ok(tx.commit()?)
    })
}

/// A connection to a store that is there.
fn existing(path: &Path) -> Result<Connection, StoreError> {
    let connection = opening::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn copy(source: &Connection, to: &Path) -> Result<(), StoreError> {
    let mut target = existing(to)?;
    let backup = Backup::new(source, &mut target)?;
    // All in one step: it is the store at one moment.
    while backup.step(-1)? != StepResult::Done {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Looks through a store that nobody else uses, changes it, and leaves one file on the disk.
fn finish(
    mut connection: Connection,
    path: &Path,
    change: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
) -> Result<Inspection, StoreError> {
    let inspection = look_through(&connection, path)?;
    change(&mut connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.close().map_err(|(_, error)| error)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(path).and_then(|file| file.sync_all()).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(inspection)
}

fn look_through(connection: &Connection, path: &Path) -> Result<Inspection, StoreError> {
    opening::refuse_others(connection)?;
    let found = Found::default();
    if opening::is_new(connection)? {
        return Err(StoreError::Failed("there is nothing in it".to_owned()));
    }
    if !opening::check(connection, path, opening::READ_WHOLE, &found)? {
        reading::read_all(connection, &found)?;
    }
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| count as u64);
    let mut inspection = Inspection {
        people: count("SELECT count(*) FROM person")?,
        rooms: count("SELECT count(*) FROM room")?,
        entries: count("SELECT coalesce(sum(last_seq), 0) FROM mailbox")?,
        set_aside: count("SELECT count(*) FROM damaged")?,
        damaged: Vec::new(),
    };
    for (mailbox, run) in found.all() {
        let mended = runs::mend(connection, mailbox, &run)?;
        inspection.damaged.extend(mended.damaged.iter().map(|(seq, _)| (mailbox, *seq)));
    }
    Ok(inspection)
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}
