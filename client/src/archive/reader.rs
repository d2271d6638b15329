//! Looking into the archive while the engine writes to it.

use std::path::Path;

use malote_common::fingerprint::Fingerprint;
use malote_common::{MailboxId, MessageId, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{ArchiveError, Draft, Letter, QUIET, Recipient, Sent, State, Summary, explained};

/// Characters of a body that a list needs at most.
const BEGINNING: u32 = 200;

/// A read-only connection to a profile's archive.
pub struct Reader {
    connection: Connection,
    path: std::path::PathBuf,
}

/// Messages of the inbox, newest first.
pub type Inbox = Vec<Summary>;

impl Reader {
    /// Opens an archive that an [`super::Archive`] has made.
    pub fn open(path: &Path) -> Result<Reader, ArchiveError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| explained(path, &error))?;
        Ok(Reader { connection, path: path.to_owned() })
    }

    /// The whole inbox, newest first.
    pub fn inbox(&self) -> Result<Inbox, ArchiveError> {
        let sql = "SELECT id, sender, subject, substr(body, 1, ?), accepted_at, read FROM received
                   WHERE cleared = 0 ORDER BY id DESC";
        self.all(sql, params![BEGINNING], summary)
    }

    /// One message of the inbox as a list shows it; nothing if it is not there any more.
    pub fn summary(&self, row: i64) -> Result<Option<Summary>, ArchiveError> {
        let sql = "SELECT id, sender, subject, substr(body, 1, ?), accepted_at, read FROM received
                   WHERE cleared = 0 AND id = ?";
        Ok(self.all(sql, params![BEGINNING, row], summary)?.pop())
    }

    /// One message whole.
    pub fn letter(&self, row: i64) -> Result<Option<Letter>, ArchiveError> {
        Ok(self.all(&format!("{LETTERS} WHERE id = ?"), [row], letter)?.pop())
    }

    /// All messages of the inbox, whole, oldest first.
    pub fn letters(&self) -> Result<Vec<Letter>, ArchiveError> {
        self.all(&format!("{LETTERS} WHERE cleared = 0 ORDER BY id"), [], letter)
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
        let quiet = self.connection.query_row("SELECT 1 FROM setting WHERE name = ?", [QUIET], |_| Ok(())).optional();
        quiet.map(|quiet| quiet.is_none()).map_err(|error| explained(&self.path, &error))
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

    fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ArchiveError> {
        let all = || self.connection.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<_>>();
        all().map_err(|error| explained(&self.path, &error))
    }

    fn sent_message(&self, row: &Row) -> rusqlite::Result<Sent> {
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
                       accepted_at, read FROM received";

fn summary(row: &Row) -> rusqlite::Result<Summary> {
    Ok(Summary {
        row: row.get(0)?,
        from: row.get(1)?,
        subject: row.get(2)?,
        beginning: row.get(3)?,
        accepted_at: Timestamp(row.get(4)?),
        read: row.get::<_, i64>(5)? != 0,
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
    })
}
