//! Whether what is there in numbers slows the server down: people, connections, rooms, messages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::backlog::largest;
use super::memory::affordable;
use super::progress;
use super::standing::{self, FLOODING, Flood, PAIRS, Who};
use crate::bounds;
use crate::chart::{self, Panel};
use crate::filling::{Contents, Filled};
use crate::peers::System;
use crate::report::{Chapter, Row, Target, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// Where the curves go; the report links to them.
const CHARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts");

/// People of the stores in which something else grows.
const PEOPLE: u32 = 10_000;

/// People of the stores in which rooms grow: all of those who enter any.
const PEOPLE_WITH_ROOMS: u32 = 100;

/// Rooms beside that of everybody; with it, as many as a server lets there be.
const ROOMS: [u64; 3] = [10, 1_000, 9_999];

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Known,
    Connected,
    Rooms,
    Messages,
}

/// One size of what grows, with the store that has it.
struct Point {
    size: u64,
    filled: Filled,
    /// Connections beside those that post.
    silent: usize,
    floods: Vec<Flood>,
}

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Growth");
    let open_files = bounds::raise_open_files()?;
    chapter.explain(format!(
        "{PAIRS} pairs post as in the chapter on throughput, without TLS, while something else grows; memory is what the \
         server's process has resident in the end. Where cost grew with the logarithm of the size, the last point would \
         cost log(last)/log(first) times as much as the first (the first that is not 0): that much is allowed. Memory must \
         grow with the connections, and is not held against them here: see the chapter on memory."
    ));
    for cause in [Cause::Known, Cause::Connected, Cause::Rooms, Cause::Messages] {
        measure(stage, cause, open_files, &mut chapter)?;
    }
    Ok(chapter)
}

fn measure(stage: &Stage, cause: Cause, open_files: u64, chapter: &mut Chapter) -> Result<()> {
    let mut points = cause.points(stage, open_files)?;
    let rounds = stage.rounds;
    for round in 1..=rounds {
        for Point { size, filled, silent, floods } in &mut points {
            let place = filled.place(stage)?;
            let flood = standing::flood(stage, &place.site(), Who::Known, *silent)
                .with_context(|| format!("{size} {}", cause.name()))?;
            progress(format_args!(
                "{size} {}, round {round} of {rounds}: {:.0} messages a second, {}",
                cause.name(),
                flood.per_second,
                Unit::Memory.show(flood.at_last.resident as f64)
            ));
            floods.push(flood);
        }
    }
    let per_second = curve(&points, |flood| flood.per_second);
    let memory = curve(&points, |flood| flood.at_last.resident as f64);
    for (what, unit, curve) in [("throughput", Unit::PerSecond, &per_second), ("memory", Unit::Memory, &memory)] {
        for (size, value) in curve {
            let case = format!("{size} {}: {what}", cause.name());
            let system = System::MalotePlaintext.to_string();
            chapter.rows.push(Row { case, system, value: *value, unit, ratio: None, remark: String::new() });
        }
    }
    chapter.targets.extend(target(cause, "time for a message", &per_second, |first, last| first / last));
    if cause != Cause::Connected {
        chapter.targets.extend(target(cause, "memory", &memory, |first, last| last / first));
    }
    let panels = [
        Panel { title: "Messages a second".to_owned(), unit: Unit::PerSecond, points: per_second },
        Panel { title: "Memory of the server".to_owned(), unit: Unit::Memory, points: memory },
    ];
    write_chart(&format!("{}.svg", cause.file()), &chart::draw(cause.name(), &panels))?;
    chapter.explain(format!("![Throughput and memory against {}](charts/{}.svg)", cause.name(), cause.file()));
    Ok(())
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Known => "people known",
            Cause::Connected => "people connected beside those who post",
            Cause::Rooms => "rooms",
            Cause::Messages => "messages stored",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Cause::Known => "known",
            Cause::Connected => "connected",
            Cause::Rooms => "rooms",
            Cause::Messages => "messages",
        }
    }

    fn points(self, stage: &Stage, open_files: u64) -> Result<Vec<Point>> {
        let filled = |contents: Contents, size| contents.filled(stage).map(|filled| Point::new(size, filled));
        match self {
            Cause::Known => [100, 10_000, 1_000_000]
                .into_iter()
                .map(|people| filled(Contents::of_people(people), people.into()))
                .collect(),
            Cause::Connected => {
                let most = affordable(open_files).min(PEOPLE as usize);
                let sizes = [10, 100, 1_000, most];
                let people = Contents::of_people(PEOPLE + FLOODING as u32);
                sizes.into_iter().map(|silent| Ok(Point { silent, ..filled(people, silent as u64)? })).collect()
            }
            Cause::Rooms => ROOMS
                .into_iter()
                .map(|rooms| {
                    filled(Contents { rooms: rooms as usize, ..Contents::of_people(PEOPLE_WITH_ROOMS) }, rooms)
                })
                .collect(),
            Cause::Messages => {
                let with = |messages| Contents {
                    messages,
                    recipients: PEOPLE,
                    delivered: true,
                    ..Contents::of_people(PEOPLE)
                };
                let mut points = [0, 100_000, 1_000_000]
                    .into_iter()
                    .map(|messages| filled(with(messages), messages))
                    .collect::<Result<Vec<Point>>>()?;
                if let Some((filled, messages)) = largest(stage)? {
                    points.push(Point::new(messages, filled));
                }
                Ok(points)
            }
        }
    }
}

impl Point {
    fn new(size: u64, filled: Filled) -> Point {
        Point { size, filled, silent: 0, floods: Vec::new() }
    }
}

/// One quantity of all points, with their sizes.
fn curve(points: &[Point], quantity: impl Fn(&Flood) -> f64) -> Vec<(f64, Spread)> {
    let values = |point: &Point| Spread::of(&point.floods.iter().map(&quantity).collect::<Vec<f64>>());
    points.iter().filter_map(|point| Some((point.size as f64, values(point)?))).collect()
}

/// How many times as much the last point costs as the first, against what a logarithm allows.
fn target(cause: Cause, what: &str, curve: &[(f64, Spread)], factor: impl Fn(f64, f64) -> f64) -> Option<Target> {
    let (first, last) = (curve.first()?, curve.last()?);
    let allowed = allowed(curve.iter().map(|(size, _)| *size))?;
    let factor = factor(first.1.median, last.1.median);
    Some(Target {
        text: format!("{what}, from {} to {} {}: at most {allowed:.2}-fold", first.0, last.0, cause.name()),
        measured: format!("{factor:.2}-fold"),
        met: Some(factor <= allowed),
    })
}

/// By what factor a logarithm grows from the first of these rising sizes, which is not 0, to the last.
fn allowed(sizes: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sizes = sizes.filter(|size| *size > 1.0);
    let first = sizes.next()?;
    let last = sizes.last().unwrap_or(first);
    Some(last.ln() / first.ln())
}

fn write_chart(name: &str, svg: &str) -> Result<()> {
    let folder = Path::new(CHARTS);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join(name), svg).with_context(|| format!("cannot write {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_allows_what_it_grows_by() {
        let check = |sizes: &[f64], expect: f64| {
            let allowed = allowed(sizes.iter().copied()).unwrap();
            assert!((allowed - expect).abs() < 1e-9, "{sizes:?}: {allowed}");
        };
        check(&[100.0, 10_000.0, 1_000_000.0], 3.0);
        check(&[0.0, 100_000.0, 10_000_000.0], 1.4);
        check(&[10.0], 1.0);
    }

    #[test]
    fn costs_are_held_against_what_is_allowed() {
        let value = |median| Spread { median, least: median, greatest: median };
        let curve = |last| vec![(10.0, value(100.0)), (100.0, value(last))];
        let check = |last, expect| {
            let target = target(Cause::Known, "time", &curve(last), |first, last| first / last).unwrap();
            assert_eq!(target.met, Some(expect), "{target:?}");
        };
        check(100.0, true);
        check(51.0, true);
        check(49.0, false);
    }
}
