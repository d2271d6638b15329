//! Servers, clients and a network that fails in every way it can, in one thread and in virtual time.
//!
//! Each seed is a world of its own in which people write, read, enter rooms and change names while connections break, programs are killed,
//! the server crashes and clocks jump. Then nothing goes wrong any more, everything must come to rest, and what became
//! of each message is compared with a [`model`]. What the store answers meanwhile must agree with its [`history`].
//!
//! `MALOTE_SEEDS=2000` runs more worlds than usual, `MALOTE_SEED=17` runs one and tells what happens in it.

mod history;
mod model;
mod network;
mod person;
mod program;
mod rooms;
mod scene;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use world::Summary;

/// Worlds in an ordinary run.
const SEEDS: u64 = 200;

#[test]
fn whatever_goes_wrong_every_message_arrives_once_and_in_order() {
    let result = match number_from_environment("MALOTE_SEED") {
        Some(seed) => run(seed, true).map(|summary| println!("{summary:?}")),
        None => run_all(number_from_environment("MALOTE_SEEDS").unwrap_or(SEEDS)),
    };
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn a_seed_repeats_exactly() {
    assert_eq!(run(7, false), run(7, false));
}

/// Runs the worlds from 0 on, as many at a time as there are processors.
fn run_all(seeds: u64) -> Result<(), String> {
    let next = AtomicU64::new(0);
    let work = || {
        let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds));
        seeds.map(|seed| (seed, run(seed, false))).collect::<Vec<_>>()
    };
    let mut results: Vec<(u64, Result<Summary, String>)> = std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a world's panics are caught")).collect()
    });
    results.sort_by_key(|(seed, _)| *seed);
    let failures: Vec<&String> = results.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    if let Some(first) = failures.first() {
        return Err(format!("{} of {seeds} worlds went wrong; the first was {first}", failures.len()));
    }
    let summaries = results.iter().filter_map(|(_, result)| result.as_ref().ok());
    let sum = summaries.fold(Summary::default(), |sum, world| Summary {
        steps: sum.steps + world.steps,
        messages: sum.messages + world.messages,
        in_rooms: sum.in_rooms + world.in_rooms,
        stays: sum.stays + world.stays,
        ..sum
    });
    println!("what happened in {seeds} worlds: {sum:?}");
    Ok(())
}

/// Runs one world. An error names the seed, and how to run it again.
fn run(seed: u64, tells: bool) -> Result<Summary, String> {
    let result = catch_unwind(AssertUnwindSafe(|| world::run(seed, tells)));
    let why = match result {
        Ok(Ok(summary)) => return Ok(summary),
        Ok(Err(why)) => why,
        Err(_) => "it panicked; see above".to_owned(),
    };
    let failure = format!("seed {seed}: {why}\nAgain: MALOTE_SEED={seed} cargo test -p malote-tests --test simulation");
    // Said at once: the other worlds may take a while.
    eprintln!("{failure}");
    Err(failure)
}

fn number_from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value}")))
}
