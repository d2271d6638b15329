//! The embedded store: one SQLite file, written by one thread.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use malote_common::frame::{Person, Room};
use malote_common::{MailboxId, Name, Seq, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, params};

use super::{Answer, Committed, Operation, PersonId, Run, Store, StoreError};

mod people;
mod posting;
mod rooms;

/// The schema's versions, oldest first.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// What tells our files from those of other programs: "MLT1".
const APPLICATION: u32 = 0x4d4c_5431;

/// Bytes of write-ahead log after which it is carried over into the table: large, so that commits seldom wait for it.
const WAL_PAGES: u32 = 64 * 1024 * 1024 / 4096;

/// Statements kept prepared: all of this file's.
const PREPARED: usize = 64;

/// A [`Store`] in a SQLite file.
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the file, or makes it. Fails where it is not a store, is damaged, or was written by a newer program; nothing
    /// is written to such a file, not even what its write-ahead log holds.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        make_private(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        let connection = Connection::open(path)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        check(&connection)?;
        let store = SqliteStore::prepare(connection, "FULL")?;
        store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(store)
    }

    /// A store that is gone with the process, for tests of what is built on it.
    pub fn in_memory() -> Result<SqliteStore, StoreError> {
        SqliteStore::prepare(Connection::open_in_memory()?, "OFF")
    }

    fn prepare(mut connection: Connection, synchronous: &str) -> Result<SqliteStore, StoreError> {
        refuse_others(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "cache_size", -64 * 1024)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        migrate(&mut connection)?;
        let mut store = SqliteStore { connection };
        store.commit(&[Operation::OpenRoom { room: Name::everybody() }], Timestamp(0))?;
        Ok(store)
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Committed, StoreError> {
        let tx = Batch { tx: self.connection.transaction()?, now, appended: Default::default() };
        let answers = batch.iter().map(|operation| tx.carry_out(operation)).collect::<Result<Vec<_>, _>>()?;
        let appended = runs(tx.appended.take());
        tx.tx.commit()?;
        Ok(Committed { answers, appended })
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT seq, body FROM entry WHERE mailbox = ? AND seq > ? ORDER BY seq")?;
        let mut rows = statement.query(params![number(mailbox.0), number(after)])?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let body = row.get_ref(1)?.as_blob().map_err(unexpected)?;
            bytes += body.len();
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(Stored { mailbox, seq: row.get::<_, i64>(0)? as u64, entry: Arc::from(body) });
        }
        Ok(runs(entries))
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

pub struct Stored {
    pub mailbox: MailboxId,
    pub seq: Seq,
    pub entry: Arc<[u8]>,
}

fn runs(entries: Vec<Stored>) -> Vec<Run> {
    let mut runs: std::collections::BTreeMap<MailboxId, (Seq, Seq, Vec<u8>)> = Default::default();
    for Stored { mailbox, seq, entry } in entries {
        let run = runs.entry(mailbox).or_insert((seq, seq, Vec::new()));
        run.1 = seq;
        malote_common::codec::write_frame(&mut run.2, &entry);
    }
    runs.into_iter().map(|(mailbox, (first, last, bytes))| Run { mailbox, first, last, bytes: bytes.into() }).collect()
}

/// One transaction, with the operations that it can carry out.
struct Batch<'a> {
    tx: Transaction<'a>,
    now: Timestamp,
    appended: std::cell::RefCell<Vec<Stored>>,
}

impl Batch<'_> {
    fn carry_out(&self, operation: &Operation) -> Result<Answer, StoreError> {
        match operation {
            Operation::Login { key, device } => self.login(key, *device).map(Answer::LoggedIn),
            Operation::Submit { author, device, submission } => self.submit(*author, *device, submission),
            Operation::Acknowledge { mailbox, seq } => self.acknowledge(*mailbox, *seq),
            Operation::Read { mailbox, seqs } => self.read(*mailbox, seqs),
            Operation::TakeName { person, name } => self.take_name(*person, name.as_ref()),
            Operation::Enter { person, room, create } => self.enter(*person, room, *create),
            Operation::Leave { person, room } => self.leave(*person, room),
            Operation::OpenRoom { room } => self.open_room(room),
            Operation::Post { room, from, message } => self.post(*room, from, message),
        }
    }

    fn make_mailbox(&self) -> Result<i64, StoreError> {
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch).map_err(|e| StoreError::Failed(format!("no random numbers: {e}")))?;
        self.tx
            .prepare_cached("INSERT INTO mailbox (epoch, last_seq, delivered) VALUES (?, 0, 0)")?
            .execute([&epoch[..]])?;
        Ok(self.tx.last_insert_rowid())
    }
}

/// Makes the file where there is none, for nobody else to read. SQLite makes the files beside it in the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Reads the whole file, and fails where something in it is damaged. It takes half a second for a million entries.
fn check(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.lines().last() {
        Some("ok") => Ok(()),
        damage => Err(StoreError::Failed(damage.unwrap_or_default().to_owned())),
    }
}

/// Fails where the file holds tables of another program, or of a newer version of this one.
fn refuse_others(connection: &Connection) -> Result<(), StoreError> {
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

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
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
    use super::super::contract;
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
        assert_eq!(store.entries(ids[1].mailbox, 0, 1000).unwrap(), []);
        store.connection.pragma_update(None, "max_page_count", 100_000).unwrap();
        let answers = store.commit(&[submit], Timestamp(1)).unwrap();
        assert!(matches!(&answers[0], Answer::Submitted { outcomes, .. }
            if matches!(outcomes[0], Outcome::Accepted { seq: 1, .. })));
    }
}
