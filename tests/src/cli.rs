//! A person at the command line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::TestServer;
use crate::program::{Ended, Running, program};

/// Seconds for which a command waits for the server: it gives up before we give it up.
const TIMEOUT: &str = "30";

/// `malote-cli` with a home of its own, for one server. The home is gone when it is dropped.
pub struct Cli {
    home: TempDir,
    server: String,
}

impl Cli {
    /// Somebody whom the server does not know yet.
    pub fn new(server: &TestServer) -> Cli {
        Cli::at(&server.address().to_string())
    }

    /// The same, for whatever is at this address.
    pub fn at(server: &str) -> Cli {
        Cli { home: tempfile::tempdir().expect("a folder for profiles"), server: server.to_owned() }
    }

    /// Somebody whose profile lies below this folder.
    pub fn new_in(folder: &Path, server: &TestServer) -> Cli {
        let home = tempfile::tempdir_in(folder).expect("a folder for profiles");
        Cli { home, server: server.address().to_string() }
    }

    /// The same person, who goes to another server from now on.
    pub fn moved_to(self, server: &str) -> Cli {
        Cli { home: self.home, server: server.to_owned() }
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Where the profiles live.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The folder of the profile that is used where none is named.
    pub fn profile(&self) -> PathBuf {
        self.home().join("0")
    }

    /// `malote-cli` with these arguments, to be started. It is patient unless they say otherwise.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program("malote-cli"));
        command.args(["--server", &self.server]);
        if !arguments.iter().any(|argument| argument.as_ref() == "--timeout") {
            command.args(["--timeout", TIMEOUT]);
        }
        command.args(arguments).env("MALOTE_HOME", self.home()).env_remove("MALOTE_LANG");
        command
    }

    /// Starts a command that goes on by itself.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// The same, with something on the standard input.
    #[track_caller]
    pub fn run_with_input(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ended {
        Running::start_with_input(&mut self.command(arguments), input.into()).wait()
    }

    /// Who this person is at the server.
    #[track_caller]
    pub fn name(&self) -> String {
        self.run(&["whoami"]).expect_status(0).stdout.trim_end().to_owned()
    }

    /// Sends a message that every recipient must accept.
    #[track_caller]
    pub fn send(&self, to: &str, subject: &str, body: &str) {
        self.run(&["send", "--to", to, "--subject", subject, "--", body]).expect_status(0);
    }

    /// The objects that a command prints with `--json`; it must succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["--json"], arguments].concat()).expect_status(0);
        ended.stdout.lines().map(parsed).collect()
    }

    /// The bodies in the inbox, oldest first.
    #[track_caller]
    pub fn bodies(&self) -> Vec<String> {
        let text = |letter: &Value| letter["body"].as_str().expect("a body is a text").to_owned();
        self.json(&["inbox"]).iter().map(text).collect()
    }
}

/// A line of output as JSON.
#[track_caller]
pub fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {line}: {error}"))
}
