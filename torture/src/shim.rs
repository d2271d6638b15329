//! Libraries in C that are preloaded into programs under attack, compiled when they are needed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Compiles a library into this file; the source is written beside it.
pub fn build(source: &str, library: &Path) -> Result<()> {
    let file = library.with_extension("c");
    fs::write(&file, source)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", "-o"]);
    command.arg(library).arg(&file).arg("-ldl");
    let compiled = command.output().with_context(|| format!("{compiler:?} is needed, a compiler for C"))?;
    ensure!(compiled.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&compiled.stderr));
    Ok(())
}
