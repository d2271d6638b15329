//! A server of one's own.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Ended, Running, program};
use crate::wait_for;

/// A `malote-server` with a data directory of its own. Both are gone when it is dropped.
pub struct TestServer {
    running: Option<Running>,
    address: SocketAddr,
    fingerprint: String,
    data: TempDir,
}

impl TestServer {
    /// Starts a server on a free port.
    pub fn start() -> TestServer {
        TestServer::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts a new server at this address.
    pub fn start_at(address: SocketAddr) -> TestServer {
        let data = tempfile::tempdir().expect("a folder for the server's data");
        let (running, address, fingerprint) = run(address, data.path());
        TestServer { running: Some(running), address, fingerprint, data }
    }

    /// A `malote-server` with these arguments, to be started.
    pub fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program("malote-server"));
        command.args(arguments).env_remove("MALOTE_LANG").env_remove("MALOTE_LOG");
        command
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.running.take().expect("the server runs").kill();
    }

    /// Ends it with SIGTERM, as the system does, and expects it to end well.
    #[track_caller]
    pub fn stop(&mut self) {
        self.stop_with("TERM").expect_status(0);
    }

    /// Sends it a signal that ends it.
    #[track_caller]
    pub fn stop_with(&mut self, signal: &str) -> Ended {
        let running = self.running.take().expect("the server runs");
        running.signal(signal);
        running.wait()
    }

    /// Starts it again, at the same address and with the same data.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        let (running, address, fingerprint) = run(self.address, self.data.path());
        assert_eq!((address, fingerprint.as_str()), (self.address, self.fingerprint.as_str()));
        self.running = Some(running);
    }
}

/// Runs a server until it is ready. A port that was free a moment ago may serve somebody's outgoing connection
/// meanwhile, so an address in use is tried again.
fn run(address: SocketAddr, data: &Path) -> (Running, SocketAddr, String) {
    wait_for(&format!("a server on {address}"), || match try_run(address, data) {
        Ok(running) => Some(running),
        Err(ended) if ended.stderr.contains(&address.to_string()) && address.port() != 0 => None,
        Err(ended) => panic!("malote-server does not start: {ended:?}"),
    })
}

fn try_run(address: SocketAddr, data: &Path) -> Result<(Running, SocketAddr, String), Ended> {
    let address_text = address.to_string();
    let arguments = ["--web", "off", "--listen", &address_text, "--data"].map(OsStr::new);
    let arguments = [&arguments[..], &[data.as_os_str()]].concat();
    let mut running = Running::start(&mut TestServer::command(&arguments));
    let Some(line) = running.line() else { return Err(running.wait()) };
    let words: Vec<&str> = line.split(' ').collect();
    let ["malote-server", "ready", address, fingerprint] = words[..] else { panic!("not a ready line: {line}") };
    let address = address.parse().unwrap_or_else(|_| panic!("not an address: {line}"));
    Ok((running, address, fingerprint.to_owned()))
}
