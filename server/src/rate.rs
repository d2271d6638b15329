//! How much one person may post.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use malote_common::{Address, Submission};

use crate::store::PersonId;

/// What entering or leaving a room or taking a name costs: more than a message, since all in the room are told.
pub const WISH_COST: u32 = 10;

/// What a message to a room costs, against 1 for one to a person: it goes to more people, and is stored once.
const ROOM_COST: u32 = 5;

/// What a message to everybody costs.
const EVERYBODY_COST: u32 = 50;

/// What a submission takes from its author's allowance.
pub fn cost(submission: &Submission) -> u32 {
    let costs = submission.recipients().map(|address| match address {
        Address::Person(_) => 1,
        Address::Room(_) => ROOM_COST,
        Address::Everybody => EVERYBODY_COST,
    });
    costs.fold(0, u32::saturating_add).max(1)
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

/// Everybody's allowance. It belongs to the person and not to the connection: coming back does not renew it.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    rate: Rate,
    buckets: Arc<Mutex<HashMap<PersonId, Bucket>>>,
}

impl Allowances {
    pub fn new(rate: Rate) -> Allowances {
        Allowances { rate, buckets: Arc::default() }
    }

    /// Takes `cost` from a person's allowance, or says when that much will be there.
    pub fn take(&self, person: PersonId, cost: u32, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&person) {
            // Whoever has the whole allowance again need not be remembered.
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        buckets.entry(person).or_insert_with(|| Bucket::new(self.rate, now)).take(cost, now)
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

    fn is_full(&self, now: Instant) -> bool {
        let missing = f64::from(self.rate.burst) - self.left;
        now.saturating_duration_since(self.at).as_secs_f64() * f64::from(self.rate.per_second) >= missing
    }

    /// Takes `cost`, or says when that much will be there.
    pub fn take(&mut self, cost: u32, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.rate.per_second.max(1));
        let filled = self.left + now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.left = filled.min(f64::from(self.rate.burst));
        self.at = now;
        // What costs more than the bucket holds passes when the bucket is full.
        let needed = f64::from(cost.min(self.rate.burst));
        if self.left >= needed {
            self.left -= f64::from(cost);
            return Ok(());
        }
        Err(Duration::from_secs_f64((needed - self.left) / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(allowances.buckets.lock().unwrap().len(), 1);
    }
}
