//! What has no final answer yet: what waits, what is under way, and in which order it may go.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use malote_common::{Address, Message, Outcome, Submission, Timestamp, limits};
use rand::{Rng, RngExt};

use super::Now;
use crate::archive::{Change, Open};

/// The first pause after a passing refusal; it doubles with each further one …
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// … up to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a server is believed at most that says when to come again.
pub const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// How often it is noted for how long messages have been tried. What has passed since counts as an absence when the program
/// starts again.
const NOTE_EVERY: Duration = Duration::from_secs(60 * 60);

/// What the clock on the wall is believed at most, of the time in which the program did not run. It may have been wrong by
/// years then, or be now; messages are given up after fourteen such absences and not after one.
const LONGEST_ABSENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long somebody may be missing on a server that was brought back from a backup, or not in a room, whom it knew
/// before: they are back when their program is, also after a weekend.
const MISSING_FOR: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// In the place of `since`: the server is to answer what became of an attempt, and not to carry it out.
const INQUIRY: u64 = 0;

/// Behind the highest counter. What a damaged profile says is beyond it counts as this: a server refuses it for good, and the
/// user is told.
const COUNTERS_END: u64 = limits::HIGHEST_COUNTER + 1;

/// Messages that are open, in the order in which they were written.
pub struct Outbox {
    /// Not under way: waiting for the connection, the window, or their pause to end.
    waiting: VecDeque<Waiting>,
    /// Under way, by counter.
    under_way: BTreeMap<u64, Waiting>,
    next_counter: u64,
    /// How many messages have come in here; the next one's place in the order.
    written: u64,
    /// The first counter used since a passing refusal was last heard of, or the connection was made.
    since: u64,
    /// The server takes nothing from us before this.
    paused_until: Option<Instant>,
    /// When to note again for how long everything has been tried.
    note_at: Instant,
}

#[derive(Clone, Debug)]
struct Waiting {
    /// Its place among all that were written.
    order: u64,
    message: Message,
    /// The message's recipients.
    to: Vec<Recipient>,
    targets: Vec<u8>,
    /// The pause that it makes ends here.
    paused_until: Instant,
    refusals: u32,
    /// It waits for space in its recipients' mailboxes only, or for them to come back.
    for_them: bool,
    /// The server was brought back from a backup since it was written.
    restored: bool,
    /// For how long it had been tried already …
    tried_before: Duration,
    /// … at this moment.
    since: Instant,
}

#[derive(Clone, Debug)]
struct Recipient {
    /// In the form in which addresses are compared.
    folded: String,
    kind: Kind,
}

/// What two different addresses may have in common: a chosen name leads to a person who has a given one as well, and may
/// have had another chosen one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Given,
    Chosen,
    Room,
}

/// The addresses of messages that none may overtake.
#[derive(Default)]
struct Held<'a> {
    addresses: HashSet<&'a str>,
    given: bool,
    chosen: bool,
}

impl Outbox {
    pub fn new(open: Vec<Open>, next_counter: u64, now: Now) -> Outbox {
        let next_counter = next_counter.min(COUNTERS_END);
        let mut outbox = Outbox {
            waiting: VecDeque::new(),
            under_way: BTreeMap::new(),
            next_counter,
            written: open.len() as u64,
            since: next_counter,
            paused_until: None,
            note_at: now.instant,
        };
        for (open, order) in open.into_iter().zip(0..) {
            let Open { message, targets, counter, not_before, tried_for, noted_at, restored } = open;
            let mut waiting = Waiting::new(order, message, targets, not_before, now);
            waiting.restored = restored;
            waiting.tried_before = tried_for.saturating_add(absence(noted_at, now));
            match counter {
                Some(counter) => drop(outbox.under_way.insert(counter, waiting)),
                None => outbox.waiting.push_back(waiting),
            }
        }
        outbox
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub fn compose(&mut self, message: Message, now: Now) {
        if self.is_empty() {
            self.note_at = now.instant + NOTE_EVERY;
        }
        let targets = (0..message.to.len() as u8).collect();
        self.waiting.push_back(Waiting::new(self.written, message, targets, Timestamp::default(), now));
        self.written = self.written.saturating_add(1);
    }

    /// The server knows the counters up to `last_counter`. Returns inquiries after what is under way.
    pub fn connected(&mut self, last_counter: u64) -> Vec<Submission> {
        self.next_counter = self.next_counter.max(last_counter.saturating_add(1));
        // Answers older than the window are not kept by the server. A device that follows the rules never needs one,
        // unless its profile was brought back from a backup: then the message gets a new attempt, and recipients who
        // have it know it by its id.
        let outdated: Vec<u64> = self
            .under_way
            .keys()
            .copied()
            .filter(|counter| counter.saturating_add(limits::WINDOW) <= last_counter)
            .collect();
        for counter in outdated {
            if let Some(waiting) = self.under_way.remove(&counter) {
                self.put_back(waiting);
            }
        }
        self.since = self.next_counter;
        self.under_way.iter().map(|(counter, waiting)| waiting.submission(*counter, INQUIRY)).collect()
    }

    pub fn disconnected(&mut self) {
        self.paused_until = None;
    }

    /// The next submission that may go now, if any. It is under way from then on.
    pub fn attempt(&mut self, now: Now) -> Option<Submission> {
        if self.paused_until.is_some_and(|until| now.instant < until) || !self.window_is_open() {
            return None;
        }
        let index = self.first_ready(now)?;
        let waiting = self.waiting.remove(index)?;
        let counter = self.next_counter;
        self.next_counter = counter.saturating_add(1);
        let submission = waiting.submission(counter, self.since);
        self.under_way.insert(counter, waiting);
        Some(submission)
    }

    /// When [`Outbox::attempt`] has something that it has not now; in the past where it has something already.
    pub fn next_attempt(&self, now: Now) -> Option<Instant> {
        if self.waiting.is_empty() || !self.window_is_open() {
            return None;
        }
        let ready = || Some(now.instant + self.in_turn().map(|(_, waiting)| waiting.pause_left(now)).min()?);
        self.paused_until.filter(|until| *until > now.instant).or_else(ready)
    }

    /// Takes in an answer. Returns what to keep of it, or nothing if it answers nothing.
    pub fn answered(&mut self, counter: u64, outcomes: &[Outcome], random: &mut impl Rng, now: Now) -> Option<Change> {
        let mut waiting = self.under_way.remove(&counter)?;
        if outcomes.len() != waiting.targets.len() {
            // Not an answer to what was asked: asking again is all that can be done.
            self.put_back(waiting);
            return None;
        }
        let outcomes: Vec<(u8, Outcome)> = waiting.targets.iter().copied().zip(outcomes.iter().copied()).collect();
        let is_patient = waiting.restored && waiting.tried_for(now) < MISSING_FOR;
        let passes = |outcome: Outcome| outcome.is_temporary() || is_patient && is_missing(outcome);
        let passing: Vec<(u8, Outcome)> = outcomes.iter().copied().filter(|(_, outcome)| passes(*outcome)).collect();
        let open: Vec<u8> = passing.iter().map(|(position, _)| *position).collect();
        let message = waiting.message.id;
        if !open.is_empty() {
            waiting.for_them = passing.iter().all(|(_, o)| *o == Outcome::MailboxFull || is_missing(*o));
            self.since = self.next_counter;
            waiting.targets.clone_from(&open);
        }
        let pause = self.pause(&passing, &mut waiting.refusals, random, now);
        let not_before = Timestamp(now.wall.0.saturating_add(pause.as_millis() as i64));
        if !open.is_empty() {
            waiting.paused_until = now.instant + pause;
            self.put_back(waiting);
        }
        Some(Change::Answered { message, outcomes, open, not_before })
    }

    /// Takes out what was tried for as long as it is tried at all, also where an answer is still awaited; and notes from time
    /// to time for how long the others were.
    pub fn grow_older(&mut self, now: Now) -> Vec<Change> {
        let is_old = |waiting: &Waiting| waiting.tried_for(now) >= limits::RETRY_FOR;
        let mut expired: Vec<Waiting> =
            self.under_way.extract_if(.., |_, waiting| is_old(waiting)).map(|(_, w)| w).collect();
        while let Some(index) = self.waiting.iter().position(is_old) {
            expired.extend(self.waiting.remove(index));
        }
        let change = |waiting: Waiting| Change::Expired { message: waiting.message.id, open: waiting.targets };
        let mut changes: Vec<Change> = expired.into_iter().map(change).collect();
        if now.instant >= self.note_at && !self.is_empty() {
            self.note_at = now.instant + NOTE_EVERY;
            let messages = self.open().map(|waiting| (waiting.message.id, waiting.tried_for(now))).collect();
            changes.push(Change::Tried { messages, at: now.wall });
        }
        changes
    }

    /// When [`Outbox::grow_older`] has something to do.
    pub fn next_birthday(&self, now: Now) -> Option<Instant> {
        let left = self.open().map(|waiting| limits::RETRY_FOR.saturating_sub(waiting.tried_for(now))).min()?;
        Some(self.note_at.min(now.instant + left))
    }

    fn open(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter().chain(self.under_way.values())
    }

    fn window_is_open(&self) -> bool {
        self.under_way.keys().next().is_none_or(|oldest| self.next_counter < oldest.saturating_add(limits::WINDOW))
    }

    /// The first message that may go, if any.
    fn first_ready(&self, now: Now) -> Option<usize> {
        let mut ready = self.in_turn().filter(|(_, waiting)| waiting.pause_left(now).is_zero());
        ready.next().map(|(index, _)| index)
    }

    /// The messages, with their indices, that overtake nothing if they go: none before them waits for one of their
    /// recipients, or is under way and may be refused without the server's holding them back for it.
    fn in_turn(&self) -> impl Iterator<Item = (usize, &Waiting)> {
        let mut held = Held::default();
        self.under_way.range(..self.since).for_each(|(_, waiting)| held.add(waiting));
        self.waiting.iter().enumerate().filter(move |(_, waiting)| {
            let in_turn = !waiting.recipients().any(|to| held.holds(to));
            held.add(waiting);
            in_turn
        })
    }

    /// Puts a message back to its place in the order.
    fn put_back(&mut self, waiting: Waiting) {
        let index = self.waiting.partition_point(|other| other.order < waiting.order);
        self.waiting.insert(index, waiting);
    }

    /// How long a message waits that was refused for now; a busy or full server is left alone altogether.
    fn pause(&mut self, outcomes: &[(u8, Outcome)], refusals: &mut u32, random: &mut impl Rng, now: Now) -> Duration {
        let mut pause = Duration::ZERO;
        for (_, outcome) in outcomes {
            let (wait, whole_server) = match outcome {
                Outcome::RateLimited { retry_after_ms } => {
                    (Duration::from_millis(*retry_after_ms).min(LONGEST_REST), true)
                }
                Outcome::MailboxFull | Outcome::ServerFull | Outcome::UnknownRecipient | Outcome::NotAMember => {
                    let longest = LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << (*refusals).min(10)));
                    (longest.mul_f64(random.random_range(0.5..1.0)), *outcome == Outcome::ServerFull)
                }
                _ => continue,
            };
            pause = pause.max(wait);
            if whole_server {
                self.paused_until = self.paused_until.max(Some(now.instant + wait));
            }
        }
        *refusals = refusals.saturating_add(u32::from(pause > Duration::ZERO));
        pause
    }
}

impl Waiting {
    fn new(order: u64, message: Message, targets: Vec<u8>, not_before: Timestamp, now: Now) -> Waiting {
        let to = message.to.iter().map(Recipient::new).collect();
        let (tried_before, since) = (Duration::ZERO, now.instant);
        let (paused_until, refusals, for_them, restored) = (now.instant + until(not_before, now), 0, false, false);
        Waiting { order, message, to, targets, paused_until, refusals, for_them, restored, tried_before, since }
    }

    fn submission(&self, counter: u64, since: u64) -> Submission {
        Submission { counter, since, targets: self.targets.clone(), message: self.message.clone() }
    }

    /// For how long it has been tried. While the program runs, that is counted by a clock that nobody sets.
    fn tried_for(&self, now: Now) -> Duration {
        self.tried_before.saturating_add(now.instant.saturating_duration_since(self.since))
    }

    /// How long it still has to wait.
    fn pause_left(&self, now: Now) -> Duration {
        self.paused_until.saturating_duration_since(now.instant)
    }

    /// The recipients that are open.
    fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.targets.iter().filter_map(|index| self.to.get(usize::from(*index)))
    }
}

impl Recipient {
    fn new(address: &Address) -> Recipient {
        let kind = match address {
            Address::Person(name) if name.given_number().is_some() => Kind::Given,
            Address::Person(_) => Kind::Chosen,
            Address::Room(_) | Address::Everybody => Kind::Room,
        };
        Recipient { folded: address.folded(), kind }
    }
}

impl<'a> Held<'a> {
    fn add(&mut self, waiting: &'a Waiting) {
        self.addresses.extend(waiting.recipients().map(|to| to.folded.as_str()));
        // One full mailbox, which may stay so for days, does not keep mail from everybody else who might be its owner.
        if !waiting.for_them {
            self.given |= waiting.recipients().any(|to| to.kind == Kind::Given);
            self.chosen |= waiting.recipients().any(|to| to.kind == Kind::Chosen);
        }
    }

    /// Whether a message to this recipient might overtake one to the same.
    fn holds(&self, to: &Recipient) -> bool {
        let other_name = match to.kind {
            Kind::Given => self.chosen,
            Kind::Chosen => self.chosen || self.given,
            Kind::Room => false,
        };
        other_name || self.addresses.contains(to.folded.as_str())
    }
}

/// Whether the recipient is not there, who may come yet.
fn is_missing(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::UnknownRecipient | Outcome::NotAMember)
}

/// What counts of the time since something was noted, as the program starts.
fn absence(noted_at: Timestamp, now: Now) -> Duration {
    let millis = now.wall.0.saturating_sub(noted_at.0).max(0);
    LONGEST_ABSENCE.min(Duration::from_millis(millis as u64))
}

/// From now until then by the clock on the wall. No pause is longer than the longest, unless the clock was set back since:
/// then it is over.
fn until(then: Timestamp, now: Now) -> Duration {
    let millis = then.0.saturating_sub(now.wall.0).max(0);
    Some(Duration::from_millis(millis as u64)).filter(|left| *left <= LONGEST_REST).unwrap_or_default()
}
