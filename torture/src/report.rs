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

/// docs/RELIABILITY.md.
pub fn page(records: &[Record], hours: f64) -> String {
    let date = jiff::Zoned::now().strftime("%Y-%m-%d");
    format!(
        "# Reliability\n\nWhat was done to Malote's real programs, how often, and which promise was broken by it. \
         `cargo torture --hours {hours}` wrote this on {date}; a round is the trial's short form, with a seed of its own.\n\n{}",
        table(records)
    )
}
