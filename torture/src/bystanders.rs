//! People who write to each other at an even pace while something else goes on, and how long their messages take.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, ServerFrame};
use malote_common::{Entry, Name, Outcome, limits};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use crate::caller::{Caller, Who, author_and_index, source, submission};

/// How many there are, each of whom writes to the next.
const PEOPLE: usize = 4;

/// Each of them writes once in so long: a good deal more than anybody types, and less than anybody may.
const EVERY: Duration = Duration::from_millis(10);

/// Unanswered submissions of one of them, at most.
const WINDOW: usize = limits::WINDOW as usize - 4;

/// What was written must have arrived so soon after all is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Their addresses on this computer begin with this one's number; nobody else calls from there.
const FIRST_SOURCE: usize = 60_000;

/// People at work, on a thread of their own.
pub struct Bystanders {
    /// What they are called.
    pub names: Vec<Name>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// When each message was due, and how long it took from there to its recipient.
pub struct Latencies(Vec<(Instant, Duration)>);

#[derive(Default)]
struct Shared {
    /// Nobody writes any more.
    over: AtomicBool,
    written: AtomicU64,
    arrived: AtomicU64,
    /// When the messages of each author were due, in order.
    due: Mutex<Vec<Vec<Instant>>>,
    taken: Mutex<Vec<(Instant, Duration)>>,
}

impl Bystanders {
    /// They begin at once.
    pub fn start(server: SocketAddr, plan: &mut StdRng) -> Bystanders {
        let shared = Arc::new(Shared { due: Mutex::new(vec![Vec::new(); PEOPLE]), ..Shared::default() });
        let mut plan = StdRng::from_rng(plan);
        let (told, names) = crossbeam_channel::bounded(1);
        let thread = thread::spawn({
            let shared = shared.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let mut callers = Vec::new();
                    for number in 0..PEOPLE {
                        let who = Who::new(source(FIRST_SOURCE + number), &mut plan);
                        callers.push(Caller::log_in(server, &who).await.expect("a bystander may log in"));
                    }
                    let names: Vec<Name> = callers.iter().map(|caller| caller.welcome.name.clone()).collect();
                    told.send(names.clone()).expect("somebody waits for it");
                    let to = names.into_iter().cycle().skip(1);
                    let people = callers.into_iter().zip(to).enumerate();
                    let lives = people.map(|(number, (caller, to))| live(number, caller, to, shared.clone()));
                    lives.collect::<JoinSet<()>>().join_all().await;
                });
            }
        });
        let names = names.recv().expect("the bystanders come in");
        Bystanders { names, shared, thread }
    }

    /// Lets them finish; panics unless all that they wrote has arrived, once and in order.
    pub fn finish(self) -> Latencies {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        Latencies(std::mem::take(&mut self.shared.taken.lock().expect("nobody panicked")))
    }
}

impl Latencies {
    /// How long the messages of these times took at most, but for the slowest hundredth of them.
    #[track_caller]
    pub fn p99(&self, times: &[Range<Instant>]) -> Duration {
        let within = self.0.iter().filter(|(due, _)| times.iter().any(|time| time.contains(due)));
        let mut taken: Vec<Duration> = within.map(|(_, taken)| *taken).collect();
        taken.sort_unstable();
        let slowest_counted = (taken.len() * 99).div_ceil(100).checked_sub(1);
        taken[slowest_counted.expect("somebody wrote something")]
    }
}

/// One of them, to the end.
async fn live(number: usize, caller: Caller, to: Name, shared: Arc<Shared>) {
    let mut person = Person { number, to, caller, shared, waiting: VecDeque::new(), unanswered: 0, said: 0, heard: 0 };
    person.begin().await;
    let mut clock = tokio::time::interval(EVERY);
    let mut end = None;
    loop {
        tokio::select! {
            due = clock.tick() => {
                let due = due.into_std();
                if !person.shared.over.load(Ordering::SeqCst) {
                    person.waiting.push_back(due);
                } else if person.waiting.is_empty() && person.shared.is_all_here() {
                    return;
                } else {
                    let end = *end.get_or_insert(due + PATIENCE);
                    assert!(due < end, "messages of people who did no harm did not arrive");
                }
            }
            frame = person.caller.ear.hear() => {
                let frame = frame.unwrap_or_else(|error| panic!("a bystander was cut off: {error}"));
                person.hear(frame).await;
            }
        }
        person.write().await;
    }
}

struct Person {
    number: usize,
    to: Name,
    caller: Caller,
    shared: Arc<Shared>,
    /// When the messages were due that are not written yet.
    waiting: VecDeque<Instant>,
    unanswered: usize,
    /// How many were written.
    said: u64,
    /// How many have come from the one who writes here.
    heard: u64,
}

impl Person {
    /// As a window begins: with mail, and with the list of people.
    async fn begin(&mut self) {
        self.caller.resume().await.expect("a connection");
        self.say(ClientFrame::People { after: None }).await;
    }

    async fn write(&mut self) {
        while self.unanswered < WINDOW
            && let Some(due) = self.waiting.pop_front()
        {
            self.said += 1;
            self.unanswered += 1;
            self.shared.written.fetch_add(1, Ordering::SeqCst);
            self.shared.due.lock().expect("nobody panicked")[self.number].push(due);
            self.say(ClientFrame::Submit(submission(self.number as u64, self.said, 1, self.to.clone()))).await;
        }
    }

    async fn hear(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Outcomes { outcomes, .. } => {
                assert!(matches!(outcomes[..], [Outcome::Accepted { .. }]), "a bystander is refused: {outcomes:?}");
                self.unanswered -= 1;
            }
            ServerFrame::Delivery { mailbox, seq, entry } => {
                if let Entry::Message { message, .. } = entry {
                    self.arrived(author_and_index(message.id));
                }
                self.say(ClientFrame::Acknowledge { mailbox, seq }).await;
            }
            ServerFrame::Ping { token } => self.say(ClientFrame::Pong { token }).await,
            ServerFrame::Closing(why) => panic!("a bystander is sent away: {why:?}"),
            _ => {}
        }
    }

    fn arrived(&mut self, (author, index): (u64, u64)) {
        // What those write who do harm is counted by them.
        if author >= PEOPLE as u64 {
            return;
        }
        self.heard += 1;
        assert_eq!((author as usize + 1) % PEOPLE, self.number, "somebody else's message");
        assert_eq!(index, self.heard, "a message is lost, doubled or out of order");
        let due = self.shared.due.lock().expect("nobody panicked")[author as usize][index as usize - 1];
        self.shared.taken.lock().expect("nobody panicked").push((due, due.elapsed()));
        self.shared.arrived.fetch_add(1, Ordering::SeqCst);
    }

    async fn say(&mut self, frame: ClientFrame) {
        self.caller.mouth.say(&frame).await.expect("a bystander is listened to");
    }
}

impl Shared {
    fn is_all_here(&self) -> bool {
        self.arrived.load(Ordering::SeqCst) == self.written.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_hundredth_does_not_count() {
        let start = Instant::now();
        let at = |index: u64| start + Duration::from_secs(index);
        let latencies = Latencies((1..=200).map(|index| (at(index), Duration::from_millis(index))).collect());
        assert_eq!(latencies.p99(&[at(1)..at(201)]), Duration::from_millis(198));
        assert_eq!(latencies.p99(&[at(1)..at(11), at(21)..at(31)]), Duration::from_millis(30));
    }
}
