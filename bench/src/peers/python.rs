//! What comes from PyPI, in a folder of its own: `target/bench/python`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::stage::Stage;

/// The chat, and what is to be fetched.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A file of `bench/peers`.
pub fn script(name: &str) -> PathBuf {
    Path::new(PEERS).join(name)
}

/// The folder with the programs, python among them; makes it where it is not there, which takes the network and a while.
/// The error is a sentence that says what is missing.
pub fn programs(stage: &Stage) -> Result<PathBuf, String> {
    // What could not be fetched once is not tried again in the same run.
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAMS.get_or_init(|| prepare(stage)).clone()
}

fn prepare(stage: &Stage) -> Result<PathBuf, String> {
    let folder = stage.folder.join("python");
    let programs = folder.join("bin");
    // What was installed last is beside it, so that a change in what is needed is seen.
    let (wanted, installed) = (script("requirements.txt"), folder.join("requirements.txt"));
    let needs = fs::read(&wanted).map_err(|error| format!("{} cannot be read: {error}", wanted.display()))?;
    if fs::read(&installed).is_ok_and(|has| has == needs) && programs.join("python").exists() {
        return Ok(programs);
    }
    crate::measures::progress("fetching the peers from PyPI");
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|reason| format!("Python 3 with venv is missing (Debian: python3, python3-venv): {reason}"))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    succeed(Command::new(programs.join("python")).args(install).arg(&wanted)).map_err(|reason| {
        let names = String::from_utf8_lossy(&needs).trim().replace('\n', ", ");
        format!("these packages of PyPI cannot be fetched: {names}: {reason}")
    })?;
    fs::write(&installed, needs).map_err(|error| format!("{} cannot be written: {error}", installed.display()))?;
    Ok(programs)
}

/// What a program says of its version: the first line.
pub fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned())
}

/// The error is the last line of what the program says, without the places on this computer that it may have named before.
fn succeed(command: &mut Command) -> Result<(), String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().trim().to_owned()),
    }
}
