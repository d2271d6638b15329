//! Two computers on a cable: network namespaces joined by a pair of virtual interfaces. Only root may make them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::{Cli, Ended, Running, TestServer, parsed};

/// The interface of each computer, by the same name.
const INTERFACE: &str = "eth0";

/// The port of a server that is told none: nobody else is in its namespace.
pub const PORT: u16 = malote_common::limits::DEFAULT_PORT;

/// Two computers, gone when this is dropped, with whatever is left on their cable.
pub struct Cable {
    /// The end where the server is.
    pub server: Host,
    /// The other end.
    pub client: Host,
}

/// Where the server's computer is at first.
pub const SERVER: &str = "10.77.0.1";

/// Where the client's computer is at first.
pub const CLIENT: &str = "10.77.0.2";

/// A computer, as far as its network goes: files and processes are everybody's.
pub struct Host {
    namespace: String,
}

impl Cable {
    /// Lays the cable. Where we may not, it says why and returns nothing: the test is skipped.
    pub fn lay(test: &str) -> Option<Cable> {
        match Cable::try_lay() {
            Ok(cable) => Some(cable),
            Err(reason) => {
                // Not with println, which the test harness keeps to itself where a test passes.
                let _ = writeln!(io::stderr(), "{test} is skipped: {reason}");
                None
            }
        }
    }

    fn try_lay() -> Result<Cable, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let end = |end: &str| {
            let namespace = format!("malote-{}-{number}-{end}", std::process::id());
            permitted(&["netns", "add", &namespace])?;
            Ok::<_, String>(Host { namespace })
        };
        let cable = Cable { server: end("server")?, client: end("client")? };
        let ends = [&cable.server.namespace, &cable.client.namespace];
        let link = ["link", "add", INTERFACE, "netns", ends[0], "type", "veth", "peer", "name", INTERFACE, "netns"];
        permitted(&[&link[..], &[ends[1]]].concat())?;
        for (host, address) in [(&cable.server, SERVER), (&cable.client, CLIENT)] {
            host.ip(&["link", "set", "lo", "up"]);
            host.ip(&["link", "set", INTERFACE, "up"]);
            host.ip(&["addr", "add", &format!("{address}/24"), "dev", INTERFACE]);
        }
        Ok(cable)
    }
}

impl Host {
    /// Takes its address away, and gives it another one.
    pub fn renumber(&self, from: &str, to: &str) {
        self.ip(&["addr", "del", &format!("{from}/24"), "dev", INTERFACE]);
        self.ip(&["addr", "add", &format!("{to}/24"), "dev", INTERFACE]);
    }

    /// Pulls the cable out. Nobody is told goodbye.
    pub fn unplug(&self) {
        self.ip(&["link", "set", INTERFACE, "down"]);
    }

    /// Puts the cable back in.
    pub fn plug_in(&self) {
        self.ip(&["link", "set", INTERFACE, "up"]);
    }

    /// Swallows whatever is for this address, as a firewall does.
    pub fn swallow(&self, address: &str) {
        self.ip(&["route", "add", "blackhole", &format!("{address}/32")]);
    }

    /// Starts a server here with these arguments, and waits until it is ready.
    pub fn serve(&self, data: &Path, arguments: &[&str]) -> Server {
        let mut command = TestServer::command(arguments);
        command.arg("--data").arg(data);
        let mut running = Running::start(&mut self.inside(&command));
        let ready = running.next_line();
        let fingerprint = ready.split(' ').nth(3).expect("the ready line has a fingerprint").to_owned();
        Server { running, fingerprint }
    }

    /// Does a part of the test as a program on this computer would.
    #[track_caller]
    pub fn visit(&self, visit: impl FnOnce() + Send) {
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace)).expect("ip keeps namespaces there");
        // Threads that this one starts stay where it is.
        let there = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may go there");
            visit();
        };
        thread::scope(|scope| scope.spawn(there).join()).unwrap_or_else(|panic| resume_unwind(panic));
    }

    /// Somebody at this computer.
    pub fn person(&self, server: &str) -> Person<'_> {
        Person { host: self, cli: Cli::at(server) }
    }

    fn ip(&self, arguments: &[&str]) {
        let arguments = [&["-n", &self.namespace], arguments].concat();
        ip(&arguments).unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// The same command, here. `ip netns exec` becomes the program, so signals reach it.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.namespace]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Panicking here would hide why a test failed. The interfaces go with the namespace.
        if let Err(reason) = ip(&["netns", "del", &self.namespace]) {
            eprintln!("{} is left behind: {reason}", self.namespace);
        }
    }
}

/// A server on one of the computers. Dropping it kills it.
pub struct Server {
    running: Running,
    /// Its key's, as the ready line says it.
    pub fingerprint: String,
}

impl Server {
    /// Ends it as the system does, and expects it to end well.
    #[track_caller]
    pub fn stop(self) {
        self.running.signal("TERM");
        self.running.wait().expect_status(0);
    }
}

/// Somebody at one of the computers.
pub struct Person<'a> {
    host: &'a Host,
    cli: Cli,
}

impl<'a> Person<'a> {
    /// The same person, with what they have, at another server.
    pub fn moved_to(self, server: &str) -> Person<'a> {
        Person { host: self.host, cli: self.cli.moved_to(server) }
    }

    /// Starts `malote-cli` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.host.inside(&self.cli.command(arguments)))
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// The objects that a command prints with `--json`; it must succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let ended = self.run(&[&["--json"], arguments].concat()).expect_status(0);
        ended.stdout.lines().map(parsed).collect()
    }

    /// Who this person is at the server.
    #[track_caller]
    pub fn name(&self) -> String {
        self.run(&["whoami"]).expect_status(0).stdout.trim_end().to_owned()
    }

    /// The bodies in the inbox, oldest first.
    #[track_caller]
    pub fn bodies(&self) -> Vec<String> {
        self.json(&["inbox"]).iter().map(|letter| letter["body"].as_str().expect("a text").to_owned()).collect()
    }

    /// The folder of the profile that is used where none is named.
    pub fn profile(&self) -> std::path::PathBuf {
        self.cli.profile()
    }
}

/// A folder for a server's data.
pub fn data() -> TempDir {
    tempfile::tempdir().expect("a folder for the server's data")
}

/// What only some may do: an error where we are not among them, a panic where it fails otherwise.
fn permitted(arguments: &[&str]) -> Result<(), String> {
    match ip(arguments) {
        Err(reason)
            if !["not permitted", "not supported", "denied", "is not there"].iter().any(|why| reason.contains(why)) =>
        {
            panic!("{reason}")
        }
        result => result,
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let said = Command::new("ip").args(arguments).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "the program ip (iproute2) is not there".to_owned(),
        _ => error.to_string(),
    })?;
    let stderr = String::from_utf8_lossy(&said.stderr);
    if said.status.success() { Ok(()) } else { Err(format!("ip {}: {}", arguments.join(" "), stderr.trim_end())) }
}
