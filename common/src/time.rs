//! Points in time as they travel: milliseconds since 1970 in UTC.

use serde::{Deserialize, Serialize};

/// A wall-clock time in milliseconds since 1970-01-01T00:00:00Z. For showing to people only: clocks order nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time that the system's clock shows, as read by the caller.
    pub fn from_system(clock: std::time::SystemTime) -> Timestamp {
        let millis = match clock.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, i64::saturating_neg),
        };
        Timestamp(millis)
    }
}
