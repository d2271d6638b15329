//! How old the store is: for how long people have come to it, as far as the computer's clock can be believed. What must not end
//! because a clock leaps goes by this.

use rusqlite::params;

use super::super::StoreError;
use super::batch::Batch;
use super::sum;

const HOUR: i64 = 60 * 60 * 1000;

/// What counts of the time between two looks at the clock, at most: a long weekend, in which nobody comes. Who is away for
/// longer, or has a clock that leaps, makes the store younger than it is and nothing worse.
const LONGEST_STEP: i64 = 4 * 24 * HOUR;

impl Batch<'_> {
    /// Milliseconds for which the store has been in use. To be asked whenever somebody logs in, or too little is counted.
    pub fn age(&mut self) -> Result<i64, StoreError> {
        if let Some(age) = self.age {
            return Ok(age);
        }
        let (looked_at, age, is_whole): (i64, i64, bool) = self
            .tx
            .prepare_cached("SELECT looked_at, age, sum = row_sum(looked_at, age) FROM age")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if !is_whole {
            return Err(sum::changed("age"));
        }
        let step = self.now.0.saturating_sub(looked_at);
        let age = age.saturating_add(step.clamp(0, LONGEST_STEP));
        // Not with each batch: what is not written counts next time.
        if !(0..HOUR).contains(&step) {
            self.tx.prepare_cached("UPDATE age SET looked_at = ?, age = ?")?.execute(params![self.now.0, age])?;
        }
        self.age = Some(age);
        Ok(age)
    }
}
