//! Where and how everything is measured: folders, cores, rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::ClientConfig;
use tempfile::TempDir;

use crate::load::tls;
use crate::machine::Cores;

/// What every measure needs.
pub struct Stage {
    /// Where the release builds are, this program among them.
    pub programs: PathBuf,
    /// Where everything goes that a run leaves or makes, on the disk that is measured: `target/bench`.
    pub folder: PathBuf,
    pub cores: Cores,
    pub tls: Arc<ClientConfig>,
    /// How often the systems are measured in turn.
    pub rounds: usize,
    /// Whether this is the short form, which only looks for gross regressions.
    pub quick: bool,
}

impl Stage {
    pub fn new(rounds: usize, quick: bool) -> Result<Stage> {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let programs = this.parent().unwrap_or(Path::new(".")).to_owned();
        let folder = programs.parent().unwrap_or(&programs).join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Stage { programs, folder, cores: Cores::divide()?, tls: tls::config()?, rounds, quick })
    }

    /// A new folder for a server's data, on the disk that is measured. It goes when it is dropped.
    pub fn fresh_folder(&self) -> Result<TempDir> {
        tempfile::Builder::new().prefix("run-").tempdir_in(&self.folder).context("cannot make a folder for a server")
    }

    /// How long a system is loaded before anything counts: caches fill, buffers grow, files are preallocated.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_000 })
    }

    /// How long it is then measured.
    pub fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 1_000 } else { 3_000 })
    }
}
