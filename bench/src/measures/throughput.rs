//! Messages a second that were accepted and delivered, with as many unanswered as may be.

use anyhow::Result;

use super::pace::{self, Pace};
use super::pairs::{Pairs, WINDOW};
use super::{Series, present};
use crate::peers::System;
use crate::report::{Chapter, Target};
use crate::stage::Stage;

/// How many talk, and how much they say at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Case {
    pairs: usize,
    body_bytes: usize,
}

const USUAL: Case = Case { pairs: 32, body_bytes: 200 };
const OTHERS: [Case; 3] =
    [Case { pairs: 1, ..USUAL }, Case { pairs: 1_000, ..USUAL }, Case { body_bytes: 4096, ..USUAL }];

/// The systems of the usual case …
const ALL: [System; 7] = [
    System::MalotePlaintext,
    System::Malote,
    System::JetStream,
    System::JetStreamSynced,
    System::Mosquitto,
    System::NatsCore,
    System::Relay,
];

/// … of the other cases …
const SOME: [System; 5] =
    [System::MalotePlaintext, System::Malote, System::JetStream, System::Mosquitto, System::Relay];

/// … and of the short form.
const FEW: [System; 4] = [System::MalotePlaintext, System::Malote, System::JetStream, System::Relay];

/// What Malote's throughput must be in the usual case, in times that of another system: the project's targets.
const TARGETS: [(System, System, f64); 4] = [
    (System::MalotePlaintext, System::JetStream, 0.8),
    (System::MalotePlaintext, System::JetStreamSynced, 50.0),
    (System::MalotePlaintext, System::Mosquitto, 3.0),
    (System::Malote, System::MalotePlaintext, 0.7),
];

/// What it must be in the short form: about a third of what is usual, which only a gross regression misses, however
/// disturbed the machine is.
const FLOORS: [(System, System, f64); 3] = [
    (System::MalotePlaintext, System::JetStream, 0.4),
    (System::MalotePlaintext, System::Relay, 0.03),
    (System::Malote, System::MalotePlaintext, 0.3),
];

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Throughput");
    chapter.explain(format!(
        "Senders, each to its own recipient, both connected, at most {WINDOW} messages of a sender unanswered. A message \
         counts once it is answered and delivered; where the system does not answer, once it is delivered. Malote syncs \
         before it answers; its recipients acknowledge cumulatively, once for what came in one read, and its senders get \
         and acknowledge the receipts. JetStream: file storage, a durable push consumer for each recipient with \
         `ack_policy: all`, acknowledged like Malote's. Mosquitto: quality of service 1 both ways, `persistence true`."
    ));
    let all: &[System] = if stage.quick { &FEW } else { &ALL };
    let systems = present(stage, all, &mut chapter);
    let paces = measure(stage, USUAL, &systems, &mut chapter)?;
    let bounds: &[_] = if stage.quick { &FLOORS } else { &TARGETS };
    for (system, other, least) in bounds {
        let text = format!("{system}: at least {least} × {other}");
        chapter.targets.push(Target::at_least(text, paces.ratio(*system, *other), *least));
    }
    if !stage.quick {
        for case in OTHERS {
            let some: Vec<System> = systems.iter().copied().filter(|system| SOME.contains(system)).collect();
            measure(stage, case, &some, &mut chapter)?;
        }
    }
    Ok(chapter)
}

/// Messages a second of each system, with a row for each.
fn measure(stage: &Stage, case: Case, systems: &[System], chapter: &mut Chapter) -> Result<Series> {
    let Case { pairs, body_bytes } = case;
    let name = format!("{pairs} {}, {body_bytes} bytes", if pairs == 1 { "pair" } else { "pairs" });
    pace::in_turn(stage, &name, systems, chapter, |system| flood(stage, system, case))
}

fn flood(stage: &Stage, system: System, case: Case) -> Result<Pace> {
    let mut pairs = Pairs::start(stage, system, case.pairs, case.body_bytes)?;
    pairs.flood(stage.warm_up())?;
    let pace = pairs.flood(stage.window())?;
    pairs.settle()?;
    Ok(pace)
}
