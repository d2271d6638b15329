//! How long a message takes: alone, beside what the disk itself takes to sync, and under half of the greatest load.
//!
//! The generator asks for news again and again instead of sleeping, so that the time in which the system wakes it is not
//! part of any figure. Under load, a message's time begins when it was due and not when there was room for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::pairs::{News, PATIENCE, Pairs};
use super::{Series, present, progress};
use crate::machine::DiskProbe;
use crate::peers::System;
use crate::report::{Chapter, Target, Unit};
use crate::stage::Stage;
use crate::stats::{Spread, percentile};

const BODY_BYTES: usize = 200;

/// Pairs under load: those of the usual throughput.
const PAIRS: usize = 32;

/// How much longer than other loads this one is measured: where the machine stands still for some hundredths of a second
/// now and then, a single time must not decide what the slowest hundredth takes.
const LONGER: u32 = 4;

/// How often the disk alone is asked to sync as many bytes as the bodies have that are posted under half load: about as often
/// as the server syncs then.
const EVERY: Duration = Duration::from_millis(3);

/// Messages whose latency does not count yet.
const WARM_UP: u64 = 200;

/// What an outcome may take beyond a sync of the disk, in seconds.
const OVER_SYNC: f64 = 150e-6;

/// What an outcome may take under half load, in seconds.
const UNDER_LOAD: f64 = 10e-3;

/// What an outcome may take in the short form, in times a sync of the disk: about three times what is usual. Of the fastest
/// tenths of both, in the best round: other programs on the machine make the rest slower, but a gross regression all of it.
const CEILING: f64 = 6.0;

/// Times that the disk is asked before a load.
const PROBES: usize = 200;

const ALL: [System; 6] = [
    System::MalotePlaintext,
    System::Malote,
    System::JetStream,
    System::JetStreamSynced,
    System::Mosquitto,
    System::Relay,
];

/// Those of the short form, and those for which there are targets.
const FEW: [System; 2] = [System::MalotePlaintext, System::Malote];

/// The percentiles of one kind of time in one round.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    p10: f64,
    p50: f64,
    p99: f64,
    p999: f64,
}

/// What one round of one system found, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    outcome: Shape,
    delivery: Shape,
    /// What the disk alone took meanwhile; under load, just before.
    sync: Shape,
    /// What the disk alone takes when it is asked to sync as much as the bodies under load; zeros where it was not asked.
    disk: Shape,
}

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Latency");
    chapter.ratios = "× fdatasync p50".to_owned();
    chapter.explain(format!(
        "Bodies of {BODY_BYTES} bytes. *Alone*: one pair, one message at a time; between each two messages the same disk is \
         asked, from the servers' core, to sync a page that was appended to a file in the same folder (*fdatasync*). *Half load*: {PAIRS} pairs, \
         messages due at even distances at half of the throughput that the same server reached just before; a message's \
         time begins when it was due, and the disk was asked before the load began. *Disk alone*: just after that, and for as long, \
         the disk is asked every {every} to write and sync as many bytes as the bodies had; a sync's time begins when it was due. \
         No system that syncs can be faster. The generator never sleeps. Systems that do not answer have no outcome.",
        every = Unit::Time.show(EVERY.as_secs_f64()),
    ));
    let systems = present(stage, if stage.quick { &FEW } else { &ALL }, &mut chapter);
    let series = measure(stage, "alone", &systems, &mut chapter, |system| alone(stage, system))?;
    if stage.quick {
        for system in FEW {
            let ratio = series.numbers(|round| round.outcome.p10 / round.sync.p10).spread(system);
            let text = format!("{system}, alone: outcome p10 ≤ {CEILING} × fdatasync p10, best round");
            let measured = ratio.map_or_else(String::new, |ratio| format!("{:.2} ×", ratio.least));
            chapter.targets.push(Target { text, measured, met: ratio.map(|ratio| ratio.least <= CEILING) });
        }
        return Ok(chapter);
    }
    for system in FEW {
        let over = series.numbers(|round| round.outcome.p50 - round.sync.p50).spread(system);
        let text = format!("{system}, alone: outcome p50 − fdatasync p50 ≤ 150 µs");
        chapter.targets.push(Target::at_most(text, over, Unit::Time, OVER_SYNC));
    }
    let answering: Vec<System> = systems.into_iter().filter(|system| system.answers()).collect();
    let series = measure(stage, "half load", &answering, &mut chapter, |system| half_load(stage, system))?;
    for system in FEW {
        let p99 = series.numbers(|round| round.outcome.p99).spread(system);
        let text = format!("{system}, half load: outcome p99 ≤ 10 ms");
        chapter.targets.push(Target::at_most(text, p99, Unit::Time, UNDER_LOAD));
    }
    Ok(chapter)
}

/// Measures the systems in turn, with rows for each.
fn measure(
    stage: &Stage,
    case: &str,
    systems: &[System],
    chapter: &mut Chapter,
    mut round: impl FnMut(System) -> Result<Round>,
) -> Result<Series<Round>> {
    let mut series = Series::in_turn(stage, case, systems, |system| {
        let round = round(system)?;
        let Shape { p50, p99, .. } = if system.answers() { round.outcome } else { round.delivery };
        let [p50, p99, sync, disk] = [p50, p99, round.sync.p50, round.disk.p99].map(|time| Unit::Time.show(time));
        let disk = if round.disk.p99 > 0.0 { format!(", disk alone p99 {disk}") } else { String::new() };
        progress(format_args!("  p50 {p50}, p99 {p99}, fdatasync p50 {sync}{disk}"));
        Ok(round)
    })?;
    for (system, rounds) in series.systems() {
        describe(case, system, rounds, chapter);
    }
    chapter.left_out.append(&mut series.failed);
    Ok(series)
}

/// One kind of time.
type Part = fn(&Round) -> Shape;

/// The rows of one system.
fn describe(case: &str, system: System, rounds: &[Round], chapter: &mut Chapter) {
    let kinds: [(&str, Part); 4] = [
        ("outcome", |round| round.outcome),
        ("delivery", |round| round.delivery),
        ("fdatasync", |round| round.sync),
        ("disk alone", |round| round.disk),
    ];
    let was_measured = |shape: &Part| rounds.iter().any(|round| shape(round).p50 > 0.0);
    for (kind, shape) in kinds.into_iter().filter(|(_, shape)| was_measured(shape)) {
        let of = |part: fn(Shape) -> f64| -> Vec<f64> { rounds.iter().map(|round| part(shape(round))).collect() };
        let median = |part| Spread::of(&of(part)).map_or(0.0, |spread| spread.median);
        let (p99, p999) = (Unit::Time.show(median(|s| s.p99)), Unit::Time.show(median(|s| s.p999)));
        let p50 = of(|s| s.p50);
        let syncs: Vec<f64> = rounds.iter().map(|round| round.sync.p50).collect();
        let remark = format!("p99 {p99}, p99.9 {p999}");
        let case = format!("{case}: {kind}, p50");
        chapter.row(&case, system, Spread::of(&p50), Unit::Time, Spread::of_ratios(&p50, &syncs), remark);
    }
}

/// One message at a time, and between them the disk alone.
fn alone(stage: &Stage, system: System) -> Result<Round> {
    let messages = if stage.quick { 500 } else { 4_000 };
    let mut pairs = Pairs::start(stage, system, 1, BODY_BYTES)?;
    pairs.pump().spins = true;
    let probe = DiskProbe::new(pairs.server().folder(), &stage.cores)?;
    let (mut outcomes, mut deliveries, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for message in 0..WARM_UP + messages {
        let (outcome, delivery) = one(&mut pairs)?;
        let sync = probe.sync()?;
        if message >= WARM_UP {
            outcomes.push(outcome.as_secs_f64());
            deliveries.push(delivery.as_secs_f64());
            syncs.push(sync.as_secs_f64());
        }
    }
    pairs.settle()?;
    Ok(Round { outcome: shape(outcomes), delivery: shape(deliveries), sync: shape(syncs), ..Round::default() })
}

/// One message: the times to its outcome and to its delivery.
fn one(pairs: &mut Pairs) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let deadline = start + PATIENCE;
    pairs.post(0);
    let (mut outcome, mut delivery) = (None, None);
    loop {
        pairs.turn(deadline, |news| match news {
            News::Answered(..) => outcome = Some(start.elapsed()),
            News::Delivered(..) => delivery = Some(start.elapsed()),
        })?;
        if let (Some(outcome), Some(delivery)) = (outcome, delivery) {
            return Ok((outcome, delivery));
        }
        ensure!(Instant::now() < deadline, "a message was not answered and delivered within {PATIENCE:?}");
    }
}

/// Many pairs, at half of what they reach.
fn half_load(stage: &Stage, system: System) -> Result<Round> {
    let mut pairs = Pairs::start(stage, system, PAIRS, BODY_BYTES)?;
    pairs.flood(stage.warm_up())?;
    let rate = pairs.flood(stage.window())?.per_second / 2.0;
    pairs.settle()?;
    let probe = DiskProbe::new(pairs.server().folder(), &stage.cores)?;
    let syncs: Result<Vec<f64>> = (0..PROBES).map(|_| Ok(probe.sync()?.as_secs_f64())).collect();
    pairs.pump().spins = true;
    let mut pace = Paced::new(Instant::now(), rate);
    let end = Instant::now() + LONGER * stage.window();
    while Instant::now() < end {
        pace.post_what_is_due(&mut pairs);
        pairs.turn(end, |news| pace.take(news))?;
    }
    pairs.settle()?;
    ensure!(
        !pace.outcomes.is_empty(),
        "half of {rate:.0} messages a second were none in {:?}",
        LONGER * stage.window()
    );
    let disk = if FEW.contains(&system) { disk_alone(stage, &probe, rate)? } else { Vec::new() };
    Ok(Round {
        outcome: shape(pace.outcomes),
        delivery: shape(pace.deliveries),
        sync: shape(syncs?),
        disk: shape(disk),
    })
}

/// What the disk alone takes to sync the bodies of so many messages a second.
fn disk_alone(stage: &Stage, probe: &DiskProbe, rate: f64) -> Result<Vec<f64>> {
    let bytes = (rate * EVERY.as_secs_f64() * BODY_BYTES as f64) as usize;
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 0.. {
        let due = start + number * EVERY;
        if due >= start + LONGER * stage.window() {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        probe.sync_bytes(bytes)?;
        times.push(due.elapsed().as_secs_f64());
    }
    Ok(times)
}

/// Messages that are due at even distances, one pair after the other.
struct Paced {
    start: Instant,
    /// Messages a second.
    rate: f64,
    /// How many were due so far.
    due: u64,
    pairs: Vec<PacedPair>,
    /// Seconds.
    outcomes: Vec<f64>,
    deliveries: Vec<f64>,
}

#[derive(Default)]
struct PacedPair {
    /// When those were due for which there was no room yet.
    waiting: VecDeque<Instant>,
    /// The index of the first paced message, and when it and those behind it were due.
    first: u64,
    posted: Vec<Instant>,
}

impl Paced {
    fn new(start: Instant, rate: f64) -> Paced {
        let pairs = (0..PAIRS).map(|_| PacedPair::default()).collect();
        Paced { start, rate, due: 0, pairs, outcomes: Vec::new(), deliveries: Vec::new() }
    }

    fn post_what_is_due(&mut self, pairs: &mut Pairs) {
        let now = Instant::now();
        loop {
            let due = self.start + Duration::from_secs_f64(self.due as f64 / self.rate);
            if due > now {
                break;
            }
            self.pairs[(self.due % PAIRS as u64) as usize].waiting.push_back(due);
            self.due += 1;
        }
        for (number, pair) in self.pairs.iter_mut().enumerate() {
            while pairs.room(number) > 0
                && let Some(due) = pair.waiting.pop_front()
            {
                let index = pairs.post(number);
                if pair.posted.is_empty() {
                    pair.first = index;
                }
                pair.posted.push(due);
            }
        }
    }

    fn take(&mut self, news: News) {
        let (times, pair, index) = match news {
            News::Answered(pair, index) => (&mut self.outcomes, pair, index),
            News::Delivered(pair, index) => (&mut self.deliveries, pair, index),
        };
        let PacedPair { first, posted, .. } = &self.pairs[pair];
        times.push(posted[(index - first) as usize].elapsed().as_secs_f64());
    }
}

/// Of no values, zeros: for outcomes of systems that do not answer, which are not shown.
fn shape(mut seconds: Vec<f64>) -> Shape {
    seconds.sort_by(f64::total_cmp);
    let at = |share| percentile(&seconds, share).unwrap_or_default();
    Shape { p10: at(0.1), p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_from_unsorted_times() {
        let shape = shape((0..1000).rev().map(|n| f64::from(n) + 1.0).collect());
        assert_eq!((shape.p10, shape.p50, shape.p99, shape.p999), (100.0, 500.0, 990.0, 999.0));
    }
}
