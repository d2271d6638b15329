//! A full disk: nothing is accepted that is not kept, everybody is told, and the programs go on by themselves when there is
//! space.

use std::path::Path;

use crossbeam_channel::Receiver;
use malote_client::archive::Shelf;
use malote_client::{ArchiveError, Client, Command, Event, Options, Problem, Profile, Reader, Status};
use malote_common::{Address, Content};
use malote_tests::{Cli, Running, SmallDisk, TestServer, wait_for};
use malote_texts::{Language, Texts};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const FULL: Trial = Trial {
    name: "full-disk",
    what: "the server's disk is full again and again, and has space again later",
    run: full,
};

pub const CLIENT: Trial = Trial {
    name: "client-disk-full",
    what: "the disk of clients is full again and again, while they send and receive",
    run: client,
};

const PEOPLE: usize = 4;

/// How often the disk is full in a round.
const TIMES: u64 = 5;

const BURST: usize = 40;

/// Bytes of the disk.
const BYTES: u64 = 32 * 1024 * 1024;

fn full(plan: &mut StdRng) -> Figures {
    let Some(disk) = SmallDisk::mount(BYTES) else { return Figures::default().count("left out", 1) };
    let mut server = TestServer::start_in(disk.path());
    let mut people = People::start(&server, PEOPLE);
    let mut refused = 0;
    for _ in 0..TIMES {
        people.all_write(plan, BURST);
        people.settle();
        disk.fill();
        wait_for("somebody's hearing of it", || {
            people.write_some(plan, BURST);
            (people.waiting_for("server_full") > 0).then_some(())
        });
        refused += people.waiting_for("server_full");
        assert!(people.are_online(), "somebody was disconnected");
        disk.free();
        people.settle();
        assert_eq!(people.lost(server.data()), None);
    }
    server.stop();
    says_that_space_is_lacking(&disk, server.data());
    server.restart();
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default()
        .count("times full", TIMES)
        .count("messages", people.written())
        .count("of them seen waiting for space", refused)
}

/// A server that is started on the full disk doubts nobody's messages.
fn says_that_space_is_lacking(disk: &SmallDisk, data: &Path) {
    disk.fill();
    let mut command = TestServer::command(&["--listen", "127.0.0.1:0", "--web", "off", "--lang", "en"]);
    let ended = Running::start(command.arg("--data").arg(data)).wait().expect_status(1);
    let path = data.display().to_string().into();
    let expected = Texts::new(Language::English).with("server-disk-full", &[("path", path)]);
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    disk.free();
}

/// Bytes of a client's disk.
const CLIENT_BYTES: u64 = 8 * 1024 * 1024;

/// How often it is full in a round, for each of the two clients.
const CLIENT_TIMES: usize = 3;

fn client(plan: &mut StdRng) -> Figures {
    let Some(disk) = SmallDisk::mount(CLIENT_BYTES) else { return Figures::default().count("left out", 1) };
    let server = TestServer::start();
    command_line(&disk, &server);
    running(&disk, &server, plan)
}

/// `malote-cli` says what to do, claims nothing, and loses nothing of what comes.
fn command_line(disk: &SmallDisk, server: &TestServer) {
    let (ana, bia) = (Cli::new_in(disk.path(), server), Cli::new(server));
    let names = [ana.name(), bia.name()];
    let texts = Texts::new(Language::Portuguese);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for number in 0..CLIENT_TIMES {
        sent.push(format!("cabe {number}"));
        ana.send(&names[1], "", &sent[number]);
        disk.fill();
        let ended = ana.run(&["send", "--to", &names[1], "não cabe"]).expect_status(1);
        assert_eq!(ended.stderr, format!("{}\n{}\n", texts.get("disk-full"), texts.get("cli-not-kept")));
        assert_eq!(ended.stdout, "");
        received.push(format!("enquanto isso {number}"));
        bia.send(&names[0], "", &received[number]);
        let ended = ana.run(&["inbox"]).expect_status(1);
        assert_eq!(ended.stderr, format!("{}\n", texts.get("disk-full")));
        disk.free();
        assert_eq!(ana.bodies(), received);
        assert_eq!(bia.bodies(), sent, "what was not kept was sent, or what was kept was not");
    }
}

/// A client that goes on running tells of each message that it cannot keep, and comes back by itself.
fn running(disk: &SmallDisk, server: &TestServer, plan: &mut StdRng) -> Figures {
    let bia = Cli::new(server);
    let (bia_is, address) = (bia.name(), server.address().to_string());
    let profile = Profile::open_in(disk.path(), Some("rui")).expect("a profile");
    let reader = profile.archive();
    let options = Options { server: address.parse().expect("an address"), wants_people: false };
    let (client, events) = Client::start(profile, options, || {}).expect("a client");
    let reader = Reader::open(&reader, &address).expect("an archive");
    let rui_is = heard(&events, |event| match event {
        Event::Status(Status::Online { name, .. }) => Some(name.to_string()),
        _ => None,
    });
    let (mut kept, mut refused, mut token) = (Vec::new(), 0, 0);
    let mut write = |padding: usize| {
        token += 1;
        let body = format!("{token}{}", ".".repeat(padding));
        let (to, content) = (vec![Address::parse(&bia_is).expect("an address")], body.clone());
        let content = Content { subject: String::new(), body: content };
        client.command(Command::Send { token, to, content, in_reply_to: None });
        let is_kept = heard(&events, |event| match event {
            Event::Queued { token: queued, .. } if queued == token => Some(true),
            Event::NotQueued { token: lost } if lost == token => Some(false),
            Event::NotKept(error) => {
                assert_eq!(error, ArchiveError::DiskFull);
                None
            }
            _ => None,
        });
        if is_kept {
            kept.push(body);
        }
        is_kept
    };
    let mut received = Vec::new();
    for number in 0..CLIENT_TIMES {
        assert!(write(plan.random_range(0..10_000)), "there is space");
        disk.fill();
        // More than what is left in files that were made before.
        received.push(format!("para o disco cheio {number}{}", ".".repeat(100_000)));
        bia.run_with_input(&["send", "--to", &rui_is, "-"], received[number].as_str()).expect_status(0);
        heard(&events, |event| match event {
            Event::Status(Status::Waiting { problem: Problem::Disk(error), .. }) => Some(error),
            _ => None,
        });
        while write(plan.random_range(5_000..10_000)) {}
        refused += 1;
        disk.free();
        // Nobody does anything about it.
        heard(&events, |event| (event == Event::KeptAgain).then_some(()));
        wait_for("the arrival of what did not fit", || {
            (reader.letters(Shelf::Inbox).expect("an archive").len() == received.len()).then_some(())
        });
    }
    wait_for("the departure of everything", || reader.is_outbox_empty().expect("an archive").then_some(()));
    let arrived = reader.letters(Shelf::Inbox).expect("an archive").into_iter().map(|letter| letter.body);
    assert!(arrived.eq(received), "what came while the disk was full is here more than once, or out of order");
    assert_eq!(bia.bodies(), kept, "what was not kept was sent, or what was kept was not");
    Figures::default()
        .count("times full", 2 * CLIENT_TIMES as u64)
        .count("messages refused for it", refused + CLIENT_TIMES as u64)
        .count("messages that came meanwhile", 2 * CLIENT_TIMES as u64)
}

/// Waits until `wanted` makes something of what the client tells.
#[track_caller]
fn heard<T>(events: &Receiver<Event>, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    wait_for("what the client is to tell", || events.try_iter().find_map(&mut wanted))
}
