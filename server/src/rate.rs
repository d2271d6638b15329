//! How much one person may post, and ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use malote_common::frame::ClientFrame;
use malote_common::{Address, Submission};

use crate::store::PersonId;

/// What entering or leaving a room or taking a name costs: more than a message, since all in the room are told.
pub const WISH_COST: u32 = 10;

/// What a message to a room costs, against 1 for one to a person: it goes to more people, and is stored once.
const ROOM_COST: u32 = 5;

/// What a message to everybody costs.
const EVERYBODY_COST: u32 = 50;

/// Bytes of content that count as one message, which is more than most people ever write: what one person may post at once
/// stays small beside what everybody else waits for.
const MESSAGE_BYTES: usize = 4 * 1024;

/// What a submission takes from its author's allowance.
pub fn cost(submission: &Submission) -> u32 {
    let costs = submission.recipients().map(|address| match address {
        Address::Person(_) => 1,
        Address::Room(_) => ROOM_COST,
        Address::Everybody => EVERYBODY_COST,
    });
    costs.fold(0, u32::saturating_add).max(1).saturating_mul(cost_of_refusing(submission))
}

/// What it takes from the allowance for asking where it is refused, or asks what became of another: it was read all the same.
pub fn cost_of_refusing(submission: &Submission) -> u32 {
    u32::try_from(submission.message.content.len() / MESSAGE_BYTES).unwrap_or(u32::MAX).saturating_add(1)
}

/// What a page of a list or of a mailbox costs: hundreds of rows of the store.
const PAGE_COST: u32 = 10;

/// What a frame takes from the allowance for asking, beside what it may take from that for posting.
pub fn cost_of_asking(frame: &ClientFrame) -> u32 {
    match frame {
        ClientFrame::Submit(submission) if submission.is_inquiry() => cost_of_refusing(submission),
        ClientFrame::Submit(_) => 0,
        // Each of them may be an entry in its author's mailbox.
        ClientFrame::Read { seqs, .. } => u32::try_from(seqs.len()).unwrap_or(u32::MAX).max(1),
        ClientFrame::Resume { .. }
        | ClientFrame::People { .. }
        | ClientFrame::Rooms { .. }
        | ClientFrame::Members { .. } => PAGE_COST,
        // What is new in them follows from what the server has sent, and a session passes nothing else on.
        ClientFrame::Acknowledge { .. } => 0,
        ClientFrame::Enter { .. } | ClientFrame::Leave { .. } | ClientFrame::TakeName { .. } => 0,
        _ => 1,
    }
}

/// A person's allowance. A person never notices it; a program that floods is asked to slow down.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rate {
    /// Messages that may come at once, counted per recipient; a room counts for several.
    pub burst: u32,
    /// Messages a second in the long run, counted in the same way.
    pub per_second: u32,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { burst: 2_000, per_second: 200 }
    }
}

impl Rate {
    /// What a person with this rate for posting may ask beside: look-ups, marks of reading, pings, and what is refused. Never
    /// less than it is by default, however little may be posted: a program asks a good deal when it has connected.
    fn of_asking(self) -> Rate {
        let Rate { burst, per_second } = Rate::default();
        Rate {
            burst: self.burst.max(burst).saturating_mul(ASKED_PER_POSTED),
            per_second: self.per_second.max(per_second).saturating_mul(ASKED_PER_POSTED),
        }
    }
}

/// How much more may be asked than posted. A program that sends as fast as it may asks less than that.
const ASKED_PER_POSTED: u32 = 4;

/// The shortest time after which somebody is told to try again. Whoever came back for a single message would be refused all
/// others that they send with it, again and again.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Everybody's allowance. It belongs to the person and not to the connection: coming back does not renew it.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    rate: Rate,
    people: Arc<Mutex<HashMap<PersonId, Allowance>>>,
}

/// One person's.
#[derive(Debug)]
struct Allowance {
    posting: Bucket,
    asking: Bucket,
}

impl Allowances {
    pub fn new(rate: Rate) -> Allowances {
        Allowances { rate, people: Arc::default() }
    }

    /// Takes `cost` from what a person may post, or says when to try again.
    pub fn take(&self, person: PersonId, cost: u32, now: Instant) -> Result<(), Duration> {
        self.of(person, now, |allowance| allowance.posting.take(cost, now)).map_err(|wait| wait.max(SHORTEST_WAIT))
    }

    /// Takes `cost` from what a person may ask, and says how long nothing more is to be taken from them: what was asked is
    /// answered in any case, since nobody could tell a program that it was not.
    pub fn charge(&self, person: PersonId, cost: u32, now: Instant) -> Duration {
        self.of(person, now, |allowance| allowance.asking.overdraw(cost, now))
    }

    fn of<T>(&self, person: PersonId, now: Instant, act: impl FnOnce(&mut Allowance) -> T) -> T {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= REMEMBERED && !people.contains_key(&person) {
            // Whoever has the whole allowance again need not be remembered.
            people.retain(|_, allowance| !allowance.posting.is_full(now) || !allowance.asking.is_full(now));
        }
        act(people.entry(person).or_insert_with(|| Allowance {
            posting: Bucket::new(self.rate, now),
            asking: Bucket::new(self.rate.of_asking(), now),
        }))
    }
}

/// People whose allowances are kept before those that are whole again are forgotten.
const REMEMBERED: usize = 20_000;

/// A bucket from which each message takes what it costs, and which fills again with time.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, now: Instant) -> Bucket {
        Bucket { rate, left: f64::from(rate.burst), at: now }
    }

    /// Whether nothing was taken of late.
    pub fn is_full(&self, now: Instant) -> bool {
        let missing = f64::from(self.rate.burst) - self.left;
        now.saturating_duration_since(self.at).as_secs_f64() * f64::from(self.rate.per_second) >= missing
    }

    /// Takes `cost`, or says when that much will be there.
    pub fn take(&mut self, cost: u32, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        // What costs more than the bucket holds passes when the bucket is full.
        let needed = f64::from(cost.min(self.rate.burst));
        if self.left >= needed {
            self.left -= f64::from(cost);
            return Ok(());
        }
        Err(self.time_for(needed - self.left))
    }

    /// Takes `cost` even where that much is not there, and says how long it takes until nothing is owed any more.
    pub fn overdraw(&mut self, cost: u32, now: Instant) -> Duration {
        self.fill(now);
        self.left -= f64::from(cost);
        self.time_for(-self.left)
    }

    fn fill(&mut self, now: Instant) {
        let filled = self.left + now.saturating_duration_since(self.at).as_secs_f64() * self.per_second();
        self.left = filled.min(f64::from(self.rate.burst));
        self.at = now;
    }

    /// How long it takes until so much more is there.
    fn time_for(&self, more: f64) -> Duration {
        Duration::try_from_secs_f64(more.max(0.0) / self.per_second()).unwrap_or(Duration::MAX)
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::{Message, MessageId, Timestamp, limits};

    #[test]
    fn a_burst_passes_and_a_flood_waits() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 5 }, start);
        assert!((0..10).all(|_| bucket.take(1, start).is_ok()));
        assert_eq!(bucket.take(1, start), Err(Duration::from_millis(200)));
        assert_eq!(bucket.take(1, start + Duration::from_millis(200)), Ok(()));
        assert_eq!(bucket.take(100, start + Duration::from_secs(60)), Ok(()));
        assert!(bucket.take(1, start + Duration::from_secs(61)).is_err());
    }

    #[test]
    fn an_allowance_is_the_persons_own_wherever_they_come_from() {
        let start = Instant::now();
        let allowances = Allowances::new(Rate { burst: 1, per_second: 1 });
        assert!(allowances.take(PersonId(1), 1, start).is_ok());
        assert!(allowances.clone().take(PersonId(1), 1, start).is_err());
        assert!(allowances.take(PersonId(2), 1, start).is_ok());
        for person in 0..=REMEMBERED as u64 {
            let _ = allowances.take(PersonId(person), 1, start + Duration::from_secs(60));
        }
        let _ = allowances.take(PersonId(u64::MAX), 1, start + Duration::from_secs(120));
        assert_eq!(allowances.people.lock().unwrap().len(), 1);
    }

    #[test]
    fn what_is_long_or_goes_to_many_costs_more() {
        let check = |to: &[&str], bytes: usize, expected: u32| {
            let submission = Submission {
                counter: 1,
                since: 1,
                targets: (0..to.len() as u8).collect(),
                message: Message {
                    id: MessageId([0; 16]),
                    to: to.iter().map(|to| Address::parse(to).unwrap()).collect(),
                    in_reply_to: None,
                    sent_at: Timestamp(0),
                    content: vec![0; bytes],
                },
            };
            assert_eq!(cost(&submission), expected, "{to:?}, {bytes} bytes");
        };
        check(&[], 0, 1);
        check(&["ana", "#obras", "@todos"], MESSAGE_BYTES - 1, 1 + ROOM_COST + EVERYBODY_COST);
        check(&["ana", "bia"], MESSAGE_BYTES, 4);
        check(&["ana"], limits::CONTENT_BYTES, 65);
    }

    #[test]
    fn whoever_is_refused_is_told_to_wait_for_more_than_one_message() {
        let start = Instant::now();
        let allowances = Allowances::new(Rate { burst: 1, per_second: 200 });
        assert!(allowances.take(PersonId(1), 1, start).is_ok());
        assert_eq!(allowances.take(PersonId(1), 1, start), Err(SHORTEST_WAIT));
    }

    #[test]
    fn what_was_asked_beyond_the_allowance_is_owed() {
        let start = Instant::now();
        let allowances = Allowances::new(Rate::default());
        let Rate { burst, per_second } = Rate::default().of_asking();
        assert_eq!(allowances.charge(PersonId(1), burst, start), Duration::ZERO);
        assert_eq!(allowances.charge(PersonId(1), per_second, start), Duration::from_secs(1));
        assert_eq!(allowances.clone().charge(PersonId(1), per_second, start), Duration::from_secs(2));
        assert_eq!(allowances.charge(PersonId(1), 0, start + Duration::from_secs(2)), Duration::ZERO);
        assert!(allowances.take(PersonId(1), 1, start).is_ok(), "posting is another matter");
    }

    #[test]
    fn however_little_may_be_posted_a_program_can_ask_what_it_needs() {
        let little = Rate { burst: 1, per_second: 1 };
        assert_eq!(little.of_asking(), Rate::default().of_asking());
        let much = Rate { burst: u32::MAX, per_second: u32::MAX };
        assert_eq!(much.of_asking(), much);
    }
}
