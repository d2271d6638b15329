//! A server of one's own.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::{Ended, Running, program};
use crate::wait_for;

/// A `malote-server` with a data directory of its own. Both are gone when it is dropped.
pub struct TestServer {
    running: Option<Running>,
    ready: Ready,
    /// What was said on the command line besides address and data.
    options: Vec<String>,
    /// How much it logs, as in `MALOTE_LOG`.
    log: &'static str,
    /// Further variables of its environment.
    environment: Vec<(String, OsString)>,
    data: TempDir,
}

/// What the ready line says.
#[derive(Debug, PartialEq)]
struct Ready {
    address: SocketAddr,
    fingerprint: String,
    web: Option<String>,
}

impl TestServer {
    /// Starts a server on a free port, without a web listener.
    pub fn start() -> TestServer {
        TestServer::start_with(&[])
    }

    /// Starts a server on a free port with further flags, which it keeps when it is started again, and without a web
    /// listener.
    pub fn start_with(flags: &[&str]) -> TestServer {
        TestServer::start_as(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &[&["--web", "off"], flags].concat())
    }

    /// Starts a new server at this address, without a web listener.
    pub fn start_at(address: SocketAddr) -> TestServer {
        TestServer::start_as(address, &["--web", "off"])
    }

    /// Starts a server on a free port, with a web listener on another one.
    pub fn start_with_web() -> TestServer {
        TestServer::start_with_web_and_log("info")
    }

    /// The same, logging as much as `MALOTE_LOG` would ask for.
    pub fn start_with_web_and_log(log: &'static str) -> TestServer {
        TestServer::start_logging(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &["--web", "127.0.0.1:0"], log)
    }

    /// Starts a new server at this address, with these options beside.
    pub fn start_as(address: SocketAddr, options: &[&str]) -> TestServer {
        TestServer::start_logging(address, options, "info")
    }

    /// Starts a server on a free port, without a web listener, whose data lie below this folder.
    pub fn start_in(folder: &Path) -> TestServer {
        let data = tempfile::tempdir_in(folder).expect("a folder for the server's data");
        TestServer::start_on(data, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &["--web", "off"], "info")
    }

    fn start_logging(address: SocketAddr, options: &[&str], log: &'static str) -> TestServer {
        let data = tempfile::tempdir().expect("a folder for the server's data");
        TestServer::start_on(data, address, options, log)
    }

    fn start_on(data: TempDir, address: SocketAddr, options: &[&str], log: &'static str) -> TestServer {
        let options: Vec<String> = options.iter().map(|option| option.to_string()).collect();
        let (running, ready) = run(address, data.path(), &options, log, &[]);
        TestServer { running: Some(running), ready, options, log, environment: Vec::new(), data }
    }

    /// Has these variables in its environment whenever it is started again.
    pub fn set_environment(&mut self, environment: impl IntoIterator<Item = (&'static str, OsString)>) {
        self.environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }

    /// A `malote-server` with these arguments, to be started.
    pub fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program("malote-server"));
        command.args(arguments).env_remove("MALOTE_LANG").env_remove("MALOTE_LOG");
        command
    }

    pub fn address(&self) -> SocketAddr {
        self.ready.address
    }

    pub fn fingerprint(&self) -> &str {
        &self.ready.fingerprint
    }

    /// Where browsers find it, such as `http://127.0.0.1:44780`.
    #[track_caller]
    pub fn web(&self) -> &str {
        self.ready.web.as_deref().expect("the server has a web listener")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.running.as_ref().expect("the server runs").stderr()
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> u64 {
        self.running.as_ref().expect("the server runs").memory()
    }

    /// The most that it has held since it started, or since [`TestServer::forget_peak`].
    pub fn peak_memory(&self) -> u64 {
        self.running.as_ref().expect("the server runs").peak_memory()
    }

    /// From here on, the peak is that of what follows.
    pub fn forget_peak(&self) {
        self.running.as_ref().expect("the server runs").forget_peak();
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

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> Ended {
        self.running.take().expect("the server runs").wait()
    }

    /// Starts it again, at the same addresses and with the same data.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        // A page goes on with the address that it came from.
        let mut options = self.options.clone();
        let web = self.ready.web.as_deref().and_then(|url| url.split_once("://"));
        if let (Some((_, web)), Some(flag)) = (web, options.iter().position(|option| option == "--web")) {
            options[flag + 1] = web.to_owned();
        }
        let (running, ready) = run(self.ready.address, self.data.path(), &options, self.log, &self.environment);
        assert_eq!(ready, self.ready);
        self.running = Some(running);
    }
}

/// Runs a server until it is ready. A port that was free a moment ago may serve somebody's outgoing connection
/// meanwhile, so an address in use is tried again.
fn run(
    address: SocketAddr,
    data: &Path,
    options: &[String],
    log: &str,
    environment: &[(String, OsString)],
) -> (Running, Ready) {
    let asked_for = |ended: &Ended| {
        let said =
            |option: &str| option.parse().is_ok_and(|at: SocketAddr| at.port() != 0) && ended.stderr.contains(option);
        said(&address.to_string()) || options.iter().any(|option| said(option))
    };
    wait_for(&format!("a server on {address}"), || match try_run(address, data, options, log, environment) {
        Ok(running) => Some(running),
        Err(ended) if asked_for(&ended) => None,
        Err(ended) => panic!("malote-server does not start: {ended:?}"),
    })
}

fn try_run(
    address: SocketAddr,
    data: &Path,
    options: &[String],
    log: &str,
    environment: &[(String, OsString)],
) -> Result<(Running, Ready), Ended> {
    let mut command = TestServer::command(options);
    command.arg("--listen").arg(address.to_string()).arg("--data").arg(data).env("MALOTE_LOG", log);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut running = Running::start(&mut command);
    let Some(line) = running.line() else { return Err(running.wait()) };
    let (address, fingerprint, web) = match line.split(' ').collect::<Vec<_>>()[..] {
        ["malote-server", "ready", address, fingerprint] => (address, fingerprint, None),
        ["malote-server", "ready", address, fingerprint, "web", url] => (address, fingerprint, Some(url.to_owned())),
        _ => panic!("not a ready line: {line}"),
    };
    let address = address.parse().unwrap_or_else(|_| panic!("not an address: {line}"));
    Ok((running, Ready { address, fingerprint: fingerprint.to_owned(), web }))
}
