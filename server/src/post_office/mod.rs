//! The one place that numbers entries, commits batches and hands entries to live sessions.
//!
//! [`PostOffice`] decides; it does no I/O of its own but through its [`Store`]. [`thread`] runs it.

mod acknowledgements;
mod mailslot;
mod news;
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

use crate::store::{Answer, Committed, Login, Operation, PersonId, Run, Store, StoreError};
pub use mailslot::{Inbox, Mail, Mailslot, mailslot};
pub use news::News;
use presence::{Presence, Present};
pub use types::{Event, Request, SessionId};

/// Bytes of one page that a session is fed from the store: what it has room for when it asks.
const PAGE_BYTES: usize = 64 * 1024;

/// Decides what becomes of requests.
pub struct PostOffice<S> {
    store: S,
    max_clients: usize,
    presence: Presence,
    /// The web listener's ways into rooms.
    bridges: HashMap<SessionId, MailboxId>,
    /// Acknowledgements for which there was no space.
    unwritten: Vec<(SessionId, Request)>,
}

impl<S: Store> PostOffice<S> {
    pub fn new(store: S, max_clients: usize) -> PostOffice<S> {
        PostOffice { store, max_clients, presence: Presence::default(), bridges: HashMap::new(), unwritten: Vec::new() }
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
        let (mut operations, mut tasks) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for (session, request) in batch {
            let (operation, task) = self.plan(session, request);
            tasks.push((session, operation.is_some(), task));
            operations.extend(operation);
        }
        let (answers, appended) = self.commit(&operations, now)?;
        let mut answers = answers.into_iter();
        let (mut effects, mut readings) = (Effects::default(), Vec::new());
        for (session, has_answer, task) in tasks {
            let answer = if has_answer { answers.next().flatten() } else { None };
            match task {
                Task::Look(request) => readings.push((session, request)),
                task => self.conclude(session, task, answer, &mut effects),
            }
        }
        self.push(appended, &mut effects);
        self.tell_of_moves(&mut effects);
        // The store is read as it is after the whole batch, so that is when it is decided who may read what: whoever left a
        // room in this batch is not to see what was written there after that.
        for (session, request) in readings {
            self.read(session, request, &mut effects)?;
        }
        self.announce(&mut effects);
        Ok(effects.events)
    }

    /// Acknowledgements that were handed in and could not be written for want of space: to be handed in again later.
    pub fn take_unwritten(&mut self) -> Vec<(SessionId, Request)> {
        std::mem::take(&mut self.unwritten)
    }

    /// Takes a request apart: what it changes in the store, which is nothing for a session that may not ask it; and what is
    /// left to do when that is done.
    fn plan(&self, session: SessionId, request: Request) -> (Option<Operation>, Task) {
        let present = self.presence.get(session);
        let owns = |mailbox: MailboxId| present.is_some_and(|present| present.mailbox == mailbox);
        match request {
            Request::Login { key, device } => (Some(Operation::Login { key, device }), Task::LogIn { device }),
            Request::Submit(submission) => {
                let task = Task::Answer { counter: submission.counter, targets: submission.targets.len() };
                let submit = present.map(|Present { person, device, .. }| Operation::Submit {
                    author: *person,
                    device: *device,
                    submission,
                });
                (submit, task)
            }
            Request::Acknowledge { mailbox, seq } => {
                (acknowledgement(mailbox, seq, owns), Task::Acknowledge { mailbox, seq })
            }
            // What a client resumes behind, it has: the acknowledgement may have been lost with the connection.
            Request::Resume { mailbox, after } => (acknowledgement(mailbox, after, owns), Task::Resume { mailbox }),
            Request::Read { mailbox, seqs } => {
                let read = owns(mailbox).then(|| Operation::Read { mailbox, seqs: seqs.clone() });
                (read, Task::NoteRead { mailbox, seqs })
            }
            Request::Bridge { room } => (Some(Operation::OpenRoom { room }), Task::Bridge),
            Request::Post { from, message } => {
                let room = self.bridges.get(&session).copied();
                (room.map(|room| Operation::Post { room, from, message }), Task::Nothing)
            }
            Request::Enter { .. } | Request::Leave { .. } | Request::TakeName { .. } => match present {
                Some(present) => self.plan_wish(present, request),
                None => (None, Task::Nothing),
            },
            Request::Gone => (None, Task::Gone),
            Request::Fetch { .. } | Request::People { .. } | Request::Rooms { .. } | Request::Members { .. } => {
                (None, Task::Look(request))
            }
        }
    }

    /// Who has a wish is kept as they are before the batch is carried out, in which another connection may take their place.
    fn plan_wish(&self, present: &Present, request: Request) -> (Option<Operation>, Task) {
        let person = present.person;
        let asker = Person { number: person.0, name: present.name.clone(), connected: true };
        match request {
            Request::Enter { room, create } => {
                let operation = Operation::Enter { person, room: room.clone(), create };
                (Some(operation), Task::Move { asker, room })
            }
            Request::Leave { room } => {
                (Some(Operation::Leave { person, room: room.clone() }), Task::Move { asker, room })
            }
            Request::TakeName { name } => {
                let wish = name.clone().unwrap_or_else(|| Name::given(person.0));
                (Some(Operation::TakeName { person, name }), Task::Rename { person, wish })
            }
            _ => (None, Task::Nothing),
        }
    }

    /// Commits what there is to commit. Answers are `None` for what a full disk did not allow.
    fn commit(
        &mut self,
        operations: &[Operation],
        now: Timestamp,
    ) -> Result<(Vec<Option<Answer>>, Vec<Run>), StoreError> {
        if operations.is_empty() {
            return Ok(Default::default());
        }
        match self.store.commit(operations, now) {
            Ok(Committed { answers, appended }) => Ok((answers.into_iter().map(Some).collect(), appended)),
            // Space for a batch may be lacking where there is some for its smaller parts: each is tried alone. What
            // stands behind a message that found no space does not overtake it: the store sees to that.
            Err(StoreError::Full) => {
                let (mut answers, mut appended) = (Vec::new(), Vec::new());
                for operation in operations {
                    match self.store.commit(std::slice::from_ref(operation), now) {
                        Ok(mut committed) => {
                            answers.push(committed.answers.pop());
                            appended.extend(committed.appended);
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

    fn conclude(&mut self, session: SessionId, task: Task, answer: Option<Answer>, effects: &mut Effects) {
        match (task, answer) {
            (Task::Answer { counter, .. }, Some(Answer::Submitted { outcomes })) => {
                effects.tell(session, Event::Outcomes { counter, outcomes });
            }
            (Task::Answer { counter, targets }, _) if self.presence.get(session).is_some() => {
                effects.tell(session, Event::Outcomes { counter, outcomes: vec![Outcome::ServerFull; targets] });
            }
            (Task::LogIn { device }, Some(Answer::LoggedIn(login))) => self.log_in(session, device, login, effects),
            (Task::LogIn { .. }, _) => effects.tell(session, Event::Full),
            (Task::Resume { mailbox }, _) if self.presence.may_read(session, mailbox).is_some() => {
                self.presence.read(session, mailbox);
            }
            // Nobody says it again before they come again.
            (Task::Acknowledge { mailbox, seq }, None) if self.owns(session, mailbox) => {
                self.unwritten.push((session, Request::Acknowledge { mailbox, seq }));
            }
            (Task::Gone, _) => self.leave(session, effects),
            (Task::Bridge, Some(Answer::Opened { mailbox, last_seq })) => {
                self.bridges.insert(session, mailbox);
                self.presence.read(session, mailbox);
                effects.tell(session, Event::Bridged { mailbox, last_seq });
            }
            (Task::NoteRead { mailbox, seqs }, Some(_)) => effects.tell(session, Event::ReadNoted { mailbox, seqs }),
            // For want of space nothing was noted; the client tells again another time.
            (Task::NoteRead { mailbox, .. }, None) if self.owns(session, mailbox) => {
                effects.tell(session, Event::ReadNoted { mailbox, seqs: Vec::new() });
            }
            // What came of a wish came of it for all devices of the person, also where the one that asked is gone.
            (Task::Move { asker, room }, answer) => self.move_between_rooms(session, asker, room, answer, effects),
            (Task::Rename { person, wish }, answer) => self.rename(session, person, wish, answer, effects),
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
        let is_everywhere = self.presence.of_person(login.person).count() >= limits::DEVICES_CONNECTED;
        if is_everywhere || self.presence.count() >= self.max_clients {
            self.tell_of_newcomer(&login, effects);
            return effects.tell(session, Event::Full);
        }
        self.presence.add(session, device, &login);
        effects.changed.insert(login.person, login.name.clone());
        self.tell_of_newcomer(&login, effects);
        effects.tell(session, Event::LoggedIn(Box::new(login)));
    }

    /// Whoever is new is in the room of everybody from now on, also where there is no place for them to connect.
    fn tell_of_newcomer(&self, login: &Login, effects: &mut Effects) {
        let (number, name, connected) = (login.person.0, login.name.clone(), self.presence.is_connected(login.person));
        let person = Person { number, name, connected };
        for room in login.rooms.iter().filter(|_| login.is_new) {
            effects.moved(room.mailbox, person.clone(), true);
        }
    }

    fn leave(&mut self, session: SessionId, effects: &mut Effects) {
        if let Some(present) = self.presence.remove(session) {
            effects.changed.insert(present.person, present.name);
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
            effects.moved(mailbox, Person { connected, ..asker }, entered);
        }
    }

    /// Tells those who listen to a room who has entered it and left it in this batch.
    fn tell_of_moves(&self, effects: &mut Effects) {
        for (mailbox, moves) in std::mem::take(&mut effects.moves) {
            let news = Arc::new(News::of_room(mailbox, moves));
            for reader in self.presence.readers(mailbox) {
                effects.tell(reader, Event::News(news.clone()));
            }
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
                effects.tell(reader, Event::Entries(run.clone()));
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
        effects.tell(session, Event::Page { mailbox, entries });
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
        let news = Arc::new(News::of_people(&people.collect::<Vec<_>>()));
        for watcher in self.presence.watchers() {
            effects.tell(watcher, Event::News(news.clone()));
        }
    }
}

/// What is left to do for a request once its batch is committed.
enum Task {
    LogIn {
        device: DeviceId,
    },
    Answer {
        counter: u64,
        targets: usize,
    },
    Acknowledge {
        mailbox: MailboxId,
        seq: Seq,
    },
    Resume {
        mailbox: MailboxId,
    },
    NoteRead {
        mailbox: MailboxId,
        seqs: Vec<Seq>,
    },
    Bridge,
    Move {
        asker: Person,
        room: Name,
    },
    Rename {
        person: PersonId,
        wish: Name,
    },
    Gone,
    /// Answer from the store what changes nothing.
    Look(Request),
    Nothing,
}

/// A person has everything up to `seq`, if the mailbox is theirs and there is anything.
fn acknowledgement(mailbox: MailboxId, seq: Seq, owns: impl Fn(MailboxId) -> bool) -> Option<Operation> {
    (owns(mailbox) && seq > 0).then_some(Operation::Acknowledge { mailbox, seq })
}

/// What a batch brings about outside the store.
#[derive(Default)]
struct Effects {
    events: Vec<(SessionId, Event)>,
    /// People whose presence or name may have changed.
    changed: BTreeMap<PersonId, Name>,
    /// Who entered a room (`true`) or left it.
    moves: BTreeMap<MailboxId, Vec<(Person, bool)>>,
}

impl Effects {
    fn tell(&mut self, session: SessionId, event: Event) {
        self.events.push((session, event));
    }

    fn moved(&mut self, room: MailboxId, person: Person, entered: bool) {
        self.moves.entry(room).or_default().push((person, entered));
    }
}
