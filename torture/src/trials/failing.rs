//! A disk that fails: the server must end, say so, and have lost nothing that it accepted.

use std::thread;
use std::time::Duration;

use malote_tests::TestServer;
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::disk::{Disk, Fault, Loss};
use crate::figures::Figures;
use crate::people::People;

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

const PEOPLE: usize = 8;

/// Failures in a round.
const FAILURES: u64 = 10;

const BURST: usize = 40;

fn fail(plan: &mut StdRng, fault: Fault) -> Figures {
    let mut server = TestServer::start();
    server.stop();
    let store = server.data().join("store.db");
    let mut disk = Disk::new(server.data()).expect("a disk");
    disk.begin().expect("a disk");
    server.set_environment(disk.environment());
    server.restart();
    let mut people = People::start(&server, PEOPLE);
    for _ in 0..FAILURES {
        people.all_write(plan, BURST);
        thread::sleep(Duration::from_micros(plan.random_range(0..50_000)));
        disk.set(fault, true).expect("a disk");
        people.all_write(plan, BURST);
        let ended = server.wait();
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        disk.set(fault, false).expect("a disk");
        disk.cut(Loss::random(plan), plan).expect("a journal of all that the server wrote");
        assert_eq!(people.lost(server.data()), None);
        disk.begin().expect("a disk");
        server.restart();
        people.connect_now();
    }
    people.settle();
    server.stop();
    people.check();
    people.check_store(&store);
    Figures::default().count("failures", FAILURES).count("messages", people.written())
}
