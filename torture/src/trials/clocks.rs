//! Clocks that are wrong by years, and that somebody sets while the programs run.

use malote_tests::{Cli, Ended, Running, TestServer, parsed, wait_for};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Trial;
use crate::clock::Clock;
use crate::figures::Figures;
use crate::people::People;

pub const CLOCKS: Trial = Trial {
    name: "clocks",
    what: "clocks of the server and of clients are wrong by ten years and are set while they run, also back by an hour",
    run: clocks,
};

const HOUR: i64 = 60 * 60;

const DECADE: i64 = 10 * 365 * 24 * HOUR;

/// A clock whose control shows less than this is taken for right: the programs take their time as well.
const CLOSE: i64 = 5 * 60;

/// Messages sent one after the other, with a clock set before each.
const MESSAGES: usize = 10;

/// People in this process, whose clock is right.
const PEOPLE: usize = 4;

/// Messages that one of them writes at once, at most.
const BURST: usize = 10;

/// Somebody at a computer whose clock is wrong.
struct Person {
    cli: Cli,
    clock: Clock,
}

impl Person {
    fn new(server: &TestServer, wrong_by: i64) -> Person {
        Person { cli: Cli::new(server), clock: Clock::wrong_by(wrong_by).expect("a clock") }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.cli.command(arguments).envs(self.clock.environment()))
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    fn name(&self) -> String {
        self.run(&["whoami"]).expect_status(0).stdout.trim_end().to_owned()
    }

    fn send(&self, to: &str, body: &str) {
        self.run(&["send", "--to", to, body]).expect_status(0);
    }

    /// What has come, oldest first.
    fn inbox(&self) -> Vec<Value> {
        self.run(&["--json", "inbox"]).expect_status(0).stdout.lines().map(parsed).collect()
    }
}

fn clocks(plan: &mut StdRng) -> Figures {
    let ahead_or_behind = |plan: &mut StdRng| if plan.random_bool(0.5) { DECADE } else { -DECADE };
    let mut server = TestServer::start();
    server.stop();
    let server_is_wrong_by = ahead_or_behind(plan);
    let server_clock = Clock::wrong_by(server_is_wrong_by).expect("a clock");
    server.set_environment(server_clock.environment());
    server.restart();
    let (ana, rui) = (Person::new(&server, DECADE), Person::new(&server, -DECADE));
    let names = [ana.name(), rui.name()];
    assert_eq!(names, ["Usuario0", "Usuario1"]);
    let mut people = People::start(&server, PEOPLE);

    // The control: without this, every clock might be right.
    ana.send("Usuario1", "quando?");
    let letter = &rui.inbox()[0];
    check_clock(&letter["sent_at"], DECADE);
    check_clock(&letter["accepted_at"], server_is_wrong_by);

    let mut written = vec!["quando?".to_owned()];
    let mut set = 3;
    let mut watch = rui.start(&["--json", "watch"]);
    for number in 0..MESSAGES {
        let (clock, before) = match number % 3 {
            0 => (&server_clock, server_is_wrong_by),
            1 => (&ana.clock, DECADE),
            _ => (&rui.clock, -DECADE),
        };
        let by = [-HOUR, HOUR, -DECADE, DECADE][plan.random_range(0..4)];
        clock.set(before + by).expect("a clock");
        set += 1;
        people.all_write(plan, BURST);
        let body = number.to_string();
        ana.send("Usuario1", &body);
        assert_eq!(parsed(&watch.next_line())["body"], body.as_str(), "out of order, or not at all");
        written.push(body);
    }

    // What waits is not given up because a clock says that it has waited for years: neither by a program that begins when
    // the clock was set …
    server.stop();
    ana.clock.set(-DECADE).expect("a clock");
    let in_vain = |body: &str| ana.run(&["--timeout", "1", "send", "--to", "Usuario1", body]).expect_status(5);
    in_vain("guardada");
    ana.clock.set(DECADE).expect("a clock");
    in_vain("guardada também");
    // … nor by one that runs when it is.
    rui.clock.set(-DECADE).expect("a clock");
    drop(watch);
    let sending = rui.start(&["--timeout", "120", "send", "--to", "Usuario0", "esperando"]);
    wait_for("the message on disk", || is_waiting(&rui).then_some(()));
    for seconds in [DECADE, DECADE - HOUR, -DECADE, -DECADE - HOUR] {
        rui.clock.set(seconds).expect("a clock");
        // Time in which the program may look at the clock; whether it does cannot be seen from here.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    set += 7;
    server.restart();
    sending.wait().expect_status(0);
    ana.name();
    written.extend(["guardada", "guardada também"].map(str::to_owned));
    let bodies = |letters: Vec<Value>| -> Vec<String> {
        letters.iter().map(|letter| letter["body"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(bodies(rui.inbox()), written);
    assert_eq!(bodies(ana.inbox()), ["esperando"]);

    people.all_write(plan, BURST);
    people.settle();
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default().count("clocks set", set).count("messages", people.written() + written.len() as u64 + 1)
}

/// What this person wrote last is on their disk and has not left.
fn is_waiting(person: &Person) -> bool {
    let archive = malote_client::Reader::open(&person.cli.profile().join("archive.db"), person.cli.server());
    archive.and_then(|archive| archive.is_outbox_empty()).is_ok_and(|is_empty| !is_empty)
}

/// A time that a program has told must be wrong by so many seconds.
#[track_caller]
fn check_clock(told: &Value, wrong_by: i64) {
    let told: jiff::Timestamp = told.as_str().and_then(|told| told.parse().ok()).expect("a time");
    let is_off = told.as_second() - jiff::Timestamp::now().as_second();
    assert!(
        (is_off - wrong_by).abs() < CLOSE,
        "wrong by {is_off} s and not {wrong_by} s: the clock is not the one given"
    );
}
