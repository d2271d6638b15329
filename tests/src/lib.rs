//! Malote's real programs, started by tests.
//!
//! Every wait has an end, and every process ends with the value that stands for it.

mod cli;
pub mod hosts;
mod program;
mod python;
mod server;
mod small_disk;

use std::thread;
use std::time::{Duration, Instant};

pub use cli::{Cli, parsed};
pub use program::{Ended, Running, program};
pub use python::python;
pub use server::TestServer;
pub use small_disk::SmallDisk;

/// How long anything may take. Far more than it needs, and more than the 40 seconds in which silence is noticed and the 30
/// that may pass until somebody comes back: where it is reached, something hangs.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How often we look whether something has happened yet.
const POLL: Duration = Duration::from_millis(5);

/// Looks again and again until there is something. `what` completes the sentence "… did not happen within …".
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {} seconds", PATIENCE.as_secs());
        thread::sleep(POLL);
    }
}
