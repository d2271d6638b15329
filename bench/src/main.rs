//! `cargo bench-all`: measures Malote's server against what people would use instead, in the same run, on the same machine.
//!
//! Servers run on one core, the load generator on another. Systems are measured in turn, several rounds, and each run
//! checks that every message arrived once, whole, in order and at the right recipient: otherwise it is an error and no
//! number.

mod bounds;
mod chart;
mod filling;
mod interrupt;
mod load;
mod machine;
mod measures;
mod memory;
mod peers;
mod report;
mod stage;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

use measures::Measure;
use peers::System;
use report::{Chapter, Target};
use stage::Stage;

/// Rounds of a whole run: enough for a median that one disturbed round does not move.
const ROUNDS: usize = 5;

/// Rounds of the short form.
const QUICK_ROUNDS: usize = 2;

/// Measures Malote's server against NATS, Mosquitto, a chat in Python and a bare relay, and writes bench/RESULTS.md.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-all", version)]
struct Flags {
    /// Takes a minute or two, writes no file, and fails on gross regressions only
    #[arg(long)]
    quick: bool,
    /// Only these measures
    #[arg(long, value_name = "MEASURE,…", value_delimiter = ',')]
    only: Vec<Measure>,
    /// How often the systems are measured in turn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: Option<u16>,
    /// Where the report goes
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let ended = match std::env::args_os().nth(1) {
        Some(argument) if argument == peers::relay::ARGUMENT => interrupt::watch().and_then(|()| peers::relay::run()),
        _ => interrupt::watch().and_then(|()| run(Flags::parse())),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<()> {
    let rounds = flags.rounds.map_or(if flags.quick { QUICK_ROUNDS } else { ROUNDS }, usize::from);
    let stage = Stage::new(rounds, flags.quick)?;
    let mut plan = match (flags.only.is_empty(), flags.quick) {
        (false, _) => flags.only,
        (true, true) => Measure::QUICK.to_vec(),
        (true, false) => Measure::ALL.to_vec(),
    };
    plan.sort();
    plan.dedup();
    let mut chapters = Vec::new();
    for measure in plan {
        eprintln!("{measure}");
        chapters.push(measure.run(&stage).with_context(|| format!("{measure} cannot be measured"))?);
    }
    let text = report::write(&facts(&stage), &chapters);
    println!("{text}");
    if flags.quick {
        return check(&chapters);
    }
    if let Some(path) = flags.report {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("written to {}", path.display());
    }
    Ok(())
}

/// What was measured on what.
fn facts(stage: &Stage) -> Vec<String> {
    let mut facts = machine::describe();
    facts.push(format!("measured on {}", jiff::Zoned::now().strftime("%Y-%m-%d")));
    facts.push(stage.cores.describe());
    facts.push(format!(
        "{} rounds, systems in turn, each run with a fresh server and fresh data on the same disk; medians, and the least \
         and the greatest of the rounds; ratios are medians of the rounds' ratios",
        stage.rounds
    ));
    facts.push(
        "Malote's rate limit is raised out of the way (`[rate]` in its configuration); all else is as it comes".into(),
    );
    let mut versions: Vec<String> = System::ALL.iter().filter_map(|system| system.version(stage).ok()).collect();
    versions.dedup();
    facts.extend(versions);
    facts
}

/// In the short form, targets are bounds that only a gross regression misses.
fn check(chapters: &[Chapter]) -> Result<()> {
    let missed = chapters.iter().flat_map(|chapter| &chapter.targets).find(|target| target.met == Some(false));
    match missed {
        Some(Target { text, measured, .. }) => bail!("Something has become much slower: {text}; measured {measured}."),
        None => Ok(()),
    }
}
