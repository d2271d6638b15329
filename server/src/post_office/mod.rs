//! The one place that numbers entries, commits batches and hands entries to live sessions.
//!
//! [`PostOffice`] decides; it does no I/O of its own but through its [`Store`]. [`thread`] runs it.

pub mod thread;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use malote_common::frame::Person;
use malote_common::{DeviceId, MailboxId, Name, Outcome, Seq, Submission, Timestamp, limits};

use crate::store::{Answer, Login, Operation, PersonId, Store, StoreError, Stored};

/// Bytes of one page that a session is fed from the store: two of them keep a fast reader busy.
const PAGE_BYTES: usize = 128 * 1024;

/// A connection, for as long as it lasts. Those made later have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What sessions ask of the post office.
#[derive(Clone, Debug)]
pub enum Request {
    /// The session's client has proved to hold this key. Answered by [`Event::LoggedIn`] or [`Event::Full`].
    Login {
        key: [u8; 32],
        device: DeviceId,
    },
    /// Answered by [`Event::Outcomes`].
    Submit(Submission),
    /// The client has everything up to `seq`.
    Acknowledge {
        mailbox: MailboxId,
        seq: Seq,
    },
    Read {
        mailbox: MailboxId,
        seqs: Vec<Seq>,
    },
    /// Has everything up to `after`, wants what is behind it, and to be told of new entries. Answered by [`Event::Page`].
    Resume {
        mailbox: MailboxId,
        after: Seq,
    },
    /// Wants the next page behind `after`. Answered by [`Event::Page`].
    Fetch {
        mailbox: MailboxId,
        after: Seq,
    },
    /// Wants a page of the directory, and to be told of changes. Answered by [`Event::People`].
    People {
        after: Option<u64>,
    },
    /// The connection is over.
    Gone,
}

/// What the post office tells a session.
#[derive(Clone, Debug)]
pub enum Event {
    LoggedIn(Login),
    /// As many clients as are allowed are here already.
    Full,
    /// The same device has logged in on another connection, which takes this one's place.
    Superseded,
    Outcomes {
        counter: u64,
        outcomes: Vec<Outcome>,
    },
    /// A new entry of a mailbox that the session fetches from.
    Entry(Stored),
    /// What the session fetched; nothing where it has seen all that there is.
    Page {
        entries: Vec<Stored>,
    },
    People {
        people: Vec<Person>,
        more: bool,
    },
    Presence(Arc<Vec<Person>>),
    ReadNoted {
        mailbox: MailboxId,
        seqs: Vec<Seq>,
    },
}

impl Event {
    /// Whether a session that misses this event can ask for its content later.
    pub fn can_be_missed(&self) -> bool {
        matches!(self, Event::Entry(_) | Event::Presence(_))
    }
}

/// Decides what becomes of requests.
pub struct PostOffice<S> {
    store: S,
    max_clients: usize,
    sessions: HashMap<SessionId, Present>,
    devices: HashMap<(PersonId, DeviceId), SessionId>,
    /// The sessions that want a mailbox's new entries.
    readers: HashMap<MailboxId, Vec<SessionId>>,
    /// How many sessions each connected person has.
    connected: BTreeMap<PersonId, usize>,
    /// The sessions that want to know who comes and goes.
    watchers: HashSet<SessionId>,
}

/// A session that has logged in.
struct Present {
    person: PersonId,
    name: Name,
    device: DeviceId,
    mailbox: MailboxId,
}

impl<S: Store> PostOffice<S> {
    pub fn new(store: S, max_clients: usize) -> PostOffice<S> {
        PostOffice {
            store,
            max_clients,
            sessions: HashMap::new(),
            devices: HashMap::new(),
            readers: HashMap::new(),
            connected: BTreeMap::new(),
            watchers: HashSet::new(),
        }
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
        let mut answers = self.commit(&operations, now)?.into_iter();
        let mut effects = Effects::default();
        for ((session, request), operation) in batch.into_iter().zip(operations) {
            let answer = operation.and_then(|_| answers.next().flatten());
            self.conclude(session, request, answer, &mut effects)?;
        }
        self.announce(&mut effects);
        Ok(effects.events)
    }

    /// What a request changes in the store; nothing for one that only reads, or of a session that may not ask it.
    fn operation(&self, session: SessionId, request: &Request) -> Option<Operation> {
        if let Request::Login { key, device } = request {
            return Some(Operation::Login { key: *key, device: *device });
        }
        let present = self.sessions.get(&session)?;
        match request {
            Request::Submit(submission) => Some(Operation::Submit {
                author: present.person,
                device: present.device,
                submission: submission.clone(),
            }),
            // What a client resumes behind, it has: the acknowledgement may have been lost with the connection.
            Request::Acknowledge { mailbox, seq } | Request::Resume { mailbox, after: seq }
                if *mailbox == present.mailbox && *seq > 0 =>
            {
                Some(Operation::Acknowledge { mailbox: *mailbox, seq: *seq })
            }
            Request::Read { mailbox, seqs } if *mailbox == present.mailbox => {
                Some(Operation::Read { mailbox: *mailbox, seqs: seqs.clone() })
            }
            _ => None,
        }
    }

    /// Commits what there is to commit. Answers are `None` for what a full disk did not allow.
    fn commit(&mut self, operations: &[Option<Operation>], now: Timestamp) -> Result<Vec<Option<Answer>>, StoreError> {
        let wanted: Vec<Operation> = operations.iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        match self.store.commit(&wanted, now) {
            Ok(answers) => Ok(answers.into_iter().map(Some).collect()),
            // Space for a batch may be lacking where there is some for its smaller parts: each is tried alone. What
            // stands behind a message that found no space does not overtake it: the store sees to that.
            Err(StoreError::Full) => {
                let mut alone = |operation: &Operation| match self.store.commit(std::slice::from_ref(operation), now) {
                    Ok(mut answers) => Ok(answers.pop()),
                    Err(StoreError::Full) => Ok(None),
                    Err(failed) => Err(failed),
                };
                wanted.iter().map(&mut alone).collect()
            }
            Err(failed) => Err(failed),
        }
    }

    fn conclude(
        &mut self,
        session: SessionId,
        request: Request,
        answer: Option<Answer>,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        match (request, answer) {
            (Request::Login { device, .. }, Some(Answer::LoggedIn(login))) => {
                self.log_in(session, device, login, effects)
            }
            (Request::Login { .. }, _) => effects.tell(session, Event::Full),
            (Request::Submit(submission), Some(Answer::Submitted { outcomes, appended })) => {
                effects.tell(session, Event::Outcomes { counter: submission.counter, outcomes });
                self.push(appended, effects);
            }
            (Request::Submit(submission), _) if self.sessions.contains_key(&session) => {
                let outcomes = vec![Outcome::ServerFull; submission.targets.len()];
                effects.tell(session, Event::Outcomes { counter: submission.counter, outcomes });
            }
            (Request::Resume { mailbox, after }, answer) => {
                if let Some(Answer::Noted { appended }) = answer {
                    self.push(appended, effects);
                }
                self.fetch(session, mailbox, after, effects)?;
            }
            (Request::Fetch { mailbox, after }, _) => self.fetch(session, mailbox, after, effects)?,
            (Request::People { after }, _) => self.people(session, after, effects)?,
            (Request::Gone, _) => self.leave(session, effects),
            (Request::Read { mailbox, seqs }, Some(Answer::Noted { appended })) => {
                effects.tell(session, Event::ReadNoted { mailbox, seqs });
                self.push(appended, effects);
            }
            // For want of space nothing was noted; the client tells again another time.
            (Request::Read { mailbox, .. }, None) if self.owns(session, mailbox) => {
                effects.tell(session, Event::ReadNoted { mailbox, seqs: Vec::new() });
            }
            (_, Some(Answer::Noted { appended })) => self.push(appended, effects),
            _ => {}
        }
        Ok(())
    }

    fn log_in(&mut self, session: SessionId, device: DeviceId, login: Login, effects: &mut Effects) {
        if let Some(other) = self.devices.get(&(login.person, device)).copied() {
            // The proof of a connection that its client has given up may arrive after that of the next one.
            if other > session {
                return effects.tell(session, Event::Superseded);
            }
            effects.tell(other, Event::Superseded);
            self.leave(other, effects);
        }
        if self.sessions.len() >= self.max_clients {
            effects.tell(session, Event::Full);
            return;
        }
        self.devices.insert((login.person, device), session);
        *self.connected.entry(login.person).or_insert(0) += 1;
        effects.changed.insert(login.person, login.name.clone());
        let (person, name, mailbox) = (login.person, login.name.clone(), login.mailbox);
        self.sessions.insert(session, Present { person, name, device, mailbox });
        effects.tell(session, Event::LoggedIn(login));
    }

    fn leave(&mut self, session: SessionId, effects: &mut Effects) {
        let Some(present) = self.sessions.remove(&session) else { return };
        self.devices.remove(&(present.person, present.device));
        self.watchers.remove(&session);
        if let Some(readers) = self.readers.get_mut(&present.mailbox) {
            readers.retain(|reader| *reader != session);
            if readers.is_empty() {
                self.readers.remove(&present.mailbox);
            }
        }
        if let Some(count) = self.connected.get_mut(&present.person) {
            *count -= 1;
            if *count == 0 {
                self.connected.remove(&present.person);
            }
        }
        effects.changed.insert(present.person, present.name);
    }

    fn owns(&self, session: SessionId, mailbox: MailboxId) -> bool {
        self.sessions.get(&session).is_some_and(|present| present.mailbox == mailbox)
    }

    fn push(&self, appended: Vec<Stored>, effects: &mut Effects) {
        for stored in appended {
            for reader in self.readers.get(&stored.mailbox).into_iter().flatten() {
                effects.tell(*reader, Event::Entry(stored.clone()));
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
        if !self.owns(session, mailbox) {
            return Ok(());
        }
        let readers = self.readers.entry(mailbox).or_default();
        if !readers.contains(&session) {
            readers.push(session);
        }
        let entries = self.store.entries(mailbox, after, PAGE_BYTES)?;
        effects.tell(session, Event::Page { entries });
        Ok(())
    }

    fn people(&mut self, session: SessionId, after: Option<u64>, effects: &mut Effects) -> Result<(), StoreError> {
        if !self.sessions.contains_key(&session) {
            return Ok(());
        }
        self.watchers.insert(session);
        let mut people = self.store.people(after.map(PersonId), limits::PEOPLE_PER_PAGE)?;
        for person in &mut people {
            person.connected = self.connected.contains_key(&PersonId(person.number));
        }
        let more = people.len() == limits::PEOPLE_PER_PAGE;
        effects.tell(session, Event::People { people, more });
        Ok(())
    }

    /// Tells the watchers who came and went in this batch, all at once.
    fn announce(&self, effects: &mut Effects) {
        if effects.changed.is_empty() {
            return;
        }
        let people = std::mem::take(&mut effects.changed).into_iter().map(|(person, name)| Person {
            number: person.0,
            name,
            connected: self.connected.contains_key(&person),
        });
        let people = Arc::new(people.collect::<Vec<_>>());
        for watcher in &self.watchers {
            effects.tell(*watcher, Event::Presence(people.clone()));
        }
    }
}

/// What a batch brings about outside the store.
#[derive(Default)]
struct Effects {
    events: Vec<(SessionId, Event)>,
    /// People whose presence may have changed.
    changed: BTreeMap<PersonId, Name>,
}

impl Effects {
    fn tell(&mut self, session: SessionId, event: Event) {
        self.events.push((session, event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{DEVICE, submission};
    use crate::store::sqlite::SqliteStore;

    const NOW: Timestamp = Timestamp(5);

    fn office(max_clients: usize) -> PostOffice<SqliteStore> {
        PostOffice::new(SqliteStore::in_memory().unwrap(), max_clients)
    }

    fn login(key: u8) -> Request {
        Request::Login { key: [key; 32], device: DEVICE }
    }

    fn ask(office: &mut PostOffice<SqliteStore>, session: u64, request: Request) -> Vec<(u64, Event)> {
        let events = office.handle(vec![(SessionId(session), request)], NOW).unwrap();
        events.into_iter().map(|(session, event)| (session.0, event)).collect()
    }

    fn mailbox(events: &[(u64, Event)]) -> MailboxId {
        match events {
            [(_, Event::LoggedIn(login)), ..] => login.mailbox,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_client_too_many_is_refused_until_another_leaves() {
        let mut office = office(1);
        mailbox(&ask(&mut office, 1, login(1)));
        assert!(matches!(ask(&mut office, 2, login(2))[..], [(2, Event::Full)]));
        ask(&mut office, 1, Request::Gone);
        mailbox(&ask(&mut office, 3, login(2)));
    }

    #[test]
    fn a_device_that_comes_again_takes_its_own_place() {
        let mut office = office(1);
        mailbox(&ask(&mut office, 1, login(1)));
        let events = ask(&mut office, 2, login(1));
        assert!(matches!(events[..], [(1, Event::Superseded), (2, Event::LoggedIn(_))]), "{events:?}");
        // The older connection's end changes nothing any more.
        assert!(ask(&mut office, 1, Request::Gone).is_empty());
        assert_eq!(office.sessions.len(), 1);
    }

    #[test]
    fn a_login_that_comes_late_does_not_take_a_newer_connections_place() {
        let mut office = office(1);
        mailbox(&ask(&mut office, 2, login(1)));
        assert!(matches!(ask(&mut office, 1, login(1))[..], [(1, Event::Superseded)]));
        assert!(ask(&mut office, 1, Request::Gone).is_empty());
        assert!(office.sessions.contains_key(&SessionId(2)));
    }

    #[test]
    fn what_finds_no_space_is_overtaken_by_nothing_of_its_author() {
        let mut office = PostOffice::new(Tight(SqliteStore::in_memory().unwrap()), 9);
        let mut handle = |batch| office.handle(batch, NOW).unwrap();
        handle(vec![(SessionId(1), login(1)), (SessionId(2), login(2))]);
        let small = |counter, since| Submission { since, ..submission(counter, &["Usuario0"], "oi") };
        let large = submission(1, &["Usuario0"], &"x".repeat(TIGHT));
        let batch = [(1, large), (1, small(2, 1)), (2, small(1, 1)), (1, small(3, 3))];
        let batch = batch.map(|(session, submission)| (SessionId(session), Request::Submit(submission)));
        let outcomes = handle(batch.into()).into_iter().map(|(session, event)| match event {
            Event::Outcomes { counter, outcomes } => (session.0, counter, outcomes[0].code()),
            other => panic!("{other:?}"),
        });
        let expected = [(1, 1, "server_full"), (1, 2, "out_of_turn"), (2, 1, "accepted"), (1, 3, "accepted")];
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);
    }

    /// A store that has no space for a message of so many bytes.
    struct Tight(SqliteStore);
    const TIGHT: usize = 1000;

    impl Store for Tight {
        fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Vec<Answer>, StoreError> {
            let is_large = |operation: &Operation| match operation {
                Operation::Submit { submission, .. } => submission.message.content.len() > TIGHT,
                _ => false,
            };
            if batch.iter().any(is_large) { Err(StoreError::Full) } else { self.0.commit(batch, now) }
        }

        fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Stored>, StoreError> {
            self.0.entries(mailbox, after, max_bytes)
        }

        fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
            self.0.people(after, limit)
        }
    }

    #[test]
    fn nobody_reads_or_acknowledges_anothers_mailbox() {
        let mut office = office(9);
        mailbox(&ask(&mut office, 1, login(1)));
        let others = mailbox(&ask(&mut office, 2, login(2)));
        ask(&mut office, 1, Request::Submit(submission(1, &["Usuario1"], "segredo")));
        assert!(ask(&mut office, 1, Request::Fetch { mailbox: others, after: 0 }).is_empty());
        assert!(ask(&mut office, 1, Request::Acknowledge { mailbox: others, seq: 1 }).is_empty());
        assert!(ask(&mut office, 1, Request::Read { mailbox: others, seqs: vec![1] }).is_empty());
        let events = ask(&mut office, 2, Request::Fetch { mailbox: others, after: 0 });
        assert!(matches!(&events[..], [(2, Event::Page { entries, .. })] if entries.len() == 1));
    }

    #[test]
    fn strangers_are_told_nothing() {
        let mut office = office(9);
        for request in [
            Request::Submit(submission(1, &["Usuario0"], "oi")),
            Request::Resume { mailbox: MailboxId(1), after: 3 },
            Request::Fetch { mailbox: MailboxId(1), after: 0 },
            Request::People { after: None },
            Request::Gone,
        ] {
            let events = ask(&mut office, 1, request);
            assert!(events.is_empty(), "{events:?}");
        }
    }

    #[test]
    fn watchers_learn_who_comes_and_goes() {
        let mut office = office(9);
        ask(&mut office, 1, login(1));
        let events = ask(&mut office, 1, Request::People { after: None });
        assert!(matches!(&events[..], [(1, Event::People { people, more: false })] if people[0].connected));
        let presence = |events: Vec<(u64, Event)>| match events.last() {
            Some((1, Event::Presence(people))) => (people[0].number, people[0].connected),
            other => panic!("{other:?}"),
        };
        assert_eq!(presence(ask(&mut office, 2, login(2))), (1, true));
        assert_eq!(presence(ask(&mut office, 2, Request::Gone)), (1, false));
    }
}
