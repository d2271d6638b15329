//! Thousands of connections that are kept in the making by a byte now and then.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use malote_client::connection::secure;
use malote_common::hello::{Hello, VERSION};
use malote_common::{codec, limits};
use malote_server::session::CLOSING_TIME;
use malote_tests::TestServer;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Trial;
use crate::caller::{Caller, Who, reach, source};
use crate::figures::Figures;

pub const LORIS: Trial = Trial {
    name: "slow-loris",
    what: "5,000 connections send a byte now and then: before, in and after the TLS handshake, and as a request of HTTP",
    run: loris,
};

/// Connections in all, where the system lets us have so many files open.
const SOCKETS: usize = 5_000;

/// Files that a process needs beside.
const OTHER_FILES: usize = 500;

/// Connections from one address of this computer: as many as may be in the making.
const PER_SOURCE: usize = limits::HANDSHAKES_PER_ADDRESS;

/// Connections that are made beyond those of one address, all of which must be turned away.
const TOO_MANY: u64 = 200;

/// Connections that we make at once: more than a system lets wait for a server would make everybody wait for the system.
const AT_ONCE: usize = 64;

/// Pause between two bytes: shorter than the deadline, which it must not move.
const PAUSE: Duration = Duration::from_secs(3);

/// Beyond the deadline and the time for a goodbye, this much is not for want of a fast computer.
const SLACK: Duration = Duration::from_secs(8);

/// Somebody logs in so often meanwhile …
const LOGIN_EVERY: Duration = Duration::from_millis(20);

/// … which takes no longer than this, or, on a slow computer, not much longer.
const P99: Duration = Duration::from_millis(500);
const P99_SLACK: u32 = 6;

/// Where they come from who mean no harm, and whoever makes too many connections.
const HONEST_SOURCE: usize = 50_000;
const GREEDY_SOURCE: usize = 50_100;

/// As far as a connection is brought.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// It says nothing at all.
    Silent,
    /// The beginning of a ClientHello, the rest of which is dribbled.
    HalfHello,
    /// TLS is spoken, and the login is dribbled.
    Login,
    /// The head of a request to the web listener is dribbled.
    Request,
}

const STAGES: [Stage; 4] = [Stage::Silent, Stage::HalfHello, Stage::Login, Stage::Request];

/// The first bytes of a TLS record with a ClientHello of 512 bytes (RFC 8446, 4.1.2 and 5.1).
const HALF_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

fn loris(plan: &mut StdRng) -> Figures {
    let server = TestServer::start_with_web();
    let web = server.web().trim_start_matches("http://").parse().expect("an address");
    let over = Arc::new(AtomicBool::new(false));
    let honest = thread::spawn({
        let (address, plan, over) = (server.address(), StdRng::from_rng(plan), over.clone());
        move || on_runtime(log_in_again_and_again(address, plan, over))
    });
    server.forget_peak();
    let before = server.memory();
    let sockets = SOCKETS.min(open_files().saturating_sub(OTHER_FILES));
    let (lives, (turned_away, made)) = on_runtime(async {
        let greedy = tokio::spawn(be_greedy(server.address()));
        let lives = hold(server.address(), web, sockets, plan).await;
        (lives, greedy.await.expect("nobody panicked"))
    });
    let grown = server.peak_memory().saturating_sub(before);
    over.store(true, Ordering::SeqCst);
    let mut logins = honest.join().expect("everybody who means no harm may log in");
    let longest = *lives.iter().max().expect("there are connections");
    let shortest = *lives.iter().min().expect("there are connections");
    let deadline = limits::HANDSHAKE_TIME + CLOSING_TIME + SLACK;
    assert!(longest < deadline, "a connection was kept in the making for {longest:?}");
    assert!(shortest > limits::HANDSHAKE_TIME / 2, "a connection was ended after {shortest:?}: nothing was attacked");
    assert_eq!(turned_away, made, "one address may have more connections in the making than it should");
    logins.sort_unstable();
    let p99 = logins[(logins.len() * 99).div_ceil(100) - 1];
    assert!(p99 < P99 * P99_SLACK, "logging in took {p99:?}");
    Figures::default()
        .count("slow connections", lives.len() as u64)
        .longest("the longest of them", longest)
        .count("turned away from one address", turned_away)
        .count("logins meanwhile", logins.len() as u64)
        .longest("their p99", p99)
        .most("MiB of memory", grown.div_ceil(1024 * 1024))
}

/// Makes so many connections, dribbles on each of them until it is ended, and returns how long each lasted.
async fn hold(server: SocketAddr, web: SocketAddr, sockets: usize, plan: &mut StdRng) -> Vec<Duration> {
    let door = Arc::new(Semaphore::new(AT_ONCE));
    let who = Who::new(source(0), plan);
    let hello = Hello { versions: vec![VERSION], key: who.key.verifying_key().to_bytes(), device: who.device };
    let mut login = Vec::new();
    codec::write_frame(&mut login, &hello.encode());
    let login: Arc<[u8]> = login.into();
    let held = (0..sockets).map(|number| {
        let (door, login) = (door.clone(), login.clone());
        let group = number / PER_SOURCE;
        let (stage, source) = (STAGES[group % STAGES.len()], source(1 + group));
        async move {
            let place = door.acquire().await.expect("nobody closes it");
            let begun = Instant::now();
            let address = if stage == Stage::Request { web } else { server };
            let stream = reach(address, source).await.expect("a connection to be slow on");
            match stage {
                Stage::Login => {
                    let connected = secure(stream, None).await.expect("a connection to be slow on");
                    drop(place);
                    dribble(connected.stream, b"", &login).await;
                }
                _ => {
                    drop(place);
                    let (first, rest): (&[u8], &[u8]) = match stage {
                        Stage::HalfHello => (HALF_HELLO, &[0; 64]),
                        Stage::Request => (b"GET / HTTP/1.1\r\n", &[b'a'; 64]),
                        _ => (b"", b""),
                    };
                    dribble(stream, first, rest).await;
                }
            }
            begun.elapsed()
        }
    });
    held.collect::<JoinSet<Duration>>().join_all().await
}

/// Says something at once and the rest byte by byte, until the other side ends the connection.
async fn dribble(stream: impl AsyncRead + AsyncWrite, first: &[u8], rest: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let speaking = async {
        let pieces = std::iter::once(first).chain(rest.chunks(1)).filter(|piece| !piece.is_empty());
        for piece in pieces {
            if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        std::future::pending::<()>().await;
    };
    let hearing = async {
        let mut bytes = [0; 256];
        while let Ok(1..) = reader.read(&mut bytes).await {}
    };
    tokio::select! {
        () = speaking => {}
        () = hearing => {}
    }
}

/// Takes all places of one address and asks for more, as long as it has them; returns how many connections were ended at once,
/// and how many were made.
async fn be_greedy(server: SocketAddr) -> (u64, u64) {
    let begun = Instant::now();
    let mut held = Vec::new();
    for _ in 0..PER_SOURCE {
        held.push(reach(server, source(GREEDY_SOURCE)).await.expect("a connection"));
    }
    let (mut turned_away, mut made) = (0, 0);
    while made < TOO_MANY && begun.elapsed() < limits::HANDSHAKE_TIME / 2 {
        let mut stream = reach(server, source(GREEDY_SOURCE)).await.expect("a connection");
        let patience = limits::HANDSHAKE_TIME / 4;
        let ended = tokio::time::timeout(patience, stream.read(&mut [0])).await;
        turned_away += u64::from(matches!(ended, Ok(Ok(0) | Err(_))));
        made += 1;
    }
    (turned_away, made)
}

/// Logs in, as newcomers do and others come back, until it is over; returns how long each took.
async fn log_in_again_and_again(server: SocketAddr, mut plan: StdRng, over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut clock = tokio::time::interval(LOGIN_EVERY);
    let who = Who::new(source(HONEST_SOURCE), &mut plan);
    let mut taken = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let due = clock.tick().await.into_std();
        let who = if taken.len() % 2 == 0 { who.elsewhere(&mut plan) } else { Who::new(who.source, &mut plan) };
        Caller::log_in(server, &who).await.expect("whoever means no harm may log in");
        taken.push(due.elapsed());
    }
    taken
}

/// How many files this process and those that it starts may have open (proc(5), `limits`).
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("the system tells of limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("files are limited");
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}
