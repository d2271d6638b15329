//! Rooms and who is in them.

use malote_common::frame::{Membership, Person, Room, RoomRefusal};
use malote_common::{Epoch, MailboxId, Name, address, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::names;
use super::super::{Answer, PersonId, StoreError};
use super::batch::{At, Batch, Mailbox, mailbox_columns};
use super::people::person;
use super::{number, stored_name, unexpected};

/// See [`super::super::Store::rooms`].
pub fn list(connection: &Connection, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT name, mailbox, members FROM room WHERE folded > ? ORDER BY folded LIMIT ?")?;
    let after = after.map_or_else(String::new, Name::folded);
    let rows = statement.query_map(params![after, limit as i64], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    rows.map(|row| {
        let (name, mailbox, members) = row?;
        Ok(Room { name: stored_name(&name)?, mailbox: MailboxId(mailbox as u64), members: members as u64 })
    })
    .collect()
}

/// See [`super::super::Store::members`].
pub fn members(
    connection: &Connection,
    room: MailboxId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Vec<Person>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT person.number, person.name FROM member JOIN person ON person.number = member.person
         WHERE member.room = ? AND member.person > ? ORDER BY member.person LIMIT ?",
    )?;
    let after = after.map_or(-1, |person| number(person.0));
    let rows =
        statement.query_map(params![number(room.0), after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| person(row?)).collect()
}

/// A room's mailbox and its newest entry.
struct Found {
    mailbox: i64,
    last_seq: i64,
}

impl<'a> Batch<'a> {
    /// The mailbox of a room, and whether this person may post there. No room stands for that of everybody.
    pub fn room_for(&mut self, person: PersonId, room: Option<&'a Name>) -> Result<Option<(At, bool)>, StoreError> {
        let typed = room.map_or(address::EVERYBODY, Name::as_str);
        if let Some(known) = self.rooms.get(&(person, typed)) {
            return Ok(*known);
        }
        let mut statement = self.tx.prepare_cached(mailbox_columns!(
            ", EXISTS (SELECT 1 FROM member WHERE member.room = mailbox.id AND member.person = ?)
             FROM room JOIN mailbox ON mailbox.id = room.mailbox WHERE folded = ?"
        ))?;
        let folded = room.map_or_else(|| typed.to_owned(), Name::folded);
        let found = statement
            .query_row(params![number(person.0), folded], |row| Ok((Mailbox::from_row(row)?, row.get(5)?)))
            .optional()?;
        let found = found.map(|(mailbox, is_member)| (self.mailboxes.put(mailbox.id, mailbox), is_member));
        self.rooms.insert((person, typed), found);
        Ok(found)
    }

    pub fn enter(&self, person: PersonId, room: &Name, create: bool) -> Result<Answer, StoreError> {
        let refused = |why| Ok(Answer::RoomRefused(why));
        let (found, created) = match self.find(room)? {
            Some(found) => (found, false),
            None if !create => return refused(RoomRefusal::Unknown),
            None if names::is_everybody(room) => return refused(RoomRefusal::Reserved),
            None => {
                if let Some(other) = self.room_that_looks_like(room)? {
                    return refused(RoomRefusal::LooksLike(other));
                }
                if self.count("SELECT count(*) FROM room", [])? >= limits::ROOMS as i64 {
                    return refused(RoomRefusal::ServerFull);
                }
                if self.has_enough_rooms(person)? {
                    return refused(RoomRefusal::TooManyRooms);
                }
                (self.make_room(room)?, true)
            }
        };
        let is_member = self.first_seen_by(person, found.mailbox)?.is_some();
        if !is_member {
            if self.has_enough_rooms(person)? {
                return refused(RoomRefusal::TooManyRooms);
            }
            self.admit(person, &found)?;
        }
        let membership = self.membership(person, found.mailbox)?;
        Ok(Answer::Entered { membership, created, changed: !is_member })
    }

    pub fn leave(&self, person: PersonId, room: &Name) -> Result<Answer, StoreError> {
        if names::is_everybody(room) {
            return Ok(Answer::RoomRefused(RoomRefusal::Reserved));
        }
        let Some(found) = self.find(room)? else { return Ok(Answer::RoomRefused(RoomRefusal::Unknown)) };
        let left = self
            .tx
            .prepare_cached("DELETE FROM member WHERE room = ? AND person = ?")?
            .execute(params![found.mailbox, number(person.0)])?;
        self.tx
            .prepare_cached("UPDATE room SET members = members - ? WHERE mailbox = ?")?
            .execute(params![left as i64, found.mailbox])?;
        // A room in which nobody ever said anything, perhaps for a slip of the finger, goes with its last member.
        if found.last_seq == 0 {
            self.tx
                .prepare_cached("DELETE FROM room WHERE mailbox = ? AND members = 0 AND permanent = 0")?
                .execute([found.mailbox])?;
        }
        Ok(Answer::Left { mailbox: MailboxId(found.mailbox as u64), changed: left > 0 })
    }

    /// The room of this name, made where there was none.
    pub fn open_room(&self, room: &Name) -> Result<Answer, StoreError> {
        let found = match self.find(room)? {
            Some(found) => found,
            None => self.make_room(room)?,
        };
        self.tx
            .prepare_cached("UPDATE room SET permanent = 1 WHERE mailbox = ? AND permanent = 0")?
            .execute([found.mailbox])?;
        Ok(Answer::Opened { mailbox: MailboxId(found.mailbox as u64), last_seq: found.last_seq as u64 })
    }

    /// Lets a newcomer into the room of everybody.
    pub fn admit_to_everybody(&self, person: PersonId) -> Result<(), StoreError> {
        match self.find(&Name::everybody())? {
            Some(found) => self.admit(person, &found),
            None => Err(unexpected("no room of everybody")),
        }
    }

    /// The rooms that a person is in.
    pub fn memberships(&self, person: PersonId) -> Result<Vec<Membership>, StoreError> {
        let mut statement = self.tx.prepare_cached(
            "SELECT room.name, mailbox.id, mailbox.epoch, member.first, mailbox.last_seq
             FROM member JOIN room ON room.mailbox = member.room JOIN mailbox ON mailbox.id = member.room
             WHERE member.person = ? ORDER BY member.room",
        )?;
        let rows = statement.query_map([number(person.0)], columns)?;
        rows.map(|row| membership(row?)).collect()
    }

    fn find(&self, room: &Name) -> Result<Option<Found>, StoreError> {
        let mut statement = self.tx.prepare_cached(
            "SELECT mailbox.id, mailbox.last_seq FROM room JOIN mailbox ON mailbox.id = room.mailbox WHERE folded = ?",
        )?;
        let found =
            statement.query_row([room.folded()], |row| Ok(Found { mailbox: row.get(0)?, last_seq: row.get(1)? }));
        Ok(found.optional()?)
    }

    fn make_room(&self, room: &Name) -> Result<Found, StoreError> {
        let mailbox = self.make_mailbox()?;
        self.tx
            .prepare_cached(
                "INSERT INTO room (mailbox, folded, skeleton, name, members, permanent) VALUES (?, ?, ?, ?, 0, 0)",
            )?
            .execute(params![mailbox, room.folded(), room.skeleton(), room.as_str()])?;
        Ok(Found { mailbox, last_seq: 0 })
    }

    fn room_that_looks_like(&self, room: &Name) -> Result<Option<Name>, StoreError> {
        let mut statement = self.tx.prepare_cached("SELECT name FROM room WHERE skeleton = ?")?;
        let name: Option<String> = statement.query_row([room.skeleton()], |row| row.get(0)).optional()?;
        name.map(|name| stored_name(&name)).transpose()
    }

    fn has_enough_rooms(&self, person: PersonId) -> Result<bool, StoreError> {
        let rooms = self.count("SELECT count(*) FROM member WHERE person = ?", [number(person.0)])?;
        Ok(rooms >= limits::ROOMS_PER_PERSON as i64)
    }

    fn admit(&self, person: PersonId, room: &Found) -> Result<(), StoreError> {
        let first = room.last_seq.saturating_sub(number(limits::ROOM_HISTORY)).max(0).saturating_add(1);
        self.tx.prepare_cached("INSERT INTO member (room, person, first) VALUES (?, ?, ?)")?.execute(params![
            room.mailbox,
            number(person.0),
            first
        ])?;
        self.tx.prepare_cached("UPDATE room SET members = members + 1 WHERE mailbox = ?")?.execute([room.mailbox])?;
        Ok(())
    }

    fn first_seen_by(&self, person: PersonId, room: i64) -> Result<Option<i64>, StoreError> {
        let mut statement = self.tx.prepare_cached("SELECT first FROM member WHERE room = ? AND person = ?")?;
        Ok(statement.query_row(params![room, number(person.0)], |row| row.get(0)).optional()?)
    }

    fn membership(&self, person: PersonId, room: i64) -> Result<Membership, StoreError> {
        let mut statement = self.tx.prepare_cached(
            "SELECT room.name, mailbox.id, mailbox.epoch, member.first, mailbox.last_seq
             FROM member JOIN room ON room.mailbox = member.room JOIN mailbox ON mailbox.id = member.room
             WHERE member.person = ? AND member.room = ?",
        )?;
        membership(statement.query_row(params![number(person.0), room], columns)?)
    }

    fn count(&self, sql: &str, params: impl rusqlite::Params) -> Result<i64, StoreError> {
        Ok(self.tx.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }
}

type Columns = (String, i64, [u8; 16], i64, i64);

fn columns(row: &Row) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn membership((room, mailbox, epoch, first, last_seq): Columns) -> Result<Membership, StoreError> {
    Ok(Membership {
        room: stored_name(&room)?,
        mailbox: MailboxId(mailbox as u64),
        epoch: Epoch(epoch),
        first: first as u64,
        last_seq: last_seq as u64,
    })
}
