//! A disk that fails: the server must end, say so, and have lost nothing that it accepted.

use std::thread;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use super::power::Scene;
use crate::disk::{Fault, Loss};
use crate::figures::Figures;

pub const SYNCS: Trial = Trial {
    name: "failing-syncs",
    what: "syncs fail with EIO under load, and what was not synced is lost",
    run: |plan| fail(plan, Fault::Sync),
};

pub const WRITES: Trial = Trial {
    name: "failing-writes",
    what: "writes fail with EIO under load, and what was not synced is lost",
    run: |plan| fail(plan, Fault::Write),
};

/// Failures in a round.
const FAILURES: u64 = 10;

const BURST: usize = 40;

fn fail(plan: &mut StdRng, fault: Fault) -> Figures {
    let mut scene = Scene::start();
    for _ in 0..FAILURES {
        scene.people.all_write(plan, BURST);
        thread::sleep(Duration::from_micros(plan.random_range(0..50_000)));
        scene.disk.set(fault, true).expect("a disk");
        scene.people.all_write(plan, BURST);
        let ended = scene.server.wait();
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        scene.disk.set(fault, false).expect("a disk");
        scene.disk.cut(Loss::random(plan), plan).expect("a journal of all that the server wrote");
        assert_eq!(scene.people.lost(scene.server.data()), None);
        scene.restart();
    }
    let Scene { mut server, mut people, .. } = scene;
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default().count("failures", FAILURES).count("messages", people.written())
}
