//! What a server holds in memory for each connection that is open and says nothing.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::pairs::PATIENCE;
use super::{Series, present, progress};
use crate::bounds;
use crate::filling::{BODY_BYTES, Contents};
use crate::load::Agent;
use crate::load::malote::Malote;
use crate::load::pump::Pump;
use crate::memory::Usage;
use crate::peers::{Crowd, Role, System, start_at};
use crate::report::{Chapter, Row, Target, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// Connections, where the system lets a process have so many.
const CONNECTIONS: usize = 10_000;

/// Connections elsewhere.
const FEWER: usize = 2_000;

/// Files that a process has open beside its connections, at most.
const OTHER_FILES: u64 = 500;

/// For so long nothing is said before memory is looked at: what a login needed is given back by then.
const IDLE: Duration = Duration::from_secs(5);

/// Bytes for each connection that are aimed at, without and with TLS.
const TARGETS: [(System, f64); 2] = [(System::MalotePlaintext, 6.0 * 1024.0), (System::Malote, 16.0 * 1024.0)];

/// Those that can be compared: each client of them is one connection that waits for messages to it.
const SYSTEMS: [System; 4] = [System::MalotePlaintext, System::Malote, System::NatsCore, System::Mosquitto];

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Memory");
    let connections = affordable(bounds::raise_open_files()?);
    chapter.explain(format!(
        "{connections} connections of people who were known before, logged in and waiting for messages; after {} s in which nothing was said, what the \
         server's process has resident (VmRSS) beyond what it had before, divided by the connections. Memory that the \
         kernel holds for sockets is not among it.",
        IDLE.as_secs()
    ));
    if connections < CONNECTIONS {
        chapter.explain(format!("{CONNECTIONS} connections need more open files than a process may have here."));
    }
    let systems = present(stage, &SYSTEMS, &mut chapter);
    let mut whole = Vec::new();
    let what = format!("{connections} idle connections");
    let series = Series::in_turn(stage, &what, &systems, |system| {
        let (before, after) = idle(stage, system, connections)?;
        whole.push((system, after.resident));
        progress(format_args!(
            "{} before, {} after, of which {} in no file",
            Unit::Memory.show(before.resident as f64),
            Unit::Memory.show(after.resident as f64),
            Unit::Memory.show(after.anonymous as f64)
        ));
        Ok(after.resident.saturating_sub(before.resident) as f64 / connections as f64)
    })?;
    for (system, values) in series.systems() {
        let Some(value) = Spread::of(values) else { continue };
        let ratio = series.of(System::MalotePlaintext).and_then(|malote| Spread::of_ratios(malote, values));
        let all = whole.iter().rev().find(|(other, _)| *other == system).map_or(0, |(_, bytes)| *bytes);
        let remark = format!("the whole process: {}", Unit::Memory.show(all as f64));
        let (case, system) = ("per idle connection".to_owned(), system.to_string());
        chapter.rows.push(Row { case, system, value, unit: Unit::Memory, ratio, remark });
    }
    for (system, target) in TARGETS {
        let value = series.of(system).and_then(Spread::of).map(|spread| spread.median);
        chapter.targets.push(Target {
            text: format!("{system}: at most {} per idle connection", Unit::Memory.show(target)),
            measured: value.map_or(String::new(), |value| Unit::Memory.show(value)),
            met: value.map(|value| value <= target),
        });
    }
    Ok(chapter)
}

/// As many connections as so many open files are enough for.
pub fn affordable(open_files: u64) -> usize {
    if open_files >= CONNECTIONS as u64 + OTHER_FILES { CONNECTIONS } else { FEWER }
}

/// What a server holds without connections, and with so many that have been idle for a while.
fn idle(stage: &Stage, system: System, connections: usize) -> Result<(Usage, Usage)> {
    let crowd = Crowd { connections };
    let place = Contents::of_people(connections as u32).filled(stage)?.place(stage)?;
    let (server, agents) = match system {
        System::Malote | System::MalotePlaintext => {
            let (server, _) = start_at(stage, crowd, system == System::Malote, &place.site())?;
            let agent = |number| Ok(Box::new(Malote::known(number, BODY_BYTES)?.listening()) as Box<dyn Agent>);
            (server, (0..connections as u32).map(agent).collect::<Result<Vec<_>>>()?)
        }
        _ => {
            let agent = |number| system.agent(number, Role::Recipient, BODY_BYTES);
            (system.start(stage, crowd)?, (0..connections).map(agent).collect::<Result<Vec<_>>>()?)
        }
    };
    let before = Usage::of(server.process.id())?;
    let mut pump = Pump::new()?;
    pump.admit(server.address, &server.wire, agents, PATIENCE)?;
    pump.idle(IDLE)?;
    Ok((before, Usage::of(server.process.id())?))
}

impl Pump {
    /// Answers what servers ask of those who are idle, for so long.
    pub fn idle(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        let mut heard = Vec::new();
        while Instant::now() < deadline {
            self.turn(deadline, &mut heard)?;
            heard.clear();
        }
        Ok(())
    }
}
