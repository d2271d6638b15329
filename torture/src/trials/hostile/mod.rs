//! Frames that no program of ours sends, at a real server's sockets, while two people write to each other.

mod malice;
mod program;
mod web;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use malote_tests::TestServer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::timeout;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const FRAMES: Trial = Trial {
    name: "hostile-frames",
    what: "malformed, outsized and unasked-for frames by TLS and WebSocket, before and after the login",
    run: frames,
};

/// Connections of each kind in a round.
const CONNECTIONS: usize = 120;

/// At a time: fewer than one address may have in the handshake.
const AT_A_TIME: usize = 6;

/// How long one connection may take: more than the server takes to notice what is wrong with it, by far.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of memory that the server may ever have held in the end.
const MEMORY: u64 = 256_000_000;

/// Messages that one of the two people writes at once, at most.
const BURST: usize = 3;

/// What was sent, by all connections.
#[derive(Default)]
struct Toll {
    connections: AtomicU64,
    frames: AtomicU64,
    requests: AtomicU64,
    /// Bytes in all.
    bytes: AtomicU64,
}

impl Toll {
    fn add(&self, frames: u64, bytes: usize) {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn frames(plan: &mut StdRng) -> Figures {
    let mut server = TestServer::start_with_web();
    let mut people = People::start(&server, 2);
    let toll = Toll::default();
    let seeds: [u64; AT_A_TIME] = plan.random();
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        let attackers = seeds.map(|seed| {
            scope.spawn({
                let (server, toll) = (&server, &toll);
                move || attack(server, StdRng::seed_from_u64(seed), toll)
            })
        });
        while attackers.iter().any(|attacker| !attacker.is_finished()) {
            people.all_write(plan, BURST);
            let begun = Instant::now();
            people.settle();
            slowest = slowest.max(begun.elapsed());
            assert!(people.are_online(), "somebody who did nothing wrong was disconnected");
        }
        for attacker in attackers {
            attacker.join().unwrap_or_else(|reason| std::panic::resume_unwind(reason));
        }
    });
    people.settle();
    let memory = server.peak_memory();
    let ended = server.stop_with("TERM").expect_status(0);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(memory <= MEMORY, "the server held {memory} bytes");
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default()
        .count("hostile frames", toll.frames.into_inner())
        .count("hostile requests", toll.requests.into_inner())
        .count("connections", toll.connections.into_inner())
        .count("megabytes", toll.bytes.into_inner() / 1_000_000)
        .count("messages of others meanwhile", people.written())
        .longest("slowest of their exchanges", slowest)
        .most_bytes("peak memory", memory)
}

/// One connection after the other, of each kind.
fn attack(server: &TestServer, mut plan: StdRng, toll: &Toll) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..CONNECTIONS / AT_A_TIME {
            bounded(program::stranger(server, &mut plan, toll), toll).await;
            bounded(program::member(server, &mut plan, toll), toll).await;
            bounded(web::requests(server, &mut plan, toll), toll).await;
            bounded(web::frames(server, &mut plan, toll), toll).await;
        }
    });
}

/// No connection is kept waiting by the server for ever.
async fn bounded(connection: impl Future<Output = ()>, toll: &Toll) {
    toll.connections.fetch_add(1, Ordering::Relaxed);
    timeout(PATIENCE, connection).await.expect("the server ends or serves a connection within a minute");
}
