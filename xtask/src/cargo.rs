//! The workspace as Cargo sees it: where it is, where its programs are built, and how Cargo is called.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The folder of the workspace.
pub fn root() -> PathBuf {
    // Cargo tells the folder of this crate when it runs us. Where we are started by hand, it is where we were built.
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&here).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The folder into which the workspace's programs are built. We are one of them.
pub fn programs() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find this program's own file")?;
    Ok(this.parent().context("this program's file has no folder")?.to_owned())
}

/// The folder for screenshots, which now exists.
pub fn demo_folder() -> Result<PathBuf> {
    let programs = programs()?;
    let folder = programs.parent().unwrap_or(&programs).join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Cargo, to be run in the workspace with these arguments.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What Cargo told us about our own crate must not reach the build scripts of others: some of them ask to be run
    // again where these variables change, and half the workspace would be built anew each time.
    for (name, _) in env::vars_os() {
        if let Some(text) = name.to_str()
            && (text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(text);
        }
    }
    command
}
