//! What a profile keeps on disk: what came, what was sent and what became of it, what still has to go out.
//!
//! One [`Archive`] writes, on the engine's thread; [`Reader`]s look, each with a connection of its own. A change is
//! durable when [`Archive::apply`] returns.

mod apply;
mod error;
mod outbox;
mod reader;
mod receive;
mod restored;
mod rooms;
mod search;
mod servers;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use malote_common::frame::Membership;
use malote_common::{Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Seq, Timestamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::engine::Command;
pub use error::ArchiveError;
use error::explained;
pub use reader::Reader;
pub use rooms::KnownRoom;
pub use search::{Found, HITS, Hit, Hits, Query};
pub use servers::Identified;

/// The schema's versions, oldest first.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];

/// What tells our files from those of other programs: "MLTC". What was written before the first release differs from it.
const APPLICATION: u32 = 0x4d4c_5443;

/// The number of no mailbox: servers count from 1.
const NOBODYS: MailboxId = MailboxId(0);

/// The setting that keeps authors from learning that their messages were opened.
const QUIET: &str = "quiet";

/// The setting that says that the user was asked for a name.
const ASKED_NAME: &str = "asked-name";

/// The writing side of a profile's archive, for one server.
pub struct Archive {
    connection: Connection,
    path: PathBuf,
    /// The row of the server that this archive is open for.
    server: i64,
}

/// A change to the archive that the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The server told who we are, and which rooms we are in. With another epoch than before, everything that a mailbox
    /// has is to be read again.
    Welcomed { name: Name, number: u64, mailbox: MailboxId, epoch: Epoch, rooms: Vec<Membership> },
    /// The server was brought back from a backup, which knows our submissions up to this counter. It is to give us back these
    /// rooms and this name.
    ServerRestored { last_counter: u64, wishes: Vec<Address> },
    /// The server has granted or refused one of those.
    WishAnswered(Address),
    /// We are in this room now.
    Entered(Membership),
    /// We are not in this room any more.
    Left { mailbox: MailboxId },
    /// We are called so now.
    Named(Name),
    /// A message was written; it is open for all its recipients.
    Composed { message: Message, content: Content },
    /// The attempt with this counter begins.
    Attempted { message: MessageId, counter: u64 },
    /// An attempt was answered: what it said of which recipient, by position. `open` are those to try again.
    Answered { message: MessageId, outcomes: Vec<(u8, Outcome)>, open: Vec<u8>, not_before: Timestamp },
    /// For how long these open messages have been tried, as noted at this time by the clock on the wall.
    Tried { messages: Vec<(MessageId, Duration)>, at: Timestamp },
    /// These recipients were not reached in all the time there is.
    Expired { message: MessageId, open: Vec<u8> },
    /// The mailbox's next entry.
    Received { mailbox: MailboxId, seq: Seq, entry: Entry },
    /// A message was opened.
    Opened { row: i64 },
    /// The server has noted that these were opened.
    Told { seqs: Vec<Seq> },
    /// The inbox was emptied, or a room's list, in a clearing with this number.
    Cleared { clearing: i64, room: Option<MailboxId> },
    /// What that clearing took out is back.
    Restored { clearing: i64 },
    /// The compose form.
    Draft(Draft),
    /// Whether authors learn that their messages were opened.
    TellRead(bool),
    /// The user was asked for a name.
    AskedName,
}

impl Change {
    /// Whether the engine goes on as before where this could not be written: it is the user's alone, or is noted again.
    pub fn is_dispensable(&self) -> bool {
        use Change::{AskedName, Cleared, Draft, Restored, TellRead, Tried};
        matches!(self, Draft(_) | Tried { .. } | Cleared { .. } | Restored { .. } | TellRead(_) | AskedName)
    }
}

/// What changed in the archive, for those who show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A message came: its row.
    Received(i64),
    /// A received message changed: its row.
    Changed(i64),
    /// Many messages left the inbox or a room's list, or came back.
    InboxChanged,
    /// We have entered or left rooms.
    RoomsChanged,
    /// A sent message is new, or what became of it: its row.
    Sent(i64),
    /// What became of many sent messages.
    SentChanged,
}

/// What stands in the compose form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub to: String,
    pub subject: String,
    pub body: String,
    pub in_reply_to: Option<MessageId>,
}

/// Which received messages a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// What others wrote to us or to everybody.
    Inbox,
    /// What was written in this room, by ourselves as well. The room of everybody is one.
    Room(MailboxId),
    /// What the person with this number wrote to us or to everybody.
    From(u64),
}

/// Where a received message was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To us.
    Mail,
    Everybody,
    Room,
}

/// A received message as a list shows it. All texts are as their author wrote them: show them through
/// [`malote_common::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub row: i64,
    pub place: Place,
    pub mailbox: MailboxId,
    pub from: String,
    /// The sender's number, as in `UsuarioN`; nothing for a visitor of the web listener.
    pub number: Option<u64>,
    /// Whether we wrote it ourselves, in a room.
    pub mine: bool,
    pub subject: String,
    /// The beginning of the body.
    pub beginning: String,
    pub accepted_at: Timestamp,
    pub read: bool,
    /// The server's disk has damaged it: nothing of it is known but perhaps its sender.
    pub damaged: bool,
}

/// A received message, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub row: i64,
    pub id: MessageId,
    pub place: Place,
    pub mailbox: MailboxId,
    pub seq: Seq,
    pub from: String,
    /// The sender's number, as in `UsuarioN`; nothing for a visitor of the web listener.
    pub number: Option<u64>,
    /// Whether we wrote it ourselves, in a room.
    pub mine: bool,
    pub to: String,
    pub subject: String,
    pub body: String,
    pub in_reply_to: Option<MessageId>,
    pub sent_at: Timestamp,
    pub accepted_at: Timestamp,
    pub read: bool,
    /// The server's disk has damaged it: nothing of it is known but perhaps its sender.
    pub damaged: bool,
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub row: i64,
    pub id: MessageId,
    pub subject: String,
    pub body: String,
    pub sent_at: Timestamp,
    pub recipients: Vec<Recipient>,
}

/// What became of a sent message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub address: String,
    pub state: State,
}

/// The states of a sent message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Here, and to be sent; with the code of the passing refusal where there was one.
    Queued {
        waiting: Option<String>,
    },
    Accepted {
        seq: Seq,
    },
    Delivered {
        seq: Seq,
        at: Timestamp,
    },
    Read {
        seq: Seq,
        at: Timestamp,
    },
    /// With the outcome's code, `expired`, `server_replaced` or `damaged`.
    Refused {
        reason: String,
    },
}

/// What an engine begins with.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    pub name: Option<Name>,
    /// How far our own mailbox is on disk.
    pub resume: Option<(MailboxId, Epoch, Seq)>,
    /// How far the rooms are that we are in or were in.
    pub rooms: BTreeMap<MailboxId, SavedRoom>,
    pub next_counter: u64,
    pub outbox: Vec<Open>,
    /// Rooms and a name that the server is to give us back since it was brought back from a backup.
    pub wishes: Vec<Address>,
    /// Entries that were opened and whose authors are to learn it.
    pub to_tell: Vec<Seq>,
    pub tell_read: bool,
}

/// How far a room is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRoom {
    pub name: Name,
    pub epoch: Epoch,
    /// The first entry that we may see.
    pub first: Seq,
    /// Everything up to it that we may see is on disk.
    pub last_seq: Seq,
    /// Whether we are in it.
    pub member: bool,
}

impl SavedRoom {
    /// What is on disk of a room that we are in, as the server describes it, given what was on disk before.
    pub fn of(membership: &Membership, before: Option<&SavedRoom>) -> SavedRoom {
        // A server that has fewer entries than we do has forgotten some: what it has now is looked at from the beginning.
        let goes_on = |before: &&SavedRoom| before.epoch == membership.epoch && before.last_seq <= membership.last_seq;
        let known = before.filter(goes_on).map_or(0, |before| before.last_seq);
        SavedRoom {
            name: membership.room.clone(),
            epoch: membership.epoch,
            first: membership.first,
            // What lies between what we had and what we may see is not for us.
            last_seq: known.max(membership.first.saturating_sub(1)),
            member: true,
        }
    }
}

/// A message that has no final answer for all its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub message: Message,
    /// Positions of the recipients that are open.
    pub targets: Vec<u8>,
    /// Of the attempt under way.
    pub counter: Option<u64>,
    pub not_before: Timestamp,
    /// For how long it had been tried …
    pub tried_for: Duration,
    /// … at this time by the clock on the wall.
    pub noted_at: Timestamp,
    /// Whether the server was brought back from a backup since it was written.
    pub restored: bool,
}

impl Archive {
    /// Opens a profile's archive, or makes it, for the server at this address.
    pub fn open(path: &Path, address: &str) -> Result<Archive, ArchiveError> {
        make_private(path)
            .map_err(|error| ArchiveError::Failed { path: path.to_owned(), reason: error.to_string() })?;
        let connection = Connection::open(path).map_err(|error| explained(path, &error))?;
        Archive::prepare(connection, path, address).map_err(|error| explained(path, &error))
    }

    /// An archive that is gone with the process, for tests of what is built on it.
    pub fn in_memory() -> Result<Archive, ArchiveError> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory().map_err(|error| explained(path, &error))?;
        Archive::prepare(connection, path, "test").map_err(|error| explained(path, &error))
    }

    fn prepare(mut connection: Connection, path: &Path, address: &str) -> rusqlite::Result<Archive> {
        refuse_others(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Whoever begins to look into the archive while something is written may hold its lock for a moment. SQLite waits for
        // that where a transaction begins with writing, and fails at once where it has read before.
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "application_id", APPLICATION)?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for (migration, step) in MIGRATIONS.iter().zip(1u32..).skip(version as usize) {
            let tx = connection.transaction()?;
            tx.execute_batch(migration)?;
            tx.pragma_update(None, "user_version", step)?;
            tx.commit()?;
        }
        let server = servers::at(&connection, address)?;
        Ok(Archive { connection, path: path.to_owned(), server })
    }

    /// Carries out the changes, all or none, durably, and tells what is new.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<News>, ArchiveError> {
        apply::apply(&mut self.connection, self.server, changes).map_err(|error| explained(&self.path, &error))
    }

    /// A command as the engine is to have it: a message that is opened in a room and was written to us as well is opened
    /// in our mailbox, since its author is to learn it.
    pub fn located(&self, command: Command) -> Command {
        let Command::Open { row, seq, .. } = command else { return command };
        match self.mail_copy(row) {
            Ok(Some((mailbox, seq))) => Command::Open { row, mailbox, seq },
            // Another server's mailbox may have the number of ours here. Its author is told when we are there again.
            Ok(None) if self.is_from_elsewhere(row) => Command::Open { row, mailbox: NOBODYS, seq },
            // What cannot be read cannot be marked as opened either, and that is reported.
            Ok(None) | Err(_) => command,
        }
    }

    fn is_from_elsewhere(&self, row: i64) -> bool {
        let sql = "SELECT server <> ? FROM received WHERE id = ?";
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([self.server, row], |row| row.get::<_, bool>(0)));
        found.unwrap_or(false)
    }

    fn mail_copy(&self, row: i64) -> rusqlite::Result<Option<(MailboxId, Seq)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT own.mailbox, own.seq FROM received JOIN received AS own USING (server, message)
             WHERE received.id = ? AND own.server = ? AND own.place = 0 AND own.number IS received.number",
        )?;
        let place = |row: &rusqlite::Row| Ok((MailboxId(row.get::<_, i64>(0)? as u64), row.get::<_, i64>(1)? as u64));
        statement.query_row([row, self.server], place).optional()
    }

    /// What an engine begins with.
    pub fn load(&self) -> Result<Saved, ArchiveError> {
        self.read().map_err(|error| explained(&self.path, &error))
    }

    fn read(&self) -> rusqlite::Result<Saved> {
        let mut saved = self.connection.query_row(
            "SELECT name, mailbox, epoch, last_seq, next_counter FROM server WHERE id = ?",
            [self.server],
            |row| {
                let mailbox: Option<i64> = row.get(1)?;
                let epoch: Option<[u8; 16]> = row.get(2)?;
                let last_seq: i64 = row.get(3)?;
                Ok(Saved {
                    name: row.get::<_, Option<String>>(0)?.and_then(|name| Name::parse(&name).ok()),
                    resume: mailbox.zip(epoch).map(|(m, e)| (MailboxId(m as u64), Epoch(e), last_seq as u64)),
                    next_counter: row.get::<_, i64>(4)? as u64,
                    ..Saved::default()
                })
            },
        )?;
        saved.rooms = rooms::saved(&self.connection, self.server)?;
        saved.outbox = outbox::open(&self.connection, self.server)?;
        saved.wishes = restored::wishes(&self.connection, self.server)?;
        let mut statement = self
            .connection
            .prepare("SELECT seq FROM received WHERE server = ? AND read = 1 AND seq > 0 ORDER BY seq")?;
        saved.to_tell =
            statement.query_map([self.server], |row| Ok(row.get::<_, i64>(0)? as u64))?.collect::<Result<_, _>>()?;
        let quiet: Option<String> = self
            .connection
            .query_row("SELECT value FROM setting WHERE name = ?", [QUIET], |row| row.get(0))
            .optional()?;
        saved.tell_read = quiet.is_none();
        Ok(saved)
    }

    /// Which server answers at the address this archive was opened for: see [`Identified`].
    pub fn identify(
        &mut self,
        fingerprint: malote_common::fingerprint::Fingerprint,
    ) -> Result<Identified, ArchiveError> {
        let (identified, server) = servers::identify(&mut self.connection, self.server, fingerprint)
            .map_err(|error| explained(&self.path, &error))?;
        self.server = server;
        Ok(identified)
    }

    /// The key that the server must have, if it was met before.
    pub fn pinned(&self) -> Result<Option<malote_common::fingerprint::Fingerprint>, ArchiveError> {
        servers::pinned(&self.connection, self.server).map_err(|error| explained(&self.path, &error))
    }

    /// From now on the server at this address is the one with this key. What was to go to another server stays unsent.
    pub fn trust(
        &mut self,
        address: &str,
        fingerprint: malote_common::fingerprint::Fingerprint,
    ) -> Result<(), ArchiveError> {
        self.server = servers::trust(&mut self.connection, address, fingerprint)
            .map_err(|error| explained(&self.path, &error))?;
        Ok(())
    }
}

/// Fails where the file holds tables of another program, or of a version of this one that cannot be read.
fn refuse_others(connection: &Connection) -> rusqlite::Result<()> {
    let refuse = |reason: String| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
        Err(rusqlite::Error::SqliteFailure(code, Some(reason)))
    };
    let application: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && tables > 0 {
        return refuse("written by another program, or by Malote before its first release".to_owned());
    }
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version as usize > MIGRATIONS.len() {
        true => refuse(format!("written by a newer program (version {version})")),
        false => Ok(()),
    }
}

/// Only the person may read what they received, also where the file was made with a looser mask. It is seen to before
/// SQLite opens the file, since the files that it makes beside it take their mode from it.
fn make_private(path: &Path) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// A row's number for a message that was sent.
fn sent_row(connection: &Connection, message: MessageId) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM sent WHERE message = ?")?;
    statement.query_row(params![&message.0[..]], |row| row.get(0)).optional()
}
