//! Power cuts: the server dies, and of what it had not synced, anything may be gone.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use malote_tests::{Running, TestServer};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::disk::{Disk, Fault, Loss, Toll};
use crate::figures::Figures;
use crate::people::{Lost, People};

pub const CUTS: Trial = Trial {
    name: "power-cut",
    what: "power cuts under load: writes that were not synced are dropped, reordered or torn",
    run: cuts,
};

pub const CONTROL: Trial = Trial {
    name: "power-control",
    what: "the same with syncs that do nothing, which must lose messages, or the trial proves nothing",
    run: control,
};

pub const FIRST: Trial = Trial {
    name: "power-first",
    what: "power cuts while the server starts for the first time: it must start afterwards",
    run: first,
};

const PEOPLE: usize = 8;

/// First starts in a round, each cut once.
const FIRST_STARTS: u64 = 20;

/// Cuts in a round.
const CUTS_PER_ROUND: u64 = 30;

/// Messages that one person writes at once, at most.
const BURST: usize = 40;

/// Bytes of the longest message: the log begins anew now and then. Longer ones would count as several for the rate limit.
const LONGEST: usize = 4_000;

/// A server on a disk of ours, and people who write to each other by it.
pub struct Scene {
    pub server: TestServer,
    pub disk: Disk,
    pub people: People,
    toll: Toll,
    /// Cuts by which something written was lost.
    felt: u64,
    slowest: Duration,
}

impl Scene {
    pub fn start() -> Scene {
        let mut server = TestServer::start();
        server.stop();
        let mut disk = Disk::new(server.data()).expect("a disk");
        disk.begin().expect("a disk");
        server.set_environment(disk.environment());
        server.restart();
        let mut people = People::start(&server, PEOPLE);
        people.write_up_to(LONGEST);
        Scene { server, disk, people, toll: Toll::default(), felt: 0, slowest: Duration::ZERO }
    }

    /// People write for a while, then the power is cut. Returns what was accepted and is gone.
    fn cut(&mut self, plan: &mut StdRng) -> Option<Lost> {
        // Some live long enough for their log to begin anew.
        let lifetime = if plan.random_bool(0.1) { 500..1_500 } else { 5..200 };
        let until = Instant::now() + Duration::from_millis(plan.random_range(lifetime));
        while Instant::now() < until {
            self.people.write_some(plan, BURST);
            thread::sleep(Duration::from_millis(plan.random_range(1..10)));
        }
        self.people.all_write(plan, BURST);
        thread::sleep(Duration::from_micros(plan.random_range(0..20_000)));
        self.server.kill();
        let loss = Loss::random(plan);
        let toll = self.disk.cut(loss, plan).expect("a journal of all that the server wrote");
        self.toll.syncs += toll.syncs;
        self.toll.lost_sectors += toll.lost_sectors;
        self.toll.copied_pages += toll.copied_pages;
        self.toll.logs_begun += toll.logs_begun;
        self.felt += u64::from(toll.lost_sectors > 0);
        self.people.lost(self.server.data())
    }

    /// Starts the server again on what the disk has now.
    pub fn restart(&mut self) {
        self.disk.begin().expect("a disk");
        let begun = Instant::now();
        self.server.restart();
        self.slowest = self.slowest.max(begun.elapsed());
        self.people.connect_now();
    }
}

fn cuts(plan: &mut StdRng) -> Figures {
    let mut scene = Scene::start();
    for _ in 0..CUTS_PER_ROUND {
        assert_eq!(scene.cut(plan), None);
        scene.restart();
    }
    let Scene { mut server, mut people, toll, felt, slowest, .. } = scene;
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    assert!(felt > CUTS_PER_ROUND / 10, "only {felt} of {CUTS_PER_ROUND} cuts came when something was not synced");
    Figures::default()
        .count("cuts", CUTS_PER_ROUND)
        .count("of them felt", felt)
        .count("sectors lost", toll.lost_sectors)
        .count("syncs", toll.syncs)
        .count("pages copied from the log", toll.copied_pages)
        .count("logs begun", toll.logs_begun)
        .count("messages", people.written())
        .longest("slowest start", slowest)
}

fn control(plan: &mut StdRng) -> Figures {
    for cuts in 1..=CUTS_PER_ROUND {
        let mut scene = Scene::start();
        scene.disk.set(Fault::Lie, true).expect("a disk");
        // A store that cannot be read would prove less: the trial has to see a single message that is missing.
        if let Some(Lost::Message(message)) = scene.cut(plan) {
            println!("  gone, as it must be: {}", message.split_once('.').map_or(&*message, |(begin, _)| begin));
            return Figures::default().count("rounds until something was lost", cuts);
        }
    }
    panic!("{CUTS_PER_ROUND} cuts without syncs lost nothing that was accepted");
}

fn first(plan: &mut StdRng) -> Figures {
    let (mut felt, mut was_ready) = (0, 0);
    for _ in 0..FIRST_STARTS {
        let data = tempfile::tempdir().expect("a folder for data");
        let mut disk = Disk::new(data.path()).expect("a disk");
        disk.begin().expect("a disk");
        let start = |environment: &[(&str, OsString)]| {
            let mut command = TestServer::command(&["--listen", "127.0.0.1:0", "--web", "off", "--data"]);
            command.arg(data.path()).envs(environment.iter().map(|(name, value)| (name, value)));
            Running::start(&mut command)
        };
        let mut server = start(&disk.environment());
        thread::sleep(Duration::from_micros(plan.random_range(0..20_000)));
        was_ready += u64::from(server.poll_line().is_some());
        server.kill();
        // Killed before it did anything at all, it has no journal.
        if disk.has_journal() {
            let toll = disk.cut(Loss::random(plan), plan).expect("a journal of all that the server wrote");
            felt += u64::from(toll.lost_sectors > 0);
        }
        let mut server = start(&[]);
        assert!(server.line().is_some(), "it does not start any more: {}", server.stderr());
    }
    assert!(felt > 0, "no cut came when something was not synced");
    Figures::default()
        .count("first starts", FIRST_STARTS)
        .count("of them with something lost", felt)
        .count("ready before the cut", was_ready)
}
