//! How fast the store is: `cargo bench -p malote-server`, best pinned to one core (`taskset -c 0`) and more than once.
//!
//! CPU times are those of this thread, which commits; those of the whole program, with what goes on beside it, follow in
//! brackets. `MALOTE_STORED` says how many messages lie in the store that is opened (a million), `MALOTE_CASE` runs the
//! cases only whose title contains it.

use std::path::Path;
use std::time::{Duration, Instant};

use malote_common::{Address, Content, DeviceId, MailboxId, Message, MessageId, Name, Submission, Timestamp, codec};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Login, Operation, Store};

const DEVICE: DeviceId = DeviceId([7; 16]);
const BODY: usize = 200;

/// Messages after which a recipient's mailbox is emptied, so that it is never full.
const EMPTIED_AFTER: u64 = 50_000;

/// Bytes of a page as the post office reads them.
const PAGE: usize = 128 * 1024;

fn main() {
    println!("{:<44} {:>11} {:>18}", "case", "messages/s", "CPU µs/message");
    for pairs in [1, 32, 1000] {
        for batch in [1, 32, 256, 2048] {
            let count = match batch {
                1 => 5_000,
                32 => 50_000,
                _ => 400_000,
            };
            case(&format!("{pairs} pairs, batches of {batch}"), |path| submit(path, pairs, batch, count, None));
        }
    }
    case("32 pairs, batches of 2048, one acknowledged of 16", |path| submit(path, 32, 2048, 400_000, Some(16)));
    case("1000 pairs, batches of 2048, one acknowledged of 16", |path| submit(path, 1000, 2048, 400_000, Some(16)));
    case("reading 100000 that came 64 at a time", |path| read(path, 100_000, 64));
    case("reading 10000 that came one at a time", |path| read(path, 10_000, 1));
    case("opening", open);
}

/// What a case took: messages, wall clock, this thread's and the program's CPU time.
struct Taken {
    messages: u64,
    wall: Duration,
    thread: Duration,
    program: Duration,
}

fn case(title: &str, run: impl Fn(&Path) -> Taken) {
    if std::env::var("MALOTE_CASE").is_ok_and(|wanted| !title.contains(&wanted)) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let taken = run(&directory.path().join("store.db"));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / taken.messages as f64;
    let rate = taken.messages as f64 / taken.wall.as_secs_f64();
    println!("{title:<52} {rate:>9.0} {:>9.2} ({:.2})", each(taken.thread), each(taken.program));
}

struct Meter {
    wall: Instant,
    thread: Duration,
    program: Duration,
}

impl Meter {
    fn start() -> Meter {
        Meter { wall: Instant::now(), thread: cpu("/proc/thread-self/schedstat"), program: program_cpu() }
    }

    fn stop(&self, messages: u64) -> Taken {
        let thread = cpu("/proc/thread-self/schedstat") - self.thread;
        Taken { messages, wall: self.wall.elapsed(), thread, program: program_cpu() - self.program }
    }
}

/// CPU time of a thread: the first number that Linux says of its scheduling, in nanoseconds.
fn cpu(path: &str) -> Duration {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
}

fn program_cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.map(|thread| cpu(&thread.path().join("schedstat").to_string_lossy())).sum()
}

/// Logs in that many people.
fn people(store: &mut SqliteStore, count: usize) -> Vec<Login> {
    let logins = (0..count).map(|n| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Operation::Login { key, device: DEVICE }
    });
    let answers = store.commit(&logins.collect::<Vec<_>>(), Timestamp(1)).unwrap();
    let answers = answers.answers.into_iter().map(|answer| match answer {
        Answer::LoggedIn(login) => login,
        other => panic!("{other:?}"),
    });
    answers.collect()
}

fn submission(author: &Login, counter: u64, to: &Login) -> Operation {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&author.person.0.to_be_bytes());
    id[8..].copy_from_slice(&counter.to_be_bytes());
    let content = codec::encode(&Content { subject: String::new(), body: "x".repeat(BODY) }).unwrap();
    let message = Message {
        id: MessageId(id),
        to: vec![Address::Person(Name::given(to.person.0))],
        in_reply_to: None,
        sent_at: Timestamp(1_700_000_000_000),
        content,
    };
    let submission = Submission { counter, since: 1, targets: vec![0], message };
    Operation::Submit { author: author.person, device: DEVICE, submission }
}

/// Each of the first half sends to one of the second, in turn. `acknowledged`: a recipient says that it has everything
/// after so many messages.
fn submit(path: &Path, pairs: usize, batch: usize, count: u64, acknowledged: Option<u64>) -> Taken {
    let mut store = SqliteStore::open(path).unwrap();
    let people = people(&mut store, 2 * pairs);
    let (mut counters, mut sent) = (vec![0; pairs], 0u64);
    let mut taken = Taken { messages: 0, wall: Duration::ZERO, thread: Duration::ZERO, program: Duration::ZERO };
    while taken.messages < count {
        let mut operations = Vec::new();
        for _ in 0..batch {
            let pair = sent as usize % pairs;
            sent += 1;
            counters[pair] += 1;
            operations.push(submission(&people[pair], counters[pair], &people[pairs + pair]));
            if acknowledged.is_some_and(|every| counters[pair] % every == 0) {
                let mailbox = people[pairs + pair].mailbox;
                operations.push(Operation::Acknowledge { mailbox, seq: counters[pair] });
            }
        }
        let meter = Meter::start();
        std::hint::black_box(store.commit(&operations, Timestamp(1_700_000_000_000)).unwrap());
        let one = meter.stop(batch as u64);
        taken.messages += one.messages;
        taken.wall += one.wall;
        taken.thread += one.thread;
        taken.program += one.program;
        if acknowledged.is_none() && sent % EMPTIED_AFTER < batch as u64 {
            empty(&mut store, &people[pairs..]);
        }
    }
    taken
}

fn empty(store: &mut SqliteStore, people: &[Login]) {
    let all = |person: &Login| Operation::Acknowledge { mailbox: person.mailbox, seq: u64::MAX };
    store.commit(&people.iter().map(all).collect::<Vec<_>>(), Timestamp(1)).unwrap();
}

/// One of four recipients reads what waits.
fn read(path: &Path, messages: u64, at_a_time: u64) -> Taken {
    let mut store = SqliteStore::open(path).unwrap();
    let people = people(&mut store, 8);
    fill(&mut store, &people, messages / at_a_time, 4 * at_a_time as usize, 4);
    drop(store);
    let mut store = SqliteStore::open(path).unwrap();
    let meter = Meter::start();
    let mut after = 0;
    loop {
        let page = store.entries(people[4].mailbox, after, PAGE).unwrap();
        let Some(last) = page.last() else { break };
        after = last.last;
    }
    meter.stop(after)
}

/// Makes so many commits of so many messages.
fn fill(store: &mut SqliteStore, people: &[Login], commits: u64, batch: usize, pairs: usize) {
    let mut sent = 0u64;
    for _ in 0..commits {
        let operations = (0..batch).map(|_| {
            let pair = sent as usize % pairs;
            sent += 1;
            submission(&people[pair], sent.div_ceil(pairs as u64), &people[pairs + pair])
        });
        let operations: Vec<_> = operations.collect();
        store.commit(&operations, Timestamp(1)).unwrap();
        if sent % EMPTIED_AFTER < batch as u64 && sent > 32 * EMPTIED_AFTER {
            empty(store, &people[pairs..]);
        }
    }
}

fn open(path: &Path) -> Taken {
    let stored: u64 = std::env::var("MALOTE_STORED").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut store = SqliteStore::open(path).unwrap();
    let people = people(&mut store, 64);
    fill(&mut store, &people, stored / 2048, 2048, 32);
    drop(store);
    let meter = Meter::start();
    let mut store = SqliteStore::open(path).unwrap();
    let taken = meter.stop(stored);
    println!("opened with {stored} messages after {:?}", taken.wall);
    assert!(store.entries(MailboxId(people[40].mailbox.0), 0, 1).is_ok_and(|page| !page.is_empty()));
    taken
}
