//! What has gathered: messages that wait for one person, and messages that were delivered long ago.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::standing::{self, Flood, PAIRS, Who};
use super::{present, progress};
use crate::filling::{self, BODY_BYTES, Contents, Filled};
use crate::load::malote::Malote;
use crate::load::pump::Pump;
use crate::load::{Heard, Mark};
use crate::memory::{Usage, reset_peak};
use crate::peers::{Crowd, Site, System, start_at};
use crate::report::{Chapter, Row, Target, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// Messages that wait for one person: as many as a server lets wait.
const WAITING: u64 = 100_000;

/// The same in the short form.
const FEW_WAITING: u64 = 10_000;

/// Messages that a server has delivered long ago, where the disk has room for them.
const STORED: u64 = 10_000_000;

/// The same elsewhere.
const FEWER_STORED: u64 = 1_000_000;

/// Among whom they are spread.
const RECIPIENTS: u32 = 10_000;

/// People of a store in which one has messages waiting: those who wrote them, too.
const PEOPLE: u32 = 20;

/// For a whole backlog; where it is reached, something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

const FIRST_TARGET: f64 = 0.050;
const LAST_TARGET: f64 = 3.0;
const MEMORY_TARGET: f64 = 20e6;
const READY_TARGET: f64 = 1.0;
const THROUGHPUT_TARGET: f64 = 0.8;

/// How one person came to what had waited.
struct Arrival {
    /// Since the connection was begun, in seconds.
    first: f64,
    last: f64,
    /// Bytes that the server held at most meanwhile, beyond what it held before.
    memory: f64,
}

/// One number of what a round gave.
type Quantity<T> = fn(&T) -> f64;

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Backlog");
    waiting(stage, &mut chapter)?;
    if !stage.quick {
        stored(stage, &mut chapter)?;
    }
    Ok(chapter)
}

fn waiting(stage: &Stage, chapter: &mut Chapter) -> Result<()> {
    let count = if stage.quick { FEW_WAITING } else { WAITING };
    chapter.explain(format!(
        "{count} messages of {BODY_BYTES} bytes wait for one person, who connects, logs in, resumes the mailbox and \
         acknowledges what each read brings. Times count from the first packet of the connection; memory is the most that \
         the server's process had resident meanwhile (VmHWM), beyond what it had after its start."
    ));
    let contents = Contents { people: PEOPLE, messages: count, recipients: 1, delivered: false, rooms: 0 };
    let filled = contents.filled(stage)?;
    let systems = present(stage, &[System::MalotePlaintext, System::Malote], chapter);
    let mut arrivals: Vec<Vec<Arrival>> = systems.iter().map(|_| Vec::new()).collect();
    for round in 1..=stage.rounds {
        for (system, arrivals) in systems.iter().zip(&mut arrivals) {
            let arrival = come_for(stage, *system, &filled, count)?;
            progress(format_args!(
                "{count} waiting, round {round} of {}: {system}: first {}, last {}, {} more",
                stage.rounds,
                Unit::Time.show(arrival.first),
                Unit::Time.show(arrival.last),
                Unit::Memory.show(arrival.memory)
            ));
            arrivals.push(arrival);
        }
    }
    let quantities: [(&str, Unit, Quantity<Arrival>, f64); 3] = [
        ("the first is there", Unit::Time, |arrival| arrival.first, FIRST_TARGET),
        ("the last is there", Unit::Time, |arrival| arrival.last, LAST_TARGET),
        ("memory meanwhile", Unit::Memory, |arrival| arrival.memory, MEMORY_TARGET),
    ];
    for (what, unit, quantity, target) in quantities {
        for (system, arrivals) in systems.iter().zip(&arrivals) {
            let values: Vec<f64> = arrivals.iter().map(quantity).collect();
            let Some(value) = Spread::of(&values) else { continue };
            let case = format!("{count} waiting: {what}");
            chapter.rows.push(row(case, *system, value, unit));
            // The targets are those of the whole number, and of what people use.
            if *system == System::Malote && count == WAITING {
                chapter.targets.push(Target {
                    text: format!("{count} waiting: {what}: at most {}", unit.show(target)),
                    measured: unit.show(value.median),
                    met: Some(value.median <= target),
                });
            }
        }
    }
    Ok(())
}

fn come_for(stage: &Stage, system: System, filled: &Filled, count: u64) -> Result<Arrival> {
    let place = filled.place(stage)?;
    let crowd = Crowd { connections: 1 };
    let (server, _) = start_at(stage, crowd, system == System::Malote, &place.site())?;
    let before = Usage::of(server.process.id())?.resident;
    reset_peak(server.process.id())?;
    let mut pump = Pump::new()?;
    let start = Instant::now();
    let deadline = start + PATIENCE;
    pump.connect(server.address, &server.wire, Box::new(Malote::known(0, BODY_BYTES)?.listening().lacking(count)))?;
    let (mut first, mut next) = (None, 0);
    let mut heard = Vec::new();
    while next < count {
        pump.turn(deadline, &mut heard)?;
        ensure!(Instant::now() < deadline, "after {PATIENCE:?}, only {next} of {count} messages have come");
        for (_, what) in heard.drain(..) {
            match what {
                Heard::Ready => {}
                Heard::Delivered(mark) if mark == (Mark { author: 0, index: next }) => {
                    first.get_or_insert_with(|| start.elapsed());
                    next += 1;
                }
                other => bail!("{other:?} came in place of message {next}"),
            }
        }
    }
    let last = start.elapsed();
    let memory = Usage::of(server.process.id())?.peak.saturating_sub(before) as f64;
    Ok(Arrival { first: first.unwrap_or(last).as_secs_f64(), last: last.as_secs_f64(), memory })
}

fn stored(stage: &Stage, chapter: &mut Chapter) -> Result<()> {
    let (filled, count) = long_delivered(stage)?;
    chapter.explain(format!(
        "A server with {count} messages that were delivered long ago, spread over {RECIPIENTS} people ({:.1} GiB on disk): \
         time from the start of its process to the line that says that it is ready, with the file in the system's cache; \
         then {PAIRS} pairs as in the chapter on throughput, without TLS, in turn with an empty server.",
        filled.bytes as f64 / 1024.0 / 1024.0 / 1024.0
    ));
    if count < STORED {
        chapter.left_out.push(format!("{STORED} stored messages: the disk has not enough room"));
    }
    let place = filled.place(stage)?;
    let (mut full, mut empty): (Vec<Flood>, Vec<Flood>) = Default::default();
    let rounds = stage.rounds;
    for round in 1..=rounds {
        full.push(standing::flood(stage, &place.site(), Who::Newcomers, 0)?);
        empty.push(standing::flood(stage, &Site::default(), Who::Newcomers, 0)?);
        for (name, flood) in [("full", full.last()), ("empty", empty.last())] {
            if let Some(Flood { ready, at_first, per_second, at_last }) = flood {
                progress(format_args!(
                    "{name}, round {round} of {rounds}: ready after {ready:?} with {}, {per_second:.0} messages a second, \
                     then {}",
                    Unit::Memory.show(at_first.resident as f64),
                    Unit::Memory.show(at_last.resident as f64)
                ));
            }
        }
    }
    let spread =
        |floods: &[Flood], quantity: fn(&Flood) -> f64| Spread::of(&floods.iter().map(quantity).collect::<Vec<f64>>());
    let quantities: [(&str, Unit, Quantity<Flood>); 4] = [
        ("ready", Unit::Time, |flood| flood.ready.as_secs_f64()),
        ("memory when ready", Unit::Memory, |flood| flood.at_first.resident as f64),
        ("throughput", Unit::PerSecond, |flood| flood.per_second),
        ("memory after that", Unit::Memory, |flood| flood.at_last.resident as f64),
    ];
    for (what, unit, quantity) in quantities {
        for (name, floods) in [(format!("{count} stored"), &full), ("nothing stored".to_owned(), &empty)] {
            let Some(value) = spread(floods, quantity) else { continue };
            chapter.rows.push(row(format!("{name}: {what}"), System::MalotePlaintext, value, unit));
        }
    }
    let per_second = |floods: &[Flood]| floods.iter().map(|flood| flood.per_second).collect::<Vec<f64>>();
    let ratio = Spread::of_ratios(&per_second(&full), &per_second(&empty)).map(|ratio| ratio.median);
    let ready = spread(&full, |flood| flood.ready.as_secs_f64()).map(|ready| ready.median);
    chapter.targets.push(Target {
        text: format!("{count} stored: ready within {}", Unit::Time.show(READY_TARGET)),
        measured: ready.map_or(String::new(), |ready| Unit::Time.show(ready)),
        met: ready.map(|ready| ready <= READY_TARGET),
    });
    chapter.targets.push(Target {
        text: format!("{count} stored: at least {THROUGHPUT_TARGET} of the throughput of an empty server"),
        measured: ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        met: ratio.map(|ratio| ratio >= THROUGHPUT_TARGET),
    });
    Ok(())
}

/// The largest store that has room on the disk, and how many messages are in it.
fn long_delivered(stage: &Stage) -> Result<(Filled, u64)> {
    if let Some(filled) = largest(stage)? {
        return Ok(filled);
    }
    let count = if filling::has_room_for_millions(stage)? { STORED } else { FEWER_STORED };
    Ok((delivered(count).filled(stage)?, count))
}

/// The large store with the number of its messages, where it was filled before: that takes minutes.
pub fn largest(stage: &Stage) -> Result<Option<(Filled, u64)>> {
    Ok(delivered(STORED).kept(stage)?.map(|filled| (filled, STORED)))
}

fn delivered(messages: u64) -> Contents {
    Contents { people: RECIPIENTS, messages, recipients: RECIPIENTS, delivered: true, rooms: 0 }
}

fn row(case: String, system: System, value: Spread, unit: Unit) -> Row {
    Row { case, system: system.to_string(), value, unit, ratio: None, remark: String::new() }
}
