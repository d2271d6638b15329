//! Programs that are killed with SIGKILL, at any moment.

use std::thread;
use std::time::{Duration, Instant};

use malote_client::Reader;
use malote_tests::{Cli, Running, TestServer};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const SERVER: Trial =
    Trial { name: "kill-server", what: "SIGKILL of the server while 32 people write to each other", run: server };

pub const CLIENT: Trial =
    Trial { name: "kill-client", what: "SIGKILL of `malote-cli send` at a random moment of its life", run: client };

const PEOPLE: usize = 32;

/// How often the server is killed in a round.
const SERVER_KILLS: u64 = 50;

/// How often a program that sends is killed in a round.
const CLIENT_KILLS: usize = 50;

/// Messages that one person writes at once, at most: more than a client may have unanswered now and then.
const BURST: usize = 40;

/// The same for everybody just before the server is killed.
const FINAL_BURST: usize = 4;

/// Time between two bursts while the server lives: with the average burst, 2,000 messages a second.
const PAUSE: Duration = Duration::from_millis(10);

fn server(plan: &mut StdRng) -> Figures {
    let mut server = TestServer::start();
    let mut people = People::start(&server, PEOPLE);
    let (mut interrupted, mut slowest, mut writing) = (0, Duration::ZERO, Duration::ZERO);
    for _ in 0..SERVER_KILLS {
        let begun = Instant::now();
        let until = begun + Duration::from_millis(plan.random_range(20..400));
        while Instant::now() < until {
            people.write_some(plan, BURST);
            thread::sleep(PAUSE);
        }
        people.all_write(plan, FINAL_BURST);
        writing += begun.elapsed();
        // At any moment of its answering.
        thread::sleep(Duration::from_micros(plan.random_range(0..20_000)));
        server.kill();
        interrupted += u64::from(people.unanswered() > 0);
        // They do not know it yet, and go on.
        people.write_some(plan, BURST);
        let begun = Instant::now();
        server.restart();
        slowest = slowest.max(begun.elapsed());
        people.connect_now();
    }
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    assert!(interrupted > SERVER_KILLS / 2, "the server was hardly ever killed at work: {interrupted} times");
    Figures::default()
        .count("kills", SERVER_KILLS)
        .count("of them with something unanswered", interrupted)
        .count("messages", people.written())
        .count("milliseconds in which they were written", writing.as_millis() as u64)
        .longest("slowest start", slowest)
}

fn client(plan: &mut StdRng) -> Figures {
    let server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    let start = Instant::now();
    ana.send("Usuario1", "", "whole");
    let whole = start.elapsed();
    for number in 0..CLIENT_KILLS {
        let body = number.to_string();
        let mut sending = Running::start(&mut ana.command(&["send", "--to", "Usuario1,Usuario0", &body]));
        // Not waiting for anything: the moment of death is the point.
        thread::sleep(whole.mul_f64(plan.random_range(0.0..1.0)));
        sending.kill();
    }
    // Only now it is clear what the killed programs have left behind.
    ana.name();
    let archive = Reader::open(&ana.profile().join("archive.db"), &server.address().to_string()).expect("an archive");
    assert!(archive.is_outbox_empty().expect("an archive"));
    let rows = archive.sent_rows().expect("an archive").into_iter().rev();
    let sent = rows.filter_map(|row| archive.sent_message_at(row).expect("an archive"));
    let kept: Vec<String> = sent.map(|sent| sent.body).collect();
    assert!(kept.len() > 1, "every program was killed before it could keep anything");
    assert_eq!(bia.bodies(), kept);
    assert_eq!(ana.bodies(), kept[1..], "the first message was for Usuario1 alone");
    Figures::default()
        .count("kills", CLIENT_KILLS as u64)
        .count("messages that were kept before", kept.len() as u64 - 1)
}
