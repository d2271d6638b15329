//! What is done before a store may be used: whether it is one, whether it is whole, and bringing its schema up to date.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::damage::Found;
use super::{reading, sum};

/// The schema's versions, oldest first.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// What tells our files from those of other programs: "MLT5".
const APPLICATION: u32 = 0x4d4c_5435;

/// A connection to a store, which leaves the log alone when it is closed.
pub fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    sum::register(&connection)?;
    Ok(connection)
}

/// Makes the file where there is none. Nobody else may read it, also where it was copied here with a looser mask. SQLite
/// makes the files beside it in the same mode.
pub fn make_private(path: &Path) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Bytes of a store that is read whole before it is used, which takes some tenths of a second.
pub const READ_WHOLE: u64 = 256 * 1024 * 1024;

/// The tables of a larger one that are: without them nobody can be told anything.
const READ_FIRST: [&str; 6] = ["age", "room", "mailbox", "person", "name", "given"];

/// Reads the file, and fails where something in it is damaged. Of one of more than `whole` bytes it reads what is small;
/// whether it read everything is what it returns. Damaged messages are no failure: their runs are added to what was found.
pub fn check(connection: &Connection, path: &Path, whole: u64, found: &Found) -> Result<bool, StoreError> {
    let failed = |error: io::Error| StoreError::Failed(error.to_string());
    if !is_new(connection)? {
        has_our_tables(connection)?;
    }
    let bytes = fs::metadata(path).map_err(failed)?.len();
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |metadata| metadata.len());
    if bytes.saturating_add(log) <= whole {
        sound(connection, "PRAGMA integrity_check(1)")?;
        if !is_new(connection)? {
            READ_FIRST.iter().try_for_each(|table| sum::check(connection, table))?;
            reading::read_all(connection, found)?;
        }
        return Ok(true);
    }
    // With a log, the file may well be shorter than it will be.
    let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    if log == 0 && bytes < u64::from(pages).saturating_mul(page.into()) {
        return Err(StoreError::Failed(format!("the file has {bytes} bytes where {pages} pages belong")));
    }
    for table in READ_FIRST {
        sound(connection, &format!("PRAGMA integrity_check({table})"))?;
        sum::check(connection, table)?;
    }
    Ok(false)
}

/// Whether nothing was ever written to the file.
pub fn is_new(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?)
}

/// Fails where the file's tables are not those of its version.
fn has_our_tables(connection: &Connection) -> Result<(), StoreError> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let ours = Connection::open_in_memory()?;
    sum::register(&ours)?;
    for migration in MIGRATIONS.iter().take(version as usize) {
        ours.execute_batch(migration)?;
    }
    match tables(connection)? == tables(&ours)? {
        true => Ok(()),
        false => Err(StoreError::Failed("the tables are not what was written".to_owned())),
    }
}

fn tables(connection: &Connection) -> Result<Vec<(String, String, Option<String>)>, StoreError> {
    let mut statement = connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn sound(connection: &Connection, pragma: &str) -> Result<(), StoreError> {
    let found: String = connection.query_row(pragma, [], |row| row.get(0))?;
    match found.lines().last() {
        Some("ok") => Ok(()),
        damage => Err(StoreError::Failed(damage.unwrap_or_default().to_owned())),
    }
}

/// A file beside the store, by what SQLite appends to its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Fails where the file holds tables of another program, or of a newer version of this one.
pub fn refuse_others(connection: &Connection) -> Result<(), StoreError> {
    let application: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && tables > 0 {
        return Err(StoreError::Failed("the file belongs to another program".to_owned()));
    }
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version as usize > MIGRATIONS.len() {
        true => Err(StoreError::Failed("the store was written by a newer malote-server".to_owned())),
        false => Ok(()),
    }
}

pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    // On a full disk, nothing can be written, and nothing has to be.
    if application != APPLICATION {
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    for (migration, step) in MIGRATIONS.iter().zip(1u32..).skip(version as usize) {
        let tx = connection.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", step)?;
        tx.commit()?;
    }
    Ok(())
}
