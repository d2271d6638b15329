//! `cargo torture`: attacks on the real programs, to show that the promises hold, or that they do not.
//!
//! Each trial prints its seed and what it counted; it panics where a promise is broken. The short form carries each one out
//! once. The long form goes on with new seeds until its hours are over, counts what was broken, and writes the table of
//! docs/RELIABILITY.md.

mod bad_line;
mod bystanders;
mod caller;
mod clock;
mod disk;
mod figures;
mod impostors;
mod line;
mod people;
mod report;
mod shim;
mod stock;
mod trials;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use figures::Figures;
use report::Record;
use trials::{ALL, Trial};

/// Attacks Malote's programs and checks that nothing is lost and nobody gets in.
#[derive(Debug, Parser)]
#[command(name = "cargo torture", version)]
struct Flags {
    /// Goes on for so long, and writes the report
    #[arg(long, value_name = "N")]
    hours: Option<f64>,
    /// Only these trials
    #[arg(long, value_name = "TRIAL,…", value_delimiter = ',', value_parser = find)]
    only: Vec<&'static Trial>,
    /// Repeats the plans of an earlier run; what the operating system makes of them differs
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Names all trials
    #[arg(long)]
    list: bool,
    /// Where the long form's report goes
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.list {
        ALL.iter().for_each(|trial| println!("{:<16} {}", trial.name, trial.what));
        return ExitCode::SUCCESS;
    }
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<()> {
    let plan: Vec<&'static Trial> = if flags.only.is_empty() { ALL.to_vec() } else { flags.only };
    let end = flags.hours.map(|hours| Instant::now() + Duration::from_secs_f64(hours.max(0.0) * 3600.0));
    let mut seeds = StdRng::seed_from_u64(flags.seed.unwrap_or_else(some_number));
    let mut records: Vec<Record> = plan.into_iter().map(Record::new).collect();
    let mut seed = flags.seed;
    loop {
        for record in &mut records {
            // The one that was asked for is the first trial's own, so that a single one can be repeated.
            let seed = seed.take().unwrap_or_else(|| seeds.random());
            println!("{}: {}, seed {seed}", record.trial.name, record.trial.what);
            let begun = Instant::now();
            match attempt(record.trial, seed) {
                Ok(figures) => {
                    println!("  {figures} ({:.1} s)", begun.elapsed().as_secs_f64());
                    record.held(figures);
                }
                Err(reason) => {
                    println!("  BROKEN with seed {seed}: {reason}");
                    record.broken(seed, reason);
                }
            }
        }
        if end.is_none_or(|end| Instant::now() >= end) {
            break;
        }
    }
    println!("\n{}", report::table(&records));
    if let (Some(hours), Some(path)) = (flags.hours, flags.report) {
        std::fs::write(&path, report::page(&records, hours))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
    }
    match records.iter().map(Record::times_broken).sum::<usize>() {
        0 => Ok(()),
        times => bail!("A promise was broken {times} times."),
    }
}

/// Carries a trial out, and says why it panicked if it did.
fn attempt(trial: &'static Trial, seed: u64) -> Result<Figures, String> {
    let thread = thread::spawn(move || (trial.run)(&mut StdRng::seed_from_u64(seed)));
    thread.join().map_err(|panic| match panic.downcast_ref::<String>() {
        Some(reason) => reason.clone(),
        None => panic.downcast_ref::<&str>().map_or("for an unknown reason".to_owned(), |reason| reason.to_string()),
    })
}

fn find(name: &str) -> Result<&'static Trial, String> {
    ALL.iter().copied().find(|trial| trial.name == name).ok_or_else(|| "no such trial; --list names them".to_owned())
}

fn some_number() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.subsec_nanos().into())
}
