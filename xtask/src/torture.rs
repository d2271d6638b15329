//! `cargo torture`: builds the programs and their attacker in release, and lets it loose with the flags that it was given.

use std::process::Command;

use anyhow::Result;

use crate::cargo;
use crate::process::run;

const BUILD: &[&str] =
    &["build", "--release", "--package", "malote-server", "--package", "malote-cli", "--package", "malote-torture"];

pub fn run_with(flags: &[String]) -> Result<()> {
    run(&mut cargo::command(BUILD))?;
    let mut command = Command::new(cargo::programs()?.with_file_name("release").join("malote-torture"));
    if !flags.iter().any(|flag| flag.starts_with("--report") || flag.starts_with("--only")) {
        command.arg("--report").arg(cargo::root().join("docs/RELIABILITY.md"));
    }
    run(command.args(flags))
}
