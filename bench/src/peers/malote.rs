//! Malote's own server.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Crowd, Server};
use crate::load::pump::Wire;
use crate::stage::Stage;

const PROGRAM: &str = "malote-server";

/// Speaks frames without TLS.
const PLAINTEXT: &str = "--plaintext";

/// A benchmark is a flood, which the allowances of people are there to stop. Everything else is as it comes.
const CONFIG: &str = "[rate]\nburst = 4_000_000_000\nper-second = 4_000_000_000\n";

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

pub fn start(stage: &Stage, crowd: Crowd, tls: bool) -> Result<Server> {
    let data = stage.fresh_folder()?;
    let config = data.path().join("config.toml");
    fs::write(&config, CONFIG)?;
    let mut command = Command::new(stage.programs.join(PROGRAM));
    command.args(["--listen", "127.0.0.1:0", "--web", "off", "--lang", "en"]);
    command.arg("--config").arg(&config).arg("--data").arg(data.path().join("data"));
    command.arg("--max-clients").arg(crowd.connections.max(1).to_string());
    command.env("MALOTE_LOG", "warn");
    if !tls {
        command.arg(PLAINTEXT);
    }
    let mut process = Process::start(&mut command, &stage.cores, data.path())?;
    let address = process.wait_for(|said| {
        let line = said.lines().find_map(|line| line.strip_prefix("malote-server ready "))?;
        line.split(' ').next().map(str::to_owned)
    })?;
    let address = address.parse().with_context(|| format!("not an address: {address}"))?;
    let wire = if tls { Wire::Tls(stage.tls.clone()) } else { Wire::Plain };
    Ok(Server { process, address, wire, data })
}
