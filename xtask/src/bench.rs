//! `cargo bench-all`: builds server and benchmark in release, and runs the benchmark with the flags that it was given.

use std::process::Command;

use anyhow::Result;

use crate::process::run;
use crate::{cargo, system};

const BUILD: &[&str] = &["build", "--release", "--package", "malote-server", "--package", "malote-bench"];

pub fn run_with(flags: &[String]) -> Result<()> {
    // What is missing is named in the report; the rest can be measured without it.
    if let Err(error) = system::prepare_for_benchmarks() {
        eprintln!("{error:#}");
    }
    run(&mut cargo::command(BUILD))?;
    let program = cargo::programs()?.with_file_name("release").join("malote-bench");
    let report = cargo::root().join("bench/RESULTS.md");
    run(Command::new(program).arg("--report").arg(report).args(flags))
}
