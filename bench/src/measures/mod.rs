//! What is measured. Each measure runs the systems in turn and returns a chapter of the report.

mod arrivals;
mod backlog;
mod growth;
mod memory;
pub mod pairs;
mod standing;
mod throughput;

use std::fmt;

use anyhow::Result;

use crate::peers::System;
use crate::report::Chapter;
use crate::stage::Stage;

/// A measure, as `--only` names it. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Measure {
    Throughput,
    Memory,
    Arrivals,
    Backlog,
    Growth,
}

impl Measure {
    pub const ALL: [Measure; 5] =
        [Measure::Throughput, Measure::Memory, Measure::Arrivals, Measure::Backlog, Measure::Growth];

    /// Those of the short form: the ones in which a gross regression shows within seconds.
    pub const QUICK: [Measure; 2] = [Measure::Throughput, Measure::Backlog];

    pub fn run(self, stage: &Stage) -> Result<Chapter> {
        match self {
            Measure::Throughput => throughput::run(stage),
            Measure::Memory => memory::run(stage),
            Measure::Arrivals => arrivals::run(stage),
            Measure::Backlog => backlog::run(stage),
            Measure::Growth => growth::run(stage),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Measure::Throughput => "throughput",
            Measure::Memory => "memory",
            Measure::Arrivals => "arrivals",
            Measure::Backlog => "backlog",
            Measure::Growth => "growth",
        })
    }
}

/// Says what is being done, since a whole run takes long.
pub fn progress(text: impl fmt::Display) {
    eprintln!("  {text}");
}

/// Those of the systems that can be measured here; the others are named in the chapter with what they lack.
pub fn present(stage: &Stage, systems: &[System], chapter: &mut Chapter) -> Vec<System> {
    let mut present = Vec::new();
    for system in systems {
        match system.missing(stage) {
            None => present.push(*system),
            Some(reason) => {
                progress(format_args!("{system} is left out: {reason}"));
                chapter.left_out.push(format!("{system}: {reason}"));
            }
        }
    }
    present
}

/// The values of several systems, round by round.
pub struct Series {
    systems: Vec<System>,
    values: Vec<Vec<f64>>,
}

impl Series {
    /// Measures all of them in turn, A B A B …, so that what disturbs the machine disturbs all of them.
    pub fn in_turn(
        stage: &Stage,
        what: &str,
        systems: &[System],
        measure: impl FnMut(System) -> Result<f64>,
    ) -> Result<Series> {
        Series::of_rounds(stage.rounds, what, systems, measure)
    }

    /// The same with a number of rounds of its own.
    pub fn of_rounds(
        rounds: usize,
        what: &str,
        systems: &[System],
        mut measure: impl FnMut(System) -> Result<f64>,
    ) -> Result<Series> {
        let mut values = vec![Vec::new(); systems.len()];
        for round in 1..=rounds {
            for (system, values) in systems.iter().zip(&mut values) {
                let value = measure(*system)?;
                progress(format_args!("{what}, round {round} of {rounds}: {system}: {value:.0}"));
                values.push(value);
            }
        }
        Ok(Series { systems: systems.to_vec(), values })
    }

    /// A system's values, one for each round.
    pub fn of(&self, system: System) -> Option<&[f64]> {
        let place = self.systems.iter().position(|other| *other == system)?;
        self.values.get(place).map(Vec::as_slice)
    }

    pub fn systems(&self) -> impl Iterator<Item = (System, &[f64])> {
        self.systems.iter().copied().zip(self.values.iter().map(Vec::as_slice))
    }
}
