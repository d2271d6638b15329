//! Power cuts: the server dies, and of what it had not synced, anything may be gone.

use std::thread;
use std::time::{Duration, Instant};

use malote_tests::TestServer;
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::disk::{Disk, Fault, Loss};
use crate::figures::Figures;
use crate::people::People;

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

const PEOPLE: usize = 8;

/// Cuts in a round.
const CUTS_PER_ROUND: u64 = 30;

/// Messages that one person writes at once, at most.
const BURST: usize = 40;

/// A server on a disk of ours, and people who write to each other by it.
struct Scene {
    server: TestServer,
    disk: Disk,
    people: People,
    syncs: u64,
    slowest: Duration,
}

impl Scene {
    fn start() -> Scene {
        let mut server = TestServer::start();
        server.stop();
        let mut disk = Disk::new(server.data()).expect("a disk");
        disk.begin().expect("a disk");
        server.set_environment(disk.environment());
        server.restart();
        let people = People::start(&server, PEOPLE);
        Scene { server, disk, people, syncs: 0, slowest: Duration::ZERO }
    }

    /// People write for a while, then the power is cut. Returns what was accepted and is gone.
    fn cut(&mut self, plan: &mut StdRng) -> Option<String> {
        let until = Instant::now() + Duration::from_millis(plan.random_range(5..200));
        while Instant::now() < until {
            self.people.write_some(plan, BURST);
            thread::sleep(Duration::from_millis(plan.random_range(1..10)));
        }
        self.people.all_write(plan, BURST);
        thread::sleep(Duration::from_micros(plan.random_range(0..20_000)));
        self.server.kill();
        let loss = Loss::random(plan);
        self.syncs += self.disk.cut(loss, plan).expect("a journal of all that the server wrote") as u64;
        self.people.lost(self.server.data())
    }

    fn restart(&mut self) {
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
    let Scene { mut server, mut people, syncs, slowest, .. } = scene;
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default()
        .count("cuts", CUTS_PER_ROUND)
        .count("syncs", syncs)
        .count("messages", people.written())
        .longest("slowest start", slowest)
}

fn control(plan: &mut StdRng) -> Figures {
    for cuts in 1..=CUTS_PER_ROUND {
        let mut scene = Scene::start();
        scene.disk.set(Fault::Lie, true).expect("a disk");
        if let Some(lost) = scene.cut(plan) {
            println!("  {lost}");
            return Figures::default().count("rounds until something was lost", cuts);
        }
    }
    panic!("{CUTS_PER_ROUND} cuts without syncs lost nothing that was accepted");
}
