//! Rooms: which we are in, and how far each is on disk.

use std::collections::BTreeMap;

use malote_common::frame::Membership;
use malote_common::{Epoch, MailboxId, Name};
use rusqlite::{Connection, params};

use super::SavedRoom;
use super::apply::{Batch, number};

/// A room that we are in, as a list of rooms shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRoom {
    pub name: Name,
    pub mailbox: MailboxId,
    /// Messages of others that were not opened.
    pub unread: usize,
}

impl KnownRoom {
    /// Whether it is the room in which everybody is.
    pub fn is_everybody(&self) -> bool {
        self.name == Name::everybody()
    }
}

/// How far all rooms of a server are on disk.
pub fn saved(connection: &Connection, server: i64) -> rusqlite::Result<BTreeMap<MailboxId, SavedRoom>> {
    let mut statement =
        connection.prepare("SELECT mailbox, name, epoch, first, last_seq, member FROM room WHERE server = ?")?;
    let rows = statement.query_map([server], |row| {
        let name: String = row.get(1)?;
        let room = SavedRoom {
            // It was a name when it was written; a room that has none any more is one we do not know.
            name: Name::parse(&name).map_err(|_| rusqlite::Error::InvalidQuery)?,
            epoch: Epoch(row.get(2)?),
            first: row.get::<_, i64>(3)? as u64,
            last_seq: row.get::<_, i64>(4)? as u64,
            member: row.get::<_, i64>(5)? != 0,
        };
        Ok((MailboxId(row.get::<_, i64>(0)? as u64), room))
    })?;
    rows.collect()
}

impl Batch<'_> {
    /// The server told all the rooms that we are in.
    pub fn in_rooms(&mut self, rooms: &[Membership]) -> rusqlite::Result<()> {
        self.run("UPDATE room SET member = 0 WHERE server = ?", [self.server])?;
        rooms.iter().try_for_each(|room| self.entered(room))
    }

    pub fn entered(&mut self, room: &Membership) -> rusqlite::Result<()> {
        let first = number(room.first);
        self.run(
            "INSERT INTO room (server, mailbox, name, epoch, first, last_seq, member) VALUES (?1, ?2, ?3, ?4, ?5, ?5 - 1, 1)
             ON CONFLICT DO UPDATE SET
                 last_seq = max(iif(epoch = ?4 AND last_seq <= ?6, last_seq, 0), ?5 - 1), name = ?3, epoch = ?4, first = ?5,
                 member = 1",
            params![
                self.server,
                number(room.mailbox.0),
                room.room.as_str(),
                &room.epoch.0[..],
                first.max(1),
                number(room.last_seq)
            ],
        )?;
        self.rooms_changed();
        Ok(())
    }

    pub fn left(&mut self, room: MailboxId) -> rusqlite::Result<()> {
        self.run("UPDATE room SET member = 0 WHERE server = ? AND mailbox = ?", params![self.server, number(room.0)])?;
        self.rooms_changed();
        Ok(())
    }
}
