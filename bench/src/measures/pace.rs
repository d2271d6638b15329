//! How much happened in a span of time, and how busy both sides were meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Series, progress};
use crate::machine;
use crate::peers::{Server, System};
use crate::report::{Chapter, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// A generator that is busier than this beside a server that is not was itself the limit.
const BUSY: f64 = 0.95;

/// What happened in a span of time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Messages, or deliveries, a second.
    pub per_second: f64,
    /// How busy server and generator were, as shares of a core.
    pub server_busy: f64,
    pub generator_busy: f64,
    /// Bytes of memory that the server held at the end.
    pub memory: f64,
}

/// Runs while something is measured.
pub struct Stopwatch {
    start: Instant,
    server: Duration,
    generator: Duration,
}

impl Stopwatch {
    pub fn start(server: &Server) -> Result<Stopwatch> {
        let (server, generator) = (server.process.processor_time()?, machine::processor_time("self")?);
        Ok(Stopwatch { start: Instant::now(), server, generator })
    }

    /// So much has happened since the start.
    pub fn stop(self, count: u64, server: &Server) -> Result<Pace> {
        let took = self.start.elapsed().as_secs_f64();
        let busy = |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64() / took;
        Ok(Pace {
            per_second: count as f64 / took,
            server_busy: busy(server.process.processor_time()?, self.server),
            generator_busy: busy(machine::processor_time("self")?, self.generator),
            memory: server.process.memory()? as f64,
        })
    }
}

/// Measures all of the systems in turn and adds a row for each. Returns what they did in a second.
pub fn in_turn(
    stage: &Stage,
    name: &str,
    systems: &[System],
    chapter: &mut Chapter,
    flood: impl Fn(System) -> Result<Pace>,
) -> Result<Series> {
    let series = Series::in_turn(stage, name, systems, |system| {
        let pace = flood(system)?;
        progress(format_args!("  {} ({})", Unit::PerSecond.show(pace.per_second), remark(&[pace])));
        Ok(pace)
    })?;
    let paces = series.numbers(|pace| pace.per_second);
    for (system, values) in series.systems() {
        let ratio = paces.ratio(System::MalotePlaintext, system);
        chapter.row(name, system, paces.spread(system), Unit::PerSecond, ratio, remark(values));
    }
    chapter.left_out.extend(series.failed);
    Ok(paces)
}

/// How busy both sides were in these rounds, what the server held, and whether that puts the figure into question.
fn remark(paces: &[Pace]) -> String {
    let median = |of: fn(&Pace) -> f64| Spread::of(&paces.iter().map(of).collect::<Vec<_>>()).map_or(0.0, |s| s.median);
    let (server, generator) = (median(|pace| pace.server_busy), median(|pace| pace.generator_busy));
    let memory = Unit::Memory.show(median(|pace| pace.memory));
    let limit = if generator > BUSY && server < BUSY { "; the generator was the limit" } else { "" };
    format!("server {:.0} % busy, {memory}; generator {:.0} %{limit}", server * 100.0, generator * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_at_its_limit_is_told() {
        let pace = |server_busy, generator_busy| Pace { per_second: 1.0, server_busy, generator_busy, memory: 2048.0 };
        let limited = "server 50 % busy, 2.0 KiB; generator 99 %; the generator was the limit";
        assert_eq!(remark(&[pace(0.5, 0.99)]), limited);
        assert_eq!(remark(&[pace(1.0, 0.99)]), "server 100 % busy, 2.0 KiB; generator 99 %");
    }
}
