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
    let mut command = Command::new(cargo::programs()?.with_file_name("release").join("malote-bench"));
    if is_whole(flags) {
        command.arg("--report").arg(cargo::root().join("bench/RESULTS.md"));
    }
    run(command.args(flags))
}

/// Whether the report is to stand in the repository: one of a few measures would replace that of all.
fn is_whole(flags: &[String]) -> bool {
    !flags.iter().any(|flag| flag.starts_with("--only") || flag.starts_with("--report"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_part_replaces_nothing() {
        let whole = |line: &str| is_whole(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(whole("") && whole("--rounds 7"));
        assert!(!whole("--only latency") && !whole("--only=latency") && !whole("--report x.md"));
    }
}
