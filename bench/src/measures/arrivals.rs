//! People who come: one after the other, and all at once after the server was away.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use malote_client::backoff::Backoff;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::memory::affordable;
use super::pairs::PATIENCE;
use super::progress;
use crate::filling::{BODY_BYTES, Contents, Filled};
use crate::load::malote::Malote;
use crate::load::pump::{Pump, Wire};
use crate::load::{Agent, Heard, Mark};
use crate::peers::{Crowd, Site, System, start_at};
use crate::report::{Chapter, Row, Target, Unit};
use crate::stage::Stage;
use crate::stats::{Spread, percentile};
use crate::{bounds, machine};

/// People who log in one after the other.
const LOGINS: u32 = 3_000;

/// Until all are back; where it is reached, somebody is not coming any more.
const RETURN_PATIENCE: Duration = Duration::from_secs(90);

/// A client of ours gives up an attempt after this long: 5 s each for reaching the server and for TLS, 10 s for the rest.
const ATTEMPT: Duration = Duration::from_secs(20);

/// Connections begun before we look again at those that there are.
const DIALS: usize = 64;

/// What those who come back lack: a receipt may have come behind the message.
const EVERYTHING: u64 = u64::MAX;

const TARGET: f64 = 10.0;

/// When clients come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// After the pauses of our own client, which begin when the server goes away.
    AsOurClient,
    /// All in one instant when the server is there again.
    AtOnce,
}

/// How everybody came back.
struct Return {
    /// Seconds from the server's being ready until each was served, in rising order.
    served: Vec<f64>,
    /// Attempts that failed while the server was there, by reason.
    failed: BTreeMap<String, usize>,
}

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Arrivals");
    let people = affordable(bounds::raise_open_files()?);
    logins(stage, &mut chapter)?;
    returns(stage, people, &mut chapter)?;
    Ok(chapter)
}

fn logins(stage: &Stage, chapter: &mut Chapter) -> Result<()> {
    chapter.explain(format!(
        "{LOGINS} people log in and stay, at most 128 of them on their way at a time, each on a connection and with a key \
         of their own; the server knows 10,000 people, who are on a device that it does not know, or has to make new ones. Each \
         listens in the room of everybody, where all hear of everybody who is new."
    ));
    let filled = Contents::of_people(10_000).filled(stage)?;
    let cases = [
        ("known people", System::Malote, true),
        ("new people", System::Malote, false),
        ("known people", System::MalotePlaintext, true),
    ];
    let mut values = vec![Vec::new(); cases.len()];
    let mut remarks = vec![String::new(); cases.len()];
    for round in 1..=stage.rounds {
        for ((case, values), remark) in cases.iter().zip(&mut values).zip(&mut remarks) {
            let (what, system, known) = case;
            let (per_second, server, generator) = log_in(stage, &filled, *system, *known)?;
            *remark = format!("server busy {:.0} %, generator {:.0} %", server * 100.0, generator * 100.0);
            progress(format_args!(
                "{what}, round {round} of {}: {system}: {per_second:.0} logins a second, {remark}",
                stage.rounds
            ));
            values.push(per_second);
        }
    }
    for (((what, system, _), values), remark) in cases.into_iter().zip(&values).zip(remarks) {
        let Some(value) = Spread::of(values) else { continue };
        let (case, system) = (format!("logins of {what}"), system.to_string());
        chapter.rows.push(Row { case, system, value, unit: Unit::PerSecond, ratio: None, remark });
    }
    Ok(())
}

/// Logins a second, and how busy the server's core and ours were, from 0 to 1.
fn log_in(stage: &Stage, filled: &Filled, system: System, known: bool) -> Result<(f64, f64, f64)> {
    let place = filled.place(stage)?;
    let crowd = Crowd { connections: LOGINS as usize };
    let (server, _) = start_at(stage, crowd, system == System::Malote, &place.site())?;
    let agent = |number| match known {
        true => Malote::known(number, BODY_BYTES),
        false => Malote::new(number, BODY_BYTES),
    };
    let agents: Result<Vec<_>> =
        (0..LOGINS).map(|number| Ok(Box::new(agent(number)?.listening()) as Box<dyn Agent>)).collect();
    let agents = agents?;
    let mut pump = Pump::new()?;
    let (busy, own_busy) = (server.process.processor_time()?, machine::processor_time("self")?);
    let start = Instant::now();
    pump.admit(server.address, &server.wire, agents, PATIENCE)?;
    let took = start.elapsed().as_secs_f64();
    let busy = (server.process.processor_time()? - busy).as_secs_f64() / took;
    let own_busy = (machine::processor_time("self")? - own_busy).as_secs_f64() / took;
    Ok((f64::from(LOGINS) / took, busy, own_busy))
}

fn returns(stage: &Stage, people: usize, chapter: &mut Chapter) -> Result<()> {
    chapter.explain(format!(
        "{people} people with TLS are connected when the server is stopped and started again at the same address. Times \
         count from the line that says that it is ready until each has logged in, resumed all mailboxes and got the one \
         message that is there for them. They come back with the pauses of our client, which begin when the server goes \
         away, or all at once; whoever fails tries again after such a pause."
    ));
    let people = people as u32;
    let contents = Contents { people, messages: people.into(), recipients: people, delivered: false, rooms: 0 };
    let filled = contents.filled(stage)?;
    let manners = [(Manner::AsOurClient, "with our client's pauses"), (Manner::AtOnce, "all at once")];
    let mut medians = [Vec::new(), Vec::new()];
    let mut lasts = [Vec::new(), Vec::new()];
    let mut failures = [BTreeMap::new(), BTreeMap::new()];
    let rounds = stage.rounds;
    for round in 1..=rounds {
        for (index, (manner, name)) in manners.into_iter().enumerate() {
            let Return { served, failed } = come_back(stage, &filled, people, manner, round as u64)?;
            let (median, last) = (percentile(&served, 0.5).unwrap_or(0.0), percentile(&served, 1.0).unwrap_or(0.0));
            progress(format_args!(
                "{people} back {name}, round {round} of {rounds}: half after {}, all after {}; failed: {failed:?}",
                Unit::Time.show(median),
                Unit::Time.show(last)
            ));
            medians[index].push(median);
            lasts[index].push(last);
            for (reason, count) in failed {
                *failures[index].entry(reason).or_insert(0) += count;
            }
        }
    }
    for (index, (_, name)) in manners.into_iter().enumerate() {
        let failed: usize = failures[index].values().sum();
        let remark = match failures[index].iter().max_by_key(|(_, count)| **count) {
            Some((reason, _)) => format!("{failed} attempts failed in all rounds, most of them: {reason}"),
            None => "no attempt failed".to_owned(),
        };
        for (what, values) in [("half of them", &medians[index]), ("the last one", &lasts[index])] {
            let Some(value) = Spread::of(values) else { continue };
            let case = format!("{people} back {name}: {what}");
            let system = System::Malote.to_string();
            chapter.rows.push(Row { case, system, value, unit: Unit::Time, ratio: None, remark: remark.clone() });
        }
        let Some(last) = Spread::of(&lasts[index]) else { continue };
        chapter.targets.push(Target {
            text: format!("{people} back {name} within {}, nobody refused", Unit::Time.show(TARGET)),
            measured: format!("{}, {failed} refused", Unit::Time.show(last.median)),
            met: Some(last.median <= TARGET && failed == 0),
        });
    }
    Ok(())
}

fn come_back(stage: &Stage, filled: &Filled, people: u32, manner: Manner, seed: u64) -> Result<Return> {
    let place = filled.place(stage)?;
    let crowd = Crowd { connections: people as usize };
    let (mut server, _) = start_at(stage, crowd, true, &place.site())?;
    let (address, mut pump) = (server.address, Pump::new()?);
    let agents: Result<Vec<_>> = (0..people)
        .map(|number| Ok(Box::new(Malote::known(number, BODY_BYTES)?.listening()) as Box<dyn Agent>))
        .collect();
    pump.admit(address, &server.wire, agents?, PATIENCE)?;
    let away = Instant::now();
    // The server need not wait for us to read its goodbye.
    drop(pump);
    server.process.stop()?;
    drop(server);
    let (server, _) = start_at(stage, crowd, true, &Site { address: Some(address), ..place.site() })?;
    let ready = Instant::now();
    Returning::new(people, manner, away, ready, seed).run(address, &server.wire, ready)
}

/// Everybody on the way back.
struct Returning {
    pauses: Vec<Backoff>,
    random: StdRng,
    /// When who dials next, and when who has waited long enough, with the attempt's number.
    due: BinaryHeap<Reverse<(Instant, u32, Due)>>,
    attempts: Vec<u32>,
    /// When each was served.
    served: Vec<Option<Instant>>,
    failed: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Dial,
    GiveUp { attempt: u32 },
}

impl Returning {
    fn new(people: u32, manner: Manner, away: Instant, ready: Instant, seed: u64) -> Returning {
        let mut random = StdRng::seed_from_u64(seed);
        let mut due = BinaryHeap::new();
        let mut pauses = vec![Backoff::default(); people as usize];
        for (number, pause) in (0..people).zip(&mut pauses) {
            let mut at = ready;
            if manner == Manner::AsOurClient {
                at = away + pause.next(&mut random);
                // Where nobody listens, an attempt fails at once.
                while at < ready {
                    at += pause.next(&mut random);
                }
            }
            due.push(Reverse((at, number, Due::Dial)));
        }
        let (attempts, served) = (vec![0; people as usize], vec![None; people as usize]);
        Returning { pauses, random, due, attempts, served, failed: BTreeMap::new() }
    }

    fn run(mut self, address: SocketAddr, wire: &Wire, ready: Instant) -> Result<Return> {
        let mut pump = Pump::new()?;
        pump.lost = Some(Vec::new());
        // Places are given in the order of arrival, and kept.
        let mut places: Vec<u32> = Vec::new();
        let mut place_of = vec![None; self.attempts.len()];
        let mut heard = Vec::new();
        let mut missing = self.served.len();
        while missing > 0 {
            ensure!(ready.elapsed() < RETURN_PATIENCE, "{missing} are not back: {:?}", self.failed);
            for _ in 0..DIALS {
                let Some((number, due)) = self.next_due() else { break };
                let place = place_of[number as usize];
                match (due, place) {
                    (Due::Dial, _) => {
                        let agent = Box::new(Malote::known(number, BODY_BYTES)?.listening().lacking(EVERYTHING));
                        let dialled = match place {
                            Some(place) => pump.reconnect(place, address, wire, agent),
                            None => pump.connect(address, wire, agent).map(|place| {
                                places.push(number);
                                place_of[number as usize] = Some(place);
                            }),
                        };
                        self.began(number);
                        if let Err(error) = dialled {
                            self.fail(number, format!("{:#}", error))?;
                        }
                    }
                    (Due::GiveUp { attempt }, Some(place)) if self.is_waiting(number, attempt) => {
                        pump.hang_up(place)?;
                        self.fail(number, format!("not served after {ATTEMPT:?}"))?;
                    }
                    (Due::GiveUp { .. }, _) => {}
                }
            }
            pump.turn(self.next_turn(), &mut heard)?;
            for (place, what) in heard.drain(..) {
                let number = places[place];
                match what {
                    Heard::Ready => {}
                    Heard::Delivered(Mark { author, index: 0 }) if author == number => {
                        let before = self.served[number as usize].replace(Instant::now());
                        ensure!(before.is_none(), "{number} got the same message twice");
                        missing -= 1;
                    }
                    other => bail!("{number} heard {other:?}"),
                }
            }
            for (place, reason) in pump.lost.replace(Vec::new()).unwrap_or_default() {
                self.fail(places[place], reason)?;
            }
        }
        let mut served: Vec<f64> = self.served.iter().flatten().map(|served| (*served - ready).as_secs_f64()).collect();
        served.sort_by(f64::total_cmp);
        Ok(Return { served, failed: self.failed })
    }

    fn next_due(&mut self) -> Option<(u32, Due)> {
        let Reverse((at, ..)) = self.due.peek()?;
        if *at > Instant::now() {
            return None;
        }
        self.due.pop().map(|Reverse((_, number, due))| (number, due))
    }

    fn next_turn(&self) -> Instant {
        let soon = Instant::now() + Duration::from_millis(100);
        self.due.peek().map_or(soon, |Reverse((at, ..))| soon.min(*at))
    }

    fn began(&mut self, number: u32) {
        let attempt = &mut self.attempts[number as usize];
        *attempt += 1;
        self.due.push(Reverse((Instant::now() + ATTEMPT, number, Due::GiveUp { attempt: *attempt })));
    }

    fn is_waiting(&self, number: u32, attempt: u32) -> bool {
        self.attempts[number as usize] == attempt && self.served[number as usize].is_none()
    }

    fn fail(&mut self, number: u32, reason: String) -> Result<()> {
        ensure!(self.served[number as usize].is_none(), "{number} was served and then lost: {reason}");
        *self.failed.entry(reason).or_insert(0) += 1;
        let pause = self.pauses.get_mut(number as usize).context("nobody")?.next(&mut self.random);
        self.due.push(Reverse((Instant::now() + pause, number, Due::Dial)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_with_pauses_come_one_by_one_and_only_when_somebody_listens() {
        let away = Instant::now();
        let ready = away + Duration::from_millis(400);
        let returning = Returning::new(1_000, Manner::AsOurClient, away, ready, 1);
        let times: Vec<Instant> = returning.due.iter().map(|Reverse((at, ..))| *at).collect();
        assert!(times.iter().all(|at| *at >= ready && *at < away + Duration::from_millis(1_500)));
        assert!(times.iter().any(|at| *at > away + Duration::from_millis(700)));
        let returning = Returning::new(1_000, Manner::AtOnce, away, ready, 1);
        assert!(returning.due.iter().all(|Reverse((at, ..))| *at == ready));
    }

    #[test]
    fn an_attempt_that_was_replaced_by_a_later_one_is_not_given_up_again() {
        let now = Instant::now();
        let mut returning = Returning::new(1, Manner::AtOnce, now, now, 1);
        assert_eq!(returning.next_due(), Some((0, Due::Dial)));
        returning.began(0);
        assert!(returning.is_waiting(0, 1));
        returning.fail(0, "refused".to_owned()).unwrap();
        returning.began(0);
        assert!(!returning.is_waiting(0, 1) && returning.is_waiting(0, 2));
        returning.served[0] = Some(now);
        assert!(!returning.is_waiting(0, 2));
        assert!(returning.fail(0, "lost".to_owned()).is_err());
    }
}
