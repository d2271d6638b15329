//! Deliveries a second where everybody hears everything: one room, few senders, many members.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::pace::{self, Pace, Stopwatch};
use super::pairs::{PATIENCE, WINDOW};
use super::present;
use crate::load::pump::Pump;
use crate::load::{Heard, Mark};
use crate::machine;
use crate::peers::{Crowd, Role, Server, System};
use crate::report::{Chapter, Target};
use crate::stage::Stage;

/// Of the members, those who write. More than one, so that no single window is what is measured.
const SENDERS: usize = 4;

const BODY_BYTES: usize = 200;

/// How many times the chat's deliveries Malote's must be. In the short form, a third of what is usual.
const TARGET: f64 = 10.0;
const FLOOR: f64 = 4.0;

pub fn run(stage: &Stage) -> Result<Chapter> {
    let members = if stage.quick { 200 } else { 1_000 };
    let mut chapter = Chapter::new("Fan-out");
    chapter.explain(format!(
        "One room of {members} connected members; {SENDERS} of them write bodies of {BODY_BYTES} bytes, with at most \
         {WINDOW} messages of each unanswered. Each member gets each message, authors included. Where the system does not \
         answer, a message counts as answered once its author has it back."
    ));
    let wanted: &[System] = match stage.quick {
        true => &[System::MalotePlaintext, System::Malote, System::Chat],
        false => &[System::MalotePlaintext, System::Malote, System::Chat, System::NatsCore],
    };
    let systems = present(stage, wanted, &mut chapter);
    let name = format!("{members} members");
    let paces = pace::in_turn(stage, &name, &systems, &mut chapter, |system| flood(stage, system, members))?;
    let least = if stage.quick { FLOOR } else { TARGET };
    for system in [System::MalotePlaintext, System::Malote] {
        let ratio = paces.ratio(system, System::Chat);
        chapter.targets.push(Target::at_least(format!("{system}: at least {least} × the chat"), ratio, least));
    }
    Ok(chapter)
}

fn flood(stage: &Stage, system: System, members: usize) -> Result<Pace> {
    let mut room = Room::start(stage, system, members).with_context(|| format!("{system} with {members} members"))?;
    room.flood(stage.warm_up())?;
    let pace = room.flood(stage.window())?;
    room.settle()?;
    Ok(pace)
}

/// Connected members of one room and their server.
struct Room {
    pump: Pump,
    server: Server,
    answers: bool,
    members: usize,
    /// For each sender, how many messages it has posted and how many of them are answered.
    sent: [u64; SENDERS],
    answered: [u64; SENDERS],
    /// For each member and sender, how many messages were delivered.
    delivered: Vec<[u64; SENDERS]>,
    deliveries: u64,
    heard: Vec<(usize, Heard)>,
}

impl Room {
    fn start(stage: &Stage, system: System, members: usize) -> Result<Room> {
        let server = system.start(stage, Crowd { connections: members })?;
        machine::check_open_files(members as u64 + 50)?;
        let mut pump = Pump::new()?;
        let agents: Result<Vec<_>> =
            (0..members).map(|number| system.agent(number, Role::Member, BODY_BYTES)).collect();
        pump.admit(server.address, &server.wire, agents?, PATIENCE)?;
        for number in 0..SENDERS {
            let room = pump.agent(number).name();
            pump.agent(number).aim(&room, BODY_BYTES)?;
        }
        Ok(Room {
            pump,
            server,
            answers: system.answers(),
            members,
            sent: [0; SENDERS],
            answered: [0; SENDERS],
            delivered: vec![[0; SENDERS]; members],
            deliveries: 0,
            heard: Vec::new(),
        })
    }

    /// Keeps all windows full for this long, and counts deliveries.
    fn flood(&mut self, time: Duration) -> Result<Pace> {
        let stopwatch = Stopwatch::start(&self.server)?;
        let (start, before) = (Instant::now(), self.deliveries);
        while start.elapsed() < time {
            for sender in 0..SENDERS {
                while self.sent[sender] - self.answered[sender] < WINDOW {
                    self.pump.post(sender, self.sent[sender]);
                    self.sent[sender] += 1;
                }
            }
            self.turn(start + time)?;
        }
        stopwatch.stop(self.deliveries - before, &self.server)
    }

    /// Waits until everybody has everything.
    fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let all = self.sent.iter().sum::<u64>() * self.members as u64;
        while self.deliveries < all || self.answered != self.sent {
            self.turn(deadline)?;
            ensure!(Instant::now() < deadline, "only {} of {all} deliveries came", self.deliveries);
        }
        Ok(())
    }

    fn turn(&mut self, deadline: Instant) -> Result<()> {
        let mut heard = std::mem::take(&mut self.heard);
        self.pump.turn(deadline, &mut heard)?;
        for (line, what) in heard.drain(..) {
            match what {
                Heard::Ready => bail!("connection {line} logged in twice"),
                Heard::Accepted(index) => self.answer(line, index)?,
                Heard::Delivered(mark) => {
                    self.deliver(line, mark)?;
                    if !self.answers && line == mark.author as usize {
                        self.answer(line, mark.index)?;
                    }
                }
            }
        }
        self.heard = heard;
        Ok(())
    }

    /// Answers come in order here: what one author writes into one room is accepted in order.
    fn answer(&mut self, sender: usize, index: u64) -> Result<()> {
        let answered = self.answered.get_mut(sender).context("a member who wrote nothing got an answer")?;
        ensure!(index == *answered, "message {index} of {sender} was answered in place of {answered}");
        *answered += 1;
        Ok(())
    }

    fn deliver(&mut self, member: usize, mark: Mark) -> Result<()> {
        let author = mark.author as usize;
        let counts = self.delivered.get_mut(member).context("nobody got a message")?;
        let count = counts.get_mut(author).context("a message came from a member who wrote nothing")?;
        ensure!(mark.index == *count, "{member} got message {} of {author} in place of {count}", mark.index);
        *count += 1;
        self.deliveries += 1;
        Ok(())
    }
}
