//! The server at work: sessions and a post office over a store that survives them.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use malote_common::frame::{Closing, Person, Room};
use malote_common::{DeviceId, MailboxId, Name, Outcome, Seq, Timestamp};
use malote_server::post_office::{Event, PostOffice, Request, SessionId};
use malote_server::rate::{Allowances, Rate};
use malote_server::session::{Door, Output, Session};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Committed, Operation, PersonId, Run, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::history::History;
use crate::network::{Arrival, ConnectionId, End};
use crate::scene::{Happening, Scene};

/// From a request to the commit that it is part of; now and then the disk is slow.
const COMMIT_MS: [RangeInclusive<u64>; 4] = [0..=5, 0..=40, 0..=40, 0..=1_000];

/// From an event to the session that takes it; now and then it has other things to do.
const EVENT_MS: [RangeInclusive<u64>; 4] = [0..=1, 0..=20, 0..=20, 0..=300];

/// From an event that was left out to the session that learns of it.
const MISSED_MS: RangeInclusive<u64> = 0..=200;

/// How the server is set up, and how its sessions fare.
#[derive(Clone, Debug)]
pub struct Setup {
    pub rate: Rate,
    pub max_clients: usize,
    /// How likely a session is to miss an event that can be missed.
    pub misses: f64,
}

pub struct Server {
    setup: Setup,
    disk: Arc<Mutex<Disk>>,
    state: State,
    life: u64,
    /// A crash waits for the next commit, and comes before anybody is told of it.
    crashes_after_commit: bool,
}

enum State {
    Up(Box<Up>),
    Down(Box<WatchedStore>),
    /// In between, within a function.
    Changing,
}

struct Up {
    office: PostOffice<WatchedStore>,
    sessions: BTreeMap<SessionId, Conversation>,
    allowances: Allowances,
    /// What waits for the next commit.
    queue: VecDeque<(SessionId, Request)>,
    is_commit_planned: bool,
}

struct Conversation {
    session: Session,
    connection: ConnectionId,
    events: VecDeque<Event>,
    missed: bool,
}

impl Server {
    pub fn new(setup: Setup, scene: &mut Scene) -> Server {
        let random = StdRng::from_rng(&mut scene.random);
        let disk = Disk { fails: 0.0, random, history: History::default(), answered: HashSet::new() };
        let disk = Arc::new(Mutex::new(disk));
        let store = WatchedStore { store: SqliteStore::in_memory().unwrap(), disk: disk.clone() };
        Server { setup, disk, state: State::Down(Box::new(store)), life: 0, crashes_after_commit: false }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Starts where it is down.
    pub fn start(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Changing) {
            State::Down(store) => {
                self.life += 1;
                State::Up(Box::new(Up::new(PostOffice::new(*store, self.setup.max_clients), self.setup.rate)))
            }
            other => other,
        };
    }

    /// Everything is gone but the store. Connections end as those of a killed process do, or are simply not there any
    /// more, as after a power cut.
    pub fn crash(&mut self, power_cut: bool, scene: &mut Scene) {
        self.crashes_after_commit = false;
        self.state = match std::mem::replace(&mut self.state, State::Changing) {
            State::Up(up) => {
                scene.tell(|| "the server crashes".to_owned());
                for conversation in up.sessions.values() {
                    if power_cut {
                        scene.network.cut(conversation.connection, scene.now, &mut scene.random);
                    }
                    scene.network.close(conversation.connection, End::Server, scene.now, &mut scene.random);
                }
                State::Down(Box::new(up.office.into_store()))
            }
            other => other,
        };
    }

    pub fn crash_after_next_commit(&mut self) {
        self.crashes_after_commit = true;
    }

    pub fn call_off_crash(&mut self) {
        self.crashes_after_commit = false;
    }

    /// Tells everybody goodbye, then ends.
    pub fn stop(&mut self, scene: &mut Scene) {
        if let State::Up(up) = &mut self.state {
            up.sessions.values_mut().for_each(|conversation| conversation.session.close(Closing::ShuttingDown));
            self.pump(scene);
        }
        self.crash(false, scene);
    }

    /// How likely a commit is to find the disk full.
    pub fn set_disk_full(&mut self, fails: f64) {
        self.disk().fails = fails;
    }

    /// The given names of all who exist, in the form in which names are compared.
    pub fn names(&self) -> BTreeSet<String> {
        self.disk().history.given_names()
    }

    /// What the store was asked and what it answered.
    pub fn history(&self) -> History {
        self.disk().history.clone()
    }

    pub fn accept(&mut self, connection: ConnectionId, exporter: [u8; 32], scene: &mut Scene) {
        let State::Up(up) = &mut self.state else { return };
        let mut nonce = [0; 32];
        scene.random.fill_bytes(&mut nonce);
        let session = Session::new(Door::Program { exporter }, nonce, up.allowances.clone(), scene.instant());
        let conversation = Conversation { session, connection, events: VecDeque::new(), missed: false };
        up.sessions.insert(SessionId(scene.unique()), conversation);
    }

    pub fn deadline(&self, scene: &Scene) -> Option<Duration> {
        let State::Up(up) = &self.state else { return None };
        let deadlines = up.sessions.values().filter_map(|conversation| conversation.session.deadline());
        deadlines.min().map(|at| scene.time_of(at))
    }

    pub fn tick(&mut self, scene: &Scene) {
        let State::Up(up) = &mut self.state else { return };
        up.sessions.values_mut().for_each(|conversation| conversation.session.tick(scene.instant()));
    }

    /// Carries out what sessions say, and moves bytes between them and the network. Whether anything moved.
    pub fn pump(&mut self, scene: &mut Scene) -> bool {
        let State::Up(up) = &mut self.state else { return false };
        let ids: Vec<SessionId> = up.sessions.keys().copied().collect();
        let progressed = ids.into_iter().filter(|id| up.pump(*id, scene)).count() > 0;
        if !up.queue.is_empty() && !up.is_commit_planned {
            up.is_commit_planned = true;
            let commit_ms = scene.choose(&COMMIT_MS);
            scene.later(commit_ms, Happening::Commit { life: self.life });
        }
        progressed
    }

    /// The post office carries out some of what has gathered.
    pub fn commit(&mut self, life: u64, scene: &mut Scene) {
        let State::Up(up) = &mut self.state else { return };
        if life != self.life {
            return;
        }
        let count = scene.pick(1..=up.queue.len() as u64) as usize;
        let batch: Vec<_> = up.queue.drain(..count).collect();
        scene.tell(|| format!("commit: {batch:?}"));
        let events = up.office.handle(batch, scene.wall(0)).unwrap();
        up.is_commit_planned = false;
        if self.crashes_after_commit {
            return self.crash(false, scene);
        }
        up.tell(events, self.setup.misses, scene);
    }

    /// A session takes the events that wait for it.
    pub fn take_events(&mut self, id: SessionId, scene: &Scene) {
        let State::Up(up) = &mut self.state else { return };
        let Some(conversation) = up.sessions.get_mut(&id) else { return };
        for event in conversation.events.drain(..) {
            scene.tell(|| format!("{id:?}: {event:?}"));
            conversation.session.event(event);
        }
    }

    pub fn missed(&mut self, id: SessionId) {
        let State::Up(up) = &mut self.state else { return };
        let Some(conversation) = up.sessions.get_mut(&id) else { return };
        if std::mem::take(&mut conversation.missed) {
            conversation.session.missed_events();
        }
    }

    pub fn is_idle(&self) -> bool {
        match &self.state {
            State::Up(up) => up.queue.is_empty() && up.sessions.values().all(Conversation::is_idle),
            _ => false,
        }
    }

    /// What is left when everything else is gone.
    pub fn into_store(self) -> impl Store {
        match self.state {
            State::Up(up) => up.office.into_store(),
            State::Down(store) => *store,
            State::Changing => unreachable!("no function ends so"),
        }
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl Up {
    fn new(office: PostOffice<WatchedStore>, rate: Rate) -> Up {
        let (sessions, allowances) = (BTreeMap::new(), Allowances::new(rate));
        Up { office, sessions, allowances, queue: VecDeque::new(), is_commit_planned: false }
    }

    fn pump(&mut self, id: SessionId, scene: &mut Scene) -> bool {
        let Some(Conversation { session, connection, .. }) = self.sessions.get_mut(&id) else { return false };
        let connection = *connection;
        while let Some(output) = session.poll() {
            match output {
                Output::Ask(request) => self.queue.push_back((id, request)),
                Output::Close => {
                    scene.network.write(connection, End::Server, session.transmit(), scene.now, &mut scene.random);
                    self.end(id, scene);
                    return true;
                }
            }
        }
        let room = scene.network.room(connection, End::Server).min(session.transmit().len());
        if room > 0 {
            let count = scene.random.random_range(1..=room);
            scene.network.write(connection, End::Server, &session.transmit()[..count], scene.now, &mut scene.random);
            session.transmitted(count);
        }
        let arrival = match session.accepts_input() {
            true => scene.network.read(connection, End::Server, scene.now),
            false => None,
        };
        let progressed = room > 0 || arrival.is_some();
        match arrival {
            Some(Arrival::Bytes(bytes)) => session.receive(&bytes, scene.instant()),
            Some(Arrival::Over) => self.end(id, scene),
            None => {}
        }
        progressed
    }

    /// A connection has ended.
    fn end(&mut self, id: SessionId, scene: &mut Scene) {
        if let Some(conversation) = self.sessions.remove(&id) {
            scene.network.close(conversation.connection, End::Server, scene.now, &mut scene.random);
            self.queue.push_back((id, Request::Gone));
        }
    }

    /// Hands events to their sessions, but for some of those that can be missed.
    fn tell(&mut self, events: Vec<(SessionId, Event)>, misses: f64, scene: &mut Scene) {
        // The order between sessions is a matter of chance inside the post office; runs must not depend on it.
        let mut by_session: BTreeMap<SessionId, Vec<Event>> = BTreeMap::new();
        for (id, event) in events {
            by_session.entry(id).or_default().push(event);
        }
        for (id, events) in by_session {
            let Some(conversation) = self.sessions.get_mut(&id) else { continue };
            for event in events {
                if event.can_be_missed() && scene.chance(misses) {
                    conversation.missed = true;
                    scene.later(MISSED_MS, Happening::Missed { session: id });
                } else {
                    conversation.events.push_back(event);
                }
            }
            let event_ms = scene.choose(&EVENT_MS);
            scene.later(event_ms, Happening::TakeEvents { session: id });
        }
    }
}

impl Conversation {
    fn is_idle(&self) -> bool {
        self.events.is_empty() && !self.missed && self.session.transmit().is_empty()
    }
}

/// What is known of the store's disk, beside the store.
struct Disk {
    /// How likely a commit is to find it full.
    fails: f64,
    random: StdRng,
    history: History,
    /// The submissions that a retry finds answered.
    answered: HashSet<(PersonId, DeviceId, u64)>,
}

impl Disk {
    /// Whether there is no space for what the batch would change.
    fn is_full_for(&mut self, batch: &[Operation]) -> bool {
        let changes_something = |operation: &Operation| match operation {
            Operation::Submit { author, device, submission } => {
                !self.answered.contains(&(*author, *device, submission.counter))
            }
            _ => true,
        };
        batch.iter().any(changes_something) && self.random.random_bool(self.fails)
    }

    fn note(&mut self, operation: &Operation, answer: &Answer) {
        let mut again = false;
        if let (Operation::Submit { author, device, submission }, Answer::Submitted { outcomes, .. }) =
            (operation, answer)
        {
            let attempt = (*author, *device, submission.counter);
            again = self.answered.contains(&attempt);
            if !outcomes.contains(&Outcome::OutOfTurn) {
                self.answered.insert(attempt);
            }
        }
        self.history.note(operation, answer, again);
    }
}

/// A store whose disk may be full, and which tells who exists.
struct WatchedStore {
    store: SqliteStore,
    disk: Arc<Mutex<Disk>>,
}

impl Store for WatchedStore {
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Committed, StoreError> {
        let mut disk = self.disk.lock().unwrap();
        if disk.is_full_for(batch) {
            return Err(StoreError::Full);
        }
        let committed = self.store.commit(batch, now)?;
        batch.iter().zip(&committed.answers).for_each(|(operation, answer)| disk.note(operation, answer));
        disk.history.append(&committed.appended);
        Ok(committed)
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError> {
        self.store.entries(mailbox, after, max_bytes)
    }

    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.store.people(after, limit)
    }

    fn rooms(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError> {
        self.store.rooms(after, limit)
    }

    fn members(&mut self, room: MailboxId, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.store.members(room, after, limit)
    }
}
