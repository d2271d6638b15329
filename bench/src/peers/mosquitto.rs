//! Mosquitto, with persistence.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Server, python};
use crate::load::pump::Wire;
use crate::measures::pairs::WINDOW;
use crate::stage::Stage;

/// Debian puts it where ordinary people do not look for programs.
const PLACES: [&str; 2] = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];

/// Messages that may wait for one recipient: more than ever do, so that none is dropped.
const QUEUED: u64 = 100_000;

pub fn missing() -> Option<String> {
    program().is_none().then(|| "mosquitto is missing (Debian: apt-get install mosquitto)".to_owned())
}

pub fn version() -> Result<String> {
    let program = program().context("mosquitto is missing")?;
    python::first_line(Command::new(program).arg("-h"))
}

pub fn start(stage: &Stage) -> Result<Server> {
    let data = stage.fresh_folder()?;
    // It cannot say which port it was given, so it is told one that was free a moment ago.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    // Whoever starts it as root finds that it becomes somebody else, who may not write here.
    let user = if rustix::process::getuid().is_root() { "user root\n" } else { "" };
    let config = format!(
        "listener {} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
         max_inflight_messages {WINDOW}\nmax_queued_messages {QUEUED}\nset_tcp_nodelay true\nlog_type error\n{user}",
        address.port(),
        data.path().display(),
    );
    let file = data.path().join("mosquitto.conf");
    fs::write(&file, config)?;
    let program = program().context("mosquitto is missing")?;
    let mut process = Process::start(Command::new(program).arg("-c").arg(file), &stage.cores, data.path())?;
    process.wait_for(|_| TcpStream::connect(address).ok())?;
    Ok(Server { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())), wire: Wire::Plain, data })
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("mosquitto"));
    in_path.chain(PLACES.map(PathBuf::from)).find(|program| program.is_file())
}
