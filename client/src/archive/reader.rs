//! Looking into the archive while the engine writes to it.

use std::path::Path;

use malote_common::fingerprint::Fingerprint;
use malote_common::{MailboxId, MessageId, Name, Timestamp};
use rusqlite::{Connection, OpenFlags, Row, params};

use super::{
    ASKED_NAME, ArchiveError, Draft, KnownRoom, Letter, Place, QUIET, Recipient, Sent, Shelf, State, Summary, explained,
};

/// A read-only connection to a profile's archive.
pub struct Reader {
    connection: Connection,
    path: std::path::PathBuf,
    /// The address of the server whose rooms and people are looked at.
    address: String,
}

impl Reader {
    /// Opens an archive that an [`super::Archive`] has made for the server at this address.
    pub fn open(path: &Path, address: &str) -> Result<Reader, ArchiveError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| explained(path, &error))?;
        Ok(Reader { connection, path: path.to_owned(), address: address.to_owned() })
    }

    /// The rows of what stands on a shelf and came after this row, oldest first; all of them after 0.
    pub fn rows(&self, shelf: Shelf, after: i64) -> Result<Vec<i64>, ArchiveError> {
        self.on_shelf(shelf, "SELECT id", &format!("AND id > {after} ORDER BY id"), |row| row.get(0))
    }

    /// What stands on a shelf, oldest first.
    pub fn summaries(&self, shelf: Shelf) -> Result<Vec<Summary>, ArchiveError> {
        self.on_shelf(shelf, &summaries(), "ORDER BY id", summary)
    }

    /// One message as a list shows it; nothing if it does not stand on that shelf.
    pub fn summary(&self, shelf: Shelf, row: i64) -> Result<Option<Summary>, ArchiveError> {
        Ok(self.on_shelf(shelf, &summaries(), &format!("AND id = {row}"), summary)?.pop())
    }

    /// One message as a list shows it, wherever it stands.
    pub fn summary_at(&self, row: i64) -> Result<Option<Summary>, ArchiveError> {
        Ok(self.all(&format!("{} FROM received WHERE id = ?", summaries()), [row], summary)?.pop())
    }

    /// All messages on a shelf, whole, oldest first.
    pub fn letters(&self, shelf: Shelf) -> Result<Vec<Letter>, ArchiveError> {
        self.on_shelf(shelf, LETTERS, "ORDER BY id", letter)
    }

    /// One message whole, wherever it stands.
    pub fn letter(&self, row: i64) -> Result<Option<Letter>, ArchiveError> {
        Ok(self.all(&format!("{LETTERS} FROM received WHERE id = ?"), [row], letter)?.pop())
    }

    /// Whether the message in this row came from the server that is looked at: numbers and mailboxes of another one are
    /// somebody else's here.
    pub fn is_from_here(&self, row: i64) -> Result<bool, ArchiveError> {
        let sql = "SELECT 1 FROM received JOIN address USING (server) WHERE received.id = ? AND address = ?";
        Ok(!self.all(sql, rusqlite::params![row, self.address], |_| Ok(()))?.is_empty())
    }

    /// Whether the message in this row stands in another one as well, which came before: it was written to us, to a room
    /// and perhaps to everybody.
    pub fn came_before(&self, row: i64) -> Result<bool, ArchiveError> {
        let sql = "SELECT 1 FROM received JOIN received AS other USING (server, message)
                   WHERE received.id = ?1 AND other.id < ?1 AND other.number IS received.number LIMIT 1";
        Ok(!self.all(sql, [row], |_| Ok(()))?.is_empty())
    }

    /// How many messages on a shelf were not opened.
    pub fn unread(&self, shelf: Shelf) -> Result<usize, ArchiveError> {
        let counts: Vec<i64> = self.on_shelf(shelf, "SELECT count(*)", "AND read = 0", |row| row.get(0))?;
        Ok(counts.into_iter().next().unwrap_or(0) as usize)
    }

    /// The rooms that we are in, that of everybody first, then by name.
    pub fn rooms(&self) -> Result<Vec<KnownRoom>, ArchiveError> {
        let sql = "SELECT room.name, room.mailbox,
                       (SELECT count(*) FROM received
                        WHERE received.server = room.server AND received.mailbox = room.mailbox
                          AND read = 0 AND cleared = 0)
                   FROM room JOIN address ON address.server = room.server WHERE address = ? AND member = 1";
        let rooms = self.all(sql, [&self.address], |row| {
            let name: String = row.get(0)?;
            let (mailbox, unread): (i64, i64) = (row.get(1)?, row.get(2)?);
            let room = |name| KnownRoom { name, mailbox: MailboxId(mailbox as u64), unread: unread as usize };
            Ok(Name::parse(&name).ok().map(room))
        })?;
        let mut rooms: Vec<KnownRoom> = rooms.into_iter().flatten().collect();
        rooms.sort_by_key(|room| (!room.is_everybody(), room.name.folded()));
        Ok(rooms)
    }

    fn on_shelf<T>(
        &self,
        shelf: Shelf,
        columns: &str,
        rest: &str,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ArchiveError> {
        const IN_INBOX: &str = "cleared = 0 AND inbox = 1";
        let here = "server = (SELECT server FROM address WHERE address = ?1)";
        match shelf {
            Shelf::Inbox => self.all(&format!("{columns} FROM received WHERE {IN_INBOX} {rest}"), [], read),
            Shelf::Room(mailbox) => {
                let sql = format!("{columns} FROM received WHERE {here} AND mailbox = ?2 AND cleared = 0 {rest}");
                self.all(&sql, params![self.address, mailbox.0 as i64], read)
            }
            Shelf::From(number) => {
                let sql = format!("{columns} FROM received WHERE {here} AND number = ?2 AND {IN_INBOX} {rest}");
                self.all(&sql, params![self.address, number as i64], read)
            }
        }
    }

    /// The rows of what was sent, newest first.
    pub fn sent_rows(&self) -> Result<Vec<i64>, ArchiveError> {
        self.all("SELECT id FROM sent ORDER BY id DESC", [], |row| row.get(0))
    }

    /// One message that was sent, with its whole body.
    pub fn sent_message_at(&self, row: i64) -> Result<Option<Sent>, ArchiveError> {
        let sql = "SELECT id, message, subject, body, sent_at FROM sent WHERE id = ?";
        Ok(self.all(sql, [row], |row| self.sent_message(row))?.pop())
    }

    /// One message that was sent, by its identity.
    pub fn sent_by_id(&self, id: MessageId) -> Result<Option<Sent>, ArchiveError> {
        let sql = "SELECT id, message, subject, body, sent_at FROM sent WHERE message = ?";
        Ok(self.all(sql, params![&id.0[..]], |row| self.sent_message(row))?.pop())
    }

    /// Whether every message that was sent has its final answer.
    pub fn is_outbox_empty(&self) -> Result<bool, ArchiveError> {
        Ok(self.all("SELECT 1 FROM outbox LIMIT 1", [], |_| Ok(()))?.is_empty())
    }

    /// The compose form as it was last seen.
    pub fn draft(&self) -> Result<Draft, ArchiveError> {
        let drafts = self.all("SELECT recipients, subject, body, in_reply_to FROM draft", [], |row| {
            let in_reply_to = row.get::<_, Option<[u8; 16]>>(3)?.map(MessageId);
            Ok(Draft { to: row.get(0)?, subject: row.get(1)?, body: row.get(2)?, in_reply_to })
        })?;
        Ok(drafts.into_iter().next().unwrap_or_default())
    }

    /// Whether authors learn that their messages were opened.
    pub fn tells_read(&self) -> Result<bool, ArchiveError> {
        Ok(!self.is_set(QUIET)?)
    }

    /// Whether the user was asked for a name.
    pub fn asked_name(&self) -> Result<bool, ArchiveError> {
        self.is_set(ASKED_NAME)
    }

    fn is_set(&self, setting: &str) -> Result<bool, ArchiveError> {
        Ok(!self.all("SELECT 1 FROM setting WHERE name = ?", [setting], |_| Ok(()))?.is_empty())
    }

    /// Who we were at the server at this address when we last were there.
    pub fn name_at(&self, address: &str) -> Result<Option<String>, ArchiveError> {
        let sql = "SELECT name FROM server JOIN address ON address.server = server.id WHERE address = ?";
        let names: Vec<Option<String>> = self.all(sql, [address], |row| row.get(0))?;
        Ok(names.into_iter().next().flatten())
    }

    /// The key of the server at this address, if it was met.
    pub fn fingerprint_at(&self, address: &str) -> Result<Option<Fingerprint>, ArchiveError> {
        let sql = "SELECT fingerprint FROM server JOIN address ON address.server = server.id WHERE address = ?";
        let keys: Vec<Option<[u8; 32]>> = self.all(sql, [address], |row| row.get(0))?;
        Ok(keys.into_iter().next().flatten().map(Fingerprint))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ArchiveError> {
        let all = || self.connection.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>();
        all().map_err(|error| explained(&self.path, &error))
    }

    pub(super) fn sent_message(&self, row: &Row) -> rusqlite::Result<Sent> {
        let id: i64 = row.get(0)?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT address, state, reason, seq, at FROM recipient WHERE sent = ? ORDER BY position")?;
        let recipients = statement.query_map([id], |row| {
            let reason: Option<String> = row.get(2)?;
            let seq = row.get::<_, Option<i64>>(3)?.unwrap_or(0) as u64;
            let at = Timestamp(row.get::<_, Option<i64>>(4)?.unwrap_or(0));
            let state = match row.get::<_, i64>(1)? {
                0 => State::Queued { waiting: reason },
                1 => State::Accepted { seq },
                2 => State::Delivered { seq, at },
                3 => State::Read { seq, at },
                _ => State::Refused { reason: reason.unwrap_or_default() },
            };
            Ok(Recipient { address: row.get(0)?, state })
        })?;
        Ok(Sent {
            row: id,
            id: MessageId(row.get(1)?),
            subject: row.get(2)?,
            body: row.get(3)?,
            sent_at: Timestamp(row.get(4)?),
            recipients: recipients.collect::<Result<_, _>>()?,
        })
    }
}

const LETTERS: &str = "SELECT id, message, mailbox, seq, sender, recipients, subject, body, in_reply_to, sent_at,
                       accepted_at, read, number, mine, place, damaged";

/// What a list shows of a message, but for the beginning of its body.
pub const SUMMARY_COLUMNS: &str = "id, sender, subject, accepted_at, read, mailbox, number, mine, place, damaged";

/// A list needs no more than 200 characters of a body.
fn summaries() -> String {
    format!("SELECT {SUMMARY_COLUMNS}, substr(body, 1, 200)")
}

fn place(number: i64) -> Place {
    match number {
        0 => Place::Mail,
        1 => Place::Everybody,
        _ => Place::Room,
    }
}

pub fn summary(row: &Row) -> rusqlite::Result<Summary> {
    Ok(Summary {
        row: row.get(0)?,
        from: row.get(1)?,
        subject: row.get(2)?,
        accepted_at: Timestamp(row.get(3)?),
        read: row.get::<_, i64>(4)? != 0,
        mailbox: MailboxId(row.get::<_, i64>(5)? as u64),
        number: row.get::<_, Option<i64>>(6)?.map(|number| number as u64),
        mine: row.get::<_, i64>(7)? != 0,
        place: place(row.get(8)?),
        damaged: row.get::<_, i64>(9)? != 0,
        beginning: row.get(10)?,
    })
}

fn letter(row: &Row) -> rusqlite::Result<Letter> {
    Ok(Letter {
        row: row.get(0)?,
        id: MessageId(row.get(1)?),
        mailbox: MailboxId(row.get::<_, i64>(2)? as u64),
        seq: row.get::<_, i64>(3)? as u64,
        from: row.get(4)?,
        to: row.get(5)?,
        subject: row.get(6)?,
        body: row.get(7)?,
        in_reply_to: row.get::<_, Option<[u8; 16]>>(8)?.map(MessageId),
        sent_at: Timestamp(row.get(9)?),
        accepted_at: Timestamp(row.get(10)?),
        read: row.get::<_, i64>(11)? != 0,
        number: row.get::<_, Option<i64>>(12)?.map(|number| number as u64),
        mine: row.get::<_, i64>(13)? != 0,
        place: place(row.get(14)?),
        damaged: row.get::<_, i64>(15)? != 0,
    })
}
