//! NATS Server: plain subjects, or JetStream on files, which syncs every two minutes by itself or, where it is told to,
//! before each answer.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::process::Process;
use super::{Server, python};
use crate::load::nats::{STREAM, SUBJECTS, check_answer, request};
use crate::load::pump::Wire;
use crate::stage::Stage;

const PROGRAM: &str = "nats-server";

/// For the one request that makes the stream.
const PATIENCE: Duration = Duration::from_secs(10);

/// How messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Not at all.
    None,
    /// In files, synced now and then.
    Files,
    /// In files, synced before each answer.
    Synced,
}

pub fn version(stage: &Stage) -> Result<String> {
    let programs = python::programs(stage).map_err(anyhow::Error::msg)?;
    python::first_line(Command::new(programs.join(PROGRAM)).arg("--version"))
}

pub fn start(stage: &Stage, keeping: Keeping) -> Result<Server> {
    let programs = python::programs(stage).map_err(anyhow::Error::msg)?;
    let data = stage.fresh_folder()?;
    let mut config = "listen: \"127.0.0.1:-1\"\n".to_owned();
    if keeping != Keeping::None {
        let sync = if keeping == Keeping::Synced { "sync_interval: always" } else { "" };
        config += &format!("jetstream {{ store_dir: {:?}\n{sync} }}\n", data.path().join("jetstream"));
    }
    let file = data.path().join("nats.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(programs.join(PROGRAM));
    let mut process = Process::start(command.arg("--config").arg(file), &stage.cores, data.path())?;
    let address = process.wait_for(|said| {
        said.contains("Server is ready").then_some(())?;
        let (_, behind) = said.split_once("Listening for client connections on ")?;
        behind.lines().next().map(str::to_owned)
    })?;
    let address = address.trim().parse().with_context(|| format!("not an address: {address}"))?;
    if keeping != Keeping::None {
        make_stream(address)?;
    }
    Ok(Server { process, address, wire: Wire::Plain, data })
}

/// Makes the stream for everything, by a connection of its own.
fn make_stream(address: SocketAddr) -> Result<()> {
    let json = format!(
        "{{\"name\":\"{STREAM}\",\"subjects\":[\"{SUBJECTS}>\"],\"storage\":\"file\",\"retention\":\"limits\",\
         \"discard\":\"old\",\"num_replicas\":1,\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1}}"
    );
    let mut wire = b"CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n".to_vec();
    request(&format!("STREAM.CREATE.{STREAM}"), "answer", &json, &mut wire);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&wire)?;
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).context("JetStream does not answer")?;
        ensure!(count > 0, "JetStream hung up: {}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&said);
        if let Some((_, answer)) = text.split_once("MSG answer ")
            && answer.trim_end().ends_with('}')
        {
            return check_answer(answer.as_bytes());
        }
    }
}
