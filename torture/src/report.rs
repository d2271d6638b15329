//! What all rounds of the trials found, as a table.

use std::fmt::Write;

use crate::figures::Figures;
use crate::trials::Trial;

/// What became of one trial.
pub struct Record {
    pub trial: &'static Trial,
    rounds: usize,
    figures: Figures,
    /// The seeds with which a promise was broken, and how.
    broken: Vec<(u64, String)>,
}

impl Record {
    pub fn new(trial: &'static Trial) -> Record {
        Record { trial, rounds: 0, figures: Figures::default(), broken: Vec::new() }
    }

    pub fn held(&mut self, figures: Figures) {
        self.rounds += 1;
        self.figures.add(figures);
    }

    pub fn broken(&mut self, seed: u64, reason: String) {
        self.rounds += 1;
        self.broken.push((seed, reason));
    }

    pub fn times_broken(&self) -> usize {
        self.broken.len()
    }
}

/// A row for each trial.
pub fn table(records: &[Record]) -> String {
    let mut table =
        "| trial | what was tried | rounds | counted | broken |\n| --- | --- | ---: | --- | --- |\n".to_owned();
    for Record { trial, rounds, figures, broken } in records {
        let found = match broken.len() {
            0 => "never".to_owned(),
            times => format!("**{times} times**"),
        };
        let _ = writeln!(table, "| `{}` | {} | {rounds} | {figures} | {found} |", trial.name, trial.what);
    }
    for Record { trial, broken, .. } in records {
        for (seed, reason) in broken {
            let _ = writeln!(table, "\n`{}`, seed {seed}: {reason}", trial.name);
        }
    }
    table
}

/// What the trials do not show.
const LIMITS: &str = "\
## What this does not show

- A cut of the power is played by a layer under the server that forgets, reorders and tears what was not synced. It takes a
  folder's entries as durable at once, and a disk that says that it has synced when it has not is believed by everybody.
- Cuts are tried on mail between people; rooms and names take the same way to the disk.
- Trials have minutes, and a server has years. The growth of what is stored is measured in [bench/RESULTS.md](../bench/RESULTS.md).
";

/// docs/RELIABILITY.md.
pub fn page(records: &[Record], hours: f64) -> String {
    let date = jiff::Zoned::now().strftime("%Y-%m-%d");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "# Reliability\n\nWhat was done to Malote's real programs, how often, and which promise was broken by it. \
         `cargo torture --hours {hours}` wrote this on {date}, on {processors} processors of a machine that others use as \
         well, with the programs built in release; a round is the trial's short form, with a seed of its own. Times and \
         memory are the greatest of all rounds; everything else is their sum.\n\n{}\n{LIMITS}",
        table(records)
    )
}
