//! The embedded store: one SQLite file, written by one thread.

use std::path::Path;

use malote_common::frame::{Person, Room};
use malote_common::{MailboxId, Name, Seq, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Committed, Operation, PersonId, Run, Store, StoreError};
use age::Age;
use background::Background;
use batch::Batch;
use damage::Found;
use log::Log;

mod age;
mod answers;
mod authors;
mod background;
mod batch;
mod copy;
mod damage;
mod log;
mod mark;
#[cfg(test)]
mod model_tests;
mod opening;
mod people;
mod posting;
mod reading;
mod receipts;
mod rooms;
mod runs;
mod span;
mod sum;

pub use copy::{Inspection, back_up, bring_back, check_log, inspect};

/// KiB of the file that are kept in memory: the tables of those who are here now. What is read once, as a backlog is, soon
/// makes room for others.
const CACHE_KIB: i64 = 8 * 1024;

/// Bytes of a page. Twice of what is usual costs a single message little, and saves a batch a fifth of its writing.
const PAGE: usize = 8 * 1024;

/// Statements kept prepared: all of this file's.
const PREPARED: usize = 64;

/// A [`Store`] in a SQLite file.
pub struct SqliteStore {
    /// Nothing for a store in memory.
    log: Option<Log>,
    /// The reading of what was too much to be read at once.
    reading: Option<Background>,
    /// Damage that was found and not set aside yet.
    found: Found,
    /// What setting damage aside has appended and nobody was told of yet.
    untold: Vec<Run>,
    /// Nothing has failed yet.
    is_sound: bool,
    age: Age,
    connection: Connection,
}

impl SqliteStore {
    /// Opens the file, or makes it. Fails where it is not a store, is damaged in more than what people wrote, or was written by
    /// a newer program; nothing is written to such a file, not even what its write-ahead log holds. Messages that are damaged
    /// are set aside.
    ///
    /// Damage that is found later, in what is too large to be read at once, makes every further call fail, unless it is in
    /// messages.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path, opening::READ_WHOLE, log::LIMITS)
    }

    fn open_with(path: &Path, read_whole: u64, limits: log::Limits) -> Result<SqliteStore, StoreError> {
        mark::check(path)?;
        opening::make_private(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        let connection = opening::connect(path, OpenFlags::default())?;
        opening::refuse_others(&connection)?;
        let found = Found::default();
        let is_read = opening::check(&connection, path, read_whole, &found)?;
        let mut store = SqliteStore::prepare(connection, "FULL", found)?;
        store.log = Some(Log::open(path, limits)?);
        store.reading = if is_read { None } else { Some(reading::start(path, &store.found)?) };
        Ok(store)
    }

    /// A store that is gone with the process, for tests of what is built on it.
    pub fn in_memory() -> Result<SqliteStore, StoreError> {
        let connection = Connection::open_in_memory()?;
        sum::register(&connection)?;
        SqliteStore::prepare(connection, "OFF", Found::default())
    }

    fn prepare(mut connection: Connection, synchronous: &str, found: Found) -> Result<SqliteStore, StoreError> {
        connection.pragma_update(None, "page_size", PAGE as i64)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        // Whoever begins to read the store while something is written may hold its lock for a moment. SQLite waits for that
        // where a transaction begins with writing, and fails at once where it has read before.
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // Without it, statements are prepared anew for nearly each value that they are given.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        opening::migrate(&mut connection)?;
        let age = Age::read(&connection)?;
        let now = age.looked_at();
        let mut store =
            SqliteStore { log: None, reading: None, found, untold: Vec::new(), is_sound: true, age, connection };
        store.commit(&[Operation::OpenRoom { room: Name::everybody() }], now)?;
        Ok(store)
    }

    /// Does something with the store, unless something beside the commits has failed.
    fn trusting<T>(&mut self, work: impl FnOnce(&mut SqliteStore) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = self.check().and_then(|()| work(self));
        self.is_sound &= !matches!(result, Err(StoreError::Failed(_)));
        result
    }

    /// Sets some of the damage aside that was found. For want of space it is left for later: nobody is to wait for it.
    fn set_aside(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let some = self.found.some();
        if some.is_empty() {
            return Ok(());
        }
        match Batch::new(self.connection.transaction()?, now, self.age.at(now), &self.found, 0).set_aside(&some) {
            Ok(appended) => {
                self.found.remove(&some);
                self.untold.extend(appended);
                Ok(())
            }
            Err(StoreError::Full) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// Fails once something beside the commits has.
    fn check(&self) -> Result<(), StoreError> {
        self.log.as_ref().map_or(Ok(()), Log::check)?;
        self.reading.as_ref().map_or(Ok(()), Background::check)
    }
}

impl Drop for SqliteStore {
    /// The last connection copies the log into the file and removes it. Where a sync has failed it must not: a further one
    /// may succeed without what the first one lost, and the log is all that has it then.
    fn drop(&mut self) {
        let is_read = self.reading.take().is_none_or(|reading| reading.end().is_ok());
        let log = self.log.take().filter(|_| self.is_sound && is_read);
        if log.is_some_and(|log| log.end(&self.connection).unwrap_or(false)) {
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, operations: &[Operation], now: Timestamp) -> Result<Committed, StoreError> {
        self.trusting(|store| {
            store.set_aside(now)?;
            store.age.look(&store.connection, now)?;
            let (age, tx) = (store.age.at(now), store.connection.transaction()?);
            let mut batch = Batch::new(tx, now, age, &store.found, operations.len());
            operations.iter().try_for_each(|operation| batch.carry_out(operation))?;
            let mut committed = batch.commit()?;
            if let Some(log) = &mut store.log {
                log.tend(&store.connection)?;
            }
            if !store.untold.is_empty() {
                committed.appended.splice(..0, store.untold.drain(..));
            }
            Ok(committed)
        })
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError> {
        self.trusting(|store| {
            Ok(runs::read(&store.connection, &store.found, mailbox, after, max_bytes)?.into_iter().collect())
        })
    }

    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.trusting(|store| people::list(&store.connection, after, limit))
    }

    fn rooms(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError> {
        self.trusting(|store| rooms::list(&store.connection, after, limit))
    }

    fn members(&mut self, room: MailboxId, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.trusting(|store| rooms::members(&store.connection, room, after, limit))
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
        let forget = || {
            for suffix in ["", "-mark"] {
                let _ = std::fs::remove_file(opening::beside(&path, suffix));
            }
        };
        contract::check(|| SqliteStore::open(&path).unwrap(), forget);
    }

    #[test]
    fn the_bundled_sqlite_is_recent_enough() {
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }

    #[test]
    fn a_lock_that_somebody_holds_for_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mut store = SqliteStore::open(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        // As whoever reads the store for a backup does, where they happen to begin while something is written.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let letting_go = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            other.execute_batch("ROLLBACK").unwrap();
        });
        let login = Operation::Login { key: [1; 32], device: contract::DEVICE };
        store.commit(&[login], Timestamp(0)).unwrap();
        letting_go.join().unwrap();
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

    /// Puts a few hundred entries into a store, and closes it.
    fn filled(path: &Path) -> Vec<crate::store::Login> {
        let mut store = SqliteStore::open(path).unwrap();
        let ids = contract::people(&mut store, 2);
        for counter in 1..=300 {
            let submission = contract::submission(counter, &["Usuario1"], &"x".repeat(5000));
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        ids
    }

    /// Overwrites the first page of a table, and gives the file's bytes as they are then.
    fn damage(path: &Path, table: &str) -> Vec<u8> {
        let connection = Connection::open(path).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
        let root: u32 = connection.query_row(sql, [table], |row| row.get(0)).unwrap();
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        drop(connection);
        let mut bytes = std::fs::read(path).unwrap();
        let begins = ((root - 1) * page) as usize;
        bytes[begins..begins + page as usize].fill(0xa5);
        std::fs::write(path, &bytes).unwrap();
        bytes
    }

    #[test]
    fn damage_in_a_large_store_is_found_while_it_is_in_use() {
        for table in ["run", "span", "device", "member"] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.db");
            let ids = filled(&path);
            damage(&path, table);
            assert!(matches!(SqliteStore::open(&path), Err(StoreError::Failed(_))), "read whole");
            let mut store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
            while !store.reading.as_ref().is_none_or(Background::has_ended) {
                std::thread::yield_now();
            }
            // It touches nothing of what is damaged.
            assert!(matches!(store.people(None, ids.len()), Err(StoreError::Failed(_))), "{table}");
            assert!(matches!(store.commit(&[], Timestamp(1)), Err(StoreError::Failed(_))), "{table}");
        }
    }

    #[test]
    fn a_large_store_that_is_sound_stays_in_use_after_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let ids = filled(&path);
        let mut store = SqliteStore::open_with(&path, 0, log::LIMITS).unwrap();
        while !store.reading.as_ref().is_none_or(Background::has_ended) {
            store.check().unwrap();
        }
        store.check().unwrap();
        assert!(!store.entries(ids[1].mailbox, 0, 1000).unwrap().is_empty());
    }

    #[test]
    fn a_large_store_whose_people_are_damaged_or_whose_end_is_missing_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        filled(&path);
        let whole = std::fs::read(&path).unwrap();
        let bytes = damage(&path, "person");
        assert!(matches!(SqliteStore::open_with(&path, 0, log::LIMITS), Err(StoreError::Failed(_))));
        assert!(std::fs::read(&path).unwrap() == bytes);
        std::fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
        assert!(matches!(SqliteStore::open_with(&path, 0, log::LIMITS), Err(StoreError::Failed(_))));
        assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, whole.len() - 4096);
    }

    #[test]
    fn after_a_failure_the_log_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let mut store = SqliteStore::open(&path).unwrap();
        let ids = contract::people(&mut store, 2);
        let submission = contract::submission(1, &["Usuario1"], "oi");
        let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
        store.commit(&[submit], Timestamp(1)).unwrap();
        let failed = store.trusting(|_| Err::<(), _>(StoreError::Failed("the disk".into())));
        assert!(matches!(failed, Err(StoreError::Failed(_))));
        drop(store);
        assert!(std::fs::metadata(directory.path().join("store.db-wal")).unwrap().len() > 0);
        let mut store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.entries(ids[1].mailbox, 0, usize::MAX).unwrap().last().unwrap().last, 1);
        drop(store);
        assert!(!directory.path().join("store.db-wal").exists(), "a clean end leaves one file");
    }

    #[test]
    fn the_log_stays_short_also_where_each_commit_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let limits = log::Limits { step: 10, long: 50, rest: 5, too_long: 100 };
        let mut store = SqliteStore::open_with(&path, u64::MAX, limits).unwrap();
        let ids = contract::people(&mut store, 2);
        for counter in 1..=200 {
            let submission = contract::submission(counter, &["Usuario1"], &"x".repeat(150_000));
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        let log = std::fs::metadata(directory.path().join("store.db-wal")).unwrap().len();
        assert!(log < 400 * PAGE as u64, "{log}");
    }

    #[test]
    fn the_log_stays_short_and_nothing_in_it_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let long = 100;
        let limits = log::Limits { step: long / 8, long, rest: 20, too_long: 2 * long };
        let mut store = SqliteStore::open_with(&path, u64::MAX, limits).unwrap();
        let ids = contract::people(&mut store, 2);
        for counter in 1..=2000 {
            let submission = contract::submission(counter, &["Usuario1"], &"x".repeat(3000));
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        let log = std::fs::metadata(directory.path().join("store.db-wal")).unwrap().len();
        // It may grow while the thread copies: by as much as may not be copied, and by what comes before it begins anew.
        assert!(log < u64::from(6 * long) * PAGE as u64, "{log}");
        drop(store);
        let mut store = SqliteStore::open(&path).unwrap();
        let runs = store.entries(ids[1].mailbox, 0, usize::MAX).unwrap();
        assert_eq!(runs.last().unwrap().last, 2000);
    }
}
