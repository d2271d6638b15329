//! The embedded store: one SQLite file, written by one thread.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use malote_common::frame::Person;
use malote_common::{
    Address, DeviceId, Entry, Epoch, MailboxId, Name, Outcome, Receipt, Seq, Submission, Timestamp, codec, limits,
};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Answer, Login, Operation, PersonId, Store, StoreError, Stored};

/// The schema's versions, oldest first.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Bytes of write-ahead log after which it is carried over into the table: large, so that commits seldom wait for it.
const WAL_PAGES: u32 = 64 * 1024 * 1024 / 4096;

/// Statements kept prepared: all of this file's.
const PREPARED: usize = 32;

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
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "cache_size", -64 * 1024)?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        migrate(&mut connection)?;
        Ok(SqliteStore { connection })
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Vec<Answer>, StoreError> {
        let tx = Batch { tx: self.connection.transaction()?, now };
        let answers = batch.iter().map(|operation| tx.carry_out(operation)).collect::<Result<Vec<_>, _>>()?;
        tx.tx.commit()?;
        Ok(answers)
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Stored>, StoreError> {
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
        Ok(entries)
    }

    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT number, name FROM person WHERE number > ? ORDER BY number LIMIT ?")?;
        let after = after.map_or(-1, |person| number(person.0));
        let rows = statement.query_map(params![after, limit as i64], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (number, name): (i64, String) = row?;
            Ok(Person { number: number as u64, name: stored_name(&name)?, connected: false })
        })
        .collect()
    }
}

/// What is known of a device.
struct Device {
    row: i64,
    /// The highest counter carried out.
    last_counter: u64,
    /// The last counter that was carried out and refused for a passing reason.
    refused: u64,
}

/// One transaction, with the operations that it can carry out.
struct Batch<'a> {
    tx: Transaction<'a>,
    now: Timestamp,
}

impl Batch<'_> {
    fn carry_out(&self, operation: &Operation) -> Result<Answer, StoreError> {
        match operation {
            Operation::Login { key, device } => self.login(key, *device).map(Answer::LoggedIn),
            Operation::Submit { author, device, submission } => self.submit(*author, *device, submission),
            Operation::Acknowledge { mailbox, seq } => self.acknowledge(*mailbox, *seq),
            Operation::Read { mailbox, seqs } => self.read(*mailbox, seqs),
        }
    }

    fn login(&self, key: &[u8; 32], device: DeviceId) -> Result<Login, StoreError> {
        let known = self.tx.prepare_cached("SELECT number FROM person WHERE key = ?")?;
        let known: Option<i64> = { known }.query_row([&key[..]], |row| row.get(0)).optional()?;
        let person = match known {
            Some(person) => person,
            None => self.welcome_newcomer(key)?,
        };
        self.tx
            .prepare_cached(
                "INSERT INTO device (person, device, last_counter, refused) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING",
            )?
            .execute(params![person, &device.0[..]])?;
        let mut statement = self.tx.prepare_cached(
            "SELECT person.name, mailbox.id, mailbox.epoch, mailbox.last_seq, device.last_counter
             FROM person JOIN mailbox ON mailbox.id = person.mailbox JOIN device ON device.person = person.number
             WHERE person.number = ? AND device.device = ?",
        )?;
        let (name, mailbox, epoch, last_seq, last_counter): (String, i64, [u8; 16], i64, i64) = statement
            .query_row(params![person, &device.0[..]], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
        Ok(Login {
            person: PersonId(person as u64),
            name: stored_name(&name)?,
            mailbox: MailboxId(mailbox as u64),
            epoch: Epoch(epoch),
            last_seq: last_seq as u64,
            last_counter: last_counter as u64,
            is_new: known.is_none(),
        })
    }

    fn welcome_newcomer(&self, key: &[u8; 32]) -> Result<i64, StoreError> {
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch).map_err(|e| StoreError::Failed(format!("no random numbers: {e}")))?;
        self.tx
            .prepare_cached("INSERT INTO mailbox (epoch, last_seq, delivered) VALUES (?, 0, 0)")?
            .execute([&epoch[..]])?;
        let mailbox = self.tx.last_insert_rowid();
        let next: i64 = self
            .tx
            .prepare_cached("SELECT coalesce(max(number) + 1, 0) FROM person")?
            .query_row([], |row| row.get(0))?;
        let name = Name::given(next as u64);
        self.tx
            .prepare_cached("INSERT INTO person (number, key, name, mailbox, created_at) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![next, &key[..], name.as_str(), mailbox, self.now.0])?;
        self.tx
            .prepare_cached("INSERT INTO name (folded, person) VALUES (?, ?)")?
            .execute(params![name.folded(), next])?;
        Ok(next)
    }

    fn submit(&self, author: PersonId, device: DeviceId, submission: &Submission) -> Result<Answer, StoreError> {
        let answered = |outcomes| Ok(Answer::Submitted { outcomes, appended: Vec::new() });
        if let Some(refusal) = submission.refusal() {
            return answered(vec![refusal; submission.targets.len()]);
        }
        let message = &submission.message;
        let Device { row: device, last_counter, refused } = self.device(author, device)?;
        let slot = number(submission.counter % limits::WINDOW);
        let earlier: Option<(i64, [u8; 16], Vec<u8>)> = self
            .tx
            .prepare_cached("SELECT counter, message, outcomes FROM answer WHERE device = ? AND slot = ?")?
            .query_row(params![device, slot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        match earlier {
            Some((counter, id, outcomes)) if counter == number(submission.counter) && id == message.id.0 => {
                return answered(codec::decode(&outcomes).map_err(unexpected)?);
            }
            // A counter that was used for another message, or one whose answer is not kept any more: carrying it out
            // could double something, so it is refused.
            Some((counter, ..)) if counter >= number(submission.counter) => {
                return answered(vec![Outcome::Invalid; submission.targets.len()]);
            }
            _ if is_out_of_turn(submission, last_counter, refused) => {
                return answered(vec![Outcome::OutOfTurn; submission.targets.len()]);
            }
            _ => {}
        }
        let (outcomes, appended) = self.deliver(author, submission)?;
        let stored = codec::encode(&outcomes).map_err(unexpected)?;
        self.tx
            .prepare_cached("REPLACE INTO answer (device, slot, counter, message, outcomes) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![device, slot, number(submission.counter), &message.id.0[..], stored])?;
        self.tx
            .prepare_cached(
                "UPDATE device SET last_counter = max(last_counter, ?1), refused = iif(?2, ?1, refused) WHERE id = ?3",
            )?
            .execute(params![
                number(submission.counter),
                outcomes.iter().any(|outcome| outcome.is_temporary()),
                device
            ])?;
        Ok(Answer::Submitted { outcomes, appended })
    }

    /// Appends the message to each target's mailbox, once where two targets are the same person.
    fn deliver(&self, author: PersonId, submission: &Submission) -> Result<(Vec<Outcome>, Vec<Stored>), StoreError> {
        let from: String = self
            .tx
            .prepare_cached("SELECT name FROM person WHERE number = ?")?
            .query_row([number(author.0)], |row| row.get(0))?;
        let entry =
            Entry::Message { from: stored_name(&from)?, accepted_at: self.now, message: submission.message.clone() };
        let entry: Arc<[u8]> = codec::encode(&entry).map_err(unexpected)?.into();
        let (mut appended, mut outcomes): (Vec<Stored>, _) = (Vec::new(), Vec::new());
        for address in submission.recipients() {
            let Some((mailbox, waiting)) = self.mailbox_of(address)? else {
                outcomes.push(Outcome::UnknownRecipient);
                continue;
            };
            let seq = match appended.iter().find(|stored| stored.mailbox == mailbox) {
                Some(stored) => stored.seq,
                None if waiting >= limits::MAILBOX_ENTRIES => {
                    outcomes.push(Outcome::MailboxFull);
                    continue;
                }
                None => {
                    let stored = self.append(mailbox, Some(author), entry.clone())?;
                    appended.push(stored);
                    appended[appended.len() - 1].seq
                }
            };
            outcomes.push(Outcome::Accepted { mailbox, seq });
        }
        Ok((outcomes, appended))
    }

    fn device(&self, person: PersonId, device: DeviceId) -> Result<Device, StoreError> {
        let mut statement =
            self.tx.prepare_cached("SELECT id, last_counter, refused FROM device WHERE person = ? AND device = ?")?;
        let device = statement.query_row(params![number(person.0), &device.0[..]], |row| {
            let (last_counter, refused): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Device { row: row.get(0)?, last_counter: last_counter as u64, refused: refused as u64 })
        })?;
        Ok(device)
    }

    /// The mailbox that an address leads to, and how many entries wait in it.
    fn mailbox_of(&self, address: &Address) -> Result<Option<(MailboxId, u64)>, StoreError> {
        let Address::Person(name) = address else {
            return Ok(None);
        };
        let mut statement = self.tx.prepare_cached(
            "SELECT mailbox.id, mailbox.last_seq - mailbox.delivered
             FROM name JOIN person ON person.number = name.person JOIN mailbox ON mailbox.id = person.mailbox
             WHERE name.folded = ?",
        )?;
        let found = statement.query_row([name.folded()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        Ok(found.optional()?.map(|(mailbox, waiting)| (MailboxId(mailbox as u64), waiting as u64)))
    }

    fn append(&self, mailbox: MailboxId, author: Option<PersonId>, entry: Arc<[u8]>) -> Result<Stored, StoreError> {
        let seq: i64 = self
            .tx
            .prepare_cached("UPDATE mailbox SET last_seq = last_seq + 1 WHERE id = ? RETURNING last_seq")?
            .query_row([number(mailbox.0)], |row| row.get(0))?;
        self.tx
            .prepare_cached("INSERT INTO entry (mailbox, seq, author, body) VALUES (?, ?, ?, ?)")?
            .execute(params![number(mailbox.0), seq, author.map(|person| number(person.0)), &entry[..]])?;
        Ok(Stored { mailbox, seq: seq as u64, entry })
    }

    fn acknowledge(&self, mailbox: MailboxId, seq: Seq) -> Result<Answer, StoreError> {
        let (last, delivered): (i64, i64) = self
            .tx
            .prepare_cached("SELECT last_seq, delivered FROM mailbox WHERE id = ?")?
            .query_row([number(mailbox.0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let seq = number(seq).min(last);
        if seq <= delivered {
            return Ok(Answer::Noted { appended: Vec::new() });
        }
        let mut statement = self.tx.prepare_cached(
            "SELECT author, max(seq) FROM entry
             WHERE mailbox = ? AND seq > ? AND seq <= ? AND author IS NOT NULL GROUP BY author",
        )?;
        let rows = statement.query_map(params![number(mailbox.0), delivered, seq], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let newest: BTreeMap<i64, i64> = rows.collect::<Result<_, _>>()?;
        self.tx
            .prepare_cached("UPDATE mailbox SET delivered = ? WHERE id = ?")?
            .execute(params![seq, number(mailbox.0)])?;
        let receipts = newest.into_iter().map(|(author, seq)| {
            let receipt = Receipt::Delivered { mailbox, seq: seq as u64, at: self.now };
            self.append_receipt(PersonId(author as u64), receipt)
        });
        Ok(Answer::Noted { appended: receipts.collect::<Result<_, _>>()? })
    }

    fn read(&self, mailbox: MailboxId, seqs: &[Seq]) -> Result<Answer, StoreError> {
        let mut appended = Vec::new();
        for seq in seqs {
            let mut statement = self.tx.prepare_cached(
                "UPDATE entry SET read = 1 WHERE mailbox = ? AND seq = ? AND author IS NOT NULL AND read = 0
                 RETURNING author",
            )?;
            let author = statement.query_row(params![number(mailbox.0), number(*seq)], |row| row.get::<_, i64>(0));
            if let Some(author) = author.optional()? {
                let receipt = Receipt::Read { mailbox, seq: *seq, at: self.now };
                appended.push(self.append_receipt(PersonId(author as u64), receipt)?);
            }
        }
        Ok(Answer::Noted { appended })
    }

    fn append_receipt(&self, author: PersonId, receipt: Receipt) -> Result<Stored, StoreError> {
        let mailbox: i64 = self
            .tx
            .prepare_cached("SELECT mailbox FROM person WHERE number = ?")?
            .query_row([number(author.0)], |row| row.get(0))?;
        let entry = codec::encode(&Entry::Receipt(receipt)).map_err(unexpected)?;
        self.append(MailboxId(mailbox as u64), None, entry.into())
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

/// Whether a submission that was not carried out before must not be carried out now. `refused` is the last one of its
/// device that was carried out and refused for now; one that is missing between the last one and it was refused on its way.
fn is_out_of_turn(submission: &Submission, last_counter: u64, refused: u64) -> bool {
    let comes_late = submission.counter <= last_counter;
    let is_one_missing = last_counter + 1 < submission.counter && submission.would_overtake(submission.counter - 1);
    submission.is_inquiry() || comes_late || is_one_missing || submission.would_overtake(refused)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version as usize > MIGRATIONS.len() {
        return Err(StoreError::Failed("the store was written by a newer malote-server".to_owned()));
    }
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
