//! Python with the libraries that tests need, in a folder of its own below `target`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::program::target_directory;

/// Python scripts that speak with our programs, and what they need.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// A command that runs a script of `tests/python`. The first one makes the folder, which takes the network and a while.
pub fn python(script: &str) -> Command {
    static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(prepare);
    match &*PYTHON {
        Ok(python) => {
            let mut command = Command::new(python);
            command.args(["-I", "-u"]).arg(Path::new(SCRIPTS).join(script));
            command
        }
        Err(reason) => panic!(
            "{reason}\nThese tests need Python 3 with venv and pip, and once the network. On Debian:\n\n    \
             sudo apt-get install --yes --no-install-recommends python3 python3-venv\n"
        ),
    }
}

fn prepare() -> Result<PathBuf, String> {
    let folder = target_directory().join("python");
    let python = folder.join("bin/python");
    // What was installed last is beside it, so that a change in what is needed is seen.
    let (wanted, installed) = (Path::new(SCRIPTS).join("requirements.txt"), folder.join("requirements.txt"));
    let lock = File::create(target_directory().join("python.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let needs = fs::read(&wanted).map_err(|error| error.to_string())?;
    if fs::read(&installed).is_ok_and(|has| has == needs) && python.exists() {
        return Ok(python);
    }
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    succeed(Command::new(&python).args(install).arg(&wanted))?;
    fs::write(&installed, needs).map_err(|error| error.to_string())?;
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
