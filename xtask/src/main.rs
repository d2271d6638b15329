//! The project's own commands. `cargo demo`, `cargo verify`, `cargo bench-all` and `cargo torture` are aliases of this program; `.cargo/config.toml` has them.
//!
//! Whoever has just cloned the project waits for this program before anything else happens, so it has few dependencies.

mod bench;
mod browser;
mod cargo;
mod demo;
mod display;
mod house_rules;
mod interrupt;
mod picture;
mod process;
mod script;
mod stage;
mod system;
mod torture;
mod verify;
mod xdotool;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
The commands of this project:

  cargo demo            starts a server and three windows beside each other: Usuario0, Usuario1 and Usuario2
  cargo demo --script   plays a short exchange through three real windows on a display of its own and checks it
  cargo verify          runs every check: formatting, clippy, house rules, tests, windows, cargo-deny
  cargo verify --rules  checks the house rules only, which takes a moment
  cargo bench-all       measures the server against others on this machine and writes bench/RESULTS.md
  cargo bench-all --quick   the short form, which fails on gross regressions; --help tells the other flags
  cargo torture         attacks the programs, a few minutes long, and checks that every promise holds
  cargo torture --hours 8   goes on for so long and writes docs/RELIABILITY.md; --help tells the other flags";

/// What the person at the keyboard asked for.
#[derive(Debug, PartialEq)]
enum Task {
    Demo,
    Script,
    Verify,
    HouseRules,
    /// With the benchmark's own flags.
    Bench(Vec<String>),
    /// With its own flags.
    Torture(Vec<String>),
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    interrupt::watch()?;
    match task {
        Task::Demo => demo::run().map(|()| ExitCode::SUCCESS),
        Task::Script => script::run().map(|()| ExitCode::SUCCESS),
        Task::Verify => verify::run_all(),
        Task::HouseRules => verify::run_house_rules(),
        Task::Bench(flags) => bench::run_with(&flags).map(|()| ExitCode::SUCCESS),
        Task::Torture(flags) => torture::run_with(&flags).map(|()| ExitCode::SUCCESS),
        Task::Help => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn parse(arguments: &[String]) -> Option<Task> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["demo"] => Some(Task::Demo),
        ["demo", "--script"] => Some(Task::Script),
        ["verify"] => Some(Task::Verify),
        ["verify", "--rules"] => Some(Task::HouseRules),
        ["bench-all", ..] => Some(Task::Bench(arguments[1..].to_vec())),
        ["torture", ..] => Some(Task::Torture(arguments[1..].to_vec())),
        ["--help" | "-h" | "help"] | [_, "--help" | "-h"] => Some(Task::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Option<Task> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands() {
        assert_eq!(parse_line("demo"), Some(Task::Demo));
        assert_eq!(parse_line("demo --script"), Some(Task::Script));
        assert_eq!(parse_line("verify"), Some(Task::Verify));
        assert_eq!(parse_line("demo --help"), Some(Task::Help));
        let flags = vec!["--quick".to_owned(), "--help".to_owned()];
        assert_eq!(parse_line("bench-all --quick --help"), Some(Task::Bench(flags)));
        assert_eq!(parse_line("torture --hours 2"), Some(Task::Torture(vec!["--hours".to_owned(), "2".to_owned()])));
        assert_eq!(parse_line("demo --scirpt"), None);
        assert_eq!(parse_line(""), None);
    }
}
