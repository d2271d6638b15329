//! Messages a second that were accepted and delivered, with as many unanswered as may be.

use anyhow::Result;

use super::pairs::{Pace, Pairs, WINDOW};
use super::{Series, present, progress};
use crate::peers::System;
use crate::report::{Chapter, Row, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// How many talk, and how much they say at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Case {
    pairs: usize,
    body_bytes: usize,
}

const USUAL: Case = Case { pairs: 32, body_bytes: 200 };

/// A server that has less to do than this with the generator at its limit would have been faster with another generator.
const BUSY: f64 = 0.95;

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Throughput");
    chapter.explain(format!(
        "Senders, each to its own recipient, both connected, at most {WINDOW} messages of a sender unanswered. A message \
         counts once it is accepted (where the system answers) and delivered."
    ));
    let systems = present(
        stage,
        &[
            System::MalotePlaintext,
            System::Malote,
            System::JetStream,
            System::JetStreamSynced,
            System::Mosquitto,
            System::NatsCore,
            System::Relay,
        ],
        &mut chapter,
    );
    measure(stage, USUAL, &systems, &mut chapter)?;
    Ok(chapter)
}

fn measure(stage: &Stage, case: Case, systems: &[System], chapter: &mut Chapter) -> Result<Series> {
    let Case { pairs, body_bytes } = case;
    let name = format!("{pairs} pairs, {body_bytes} bytes");
    let mut limited = Vec::new();
    let series = Series::in_turn(stage, &name, systems, |system| {
        let pace = flood(stage, system, case)?;
        if pace.generator_busy > BUSY && pace.server_busy < BUSY && !limited.contains(&system) {
            limited.push(system);
        }
        progress(format_args!(
            "server {:.0} %, generator {:.0} %",
            pace.server_busy * 100.0,
            pace.generator_busy * 100.0
        ));
        Ok(pace.per_second)
    })?;
    for (system, values) in series.systems() {
        let Some(value) = Spread::of(values) else { continue };
        let ratio = series.of(System::MalotePlaintext).and_then(|malote| Spread::of_ratios(malote, values));
        let remark = if limited.contains(&system) { "the generator was the limit" } else { "" };
        chapter.rows.push(Row {
            case: name.clone(),
            system: system.to_string(),
            value,
            unit: Unit::PerSecond,
            ratio,
            remark: remark.to_owned(),
        });
    }
    Ok(series)
}

fn flood(stage: &Stage, system: System, case: Case) -> Result<Pace> {
    let mut pairs = Pairs::start(stage, system, case.pairs, case.body_bytes)?;
    pairs.flood(stage.warm_up())?;
    let pace = pairs.flood(stage.window())?;
    pairs.settle()?;
    Ok(pace)
}
