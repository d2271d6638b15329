//! How long to wait before trying again: longer each time, and never in step with all the others who wait.

use std::time::Duration;

use rand::{Rng, RngExt};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: doubling from half a second to half a minute, then taken by a random half, so
    /// that a room full of clients does not come back in one instant.
    pub fn next(&mut self, random: &mut impl Rng) -> Duration {
        let longest = LONGEST.min(FIRST.saturating_mul(1 << self.failures.min(10)));
        self.failures = self.failures.saturating_add(1);
        longest.mul_f64(random.random_range(0.5..1.0))
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn grows_to_a_bound_and_starts_over() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next(&mut random)).collect();
        assert!(waits[0] < FIRST && waits[0] >= FIRST / 2);
        assert!(waits[10..].iter().all(|wait| *wait >= LONGEST / 2 && *wait <= LONGEST));
        backoff.reset();
        assert!(backoff.next(&mut random) < FIRST);
    }
}
