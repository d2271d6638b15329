//! What is done before a store may be used: whether it is one, whether it is whole, and bringing its schema up to date.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::super::StoreError;

/// The schema's versions, oldest first.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// What tells our files from those of other programs: "MLT2".
const APPLICATION: u32 = 0x4d4c_5432;

/// Makes the file where there is none, for nobody else to read. SQLite makes the files beside it in the same mode.
pub fn make_private(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Reads the whole file, and fails where something in it is damaged. It takes half a second for a million entries.
pub fn check(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.lines().last() {
        Some("ok") => Ok(()),
        damage => Err(StoreError::Failed(damage.unwrap_or_default().to_owned())),
    }
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
    connection.pragma_update(None, "application_id", APPLICATION)?;
    for (migration, step) in MIGRATIONS.iter().zip(1u32..).skip(version as usize) {
        let tx = connection.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", step)?;
        tx.commit()?;
    }
    Ok(())
}
