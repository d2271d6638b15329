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
mod websocket;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use figures::Figures;
use report::Record;
use trials::{ALL, OFTEN, Trial, WAITING};

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
        // The one that was asked for is the first trial's own, so that a single one can be repeated.
        let round: Vec<u64> = records.iter().map(|_| seed.take().unwrap_or_else(|| seeds.random())).collect();
        // What mostly waits does so beside the others.
        let waiting = records.iter().zip(&round).filter(|(record, _)| is_waiting(record.trial));
        let waiting: Vec<Attempt> = waiting.map(|(record, seed)| Attempt::start(record.trial, *seed)).collect();
        for (record, seed) in records.iter_mut().zip(&round).filter(|(record, _)| !is_waiting(record.trial)) {
            Attempt::start(record.trial, *seed).end(record);
            if end.is_some() && OFTEN.contains(&record.trial.name) {
                Attempt::start(record.trial, seeds.random()).end(record);
            }
        }
        let records_of_waiting = records.iter_mut().filter(|record| is_waiting(record.trial));
        waiting.into_iter().zip(records_of_waiting).for_each(|(attempt, record)| attempt.end(record));
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

/// A trial that is being carried out.
struct Attempt {
    seed: u64,
    /// What it counts, and how long that takes.
    thread: JoinHandle<(Figures, Duration)>,
}

impl Attempt {
    fn start(trial: &'static Trial, seed: u64) -> Attempt {
        println!("{}: {}, seed {seed}", trial.name, trial.what);
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            let figures = (trial.run)(&mut StdRng::seed_from_u64(seed));
            (figures, begun.elapsed())
        });
        Attempt { seed, thread }
    }

    /// Waits for its end, and notes what it counted or why it panicked.
    fn end(self, record: &mut Record) {
        let (name, seed) = (record.trial.name, self.seed);
        match self.thread.join() {
            Ok((figures, time)) => {
                println!("  {name}: {figures} ({:.1} s)", time.as_secs_f64());
                record.held(figures);
            }
            Err(panic) => {
                let reason =
                    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                let reason = reason.unwrap_or("for an unknown reason").to_owned();
                println!("  {name}: BROKEN with seed {seed}: {reason}");
                record.broken(seed, reason);
            }
        }
    }
}

fn is_waiting(trial: &Trial) -> bool {
    WAITING.contains(&trial.name)
}

fn find(name: &str) -> Result<&'static Trial, String> {
    ALL.iter().copied().find(|trial| trial.name == name).ok_or_else(|| "no such trial; --list names them".to_owned())
}

fn some_number() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.subsec_nanos().into())
}
