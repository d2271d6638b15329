//! What the system must have beyond Rust and a C compiler: the libraries that the window loads when it starts, and a
//! display for where there is none. On Debian and its relatives we install it where we may.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{run, succeeds, text};

/// What a window loads when it starts.
const FOR_WINDOWS: &[&str] =
    &["libegl1", "libgl1", "libgl1-mesa-dri", "libx11-6", "libx11-xcb1", "libxcursor1", "libxi6", "libxkbcommon-x11-0"];

/// What a display of our own is made of, and what types, clicks and takes pictures on it.
const FOR_OWN_DISPLAY: &[&str] = &["imagemagick", "openbox", "x11-xkb-utils", "xdotool", "xvfb"];

/// What makes the hosts and the other programs that exist in tests only.
const FOR_TESTS: &[&str] = &["iproute2", "python3", "python3-venv"];

/// What the benchmark compares with, and what it fetches the rest with.
const FOR_BENCHMARKS: &[&str] = &["mosquitto", "python3", "python3-venv"];

/// The programs among these packages, to look for where packages have other names.
const FOR_OWN_DISPLAY_PROGRAMS: &[&str] = &["Xvfb", "openbox", "xdotool", "import", "xkbcomp"];
const FOR_TESTS_PROGRAMS: &[&str] = &["ip", "python3", "chromium", "chromedriver"];
const FOR_BENCHMARKS_PROGRAMS: &[&str] = &["mosquitto", "python3"];

/// Makes sure that windows can be shown on the display that the person looks at.
pub fn prepare_for_windows() -> Result<()> {
    prepare(FOR_WINDOWS, &[])
}

/// Makes sure that windows can be shown and photographed on a display of our own.
pub fn prepare_for_own_display() -> Result<()> {
    prepare(&[FOR_WINDOWS, FOR_OWN_DISPLAY].concat(), FOR_OWN_DISPLAY_PROGRAMS)
}

/// The same, and that a browser can be used and all tests can run.
pub fn prepare_for_tests() -> Result<()> {
    let packages = [FOR_WINDOWS, FOR_OWN_DISPLAY, FOR_TESTS].concat();
    prepare(&packages, &[FOR_OWN_DISPLAY_PROGRAMS, FOR_TESTS_PROGRAMS].concat())
}

/// Makes sure that the server can be compared with others.
pub fn prepare_for_benchmarks() -> Result<()> {
    prepare(FOR_BENCHMARKS, FOR_BENCHMARKS_PROGRAMS)
}

fn prepare(packages: &[&str], programs: &[&str]) -> Result<()> {
    if !succeeds("dpkg-query", &["--version"]) {
        return check_programs(programs);
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(prefix) = administrator() else {
        bail!(
            "This system lacks {}. Please install with this command, then try again:\n\n    \
             sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}\n",
            missing.join(", "),
            missing.join(" ")
        );
    };
    println!("Installing with apt-get: {}", missing.join(" "));
    let apt = |arguments: &[&str]| {
        let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        run(Command::new(words[0]).args(&words[1..]))
    };
    let install = [&["install", "--yes", "--no-install-recommends"], &missing[..]].concat();
    // Fresh machines and containers know no packages at all; on others, the list can be too old to be of use.
    if knows_packages() && apt(&install).is_ok() {
        return Ok(());
    }
    apt(&["update"])?;
    apt(&install)
}

/// Where packages have names that we do not know, the programs at least can be looked for.
fn check_programs(programs: &[&str]) -> Result<()> {
    let exists = |program: &&str| succeeds("sh", &["-c", &format!("command -v {program}")]);
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !exists(program)).collect();
    if !missing.is_empty() {
        bail!(
            "This system lacks the programs {}. It is no Debian or Ubuntu, so please install them as is usual here. On \
             Debian they are in the packages {}.",
            missing.join(", "),
            [FOR_OWN_DISPLAY, FOR_TESTS, FOR_BENCHMARKS].concat().join(", ")
        );
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    // One line for each architecture; "ii" is wanted and installed.
    text(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Abbrev}\\n", package]))
        .is_ok_and(|states| states.lines().any(|state| state.starts_with("ii")))
}

/// What to write before a command that only an administrator may run, if we may run such commands without a password.
fn administrator() -> Option<&'static [&'static str]> {
    if text(Command::new("id").arg("--user")).is_ok_and(|id| id == "0") {
        Some(&[])
    } else if succeeds("sudo", &["-n", "true"]) {
        Some(&["sudo", "-n"])
    } else {
        None
    }
}

fn knows_packages() -> bool {
    let Ok(lists) = fs::read_dir("/var/lib/apt/lists") else { return false };
    lists.flatten().any(|list| list.file_name().to_string_lossy().contains("_Packages"))
}
