//! One transaction. What it touches is read once, changed in memory, and written once at its end: nothing of it outlives
//! the transaction, so that nothing can be out of date.

use std::collections::HashMap;
use std::hash::Hash;

use malote_common::{DeviceId, EntryRef, MailboxId, MessageId, Name, Outcome, Seq, Timestamp, codec};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::{Answer, Committed, Operation, PersonId, Run, StoreError};
use super::answers::{Answers, is_kept};
use super::authors::Author;
use super::damage::Found;
use super::runs::Fresh;
use super::span::Span;
use super::{number, stored_name, sum, unexpected};

/// A mailbox's columns, and whether they are what was written.
macro_rules! mailbox_columns {
    ($rest:literal) => {
        concat!(
            "SELECT mailbox.id, last_seq, delivered, newest,
                    mailbox.sum = row_sum(mailbox.id, epoch, last_seq, delivered, newest)",
            $rest
        )
    };
}
pub(super) use mailbox_columns;

/// One transaction, with the operations that it can carry out.
pub struct Batch<'a> {
    pub tx: Transaction<'a>,
    pub now: Timestamp,
    /// The store's, in milliseconds.
    pub age: i64,
    /// Where damage goes that comes to light.
    pub found: Found,
    pub mailboxes: Touched<MailboxId, Mailbox>,
    pub devices: Touched<(PersonId, DeviceId), Device>,
    /// Whose mailbox a name leads to, by the name as it was typed.
    pub names: HashMap<&'a str, Option<At>>,
    /// People's own mailboxes.
    pub homes: HashMap<PersonId, At>,
    /// The mailboxes of rooms, and whether this person may post there.
    pub rooms: HashMap<(PersonId, &'a str), Option<(At, bool)>>,
    pub answers: Vec<Answer>,
    /// What was stored already.
    appended: Vec<Run>,
    /// The entry that is being written, kept for its memory.
    entry: Vec<u8>,
}

/// Rows that were read, each at its place for as long as the batch lasts.
pub struct Touched<K, V> {
    places: HashMap<K, At>,
    rows: Vec<V>,
}

/// Where a row stands.
pub type At = usize;

/// A mailbox's counters, and what is new in it.
pub struct Mailbox {
    pub id: MailboxId,
    pub last_seq: Seq,
    pub delivered: Seq,
    /// Where the newest of its stored runs are.
    pub newest: Span,
    is_changed: bool,
    pub fresh: Fresh,
}

/// What is known of a device.
pub struct Device {
    row: i64,
    /// Its person's name.
    pub from: Name,
    /// The highest counter carried out.
    pub last_counter: u64,
    /// The last counter that was carried out and refused for a passing reason.
    pub refused: u64,
    kept: Answers,
    /// The highest counter among what is kept.
    newest_kept: u64,
    /// What this batch has answered, in the order of the counters.
    answered: Vec<Answered>,
}

struct Answered {
    counter: u64,
    message: MessageId,
    /// Which of the batch's answers it is.
    answer: usize,
}

impl<'a> Batch<'a> {
    pub fn new(tx: Transaction<'a>, now: Timestamp, age: i64, found: &Found, operations: usize) -> Batch<'a> {
        Batch {
            tx,
            now,
            age,
            found: found.clone(),
            mailboxes: Touched::default(),
            devices: Touched::default(),
            names: HashMap::new(),
            homes: HashMap::new(),
            rooms: HashMap::new(),
            answers: Vec::with_capacity(operations),
            appended: Vec::new(),
            entry: Vec::new(),
        }
    }

    pub fn carry_out(&mut self, operation: &'a Operation) -> Result<(), StoreError> {
        let answer = match operation {
            Operation::Submit { author, device, submission } => self.submit(*author, *device, submission),
            Operation::Acknowledge { mailbox, seq } => self.acknowledge(*mailbox, *seq),
            Operation::Read { mailbox, seqs } => self.read(*mailbox, seqs),
            Operation::Post { room, from, message } => self.post(*room, from, message),
            rare => self.settle().and_then(|()| match rare {
                Operation::Login { key, device } => self.login(key, *device).map(Answer::LoggedIn),
                Operation::TakeName { person, name } => self.take_name(*person, name.as_ref()),
                Operation::Enter { person, room, create } => self.enter(*person, room, *create),
                Operation::Leave { person, room } => self.leave(*person, room),
                Operation::OpenRoom { room } => self.open_room(room),
                _ => Err(unexpected("an operation of no kind")),
            }),
        };
        self.answers.push(answer?);
        Ok(())
    }

    /// Writes what has changed, and makes it durable.
    pub fn commit(mut self) -> Result<Committed, StoreError> {
        self.settle()?;
        self.tx.commit()?;
        Ok(Committed { answers: self.answers, appended: self.appended })
    }

    /// Writes entries, counters and answers, and forgets what the operations that work on the tables themselves may change.
    fn settle(&mut self) -> Result<(), StoreError> {
        for mailbox in &mut self.mailboxes.rows {
            self.appended.extend(mailbox.store(&self.tx)?);
        }
        for mailbox in self.mailboxes.rows.iter_mut().filter(|mailbox| mailbox.is_changed) {
            mailbox.is_changed = false;
            self.tx
                .prepare_cached("UPDATE mailbox SET last_seq = ?, delivered = ?, newest = ? WHERE id = ?")?
                .execute(params![
                    number(mailbox.last_seq),
                    number(mailbox.delivered),
                    mailbox.newest.encode()?,
                    number(mailbox.id.0)
                ])?;
        }
        for device in std::mem::take(&mut self.devices).rows {
            if !device.answered.is_empty() {
                device.write(&self.tx, &self.answers)?;
            }
        }
        self.names.clear();
        self.rooms.clear();
        Ok(())
    }

    /// The device that a person uses.
    pub fn device(&mut self, person: PersonId, device: DeviceId) -> Result<At, StoreError> {
        if let Some(at) = self.devices.places.get(&(person, device)) {
            return Ok(*at);
        }
        let mut statement = self.tx.prepare_cached(
            "SELECT device.id, person.name, last_counter, refused, answers,
                 device.sum = row_sum(device.id, device.person, device.device, last_counter, refused, answers)
             FROM device JOIN person ON person.number = device.person WHERE device.person = ? AND device.device = ?",
        )?;
        let (row, name, last_counter, refused, kept, is_whole): (i64, String, i64, i64, Vec<u8>, bool) = statement
            .query_row(params![number(person.0), &device.0[..]], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })?;
        if !is_whole {
            return Err(sum::changed("device"));
        }
        let found = Device {
            row,
            from: stored_name(&name)?,
            last_counter: last_counter as u64,
            refused: refused as u64,
            kept: Answers(kept),
            newest_kept: last_counter as u64,
            answered: Vec::new(),
        };
        Ok(self.devices.put((person, device), found))
    }

    /// The mailbox with this number.
    pub fn mailbox(&mut self, id: MailboxId) -> Result<At, StoreError> {
        if let Some(at) = self.mailboxes.places.get(&id) {
            return Ok(*at);
        }
        let mut statement = self.tx.prepare_cached(mailbox_columns!(" FROM mailbox WHERE id = ?"))?;
        let found = statement.query_row([number(id.0)], Mailbox::from_row)?;
        Ok(self.mailboxes.put(id, found))
    }

    /// A person's own mailbox.
    pub fn home(&mut self, person: PersonId) -> Result<At, StoreError> {
        if let Some(at) = self.homes.get(&person) {
            return Ok(*at);
        }
        let mut statement = self.tx.prepare_cached(mailbox_columns!(
            " FROM person JOIN mailbox ON mailbox.id = person.mailbox WHERE person.number = ?"
        ))?;
        let found = statement.query_row([number(person.0)], Mailbox::from_row)?;
        let at = self.mailboxes.put(found.id, found);
        self.homes.insert(person, at);
        Ok(at)
    }

    /// The mailbox of the person who bears this name.
    pub fn addressee(&mut self, name: &'a Name) -> Result<Option<At>, StoreError> {
        if let Some(at) = self.names.get(name.as_str()) {
            return Ok(*at);
        }
        let mut statement = self.tx.prepare_cached(mailbox_columns!(
            " FROM name JOIN person ON person.number = name.person JOIN mailbox ON mailbox.id = person.mailbox
             WHERE name.folded = ? AND name.given_up_at IS NULL"
        ))?;
        let found = statement.query_row([name.folded()], Mailbox::from_row).optional()?;
        let at = found.map(|found| self.mailboxes.put(found.id, found));
        self.names.insert(name.as_str(), at);
        Ok(at)
    }

    pub fn make_mailbox(&self) -> Result<i64, StoreError> {
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch).map_err(|e| StoreError::Failed(format!("no random numbers: {e}")))?;
        self.tx
            .prepare_cached(
                "INSERT INTO mailbox (id, epoch, last_seq, delivered, newest)
                 VALUES (max(coalesce((SELECT max(id) FROM mailbox), 0) + 1, coalesce((SELECT mailbox FROM given), 1)), ?, 0, 0, ?)",
            )?
            .execute([&epoch[..], &Span::default().encode()?])?;
        Ok(self.tx.last_insert_rowid())
    }

    /// Encodes the entry that the next calls of [`Batch::append`] put into mailboxes.
    pub fn write(&mut self, entry: EntryRef) -> Result<(), StoreError> {
        self.entry.clear();
        codec::append(&mut self.entry, &entry).map_err(unexpected)
    }

    /// Encodes a message of this device's person, as [`Batch::write`] does.
    pub fn write_message(
        &mut self,
        author: PersonId,
        device: At,
        message: &malote_common::Message,
    ) -> Result<(), StoreError> {
        self.entry.clear();
        let from = &self.devices[device].from;
        let entry = EntryRef::Message { from, number: Some(author.0), accepted_at: self.now, message };
        codec::append(&mut self.entry, &entry).map_err(unexpected)
    }

    /// Appends the entry that was written.
    pub fn append(&mut self, mailbox: At, author: Author) -> Seq {
        let mailbox = &mut self.mailboxes[mailbox];
        mailbox.last_seq = mailbox.last_seq.saturating_add(1);
        mailbox.is_changed = true;
        mailbox.fresh.push(mailbox.last_seq, author, &self.entry);
        mailbox.last_seq
    }
}

impl Mailbox {
    /// From [`mailbox_columns`]. Fails where they are not what was written: whoever went on from there would give numbers away
    /// that are taken.
    pub fn from_row(row: &Row) -> rusqlite::Result<Mailbox> {
        let (id, last_seq, delivered): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let newest: Span = row.get(3)?;
        let is_whole: bool = row.get(4)?;
        if !is_whole || number(newest.last()) != last_seq || !(0..=last_seq).contains(&delivered) {
            return Err(rusqlite::Error::IntegralValueOutOfRange(1, last_seq));
        }
        Ok(Mailbox {
            id: MailboxId(id as u64),
            last_seq: last_seq as u64,
            delivered: delivered as u64,
            newest,
            is_changed: false,
            fresh: Fresh::default(),
        })
    }

    /// Puts what is new into its table, and gives it back as one run, where there is any.
    fn store(&mut self, tx: &Transaction) -> Result<Option<Run>, StoreError> {
        let run = std::mem::take(&mut self.fresh).store(tx, self.id, &mut self.newest)?;
        self.is_changed |= run.is_some();
        Ok(run)
    }

    /// How many entries wait for their person.
    pub fn waiting(&self) -> u64 {
        self.last_seq.saturating_sub(self.delivered)
    }

    pub fn deliver(&mut self, seq: Seq) {
        self.delivered = seq;
        self.is_changed = true;
    }
}

impl Device {
    /// What was answered to an earlier submission, and for which message.
    pub fn earlier(&self, counter: u64, answers: &[Answer]) -> Result<Option<(MessageId, Vec<Outcome>)>, StoreError> {
        let Ok(at) = self.answered.binary_search_by_key(&counter, |answered| answered.counter) else {
            return self.kept.find(counter);
        };
        let Some(answered) = self.answered.get(at) else { return Ok(None) };
        Ok(Some((answered.message, outcomes(answers, answered)?.to_vec())))
    }

    /// Notes that the answer at this place will be the one to this counter.
    pub fn answer(&mut self, counter: u64, message: MessageId, answer: usize, refused: bool) {
        self.answered.push(Answered { counter, message, answer });
        self.last_counter = counter;
        if refused {
            self.refused = counter;
        }
    }

    fn write(mut self, tx: &Transaction, answers: &[Answer]) -> Result<(), StoreError> {
        match is_kept(self.newest_kept, self.last_counter) {
            true => self.kept.forget_before(self.last_counter)?,
            // Busy senders end here: nothing needs to be decoded to be forgotten.
            false => self.kept.0.clear(),
        }
        for answered in self.answered.iter().filter(|answered| is_kept(answered.counter, self.last_counter)) {
            self.kept.push(answered.counter, answered.message, outcomes(answers, answered)?)?;
        }
        tx.prepare_cached("UPDATE device SET last_counter = ?, refused = ?, answers = ? WHERE id = ?")?
            .execute(params![number(self.last_counter), number(self.refused), self.kept.0, self.row])?;
        Ok(())
    }
}

fn outcomes<'b>(answers: &'b [Answer], answered: &Answered) -> Result<&'b [Outcome], StoreError> {
    match answers.get(answered.answer) {
        Some(Answer::Submitted { outcomes }) => Ok(outcomes),
        _ => Err(unexpected("an answer to no submission")),
    }
}

impl<K: Eq + Hash, V> Touched<K, V> {
    /// Keeps a row that was just read, unless it is there already and may have changed since.
    pub fn put(&mut self, key: K, row: V) -> At {
        *self.places.entry(key).or_insert_with(|| {
            let at = self.rows.len();
            self.rows.push(row);
            at
        })
    }
}

impl<K, V> Default for Touched<K, V> {
    fn default() -> Touched<K, V> {
        Touched { places: HashMap::new(), rows: Vec::new() }
    }
}

#[expect(clippy::indexing_slicing, reason = "places come from `put`, and rows stay")]
impl<K, V> std::ops::Index<At> for Touched<K, V> {
    type Output = V;

    fn index(&self, at: At) -> &V {
        &self.rows[at]
    }
}

#[expect(clippy::indexing_slicing, reason = "places come from `put`, and rows stay")]
impl<K, V> std::ops::IndexMut<At> for Touched<K, V> {
    fn index_mut(&mut self, at: At) -> &mut V {
        &mut self.rows[at]
    }
}
