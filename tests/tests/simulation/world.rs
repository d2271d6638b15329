//! A world: people with their programs, a server, a network between them, and what goes wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use malote_client::Problem;
use malote_common::address::EVERYBODY;
use malote_common::{Content, Entry, MailboxId, Seq, codec};
use malote_server::rate::Rate;
use malote_server::store::{Run, Store};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::model::{self, Account, Received};
use crate::network::Conduct;
use crate::person::{Habits, Person, ROOMS};
use crate::rooms::{self, Room};
use crate::scene::{Happening, Scene};
use crate::server::{Server, Setup};

/// How long a server that crashed stays away.
const DOWN_MS: RangeInclusive<u64> = 0..=8_000;

/// How long the world may take to come to rest once nothing goes wrong any more.
const REST_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// Steps of one run; far more than any needs.
const STEPS: u64 = 3_000_000;

/// Steps within one instant; more mean that time stands still.
const STEPS_AT_ONCE: u64 = 10_000;

/// Everything that chance decides once for a run.
#[derive(Clone, Debug)]
struct Plan {
    conduct: Conduct,
    habits: Habits,
    setup: Setup,
    /// For how long things go wrong.
    faults_for_ms: u64,
    /// The time between two things that go wrong.
    fault_ms: RangeInclusive<u64>,
    /// How likely the server's disk is to be full while it is, if it ever is.
    disk_full: Option<f64>,
}

pub struct World {
    plan: Plan,
    scene: Scene,
    people: Vec<Person>,
    server: Server,
    steps: u64,
    has_faults: bool,
    /// Where the people's computers have their disks.
    home: tempfile::TempDir,
}

/// What a run was, in numbers: for comparing two of them, and for knowing that much has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub steps: u64,
    /// Messages that reached a person.
    pub messages: u64,
    /// Messages of rooms that reached somebody in them, counted for each.
    pub in_rooms: u64,
    /// How often somebody entered a room.
    pub stays: u64,
    /// What chance says next. Two runs that differed anywhere differ here.
    pub fingerprint: u64,
}

/// Runs the world of this seed to its end and checks what has become of everything.
pub fn run(seed: u64, tells: bool) -> Result<Summary, String> {
    let mut world = World::new(seed, tells);
    world.live()?;
    world.come_to_rest()?;
    world.judge()
}

impl Plan {
    fn new(random: &mut StdRng) -> Plan {
        let people = random.random_range(2..=5);
        let slowest = [5, 50, 400][random.random_range(0..3)];
        let large = random.random_bool(0.2);
        // A single room with more messages in it than newcomers may see.
        let talks = random.random_bool(0.3);
        let piece = if large { 20_000 } else { [8, 100, 1_500][random.random_range(0..3)] };
        let is_slow = random.random_bool(0.4);
        let slow = Rate { burst: random.random_range(1..=6), per_second: random.random_range(1..=5) };
        Plan {
            conduct: Conduct {
                latency_ms: slowest,
                piece,
                capacity: [500, 8_000, 60_000][random.random_range(0..3)].max(piece),
            },
            habits: Habits {
                people,
                pause_ms: 0..=[2_000, 20_000][random.random_range(0..2)],
                burst: if !is_slow && random.random_bool(0.2) { 80 } else { 5 },
                messages: if large { 20 } else { 60 },
                body: if large { 60_000 } else { 200 },
                rooms: ROOMS[..if talks { 1 } else { random.random_range(1..=ROOMS.len()) }].to_vec(),
                talks: if talks { 0.8 } else { 0.25 },
            },
            setup: Setup {
                rate: if is_slow { slow } else { Rate::default() },
                max_clients: people as usize,
                misses: if random.random_bool(0.5) { random.random_range(0.0..0.6) } else { 0.0 },
            },
            faults_for_ms: random.random_range(10_000..=120_000),
            fault_ms: 0..=[3_000, 15_000][random.random_range(0..2)],
            disk_full: random.random_bool(0.2).then(|| random.random_range(0.1..1.0)),
        }
    }
}

impl World {
    fn new(seed: u64, tells: bool) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let plan = Plan::new(&mut random);
        let mut scene = Scene::new(&mut random, plan.conduct.clone(), tells);
        scene.tell(|| format!("{plan:#?}"));
        let home = home();
        let people = (0..plan.habits.people as usize).map(|n| Person::new(n, home.path(), &mut scene)).collect();
        let server = Server::new(plan.setup.clone(), &mut scene);
        World { plan, scene, people, server, steps: 0, has_faults: true, home }
    }

    /// People write and things go wrong, until nothing does any more.
    fn live(&mut self) -> Result<(), String> {
        for person in 0..self.people.len() {
            self.scene.later(0..=5_000, Happening::StartProgram { person });
            self.scene.later(0..=10_000, Happening::Act { person });
        }
        self.scene.later(0..=1_000, Happening::StartServer);
        self.scene.later(self.plan.fault_ms.clone(), Happening::Fault);
        let end = self.plan.faults_for_ms;
        self.scene.later(end..=end, Happening::EndOfFaults);
        while self.has_faults {
            self.step()?;
        }
        Ok(())
    }

    /// Nothing goes wrong and nobody writes any more: everything must find its end.
    fn come_to_rest(&mut self) -> Result<(), String> {
        let deadline = self.scene.now + REST_WITHIN;
        while let Some(unrest) = self.unrest() {
            if self.scene.now > deadline {
                // Signs of life are under way now and then also where nothing else happens.
                let why = self.unfinished().unwrap_or(unrest);
                return Err(format!("the world does not come to rest: {why}"));
            }
            self.step()?;
        }
        for person in &mut self.people {
            person.restore_all(&mut self.scene);
        }
        Ok(())
    }

    /// Whatever is still going on.
    fn unrest(&self) -> Option<String> {
        // What costs little is looked at first.
        match self.server.is_idle() && self.scene.network.is_idle() {
            true => self.unfinished(),
            false => Some("something is under way".to_owned()),
        }
    }

    /// Whoever is not done yet, and why.
    fn unfinished(&self) -> Option<String> {
        let whole = self.scene.network.whole();
        self.people.iter().enumerate().find_map(|(number, person)| match person.connection() {
            Some(connection) if whole.contains(&connection) => person.unfinished().map(|why| format!("{number} {why}")),
            _ => Some(format!("{number} is not connected")),
        })
    }

    /// Whether all is as it must be in the end.
    fn judge(mut self) -> Result<Summary, String> {
        for (number, person) in self.people.iter().enumerate() {
            let seen = person.sees_connected();
            if seen != self.people.len() {
                return Err(format!("{number} sees {seen} people connected"));
            }
        }
        let history = self.server.history();
        if let Some(contradiction) = history.contradiction() {
            return Err(format!("the store contradicts itself: {contradiction}"));
        }
        let mut store = self.server.into_store();
        let mailboxes: Vec<MailboxId> = history.rooms().values().copied().collect();
        let mut accounts: Vec<Account> = self.people.iter().map(|person| person.account(&mailboxes)).collect();
        for (account, person) in accounts.iter_mut().zip(&self.people) {
            let mailbox = person.mailbox().ok_or("a person has no mailbox")?;
            account.names = history.names_of(account.number);
            account.mailbox = messages(&mut store, mailbox)?.into_iter().map(|(_, message)| message).collect();
        }
        model::check(&accounts)?;
        let mut all_rooms = Vec::new();
        for (name, mailbox) in history.rooms() {
            let address = if name == EVERYBODY { format!("@{name}") } else { format!("#{name}") };
            let entries = messages(&mut store, *mailbox)?;
            if entries.iter().map(|(seq, _)| *seq).ne(1..=entries.len() as Seq) {
                return Err(format!("{address} holds something that is no message"));
            }
            let entries = entries.into_iter().map(|(_, message)| message).collect();
            let stays =
                accounts.iter().map(|account| (account.number, history.stays(*mailbox, account.number).to_vec()));
            all_rooms.push(Room { address, entries, stays: stays.collect() });
        }
        rooms::check(&all_rooms, &accounts)?;
        drop(self.people);
        self.home.close().map_err(|error| error.to_string())?;
        Ok(Summary {
            steps: self.steps,
            messages: accounts.iter().map(|account| account.mailbox.len() as u64).sum(),
            in_rooms: accounts.iter().flat_map(|account| &account.rooms).map(|room| room.has.len() as u64).sum(),
            stays: all_rooms.iter().flat_map(|room| room.stays.values()).map(|stays| stays.len() as u64).sum(),
            fingerprint: self.scene.random.next_u64(),
        })
    }

    /// Lets time pass to whatever comes next, and lets it happen.
    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err("too much happens".to_owned());
        }
        self.advance()?;
        self.tick();
        while let Some(happening) = self.scene.take_due() {
            self.happen(happening);
        }
        let mut rounds = 0;
        while self.pump() {
            rounds += 1;
            if rounds > STEPS_AT_ONCE {
                return Err("time stands still".to_owned());
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), String> {
        let scene = &self.scene;
        let deadlines = self.people.iter().filter_map(|person| person.deadline(scene));
        let others = [scene.next_planned(), scene.network.next_arrival(scene.now), self.server.deadline(scene)];
        let next = deadlines.chain(others.into_iter().flatten()).min();
        self.scene.now = next.ok_or("nothing will ever happen again")?.max(self.scene.now);
        Ok(())
    }

    /// Lets those do something whose deadline has come.
    fn tick(&mut self) {
        for person in &mut self.people {
            if person.deadline(&self.scene).is_some_and(|at| at <= self.scene.now) {
                person.tick(&mut self.scene);
            }
        }
        self.server.tick(&self.scene);
    }

    /// Moves what can be moved. Whether anything was.
    fn pump(&mut self) -> bool {
        let mut moved = self.server.pump(&mut self.scene);
        for person in &mut self.people {
            moved |= person.pump(&mut self.scene);
        }
        moved
    }

    fn happen(&mut self, happening: Happening) {
        let scene = &mut self.scene;
        match happening {
            Happening::Dialled { person, attempt } => self.dialled(person, attempt),
            Happening::Act { person } => {
                if self.has_faults {
                    self.people[person].act(&self.plan.habits, &self.server.names(), scene);
                }
            }
            Happening::StartProgram { person } => self.people[person].start_program(scene),
            Happening::Commit { life } => {
                self.server.commit(life, scene);
                self.restart_server();
            }
            Happening::TakeEvents { session } => self.server.take_events(session, scene),
            Happening::Missed { session } => self.server.missed(session),
            Happening::StartServer => self.server.start(),
            Happening::Fault => {
                if self.has_faults {
                    self.go_wrong();
                    self.scene.later(self.plan.fault_ms.clone(), Happening::Fault);
                }
            }
            Happening::EndOfFaults => self.end_faults(),
        }
    }

    fn dialled(&mut self, person: usize, attempt: u64) {
        if !self.people[person].is_dialling(attempt) {
            return;
        }
        let result = if !self.server.is_up() {
            Err(Problem::Refused)
        } else if self.has_faults && self.scene.chance(0.05) {
            Err(Problem::Unreachable)
        } else {
            let connection = self.scene.network.connect(&mut self.scene.random);
            let mut exporter = [0; 32];
            self.scene.random.fill_bytes(&mut exporter);
            self.server.accept(connection, exporter, &mut self.scene);
            Ok((connection, exporter))
        };
        self.people[person].dialled(result, &mut self.scene);
    }

    /// One of the things that go wrong.
    fn go_wrong(&mut self) {
        let scene = &mut self.scene;
        let person = scene.pick(0..=self.people.len() as u64 - 1) as usize;
        match scene.pick(0..=13) {
            0..=4 => self.cut_connection(),
            5..=6 => self.people[person].kill_program(scene),
            7..=8 => self.people[person].kill_program_after(scene.pick(0..=30) as u32),
            9 => {
                let power_cut = scene.chance(0.5);
                self.server.crash(power_cut, scene);
                self.restart_server();
            }
            10 => self.server.crash_after_next_commit(),
            11 => {
                self.server.stop(scene);
                self.restart_server();
            }
            12 => self.people[person].set_clock(scene.pick(0..=7_200_000) as i64 - 3_600_000),
            _ => self.fill_or_free_disk(),
        }
    }

    fn cut_connection(&mut self) {
        let whole = self.scene.network.whole();
        if let Some(last) = whole.len().checked_sub(1) {
            let connection = whole[self.scene.pick(0..=last as u64) as usize];
            self.scene.tell(|| format!("{connection:?} is cut"));
            self.scene.network.cut(connection, self.scene.now, &mut self.scene.random);
        }
    }

    fn fill_or_free_disk(&mut self) {
        if let Some(fails) = self.plan.disk_full {
            let fails = if self.scene.chance(0.5) { fails } else { 0.0 };
            self.scene.tell(|| format!("the disk is full with a probability of {fails}"));
            self.server.set_disk_full(fails);
        }
    }

    fn restart_server(&mut self) {
        if !self.server.is_up() {
            self.scene.later(DOWN_MS, Happening::StartServer);
        }
    }

    fn end_faults(&mut self) {
        self.scene.tell(|| "nothing goes wrong any more".to_owned());
        // What a full disk did not let the server note, it learns when clients come again.
        if self.plan.disk_full.is_some() {
            self.scene.network.cut_all(self.scene.now, &mut self.scene.random);
        }
        self.has_faults = false;
        self.server.call_off_crash();
        self.server.set_disk_full(0.0);
        for person in &mut self.people {
            person.spare_program();
        }
    }
}

/// A folder for the people's disks: in memory where the system offers that, for syncing to it costs nothing.
fn home() -> tempfile::TempDir {
    let builder = tempfile::Builder::new();
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}

/// The messages of a mailbox on the server, with their numbers. Fails where its numbers are not 1, 2, 3, …
fn messages(store: &mut impl Store, mailbox: MailboxId) -> Result<Vec<(Seq, Received)>, String> {
    let entries = store.entries(mailbox, 0, usize::MAX).map_err(|error| error.to_string())?;
    let mut messages = Vec::new();
    for ((seq, entry), expected) in entries.iter().flat_map(Run::iter).zip(1..) {
        if seq != expected {
            return Err(format!("{mailbox:?} has {seq} in the place of {expected}"));
        }
        if let Entry::Message { from, number, message, .. } = codec::decode(entry).map_err(|e| e.to_string())? {
            let Content { subject, body } = codec::decode(&message.content).map_err(|e| e.to_string())?;
            let number = number.ok_or("a message is nobody's")?;
            let from = from.to_string();
            messages.push((seq, Received { id: message.id, from, number, subject, body, opened: false }));
        }
    }
    Ok(messages)
}
