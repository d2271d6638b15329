//! Readers who stop reading: they cost little, keep nobody waiting, are cut off in the end and lose nothing.

use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, ServerFrame};
use malote_common::{Entry, limits};
use malote_server::session::CLOSING_TIME;
use malote_tests::wait_for;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::Trial;
use crate::bystanders::Bystanders;
use crate::caller::{Caller, Who, author_and_index, source};
use crate::figures::Figures;
use crate::stock;

pub const STALLED: Trial = Trial {
    name: "stalled-reader",
    what: "somebody for whom 100,000 messages wait asks for them and stops reading, at sixteen computers",
    run: stalled,
};

const MESSAGES: u64 = 100_000;

/// Computers at which the same person stops reading: what one costs would be lost among what else a server does.
const READERS: u64 = 16;

/// What each of them may cost the server in memory, all in all.
const MEMORY: u64 = 256 * 1024;

/// For how long the others are watched with and without somebody who does not read, in turn …
const SLICE: Duration = Duration::from_millis(600);

/// … and how often.
const SLICES: usize = 2;

/// The others' messages take at most twice as long; so much longer still is not for want of a fast computer …
const SLACK: u32 = 5;

/// … where it is longer than this: below it, all times are equally short.
const SHORT: Duration = Duration::from_millis(20);

/// The address of this computer from which the reader comes.
const READER: usize = 1;

/// What waits in the system has not changed for so long where it is full.
const STILL: Duration = Duration::from_millis(150);

/// Whoever does not read is cut off so soon.
const CUT_OFF: Duration = limits::DEAD_AFTER.saturating_add(CLOSING_TIME);
const CUT_OFF_SLACK: Duration = Duration::from_secs(10);

fn stalled(plan: &mut StdRng) -> Figures {
    let who = Who::new(source(READER), plan);
    let everywhere: Vec<Who> = (0..READERS).map(|_| who.elsewhere(plan)).collect();
    let server = stock::with_mail(&who, MESSAGES, 0, &[], plan);
    let address = server.address();
    let bystanders = Bystanders::start(address, plan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // What a server keeps in memory for having read all of it once is not for those who come later.
    runtime.block_on(read_everything(address, &who));

    // First of all, while the server has no memory to spare from what it did before.
    let before = server.memory();
    let stopped = runtime.block_on(stop_reading(address, &everywhere));
    let with_all = watched();
    let each = server.memory().saturating_sub(before) / READERS;
    assert!(each < MEMORY, "whoever does not read costs {each} bytes");
    drop(stopped);

    let (mut without, mut with_one) = (Vec::new(), Vec::new());
    for _ in 0..SLICES {
        without.push(watched());
        let one = runtime.block_on(stop_reading(address, &everywhere[..1]));
        with_one.push(watched());
        drop(one);
    }

    let begun = Instant::now();
    let stopped = runtime.block_on(stop_reading(address, &everywhere));
    let cut_off = runtime.block_on(see_them_leave(address, &who, plan, begun));
    drop(stopped);
    // It comes back as another computer of the same person, which has nothing yet.
    runtime.block_on(read_everything(address, &who));

    let latencies = bystanders.finish();
    let (without, with_one) = (latencies.p99(&without), latencies.p99(&with_one));
    assert!(with_one < without.max(SHORT) * 2 * SLACK, "others' messages took {with_one:?} instead of {without:?}");
    Figures::default()
        .most("KiB of memory for each", each / 1024)
        .longest("others' p99 without any", without)
        .longest("with one", with_one)
        .longest("with all", latencies.p99(&[with_all]))
        .longest("cut off after", cut_off)
        .count("messages that all came afterwards", MESSAGES)
}

/// Lets some time pass, and says which it was: what others do meanwhile is what is measured.
fn watched() -> Range<Instant> {
    let begun = Instant::now();
    thread::sleep(SLICE);
    begun..Instant::now()
}

/// They ask for all that waits, and take nothing of it. Until the system takes no more of it for them either, the server
/// serves them like anybody else.
async fn stop_reading(server: SocketAddr, everywhere: &[Who]) -> Vec<Caller> {
    let mut callers = Vec::new();
    for who in everywhere {
        let mut caller = Caller::log_in(server, who).await.expect("everybody may log in");
        caller.resume().await.expect("a connection");
        callers.push(caller);
    }
    let (mut waiting, mut since) = (0, Instant::now());
    wait_for("the end of what the system takes", || {
        let now = waiting_bytes(READER);
        if now != waiting {
            (waiting, since) = (now, Instant::now());
        }
        (waiting > 0 && since.elapsed() > STILL).then_some(())
    });
    callers
}

/// Bytes that the system holds for connections from this address, which were sent and not taken (proc(5), `net/tcp`).
fn waiting_bytes(address: usize) -> u64 {
    let address = format!("{:08X}:", u32::from_le_bytes(source(address).octets()));
    let connections = fs::read_to_string("/proc/net/tcp").expect("the system tells of connections");
    let waiting = connections.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, queues) = (fields.next()?, fields.next()?, fields.nth(1)?);
        let (sent, received) = queues.split_once(':')?;
        match (local.starts_with(&address), remote.starts_with(&address)) {
            (true, _) => u64::from_str_radix(received, 16).ok(),
            (_, true) => u64::from_str_radix(sent, 16).ok(),
            _ => None,
        }
    });
    waiting.sum()
}

/// Reads all that waits, which must be all that there ever was, once and in order.
async fn read_everything(server: SocketAddr, who: &Who) {
    let mut caller = Caller::log_in(server, who).await.expect("whoever comes back may log in");
    assert_eq!(caller.welcome.last_seq, MESSAGES);
    caller.resume().await.expect("a connection");
    for expected in 1..=MESSAGES {
        let (seq, entry) = loop {
            match caller.ear.hear().await.expect("what waits is sent") {
                ServerFrame::Delivery { mailbox, seq, entry } if mailbox == caller.welcome.mailbox => {
                    break (seq, entry);
                }
                ServerFrame::Ping { token } => {
                    caller.mouth.say(&ClientFrame::Pong { token }).await.expect("a connection");
                }
                _ => {}
            }
        };
        let Entry::Message { message, .. } = entry else { panic!("{entry:?}") };
        assert_eq!((seq, author_and_index(message.id)), (expected, (stock::AUTHOR, expected)));
    }
}

/// Waits until the server says that this person is not connected any more, and tells how long after `begun` that was.
async fn see_them_leave(server: SocketAddr, who: &Who, plan: &mut StdRng, begun: Instant) -> Duration {
    let mut watcher = Caller::log_in(server, &Who::new(source(2), plan)).await.expect("everybody may log in");
    watcher.mouth.say(&ClientFrame::People { after: None }).await.expect("a connection");
    let left = async {
        loop {
            match watcher.ear.hear().await.expect("whoever watches is told") {
                // The person was the first of all.
                ServerFrame::People { people, .. } | ServerFrame::Presence { people }
                    if people.iter().any(|person| person.number == 0 && !person.connected) =>
                {
                    return begun.elapsed();
                }
                ServerFrame::Ping { token } => {
                    watcher.mouth.say(&ClientFrame::Pong { token }).await.expect("a connection");
                }
                _ => {}
            }
        }
    };
    let patience = CUT_OFF + CUT_OFF_SLACK;
    timeout(patience, left).await.unwrap_or_else(|_| panic!("{:?} is still there after {patience:?}", who.device))
}
