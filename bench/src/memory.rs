//! How much memory another process holds.

use std::fs;

use anyhow::{Context, Result};

/// What the system says of one process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident: everything of it that is in memory, with what it shares with other processes.
    pub resident: u64,
    /// The most that was resident since the start, or since [`reset_peak`].
    pub peak: u64,
    /// What of it stands in no file.
    pub anonymous: u64,
}

impl Usage {
    /// Of the process with this number.
    pub fn of(process: u32) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        Usage::read(&status).context("a process without memory")
    }

    fn read(status: &str) -> Option<Usage> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
            Some(kilobytes * 1024)
        };
        Some(Usage { resident: field("VmRSS:")?, peak: field("VmHWM:")?, anonymous: field("RssAnon:")? })
    }
}

/// From here on, the peak is that of what follows (proc(5), `clear_refs`).
pub fn reset_peak(process: u32) -> Result<()> {
    const RESET_PEAK: &str = "5";
    fs::write(format!("/proc/{process}/clear_refs"), RESET_PEAK).context("cannot reset the peak of a process's memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_read() {
        let status = "Name:\tx\nVmHWM:\t    30 kB\nVmRSS:\t    20 kB\nRssAnon:\t    10 kB\n";
        let usage = Usage { resident: 20 * 1024, peak: 30 * 1024, anonymous: 10 * 1024 };
        assert_eq!(Usage::read(status), Some(usage));
        assert_eq!(Usage::read("Name:\tx\n"), None);
    }

    #[test]
    fn a_peak_that_was_reset_is_not_above_what_was_held_before() {
        let before = Usage::of(std::process::id()).unwrap();
        assert!(before.peak >= before.resident && before.resident >= before.anonymous);
        let large = std::hint::black_box(vec![1u8; 64 * 1024 * 1024]);
        assert!(Usage::of(std::process::id()).unwrap().peak >= large.len() as u64);
        drop(large);
        reset_peak(std::process::id()).unwrap();
        assert!(Usage::of(std::process::id()).unwrap().peak < before.peak + 32 * 1024 * 1024);
    }
}
