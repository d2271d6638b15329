//! The embedded store: one SQLite file, written by one thread.

use std::path::Path;

use malote_common::frame::{Person, Room};
use malote_common::{MailboxId, Name, Seq, Timestamp};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::{Committed, Operation, PersonId, Run, Store, StoreError};
use batch::Batch;
use log::Log;

mod answers;
mod batch;
mod log;
mod opening;
mod people;
mod posting;
mod receipts;
mod rooms;
mod runs;

/// KiB of the file that are kept in memory: the tables of those who are here now. What is read once, as a backlog is, soon
/// makes room for others.
const CACHE_KIB: i64 = 8 * 1024;

/// Statements kept prepared: all of this file's.
const PREPARED: usize = 64;

/// A [`Store`] in a SQLite file.
pub struct SqliteStore {
    connection: Connection,
    /// Nothing for a store in memory.
    log: Option<Log>,
}

impl SqliteStore {
    /// Opens the file, or makes it. Fails where it is not a store, is damaged, or was written by a newer program; nothing
    /// is written to such a file, not even what its write-ahead log holds.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        opening::make_private(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        let connection = Connection::open(path)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        opening::check(&connection)?;
        let mut store = SqliteStore::prepare(connection, "FULL")?;
        store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        store.log = Some(Log::new(path));
        Ok(store)
    }

    /// A store that is gone with the process, for tests of what is built on it.
    pub fn in_memory() -> Result<SqliteStore, StoreError> {
        SqliteStore::prepare(Connection::open_in_memory()?, "OFF")
    }

    fn prepare(mut connection: Connection, synchronous: &str) -> Result<SqliteStore, StoreError> {
        opening::refuse_others(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // Without it, statements are prepared anew for nearly each value that they are given.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        opening::migrate(&mut connection)?;
        let mut store = SqliteStore { connection, log: None };
        store.commit(&[Operation::OpenRoom { room: Name::everybody() }], Timestamp(0))?;
        Ok(store)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, operations: &[Operation], now: Timestamp) -> Result<Committed, StoreError> {
        let mut batch = Batch::new(self.connection.transaction()?, now, operations.len());
        operations.iter().try_for_each(|operation| batch.carry_out(operation))?;
        let committed = batch.commit()?;
        if let Some(log) = &mut self.log {
            log.tend(&self.connection)?;
        }
        Ok(committed)
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError> {
        Ok(runs::read(&self.connection, mailbox, after, max_bytes)?.into_iter().collect())
    }

    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        people::list(&self.connection, after, limit)
    }

    fn rooms(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError> {
        rooms::list(&self.connection, after, limit)
    }

    fn members(&mut self, room: MailboxId, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        rooms::members(&self.connection, room, after, limit)
    }
}

/// SQLite's integers are signed; ours never come near the difference.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn stored_name(name: &str) -> Result<Name, StoreError> {
    Name::try_from(name.to_owned()).map_err(unexpected)
}

fn unexpected(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("the store holds something unexpected: {error}"))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, contract};
    use super::opening::MIGRATIONS;
    use super::*;
    use malote_common::Outcome;

    #[test]
    fn keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        contract::check(|| SqliteStore::open(&path).unwrap(), || drop(std::fs::remove_file(&path)));
    }

    #[test]
    fn the_bundled_sqlite_is_recent_enough() {
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn a_newer_store_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let store = SqliteStore::open(&path).unwrap();
        store.connection.pragma_update(None, "user_version", MIGRATIONS.len() as u32 + 1).unwrap();
        drop(store);
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Failed(_))));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let text = "This is a letter that somebody keeps under an unlucky name. ".repeat(100);
        std::fs::write(&path, &text).unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Failed(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn another_programs_database_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipe (name TEXT)").unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Failed(_))));
        let tables =
            Connection::open(&path)
                .unwrap()
                .query_row("SELECT group_concat(name) FROM sqlite_schema", [], |row| row.get(0));
        assert_eq!(tables, Ok("recipe".to_owned()));
    }

    #[test]
    fn a_full_disk_refuses_the_batch_and_the_store_goes_on() {
        let mut store = SqliteStore::in_memory().unwrap();
        let ids = contract::people(&mut store, 2);
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages + 3).unwrap();
        let big = contract::submission(1, &["Usuario1"], &"x".repeat(100_000));
        let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission: big };
        assert!(matches!(store.commit(std::slice::from_ref(&submit), Timestamp(1)), Err(StoreError::Full)));
        assert!(store.entries(ids[1].mailbox, 0, 1000).unwrap().is_empty());
        store.connection.pragma_update(None, "max_page_count", 100_000).unwrap();
        let answers = store.commit(&[submit], Timestamp(1)).unwrap().answers;
        assert!(matches!(&answers[0], Answer::Submitted { outcomes }
            if matches!(outcomes[0], Outcome::Accepted { seq: 1, .. })));
    }
}
