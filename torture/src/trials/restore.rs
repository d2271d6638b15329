//! A server that is brought back from an old backup: people's programs bring back what the backup has not.

use std::fs;
use std::thread;
use std::time::Duration;

use malote_tests::{Running, TestServer};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const OLD: Trial = Trial {
    name: "restore",
    what: "the server's disk is gone, and a backup that was made under load comes back: nobody misses or doubles anything",
    run: old,
};

const PEOPLE: usize = 8;

/// Backups that are brought back in a round.
const RESTORES: u64 = 4;

const BURST: usize = 40;

fn old(plan: &mut StdRng) -> Figures {
    let mut server = TestServer::start();
    let mut people = People::start(&server, PEOPLE);
    let copies = tempfile::tempdir().expect("a folder for copies");
    let mut since = 0;
    for number in 0..RESTORES {
        write_for_a_while(&mut people, plan);
        let copy = copies.path().join(number.to_string());
        let mut backup = TestServer::command(&["backup"]);
        backup.arg(&copy).arg("--data").arg(server.data());
        let backup = Running::start(&mut backup);
        write_for_a_while(&mut people, plan);
        backup.wait().expect_status(0);
        let before = people.written();
        write_for_a_while(&mut people, plan);
        people.all_write(plan, BURST);
        since += people.written() - before;
        // Now and then all of it has arrived, and the backup is not needed for it.
        if plan.random_bool(0.3) {
            people.settle();
        }
        server.kill();
        for entry in fs::read_dir(server.data()).expect("a folder") {
            fs::remove_file(entry.expect("a file").path()).expect("a file");
        }
        let mut restore = TestServer::command(&["restore"]);
        Running::start(restore.arg(&copy).arg("--data").arg(server.data())).wait().expect_status(0);
        server.restart();
        people.connect_now();
    }
    people.settle();
    server.stop();
    people.check();
    Figures::default()
        .count("restores", RESTORES)
        .count("messages", people.written())
        .count("of them written after a backup was complete", since)
}

fn write_for_a_while(people: &mut People, plan: &mut StdRng) {
    for _ in 0..plan.random_range(5..40) {
        people.write_some(plan, BURST);
        thread::sleep(Duration::from_millis(plan.random_range(1..10)));
    }
}
