//! Bytes meant to do harm: how they are made, and what must hold of whoever reads them.
//!
//! Each [`Target`] takes any bytes and panics where something does not hold. `fuzz/` gives them to a fuzzer, which looks for
//! bytes that make one panic; the tests of this crate feed them what the fuzzer has kept and variations of it. `cargo torture`
//! sends [`samples`] and [`variations`](vary) to a real server.

mod addresses;
mod archive;
mod engine;
mod frames;
mod json;
mod lawful;
pub mod samples;
mod session;
pub mod vary;

use arbitrary::{Arbitrary, Unstructured};

/// Something that reads what strangers wrote.
pub struct Target {
    /// Also of its folder in `fuzz/corpus` and its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
    /// Bytes to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: [Target; 6] = [
    Target { name: "frames", check: frames::check, seeds: frames::seeds },
    Target { name: "json", check: json::check, seeds: json::seeds },
    Target { name: "addresses", check: addresses::check, seeds: addresses::seeds },
    Target { name: "session", check: session::check, seeds: session::seeds },
    Target { name: "engine", check: engine::check, seeds: engine::seeds },
    Target { name: "archive", check: archive::check, seeds: archive::seeds },
];

/// Gives the bytes to the target of this name.
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").check)(bytes);
}

/// The fewest bytes with which a fuzzer would make a step of this kind: a choice, then this byte for everything else. Which
/// choice it is, is the derived code's business, so it is found by trying.
fn bytes_of<T: for<'a> Arbitrary<'a>>(filler: u8, is_wanted: impl Fn(&T) -> bool) -> Vec<u8> {
    const TRIES: u32 = 1 << 12;
    let choices = (0..TRIES).map(|number| (number << 20 | 1).to_le_bytes());
    let mut found = choices.filter_map(|choice| {
        let bytes = [&choice[..], &[filler; 64]].concat();
        let mut unread = Unstructured::new(&bytes);
        let step = T::arbitrary(&mut unread).ok().filter(&is_wanted);
        step.map(|_| bytes[..bytes.len() - unread.len()].to_vec())
    });
    found.next().expect("each step can be made")
}
