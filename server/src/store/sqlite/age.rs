//! How old the store is: for how long it has been in use, as far as the computer's clock can be believed. What must not end
//! because a clock leaps goes by this.

use malote_common::Timestamp;
use rusqlite::{Connection, params};

use super::super::StoreError;
use super::sum;

const HOUR: i64 = 60 * 60 * 1000;

/// What counts of the time between two commits, at most: a long weekend, in which nobody comes. A longer holiday, or a clock
/// that leaps, makes the store younger than it is and nothing worse.
const LONGEST_STEP: i64 = 4 * 24 * HOUR;

/// What is known of it.
pub struct Age {
    /// By the computer's clock, in milliseconds since 1970.
    looked_at: i64,
    /// Milliseconds, then.
    age: i64,
}

impl Age {
    pub fn read(connection: &Connection) -> Result<Age, StoreError> {
        let (age, is_whole) =
            connection.query_row("SELECT looked_at, age, sum = row_sum(looked_at, age) FROM age", [], |row| {
                Ok((Age { looked_at: row.get(0)?, age: row.get(1)? }, row.get(2)?))
            })?;
        if is_whole { Ok(age) } else { Err(sum::changed("age")) }
    }

    /// The last time at which the store is known to have been used.
    pub fn looked_at(&self) -> Timestamp {
        Timestamp(self.looked_at)
    }

    /// Milliseconds.
    pub fn at(&self, now: Timestamp) -> i64 {
        self.age.saturating_add(now.0.saturating_sub(self.looked_at).clamp(0, LONGEST_STEP))
    }

    /// Takes a look at the clock; to be called before each commit. Writes it down now and then, unless the disk is full: what is
    /// not written counts later, and nobody is to wait for it.
    pub fn look(&mut self, connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
        if (0..HOUR).contains(&now.0.saturating_sub(self.looked_at)) {
            return Ok(());
        }
        *self = Age { looked_at: now.0, age: self.at(now) };
        let mut statement = connection.prepare_cached("UPDATE age SET looked_at = ?, age = ?")?;
        match statement.execute(params![self.looked_at, self.age]).map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Full) => Ok(()),
            Err(failed) => Err(failed),
        }
    }
}
