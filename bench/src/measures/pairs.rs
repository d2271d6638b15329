//! Senders, each of which posts to a recipient of its own, and the books about what became of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::pace::{Pace, Stopwatch};
use crate::load::pump::Pump;
use crate::load::{Agent, Heard, Mark};
use crate::machine;
use crate::peers::{Crowd, Role, Server, System};
use crate::stage::Stage;

/// Messages of one sender that may be unanswered, for every system: what Malote's protocol allows.
pub const WINDOW: u64 = 64;

/// For everything that is not measured itself, such as logging in; where it is reached, something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pairs of connected clients and their server.
pub struct Pairs {
    pump: Pump,
    server: Server,
    /// Whether the server answers; otherwise what is delivered is answered.
    answers: bool,
    pairs: Vec<Pair>,
    heard: Vec<(usize, Heard)>,
}

/// The books of one sender and its recipient. All numbers count messages.
#[derive(Clone, Debug, Default)]
struct Pair {
    sent: u64,
    /// All before this one are answered …
    answered: u64,
    /// … and of those behind it, the ones whose bit is set.
    answered_behind: u64,
    delivered: u64,
}

/// What happened to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The server answered the sender of this pair about its message with this index.
    Answered(usize, u64),
    /// The recipient of this pair has the message with this index.
    Delivered(usize, u64),
}

impl Pairs {
    /// Starts a server and connects so many pairs: connection `n` posts to connection `count + n`.
    pub fn start(stage: &Stage, system: System, count: usize, body_bytes: usize) -> Result<Pairs> {
        let server = system.start(stage, Crowd { connections: 2 * count })?;
        Pairs::connect(system, server, count, body_bytes).with_context(|| format!("{system} with {count} pairs"))
    }

    fn connect(system: System, server: Server, count: usize, body_bytes: usize) -> Result<Pairs> {
        let roles = (0..2 * count).map(|number| (number, if number < count { Role::Sender } else { Role::Recipient }));
        let agents: Result<Vec<_>> = roles.map(|(number, role)| system.agent(number, role, body_bytes)).collect();
        Pairs::of(server, system.answers(), agents?, body_bytes)
    }

    /// Connects these agents to a server that runs: the first half posts to the second.
    pub fn of(server: Server, answers: bool, agents: Vec<Box<dyn Agent>>, body_bytes: usize) -> Result<Pairs> {
        let count = agents.len() / 2;
        machine::check_open_files(agents.len() as u64 + 50)?;
        let mut pump = Pump::new()?;
        pump.admit(server.address, &server.wire, agents, PATIENCE)?;
        for number in 0..count {
            let to = pump.agent(count + number).name();
            pump.agent(number).aim(&to, body_bytes)?;
        }
        let pairs = vec![Pair::default(); count];
        Ok(Pairs { pump, server, answers, pairs, heard: Vec::new() })
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub fn pump(&mut self) -> &mut Pump {
        &mut self.pump
    }

    /// How many messages this sender may post now.
    pub fn room(&self, pair: usize) -> u64 {
        let Pair { sent, answered, .. } = self.pairs[pair];
        WINDOW - (sent - answered)
    }

    /// Posts this pair's next message, which leaves with the next turn, and returns its index.
    pub fn post(&mut self, pair: usize) -> u64 {
        let index = self.pairs[pair].sent;
        self.pairs[pair].sent += 1;
        self.pump.post(pair, index);
        index
    }

    /// Lets the sockets work until something is heard, or until `deadline`; each message's news is told once it is entered
    /// into the books. An error is that something came twice, out of turn, mutilated or to the wrong one.
    pub fn turn(&mut self, deadline: Instant, mut news: impl FnMut(News)) -> Result<()> {
        let mut heard = std::mem::take(&mut self.heard);
        self.pump.turn(deadline, &mut heard)?;
        for (line, what) in heard.drain(..) {
            match what {
                Heard::Ready => bail!("connection {line} logged in twice"),
                Heard::Accepted(index) => {
                    self.books(line)?.answer(index)?;
                    news(News::Answered(line, index));
                }
                Heard::Delivered(mark) => {
                    let pair = line.checked_sub(self.pairs.len()).context("a sender got a message")?;
                    self.books(pair)?.deliver(pair, mark)?;
                    if !self.answers {
                        self.books(pair)?.answer(mark.index)?;
                        news(News::Answered(pair, mark.index));
                    }
                    news(News::Delivered(pair, mark.index));
                }
            }
        }
        self.heard = heard;
        Ok(())
    }

    fn books(&mut self, pair: usize) -> Result<&mut Pair> {
        self.pairs.get_mut(pair).context("a recipient got an answer")
    }

    /// Messages that were both answered and delivered.
    pub fn completed(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.delivered.min(pair.answered)).sum()
    }

    /// Keeps every window full for this long.
    pub fn flood(&mut self, time: Duration) -> Result<Pace> {
        let stopwatch = Stopwatch::start(&self.server)?;
        let (start, before) = (Instant::now(), self.completed());
        let mut with_room: Vec<usize> = (0..self.pairs.len()).collect();
        while start.elapsed() < time {
            for pair in with_room.drain(..) {
                for _ in 0..self.room(pair) {
                    self.post(pair);
                }
            }
            self.turn(start + time, |news| {
                if let News::Answered(pair, _) = news
                    && with_room.last() != Some(&pair)
                {
                    with_room.push(pair);
                }
            })?;
        }
        stopwatch.stop(self.completed() - before, &self.server)
    }

    /// Waits until everything that was posted is answered and delivered. An error where something is missing.
    pub fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.pairs.iter().any(|pair| !pair.is_settled()) {
            self.turn(deadline, |_| {})?;
            ensure!(Instant::now() < deadline, "not all messages were answered and delivered: {:?}", self.unsettled());
        }
        Ok(())
    }

    fn unsettled(&self) -> Option<(usize, &Pair)> {
        self.pairs.iter().enumerate().find(|(_, pair)| !pair.is_settled())
    }
}

impl Pair {
    fn answer(&mut self, index: u64) -> Result<()> {
        let behind = index.checked_sub(self.answered).context("a message was answered twice")?;
        ensure!(index < self.sent && behind < WINDOW, "message {index} was answered before it was posted");
        ensure!(self.answered_behind & 1 << behind == 0, "a message was answered twice");
        self.answered_behind |= 1 << behind;
        let all = self.answered_behind.trailing_ones();
        self.answered += u64::from(all);
        self.answered_behind = self.answered_behind.checked_shr(all).unwrap_or(0);
        Ok(())
    }

    fn deliver(&mut self, pair: usize, mark: Mark) -> Result<()> {
        ensure!(mark.author as usize == pair, "a message of {} was delivered to the recipient of {pair}", mark.author);
        ensure!(
            mark.index == self.delivered,
            "message {} of {pair} was delivered in place of {}",
            mark.index,
            self.delivered
        );
        ensure!(mark.index < self.sent, "message {} of {pair} was never posted", mark.index);
        self.delivered += 1;
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.answered == self.sent && self.delivered == self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_may_come_in_any_order_but_only_once() {
        let mut pair = Pair { sent: 64, ..Pair::default() };
        for index in [2, 0, 63] {
            pair.answer(index).unwrap();
        }
        assert_eq!(pair.answered, 1);
        assert!(pair.answer(0).is_err());
        assert!(pair.answer(2).is_err());
        assert!(pair.answer(64).is_err());
        for index in (1..63).filter(|index| *index != 2) {
            pair.answer(index).unwrap();
        }
        assert_eq!((pair.answered, pair.answered_behind), (64, 0));
    }

    #[test]
    fn deliveries_come_once_in_order_and_to_the_right_one() {
        let mut pair = Pair { sent: 2, ..Pair::default() };
        let mark = |author, index| Mark { author, index };
        assert!(pair.deliver(3, mark(4, 0)).is_err());
        assert!(pair.deliver(3, mark(3, 1)).is_err());
        pair.deliver(3, mark(3, 0)).unwrap();
        assert!(pair.deliver(3, mark(3, 0)).is_err());
        pair.deliver(3, mark(3, 1)).unwrap();
        assert!(pair.deliver(3, mark(3, 2)).is_err());
    }
}
