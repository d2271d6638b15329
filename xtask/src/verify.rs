//! `cargo verify`: everything that must hold before a change is shared. All steps are run even where one fails, so that one
//! run tells everything; its last line counts what passed and what failed.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::display::Display;
use crate::house_rules::{self, Tree};
use crate::process::{self, run, run_watching, succeeds};
use crate::{bench, cargo, interrupt, script, system, torture};

pub fn run_all() -> Result<ExitCode> {
    let mut report = Report::default();
    let has_packages = report.step("Packages of the system", || one(system::prepare_for_tests()))?;
    report.step("Formatting", || one(run(&mut cargo::command(&["fmt", "--all", "--check"]))))?;
    report.step("Clippy", || one(run(&mut cargo::command(CLIPPY))))?;
    report.step("House rules", house_rules)?;
    let is_built =
        report.step("Building the programs", || one(run(&mut cargo::command(&["build", "--workspace", "--bins"]))))?;
    if has_packages && is_built {
        report.step("Tests", tests)?;
        report.step("Windows", || one(script::play()))?;
        report.step("Attacks, the short form", || one(torture::run_with(&[])))?;
        report.step("Benchmark, the short form", || one(bench::run_with(&["--quick".to_owned()])))?;
    } else {
        report.leave_out("Tests", "not run, since there is nothing to run them with");
        report.leave_out("Windows", "not run, since there is nothing to run them with");
        report.leave_out("Attacks", "not run, since there is nothing to run them with");
        report.leave_out("Benchmark", "not run, since there is nothing to run it with");
    }
    if succeeds("cargo", &["deny", "--version"]) {
        report.step("Licences, bans and sources", || one(run(&mut deny(&["check", "licenses", "bans", "sources"]))))?;
        report.step("Advisories", advisories)?;
    } else {
        report.leave_out("cargo-deny", "not installed here; `cargo install --locked cargo-deny` installs it");
    }
    Ok(report.finish())
}

const CLIPPY: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// What one step found: tests and checks.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    remark: Option<String>,
}

/// What there is to tell in the end.
#[derive(Default)]
struct Report {
    passed: usize,
    failed: usize,
    lines: Vec<String>,
}

impl Report {
    /// Runs a step under its heading, and tells whether it passed. The error is that somebody asked us to stop.
    fn step(&mut self, title: &str, check: impl FnOnce() -> Result<Tally>) -> Result<bool> {
        println!("\n── {title} ──");
        let start = Instant::now();
        let tally = check();
        interrupt::check()?;
        let tally = tally.unwrap_or_else(|error| {
            eprintln!("{error:#}");
            Tally { failed: 1, ..Tally::default() }
        });
        self.passed += tally.passed;
        self.failed += tally.failed;
        let line = describe(title, &tally, start.elapsed());
        println!("{line}");
        self.lines.push(line);
        Ok(tally.failed == 0)
    }

    fn leave_out(&mut self, title: &str, reason: &str) {
        println!("\n── {title} ──\n{reason}");
        self.lines.push(format!("–  {title}: {reason}"));
    }

    fn finish(self) -> ExitCode {
        println!("\n── Summary ──");
        for line in &self.lines {
            println!("{line}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn describe(title: &str, tally: &Tally, time: Duration) -> String {
    let mark = match tally {
        Tally { failed: 1.., .. } => "✗",
        Tally { passed: 0, .. } => "–",
        _ => "✓",
    };
    let mut line = format!("{mark}  {title}: {} passed, {} failed", tally.passed, tally.failed);
    if let Some(remark) = &tally.remark {
        line.push_str(&format!(", {remark}"));
    }
    line.push_str(&format!(" ({:.1} s)", time.as_secs_f32()));
    line
}

/// A step that is one check.
fn one(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally { passed: 1, ..Tally::default() })
}

/// Every rule is a check of its own.
fn house_rules() -> Result<Tally> {
    let tree = Tree::read(&cargo::root())?;
    let mut tally = Tally::default();
    for rule in house_rules::RULES {
        let findings = (rule.find)(&tree);
        for finding in &findings {
            println!("{finding}");
        }
        if findings.is_empty() {
            tally.passed += 1;
        } else {
            println!("✗ {}: {} findings", rule.demand, findings.len());
            tally.failed += 1;
        }
    }
    Ok(tally)
}

/// All tests of the workspace, on a display of our own for those that open windows.
fn tests() -> Result<Tally> {
    let display = Display::own()?;
    let mut tally = Tally::default();
    let mut command = cargo::command(&["test", "--workspace", "--no-fail-fast"]);
    let ran = run_watching(display.apply(&mut command), |line| {
        if let Some((passed, failed)) = test_result(line) {
            tally.passed += passed;
            tally.failed += failed;
        }
    });
    // A test program that does not compile or that dies has no failed tests to count.
    if let Err(error) = ran
        && tally.failed == 0
    {
        eprintln!("{error:#}");
        tally.failed = 1;
    }
    Ok(tally)
}

/// The numbers in `test result: ok. 12 passed; 0 failed; …`.
fn test_result(line: &str) -> Option<(usize, usize)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let (passed, rest) = counts.split_once(" passed; ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

/// Known vulnerabilities of our dependencies. The list of them comes over the network, which not every place has.
fn advisories() -> Result<Tally> {
    if let Err(error) = process::output(&mut deny(&["fetch", "db"])) {
        println!("The database of advisories cannot be fetched, so it is not consulted:\n{error:#}");
        return Ok(Tally {
            remark: Some("not checked, since the database cannot be reached".into()),
            ..Tally::default()
        });
    }
    one(run(&mut deny(&["check", "advisories"])))
}

fn deny(arguments: &[&str]) -> Command {
    cargo::command(&[&["deny"], arguments].concat())
}

/// The checks of all house rules and nothing else, for the impatient.
pub fn run_house_rules() -> Result<ExitCode> {
    let tally = house_rules()?;
    if tally.failed > 0 {
        bail!("{} of the house rules are broken", tally.failed);
    }
    println!("All {} house rules are kept.", tally.passed);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_tests_are_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(test_result(line), Some((3, 2)));
        assert_eq!(test_result("test address::tests::names ... ok"), None);
    }

    #[test]
    fn what_was_not_checked_is_no_success() {
        let tally = Tally { remark: Some("not checked".into()), ..Tally::default() };
        let line = describe("Advisories", &tally, Duration::from_millis(250));
        assert_eq!(line, "–  Advisories: 0 passed, 0 failed, not checked (0.2 s)");
    }
}
