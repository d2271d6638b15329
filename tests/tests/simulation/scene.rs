//! What everybody in a simulated world shares: time, chance, the network, and what is to happen later.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use malote_common::Timestamp;
use malote_server::post_office::SessionId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::network::{Conduct, Network, millis};

/// What the server's clock shows when a world begins: some day in 2026.
const BEGINNING: Timestamp = Timestamp(1_790_000_000_000);

/// How much is told of each thing that happens, where somebody wants to follow a single run.
const TOLD_CHARS: usize = 600;

/// Something that happens at a moment of its own. Who it was meant for may be gone by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A person's attempt to connect ends.
    Dialled {
        person: usize,
        attempt: u64,
    },
    /// A person does something.
    Act {
        person: usize,
    },
    /// A person's program is started again.
    StartProgram {
        person: usize,
    },
    /// The post office carries out what has gathered, in the server's life with this number.
    Commit {
        life: u64,
    },
    /// A session takes the events that wait for it.
    TakeEvents {
        session: SessionId,
    },
    /// A session learns that it missed events.
    Missed {
        session: SessionId,
    },
    StartServer,
    /// Something goes wrong.
    Fault,
    /// From now on nothing goes wrong any more.
    EndOfFaults,
}

pub struct Scene {
    pub now: Duration,
    pub random: StdRng,
    pub network: Network,
    start: Instant,
    /// What happens later, by time and, within an instant, in the order in which it was planned.
    agenda: BTreeMap<(Duration, u64), Happening>,
    /// Numbers given out, so that each is given once.
    numbers: u64,
    /// Whether to print what happens.
    tells: bool,
}

impl Scene {
    pub fn new(random: &mut StdRng, conduct: Conduct, tells: bool) -> Scene {
        Scene {
            now: Duration::ZERO,
            random: StdRng::from_rng(random),
            network: Network::new(conduct),
            start: Instant::now(),
            agenda: BTreeMap::new(),
            numbers: 0,
            tells,
        }
    }

    pub fn instant(&self) -> Instant {
        self.start + self.now
    }

    /// What a clock shows that is wrong by so many milliseconds.
    pub fn wall(&self, wrong_by_ms: i64) -> Timestamp {
        Timestamp(BEGINNING.0 + self.now.as_millis() as i64 + wrong_by_ms)
    }

    /// The virtual time of an instant; one that has passed is now.
    pub fn time_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start).max(self.now)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    pub fn pick(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.random.random_range(range)
    }

    pub fn choose<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.random.random_range(0..among.len())].clone()
    }

    /// A number that was never given out before, and greater than all that were.
    pub fn unique(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Plans something for a random moment within this many milliseconds.
    pub fn later(&mut self, within_ms: RangeInclusive<u64>, happening: Happening) {
        let at = self.now + millis(&mut self.random, &within_ms);
        let number = self.unique();
        self.agenda.insert((at, number), happening);
    }

    pub fn next_planned(&self) -> Option<Duration> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// What was planned for now or before, one at a time.
    pub fn take_due(&mut self) -> Option<Happening> {
        let entry = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now)?;
        Some(entry.remove())
    }

    /// Tells what happens, where somebody wants to follow a single run.
    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            let what: String = what().chars().take(TOLD_CHARS).collect();
            println!("{:>12.6} {what}", self.now.as_secs_f64());
        }
    }
}
