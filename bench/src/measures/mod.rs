//! What is measured. Each measure runs the systems in turn and returns a chapter of the report.

mod arrivals;
mod backlog;
mod fan_out;
mod growth;
mod latency;
mod memory;
mod pace;
pub mod pairs;
mod standing;
mod throughput;
mod window;

use std::fmt;

use anyhow::Result;

use crate::interrupt;
use crate::peers::System;
use crate::report::Chapter;
use crate::stage::Stage;
use crate::stats::Spread;

/// A measure, as `--only` names it. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Measure {
    Throughput,
    Latency,
    FanOut,
    Memory,
    Arrivals,
    Backlog,
    Window,
    Growth,
}

impl Measure {
    pub const ALL: [Measure; 8] = [
        Measure::Throughput,
        Measure::Latency,
        Measure::FanOut,
        Measure::Memory,
        Measure::Arrivals,
        Measure::Backlog,
        Measure::Window,
        Measure::Growth,
    ];

    /// Those of the short form: the ones in which a gross regression shows within seconds.
    pub const QUICK: [Measure; 4] = [Measure::Throughput, Measure::Latency, Measure::FanOut, Measure::Backlog];

    pub fn run(self, stage: &Stage) -> Result<Chapter> {
        match self {
            Measure::Throughput => throughput::run(stage),
            Measure::Latency => latency::run(stage),
            Measure::FanOut => fan_out::run(stage),
            Measure::Memory => memory::run(stage),
            Measure::Arrivals => arrivals::run(stage),
            Measure::Backlog => backlog::run(stage),
            Measure::Window => window::run(),
            Measure::Growth => growth::run(stage),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Measure::Throughput => "throughput",
            Measure::Latency => "latency",
            Measure::FanOut => "fan-out",
            Measure::Memory => "memory",
            Measure::Arrivals => "arrivals",
            Measure::Backlog => "backlog",
            Measure::Window => "window",
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

/// What several systems gave, round by round.
pub struct Series<T = f64> {
    rounds: Vec<(System, Vec<T>)>,
    /// Systems that began and did not come to the end, each with the reason.
    pub failed: Vec<String>,
}

impl<T> Series<T> {
    /// Measures all of them in turn, A B A B …, so that what disturbs the machine disturbs all of them. Where another
    /// system fails, the rest goes on without it; where Malote fails, that is what was found.
    pub fn in_turn(
        stage: &Stage,
        what: &str,
        systems: &[System],
        mut measure: impl FnMut(System) -> Result<T>,
    ) -> Result<Series<T>> {
        let mut series =
            Series { rounds: systems.iter().map(|system| (*system, Vec::new())).collect(), failed: vec![] };
        for round in 1..=stage.rounds {
            for (system, values) in &mut series.rounds {
                progress(format_args!("{what}, round {round} of {}: {system}", stage.rounds));
                match measure(*system) {
                    Ok(value) => values.push(value),
                    Err(error) if system.is_malote() || interrupt::asked() => return Err(error),
                    Err(error) => {
                        progress(format_args!("  fails and is left out: {error:#}"));
                        values.clear();
                        series.failed.push(format!("{system}, {what}: {error:#}"));
                    }
                }
            }
            // One that failed has nothing.
            series.rounds.retain(|(_, values)| values.len() == round);
        }
        Ok(series)
    }

    /// What a system gave, once for each round. Nothing where it was left out.
    pub fn of(&self, system: System) -> Option<&[T]> {
        self.systems().find(|(other, _)| *other == system).map(|(_, values)| values)
    }

    pub fn systems(&self) -> impl Iterator<Item = (System, &[T])> {
        self.rounds.iter().map(|(system, values)| (*system, values.as_slice()))
    }

    /// One number of what each round gave.
    pub fn numbers(&self, number: impl Fn(&T) -> f64) -> Series {
        let rounds = self.systems().map(|(system, values)| (system, values.iter().map(&number).collect()));
        Series { rounds: rounds.collect(), failed: Vec::new() }
    }
}

impl Series {
    /// How many times the other system's value this one's is, in the same rounds. Nothing where one was left out.
    pub fn ratio(&self, system: System, other: System) -> Option<Spread> {
        Spread::of_ratios(self.of(system)?, self.of(other)?)
    }

    pub fn spread(&self, system: System) -> Option<Spread> {
        Spread::of(self.of(system)?)
    }
}
