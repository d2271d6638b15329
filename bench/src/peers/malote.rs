//! Malote's own server.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::process::Process;
use super::{Crowd, Server};
use crate::load::pump::Wire;
use crate::stage::Stage;

const PROGRAM: &str = "malote-server";

/// Speaks frames without TLS.
const PLAINTEXT: &str = "--plaintext";

/// A benchmark is a flood from one address, which the allowances are there to stop. Everything else is as it comes.
const CONFIG: &str = "max-clients-per-address = 100_000\n[rate]\nburst = 4_000_000_000\nper-second = 4_000_000_000\n";

pub fn missing(stage: &Stage, tls: bool) -> Option<String> {
    let Ok(help) = Command::new(stage.programs.join(PROGRAM)).arg("--help").output() else {
        return Some(format!("{PROGRAM} is not built: cargo build --release -p {PROGRAM}"));
    };
    let speaks_plaintext = String::from_utf8_lossy(&help.stdout).contains(PLAINTEXT);
    (!tls && !speaks_plaintext).then(|| format!("this {PROGRAM} has no flag {PLAINTEXT}"))
}

pub fn version(stage: &Stage) -> Result<String> {
    let output = Command::new(stage.programs.join(PROGRAM)).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a server finds its data and clients find it.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// A folder that was there before and stays; otherwise a fresh one that goes.
    pub data: Option<PathBuf>,
    /// Otherwise a free port.
    pub address: Option<SocketAddr>,
}

pub fn start(stage: &Stage, crowd: Crowd, tls: bool) -> Result<Server> {
    start_at(stage, crowd, tls, &Site::default()).map(|(server, _)| server)
}

/// The same at a certain place, with the time from its start until it says that it is ready.
pub fn start_at(stage: &Stage, crowd: Crowd, tls: bool, site: &Site) -> Result<(Server, Duration)> {
    let data = stage.fresh_folder()?;
    let store = site.data.clone().unwrap_or_else(|| data.path().join("data"));
    let listen = site.address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
    let config = data.path().join("config.toml");
    fs::write(&config, CONFIG)?;
    let mut command = Command::new(stage.programs.join(PROGRAM));
    command.args(["--listen", &listen, "--web", "off", "--lang", "en"]);
    command.arg("--config").arg(&config).arg("--data").arg(store);
    command.arg("--max-clients").arg(crowd.connections.max(1).to_string());
    command.env("MALOTE_LOG", "warn");
    if !tls {
        command.arg(PLAINTEXT);
    }
    let start = Instant::now();
    let mut process = Process::start(&mut command, &stage.cores, data.path())?;
    let address = process.wait_for(|said| {
        let line = said.lines().find_map(|line| line.strip_prefix("malote-server ready "))?;
        line.split(' ').next().map(str::to_owned)
    })?;
    let took = start.elapsed();
    let address = address.parse().with_context(|| format!("not an address: {address}"))?;
    let wire = if tls { Wire::Tls(stage.tls.clone()) } else { Wire::Plain };
    Ok((Server { process, address, wire, data }, took))
}
