//! What is measured. Each measure runs the systems in turn and returns a chapter of the report.

mod fan_out;
mod latency;
pub mod pairs;
mod throughput;

use std::fmt;

use anyhow::Result;

use crate::peers::System;
use crate::report::{Chapter, Row, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// A measure, as `--only` names it. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Measure {
    Throughput,
    Latency,
    FanOut,
}

impl Measure {
    pub const ALL: [Measure; 3] = [Measure::Throughput, Measure::Latency, Measure::FanOut];

    /// Those of the short form: the ones in which a gross regression shows within seconds.
    pub const QUICK: [Measure; 3] = Measure::ALL;

    pub fn run(self, stage: &Stage) -> Result<Chapter> {
        match self {
            Measure::Throughput => throughput::run(stage),
            Measure::Latency => latency::run(stage),
            Measure::FanOut => fan_out::run(stage),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Measure::Throughput => "throughput",
            Measure::Latency => "latency",
            Measure::FanOut => "fan-out",
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
        mut measure: impl FnMut(System) -> Result<f64>,
    ) -> Result<Series> {
        let mut values = vec![Vec::new(); systems.len()];
        for round in 1..=stage.rounds {
            for (system, values) in systems.iter().zip(&mut values) {
                let value = measure(*system)?;
                progress(format_args!("{what}, round {round} of {}: {system}: {value:.0}", stage.rounds));
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

    /// How many times the other system's value this one's is, in the same rounds. Nothing where one was left out.
    pub fn ratio(&self, system: System, other: System) -> Option<Spread> {
        Spread::of_ratios(self.of(system)?, self.of(other)?)
    }

    pub fn systems(&self) -> impl Iterator<Item = (System, &[f64])> {
        self.systems.iter().copied().zip(self.values.iter().map(Vec::as_slice))
    }
}

/// Adds a row for each system, with the ratio to Malote of the same kind of connection.
pub fn rows(series: &Series, case: &str, unit: Unit, chapter: &mut Chapter) {
    for (system, values) in series.systems() {
        let Some(value) = Spread::of(values) else { continue };
        let ratio = series.ratio(System::MalotePlaintext, system);
        chapter.rows.push(Row {
            case: case.into(),
            system: system.to_string(),
            value,
            unit,
            ratio,
            remark: String::new(),
        });
    }
}
