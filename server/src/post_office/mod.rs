//! The one place that numbers entries, commits batches and hands entries to live sessions.
//!
//! [`PostOffice`] decides; it does no I/O of its own but through its [`Store`]. [`thread`] runs it.

mod presence;
#[cfg(test)]
mod rooms_tests;
#[cfg(test)]
mod tests;
pub mod thread;
mod types;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use malote_common::frame::{NameRefusal, Person, RoomRefusal};
use malote_common::{DeviceId, MailboxId, Name, Outcome, Seq, Timestamp, limits};

use crate::store::{Answer, Login, Operation, PersonId, Run, Store, StoreError};
use presence::Presence;
pub use types::{Event, Request, SessionId, Stored};

/// Bytes of one page that a session is fed from the store: two of them keep a fast reader busy.
const PAGE_BYTES: usize = 128 * 1024;

/// Decides what becomes of requests.
pub struct PostOffice<S> {
    store: S,
    max_clients: usize,
    presence: Presence,
    /// The web listener's ways into rooms.
    bridges: HashMap<SessionId, MailboxId>,
}

impl<S: Store> PostOffice<S> {
    pub fn new(store: S, max_clients: usize) -> PostOffice<S> {
        PostOffice { store, max_clients, presence: Presence::default(), bridges: HashMap::new() }
    }

    /// Gives the store back, as after a crash of everything around it.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Carries out a batch of requests, in order, with one commit, and returns what to tell whom, in order.
    ///
    /// An error is final: the store cannot be relied on, and nobody may be told anything any more.
    pub fn handle(
        &mut self,
        batch: Vec<(SessionId, Request)>,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, Event)>, StoreError> {
        let operations: Vec<Option<Operation>> =
            batch.iter().map(|(id, request)| self.operation(*id, request)).collect();
        let askers: Vec<Option<Person>> = batch.iter().map(|(id, request)| self.asker(*id, request)).collect();
        let (answers, appended) = self.commit(&operations, now)?;
        let mut answers = answers.into_iter();
        let (mut effects, mut readings) = (Effects::default(), Vec::new());
        for (((session, request), operation), asker) in batch.into_iter().zip(operations).zip(askers) {
            match operation.and_then(|_| answers.next().flatten()) {
                None if request.only_reads() => readings.push((session, request)),
                answer => match asker {
                    Some(asker) => self.grant(session, asker, request, answer, &mut effects),
                    None => self.conclude(session, request, answer, &mut effects),
                },
            }
        }
        self.push(appended, &mut effects);
        // The store is read as it is after the whole batch, so that is when it is decided who may read what: whoever left a
        // room in this batch is not to see what was written there after that.
        for (session, request) in readings {
            self.read(session, request, &mut effects)?;
        }
        self.announce(&mut effects);
        Ok(effects.events)
    }

    /// What a request changes in the store; nothing for one that only reads, or of a session that may not ask it.
    fn operation(&self, session: SessionId, request: &Request) -> Option<Operation> {
        match request {
            Request::Login { key, device } => return Some(Operation::Login { key: *key, device: *device }),
            Request::Bridge { room } => return Some(Operation::OpenRoom { room: room.clone() }),
            Request::Post { from, message } => {
                let room = *self.bridges.get(&session)?;
                return Some(Operation::Post { room, from: from.clone(), message: message.clone() });
            }
            _ => {}
        }
        let present = self.presence.get(session)?;
        let person = present.person;
        match request {
            Request::Submit(submission) => {
                Some(Operation::Submit { author: person, device: present.device, submission: submission.clone() })
            }
            // What a client resumes behind, it has: the acknowledgement may have been lost with the connection.
            Request::Acknowledge { mailbox, seq } | Request::Resume { mailbox, after: seq }
                if *mailbox == present.mailbox && *seq > 0 =>
            {
                Some(Operation::Acknowledge { mailbox: *mailbox, seq: *seq })
            }
            Request::Read { mailbox, seqs } if *mailbox == present.mailbox => {
                Some(Operation::Read { mailbox: *mailbox, seqs: seqs.clone() })
            }
            Request::Enter { room, create } => Some(Operation::Enter { person, room: room.clone(), create: *create }),
            Request::Leave { room } => Some(Operation::Leave { person, room: room.clone() }),
            Request::TakeName { name } => Some(Operation::TakeName { person, name: name.clone() }),
            _ => None,
        }
    }

    /// Who has a wish for a room or a name. It is known before the batch is carried out, in which another connection may take
    /// this one's place.
    fn asker(&self, session: SessionId, request: &Request) -> Option<Person> {
        let is_wish = matches!(request, Request::Enter { .. } | Request::Leave { .. } | Request::TakeName { .. });
        let present = self.presence.get(session).filter(|_| is_wish)?;
        Some(Person { number: present.person.0, name: present.name.clone(), connected: true })
    }

    /// Commits what there is to commit. Answers are `None` for what a full disk did not allow.
    fn commit(
        &mut self,
        operations: &[Option<Operation>],
        now: Timestamp,
    ) -> Result<(Vec<Option<Answer>>, Vec<Run>), StoreError> {
        let wanted: Vec<Operation> = operations.iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return Ok(Default::default());
        }
        match self.store.commit(&wanted, now) {
            Ok(committed) => Ok((committed.answers.into_iter().map(Some).collect(), committed.appended)),
            // Space for a batch may be lacking where there is some for its smaller parts: each is tried alone. What
            // stands behind a message that found no space does not overtake it: the store sees to that.
            Err(StoreError::Full) => {
                let (mut answers, mut appended) = (Vec::new(), Vec::new());
                for operation in &wanted {
                    match self.store.commit(std::slice::from_ref(operation), now) {
                        Ok(mut committed) => {
                            answers.push(committed.answers.pop());
                            appended.append(&mut committed.appended);
                        }
                        Err(StoreError::Full) => answers.push(None),
                        Err(failed) => return Err(failed),
                    }
                }
                Ok((answers, appended))
            }
            Err(failed) => Err(failed),
        }
    }

    fn conclude(&mut self, session: SessionId, request: Request, answer: Option<Answer>, effects: &mut Effects) {
        match (request, answer) {
            (Request::Login { device, .. }, Some(Answer::LoggedIn(login))) => {
                self.log_in(session, device, login, effects)
            }
            (Request::Login { .. }, _) => effects.tell(session, Event::Full),
            (Request::Submit(submission), Some(Answer::Submitted { outcomes })) => {
                effects.tell(session, Event::Outcomes { counter: submission.counter, outcomes });
            }
            (Request::Submit(submission), _) if self.presence.get(session).is_some() => {
                let outcomes = vec![Outcome::ServerFull; submission.targets.len()];
                effects.tell(session, Event::Outcomes { counter: submission.counter, outcomes });
            }
            (Request::Resume { mailbox, .. }, _) if self.presence.may_read(session, mailbox).is_some() => {
                self.presence.read(session, mailbox);
            }
            (Request::Gone, _) => self.leave(session, effects),
            (Request::Bridge { .. }, Some(Answer::Opened { mailbox, last_seq })) => {
                self.bridges.insert(session, mailbox);
                self.presence.read(session, mailbox);
                effects.tell(session, Event::Bridged { mailbox, last_seq });
            }
            (Request::Read { mailbox, seqs }, Some(Answer::Noted)) => {
                effects.tell(session, Event::ReadNoted { mailbox, seqs });
            }
            // For want of space nothing was noted; the client tells again another time.
            (Request::Read { mailbox, .. }, None) if self.owns(session, mailbox) => {
                effects.tell(session, Event::ReadNoted { mailbox, seqs: Vec::new() });
            }
            _ => {}
        }
    }

    /// Answers a request that changes nothing.
    fn read(&mut self, session: SessionId, request: Request, effects: &mut Effects) -> Result<(), StoreError> {
        match request {
            Request::Fetch { mailbox, after } => self.fetch(session, mailbox, after, effects),
            Request::People { after } => self.people(session, after, effects),
            Request::Rooms { after } if self.presence.get(session).is_some() => {
                let rooms = self.store.rooms(after.as_ref(), limits::ROOMS_PER_PAGE)?;
                let more = rooms.len() == limits::ROOMS_PER_PAGE;
                effects.tell(session, Event::Rooms { rooms, more });
                Ok(())
            }
            Request::Members { mailbox, after } => self.members(session, mailbox, after, effects),
            _ => Ok(()),
        }
    }

    fn log_in(&mut self, session: SessionId, device: DeviceId, login: Login, effects: &mut Effects) {
        if let Some(other) = self.presence.of_device(login.person, device) {
            // The proof of a connection that its client has given up may arrive after that of the next one.
            if other > session {
                return effects.tell(session, Event::Superseded);
            }
            effects.tell(other, Event::Superseded);
            self.leave(other, effects);
        }
        if self.presence.count() >= self.max_clients {
            self.tell_of_newcomer(&login, effects);
            return effects.tell(session, Event::Full);
        }
        self.presence.add(session, device, &login);
        effects.changed.insert(login.person, login.name.clone());
        self.tell_of_newcomer(&login, effects);
        effects.tell(session, Event::LoggedIn(login));
    }

    /// Whoever is new is in the room of everybody from now on, also where there is no place for them to connect.
    fn tell_of_newcomer(&self, login: &Login, effects: &mut Effects) {
        let (number, name, connected) = (login.person.0, login.name.clone(), self.presence.is_connected(login.person));
        let person = Person { number, name, connected };
        for room in login.rooms.iter().filter(|_| login.is_new) {
            self.tell_members(room.mailbox, &person, true, effects);
        }
    }

    fn leave(&mut self, session: SessionId, effects: &mut Effects) {
        if let Some(present) = self.presence.remove(session) {
            effects.changed.insert(present.person, present.name);
        }
    }

    /// Tells what came of a wish. It came of it for all devices of the person, also where the one that asked is gone.
    fn grant(
        &mut self,
        session: SessionId,
        asker: Person,
        request: Request,
        answer: Option<Answer>,
        effects: &mut Effects,
    ) {
        match request {
            Request::Enter { room, .. } | Request::Leave { room } => {
                self.move_between_rooms(session, asker, room, answer, effects);
            }
            Request::TakeName { name } => {
                let wish = name.unwrap_or_else(|| Name::given(asker.number));
                self.rename(session, PersonId(asker.number), wish, answer, effects);
            }
            _ => {}
        }
    }

    fn move_between_rooms(
        &mut self,
        session: SessionId,
        asker: Person,
        room: Name,
        answer: Option<Answer>,
        effects: &mut Effects,
    ) {
        let id = PersonId(asker.number);
        let (mailbox, changed, entered) = match answer {
            Some(Answer::Entered { membership, created, changed }) => {
                self.presence.enter(id, &membership);
                for other in self.presence.of_person(id) {
                    let membership = membership.clone();
                    effects.tell(other, Event::Entered { membership, created, asked: other == session });
                }
                (membership.mailbox, changed, true)
            }
            Some(Answer::Left { mailbox, changed }) => {
                self.presence.leave(id, mailbox);
                for other in self.presence.of_person(id) {
                    effects.tell(other, Event::Left { room: room.clone(), mailbox, asked: other == session });
                }
                (mailbox, changed, false)
            }
            Some(Answer::RoomRefused(why)) => return effects.tell(session, Event::RoomRefused { room, why }),
            _ => return effects.tell(session, Event::RoomRefused { room, why: RoomRefusal::ServerFull }),
        };
        if changed {
            let connected = self.presence.is_connected(id);
            self.tell_members(mailbox, &Person { connected, ..asker }, entered, effects);
        }
    }

    /// Tells those who listen to a room who has entered it or left it.
    fn tell_members(&self, mailbox: MailboxId, person: &Person, entered: bool, effects: &mut Effects) {
        for reader in self.presence.readers(mailbox) {
            effects.tell(reader, Event::Member { mailbox, person: person.clone(), entered });
        }
    }

    fn rename(
        &mut self,
        session: SessionId,
        person: PersonId,
        wish: Name,
        answer: Option<Answer>,
        effects: &mut Effects,
    ) {
        match answer {
            Some(Answer::Named(name)) => {
                self.presence.rename(person, &name);
                effects.changed.insert(person, name.clone());
                for other in self.presence.of_person(person) {
                    effects.tell(other, Event::Named { name: name.clone(), asked: other == session });
                }
            }
            Some(Answer::NameRefused(why)) => effects.tell(session, Event::NameRefused { name: wish, why }),
            _ => effects.tell(session, Event::NameRefused { name: wish, why: NameRefusal::ServerFull }),
        }
    }

    fn owns(&self, session: SessionId, mailbox: MailboxId) -> bool {
        self.presence.get(session).is_some_and(|present| present.mailbox == mailbox)
    }

    fn push(&self, appended: Vec<Run>, effects: &mut Effects) {
        for run in appended {
            for reader in self.presence.readers(run.mailbox) {
                for stored in Stored::all(std::slice::from_ref(&run)) {
                    effects.tell(reader, Event::Entry(stored));
                }
            }
        }
    }

    fn fetch(
        &mut self,
        session: SessionId,
        mailbox: MailboxId,
        after: Seq,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        let is_bridged = self.bridges.get(&session) == Some(&mailbox);
        let Some(first) = self.presence.may_read(session, mailbox).or(is_bridged.then_some(1)) else {
            return Ok(());
        };
        let entries = self.store.entries(mailbox, after.max(first.saturating_sub(1)), PAGE_BYTES)?;
        effects.tell(session, Event::Page { mailbox, entries: Stored::all(&entries) });
        Ok(())
    }

    fn people(&mut self, session: SessionId, after: Option<u64>, effects: &mut Effects) -> Result<(), StoreError> {
        if self.presence.get(session).is_none() {
            return Ok(());
        }
        self.presence.watch(session);
        let people = self.store.people(after.map(PersonId), limits::PEOPLE_PER_PAGE)?;
        let more = people.len() == limits::PEOPLE_PER_PAGE;
        effects.tell(session, Event::People { people: self.with_presence(people), more });
        Ok(())
    }

    fn members(
        &mut self,
        session: SessionId,
        mailbox: MailboxId,
        after: Option<u64>,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        if self.presence.may_read(session, mailbox).is_none() {
            return Ok(());
        }
        let people = self.store.members(mailbox, after.map(PersonId), limits::PEOPLE_PER_PAGE)?;
        let more = people.len() == limits::PEOPLE_PER_PAGE;
        effects.tell(session, Event::Members { mailbox, people: self.with_presence(people), more });
        Ok(())
    }

    fn with_presence(&self, mut people: Vec<Person>) -> Vec<Person> {
        for person in &mut people {
            person.connected = self.presence.is_connected(PersonId(person.number));
        }
        people
    }

    /// Tells the watchers who came, went and changed in this batch, all at once.
    fn announce(&self, effects: &mut Effects) {
        if effects.changed.is_empty() {
            return;
        }
        let people = std::mem::take(&mut effects.changed).into_iter().map(|(person, name)| Person {
            number: person.0,
            name,
            connected: self.presence.is_connected(person),
        });
        let people = Arc::new(people.collect::<Vec<_>>());
        for watcher in self.presence.watchers() {
            effects.tell(watcher, Event::Presence(people.clone()));
        }
    }
}

/// What a batch brings about outside the store.
#[derive(Default)]
struct Effects {
    events: Vec<(SessionId, Event)>,
    /// People whose presence or name may have changed.
    changed: BTreeMap<PersonId, Name>,
}

impl Effects {
    fn tell(&mut self, session: SessionId, event: Event) {
        self.events.push((session, event));
    }
}
