//! Ctrl+C and its relatives: they ask us to end what we started, instead of ending us on the spot.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From here on, the signals that end a program only set a flag.
pub fn watch() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ASKED)).context("cannot watch for signals")?;
    }
    Ok(())
}

/// Whether somebody asked us to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error where somebody asked us to stop, so that `?` leads out of whatever was being done.
pub fn check() -> Result<()> {
    if asked() {
        bail!("Stopped on request.");
    }
    Ok(())
}
