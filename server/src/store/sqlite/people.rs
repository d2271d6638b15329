//! People, the names they can be reached under, and their devices.

use malote_common::frame::{NameRefusal, Person};
use malote_common::{DeviceId, Epoch, MailboxId, Name, limits};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::names;
use super::super::{Answer, Login, PersonId, StoreError};
use super::batch::Batch;
use super::{number, stored_name};

/// See [`super::super::Store::people`].
pub fn list(connection: &Connection, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT number, name FROM person WHERE number > ? ORDER BY number LIMIT ?")?;
    let after = after.map_or(-1, |person| number(person.0));
    let rows = statement.query_map(params![after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| person(row?)).collect()
}

/// A row of number and name.
pub fn person((number, name): (i64, String)) -> Result<Person, StoreError> {
    Ok(Person { number: number as u64, name: stored_name(&name)?, connected: false })
}

impl Batch<'_> {
    pub fn login(&self, key: &[u8; 32], device: DeviceId) -> Result<Login, StoreError> {
        let known = self.tx.prepare_cached("SELECT number FROM person WHERE key = ?")?;
        let known: Option<i64> = { known }.query_row([&key[..]], |row| row.get(0)).optional()?;
        let person = match known {
            Some(person) => person,
            None => self.welcome_newcomer(key)?,
        };
        self.tx
            .prepare_cached(
                "INSERT INTO device (person, device, last_counter, refused, answers) VALUES (?, ?, 0, 0, x'')
                 ON CONFLICT DO NOTHING",
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
            rooms: self.memberships(PersonId(person as u64))?,
        })
    }

    /// Gives a person the name of their choice, or the given one back.
    pub fn take_name(&self, person: PersonId, name: Option<&Name>) -> Result<Answer, StoreError> {
        let given = Name::given(person.0);
        let name = name.filter(|name| name.folded() != given.folded()).unwrap_or(&given);
        let current: String = self
            .tx
            .prepare_cached("SELECT name FROM person WHERE number = ?")?
            .query_row([number(person.0)], |row| row.get(0))?;
        let current = stored_name(&current)?;
        if *name == current {
            return Ok(Answer::Named(current));
        }
        if *name != given
            && let Some(why) = self.refusal_of_name(person, name)?
        {
            return Ok(Answer::NameRefused(why));
        }
        if current != given && current.folded() != name.folded() {
            self.tx
                .prepare_cached("UPDATE name SET given_up_at = ? WHERE folded = ?")?
                .execute(params![self.age, current.folded()])?;
        }
        self.tx
            .prepare_cached(
                "REPLACE INTO name (folded, skeleton, name, person, given_up_at) VALUES (?, ?, ?, ?, NULL)",
            )?
            .execute(params![name.folded(), name.skeleton(), name.as_str(), number(person.0)])?;
        self.tx
            .prepare_cached("UPDATE person SET name = ? WHERE number = ?")?
            .execute(params![name.as_str(), number(person.0)])?;
        Ok(Answer::Named(name.clone()))
    }

    fn refusal_of_name(&self, person: PersonId, name: &Name) -> Result<Option<NameRefusal>, StoreError> {
        if names::is_reserved_for_people(name) {
            return Ok(Some(NameRefusal::Reserved));
        }
        // What was given up longer ago than this is anybody's.
        let rested = self.age.saturating_sub(limits::NAME_REST.as_millis() as i64);
        let mut statement = self.tx.prepare_cached(
            "SELECT name, folded, given_up_at FROM name
             WHERE (skeleton = ?1 OR folded = ?2) AND person <> ?3 AND coalesce(given_up_at > ?4, 1)
             ORDER BY folded = ?2 DESC LIMIT 1",
        )?;
        let other: Option<(String, String, Option<i64>)> = statement
            .query_row(params![name.skeleton(), name.folded(), number(person.0), rested], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        match other {
            Some((.., Some(_))) => return Ok(Some(NameRefusal::GivenUp)),
            Some((_, folded, None)) if folded == name.folded() => return Ok(Some(NameRefusal::Taken)),
            Some((other, ..)) => return Ok(Some(NameRefusal::LooksLike(stored_name(&other)?))),
            None => {}
        }
        self.patience_with(person)
    }

    /// Whoever changes names all the time would keep them all from others.
    fn patience_with(&self, person: PersonId) -> Result<Option<NameRefusal>, StoreError> {
        let rest = limits::NAME_REST.as_millis() as i64;
        let mut statement = self
            .tx
            .prepare_cached("SELECT count(*), min(given_up_at) FROM name WHERE person = ? AND given_up_at > ?")?;
        let (resting, oldest): (i64, Option<i64>) = statement
            .query_row(params![number(person.0), self.age.saturating_sub(rest)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let wait = oldest.unwrap_or(0).saturating_add(rest).saturating_sub(self.age).max(1);
        let too_many = resting >= limits::NAMES_RESTING as i64;
        Ok(too_many.then_some(NameRefusal::RateLimited { retry_after_ms: wait as u64 }))
    }

    fn welcome_newcomer(&self, key: &[u8; 32]) -> Result<i64, StoreError> {
        let mailbox = self.make_mailbox()?;
        let next: i64 = self
            .tx
            .prepare_cached(
                "SELECT max(coalesce(max(number) + 1, 0), coalesce((SELECT person FROM given), 0)) FROM person",
            )?
            .query_row([], |row| row.get(0))?;
        let name = Name::given(next as u64);
        self.tx
            .prepare_cached("INSERT INTO person (number, key, name, mailbox, created_at) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![next, &key[..], name.as_str(), mailbox, self.now.0])?;
        self.tx
            .prepare_cached("INSERT INTO name (folded, skeleton, name, person) VALUES (?, ?, ?, ?)")?
            .execute(params![name.folded(), name.skeleton(), name.as_str(), next])?;
        self.admit_to_everybody(PersonId(next as u64))?;
        Ok(next)
    }
}
