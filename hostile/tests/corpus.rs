//! What the fuzzer has kept, and variations of it, under the compiler that everybody has. The fuzzer itself looks much further:
//! see `fuzz/`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use malote_hostile::{TARGETS, Target, vary};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

#[test]
fn frames_keep_their_promises() {
    check("frames", 4_000);
}

#[test]
fn frames_of_browsers_keep_their_promises() {
    check("json", 4_000);
}

#[test]
fn addresses_keep_their_promises() {
    check("addresses", 4_000);
}

#[test]
fn sessions_keep_their_promises() {
    check("session", 400);
}

#[test]
fn engines_keep_their_promises() {
    check("engine", 400);
}

#[test]
fn archives_keep_their_promises() {
    check("archive", 150);
}

#[test]
fn each_target_has_a_fuzzer_and_each_fuzzer_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("a manifest");
    for Target { name, .. } in &TARGETS {
        let text = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).expect("a fuzzer");
        assert!(text.contains(&format!("check(\"{name}\", bytes)")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    let fuzzers = fs::read_dir(fuzz.join("fuzz_targets")).expect("fuzzers").count();
    assert_eq!(fuzzers, TARGETS.len());
}

/// Feeds the target what is kept for it, and so many variations.
fn check(name: &str, variations: u32) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let mut inputs = (target.seeds)();
    for path in corpus(name) {
        inputs.push(fs::read(path).expect("a file of the corpus"));
    }
    for (index, input) in inputs.iter().enumerate() {
        feed(target, input, &format!("input {index}"));
    }
    let seed = std::env::var("MALOTE_SEED").ok().map_or_else(some_number, |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let mut plan = StdRng::seed_from_u64(seed);
    for number in 0..variations {
        let input = inputs.choose(&mut plan).map(Vec::as_slice).unwrap_or_default();
        let mut varied = vary::vary(input, &mut plan);
        if plan.random_bool(0.1) {
            varied.extend(inputs.choose(&mut plan).into_iter().flatten());
        }
        feed(target, &varied, &format!("variation {number} of MALOTE_SEED={seed}"));
    }
}

fn feed(target: &Target, input: &[u8], which: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.check)(input))).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{which} breaks a promise of {}: {hex}", target.name);
    }
}

/// The files, in an order that does not depend on the file system.
fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {name} is gone");
    files
}

fn some_number() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.subsec_nanos().into())
}
