//! A person's program at work: an engine and an archive, driven as `malote_client::client` drives them.

use std::ops::RangeInclusive;
use std::time::Duration;

use malote_client::archive::Change;
use malote_client::engine::{Engine, Now, Output};
use malote_client::{Archive, Command, Event, Problem, Profile};
use malote_common::fingerprint::Fingerprint;
use rand::Rng;

use crate::network::{Arrival, ConnectionId, End};
use crate::scene::{Happening, Scene};

/// What people know the server as; it never moves here.
pub const SERVER: &str = "servidor:44765";

/// The server's key, which never changes here.
const FINGERPRINT: Fingerprint = Fingerprint([1; 32]);

/// How long an attempt to connect takes: longer where a packet is lost.
const DIALLING_MS: [RangeInclusive<u64>; 2] = [0..=20, 0..=2_000];

/// The program was killed in the middle of its work.
#[derive(Debug)]
pub struct Killed;

pub struct Program {
    person: usize,
    engine: Engine,
    archive: Archive,
    /// How wrong the computer's clock is.
    wrong_by_ms: i64,
    /// The attempt to connect that is under way.
    dialling: Option<u64>,
    connection: Option<ConnectionId>,
    outgoing: Vec<u8>,
    /// How many more moments the program has, where it is to be killed.
    left: Option<u32>,
    /// What the user was told and has not taken in.
    told: Vec<Event>,
}

impl Program {
    /// Starts with what the profile's disk has.
    pub fn start(person: usize, profile: &Profile, wrong_by_ms: i64, scene: &mut Scene) -> Program {
        let archive = Archive::open(&profile.archive(), SERVER).unwrap();
        let mut seed = [0; 32];
        scene.random.fill_bytes(&mut seed);
        let saved = archive.load().unwrap();
        let engine = Engine::new(profile.key.clone(), profile.device, saved, true, seed, now(scene, wrong_by_ms));
        Program {
            person,
            engine,
            archive,
            wrong_by_ms,
            dialling: None,
            connection: None,
            outgoing: Vec::new(),
            left: None,
            told: Vec::new(),
        }
    }

    /// The program will be killed after this many moments of its work.
    pub fn kill_after(&mut self, moments: u32) {
        self.left = Some(moments);
    }

    /// Nobody wants to kill the program any more.
    pub fn spare(&mut self) {
        self.left = None;
    }

    pub fn set_clock(&mut self, wrong_by_ms: i64) {
        self.wrong_by_ms = wrong_by_ms;
    }

    pub fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    pub fn is_dialling(&self, attempt: u64) -> bool {
        self.dialling == Some(attempt)
    }

    pub fn take_told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Whether nothing is left to do: all is out, answered, and told.
    pub fn is_done(&self) -> bool {
        let saved = self.archive.load().unwrap();
        self.engine.is_outbox_empty() && saved.outbox.is_empty() && saved.to_tell.is_empty() && self.outgoing.is_empty()
    }

    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    pub fn command(&mut self, command: Command, scene: &mut Scene) -> Result<(), Killed> {
        self.engine.command(self.archive.located(command), self.now(scene));
        self.carry_out(scene)
    }

    /// An attempt to connect has ended.
    pub fn dialled(
        &mut self,
        result: Result<(ConnectionId, [u8; 32]), Problem>,
        scene: &mut Scene,
    ) -> Result<(), Killed> {
        self.dialling = None;
        match result {
            Ok((connection, exporter)) => {
                self.archive.identify(FINGERPRINT).unwrap();
                self.outgoing.clear();
                self.connection = Some(connection);
                self.engine.connected(exporter, self.now(scene));
            }
            Err(problem) => self.engine.disconnected(problem, self.now(scene)),
        }
        self.carry_out(scene)
    }

    /// When the program does something of its own accord.
    pub fn deadline(&self, scene: &Scene) -> Option<Duration> {
        self.engine.deadline(self.now(scene)).map(|at| scene.time_of(at))
    }

    pub fn tick(&mut self, scene: &mut Scene) -> Result<(), Killed> {
        self.engine.tick(self.now(scene));
        self.carry_out(scene)
    }

    /// Writes to the connection what there is room for, and reads what has arrived.
    pub fn pump(&mut self, scene: &mut Scene) -> Result<bool, Killed> {
        let Some(connection) = self.connection else { return Ok(false) };
        let count = self.outgoing.len().min(scene.network.room(connection, End::Client));
        let leaving: Vec<u8> = self.outgoing.drain(..count).collect();
        scene.network.write(connection, End::Client, &leaving, scene.now, &mut scene.random);
        let arrival = scene.network.read(connection, End::Client, scene.now);
        let progressed = count > 0 || arrival.is_some();
        match arrival {
            None => return Ok(progressed),
            Some(Arrival::Bytes(bytes)) => self.engine.receive(&bytes, self.now(scene)),
            Some(Arrival::Over) => {
                self.connection = None;
                self.engine.disconnected(Problem::Lost, self.now(scene));
            }
        }
        self.carry_out(scene)?;
        Ok(progressed)
    }

    /// Does what the engine says, in order. What is to be kept in a row is kept in one transaction.
    fn carry_out(&mut self, scene: &mut Scene) -> Result<(), Killed> {
        let (mut changes, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Keep(change) => changes.push(change),
                Output::Tell(event) => events.push(event),
                other => {
                    self.keep(&mut changes, &mut events)?;
                    self.live_on()?;
                    self.transmit(other, scene);
                }
            }
        }
        self.keep(&mut changes, &mut events)?;
        Ok(())
    }

    /// Keeps changes on the disk, then tells events.
    fn keep(&mut self, changes: &mut Vec<Change>, events: &mut Vec<Event>) -> Result<(), Killed> {
        if !changes.is_empty() {
            self.live_on()?;
            let news = self.archive.apply(changes).unwrap();
            changes.clear();
            self.live_on()?;
            self.told.extend(news.into_iter().map(Event::News));
        }
        self.told.append(events);
        Ok(())
    }

    fn transmit(&mut self, output: Output, scene: &mut Scene) {
        match output {
            Output::Connect => {
                let attempt = scene.unique();
                self.outgoing.clear();
                self.dialling = Some(attempt);
                let dialling_ms = scene.choose(&DIALLING_MS);
                scene.later(dialling_ms, Happening::Dialled { person: self.person, attempt });
            }
            Output::Send(bytes) => self.outgoing.extend(bytes),
            Output::Disconnect => {
                self.dialling = None;
                self.hang_up(scene);
            }
            Output::Reload => unreachable!("no server is brought back from a backup here"),
            Output::Keep(_) | Output::Tell(_) => unreachable!("they are kept and told"),
        }
    }

    /// The program's end of the connection is gone.
    pub fn hang_up(&mut self, scene: &mut Scene) {
        if let Some(connection) = self.connection.take() {
            scene.network.close(connection, End::Client, scene.now, &mut scene.random);
        }
    }

    fn now(&self, scene: &Scene) -> Now {
        now(scene, self.wrong_by_ms)
    }

    /// A moment of the program's life passes.
    fn live_on(&mut self) -> Result<(), Killed> {
        match &mut self.left {
            Some(0) => Err(Killed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn now(scene: &Scene, wrong_by_ms: i64) -> Now {
    Now { instant: scene.instant(), wall: scene.wall(wrong_by_ms) }
}
