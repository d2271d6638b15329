//! The systems that are measured: how each is found, started on the server's core, spoken to and stopped.

mod malote;
pub mod process;
pub mod relay;

use std::fmt;
use std::net::SocketAddr;

use anyhow::Result;
use tempfile::TempDir;

use crate::load::Agent;
use crate::load::pump::Wire;
use crate::stage::Stage;
pub use malote::{Site, start_at};
use process::Process;

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    Malote,
    MalotePlaintext,
    Relay,
}

/// How many and what a server must be prepared for.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub connections: usize,
    pub body_bytes: usize,
}

/// What an agent is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Posts to one recipient.
    Sender,
    /// Is posted to.
    Recipient,
    /// Posts to the room that all are in, or only listens there.
    Member,
}

/// The room of the measures that have one.
const ROOM: &str = "obras";

/// A server that runs. Dropping it ends it and throws its data away.
pub struct Server {
    /// Declared before the data, so that it ends before they go.
    pub process: Process,
    pub address: SocketAddr,
    pub wire: Wire,
    data: TempDir,
}

impl System {
    /// Why it cannot be measured here, as a sentence that names what is missing.
    pub fn missing(self, stage: &Stage) -> Option<String> {
        match self {
            System::Malote => malote::missing(stage, true),
            System::MalotePlaintext => malote::missing(stage, false),
            System::Relay => None,
        }
    }

    /// What is measured, with its version.
    pub fn version(self, stage: &Stage) -> Result<String> {
        match self {
            System::Malote | System::MalotePlaintext => malote::version(stage),
            System::Relay => Ok(format!("relay of this benchmark {}", env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Starts a server with a fresh data directory, pinned to the server's core, on a free port of the loopback address.
    pub fn start(self, stage: &Stage, crowd: Crowd) -> Result<Server> {
        match self {
            System::Malote => malote::start(stage, crowd, true),
            System::MalotePlaintext => malote::start(stage, crowd, false),
            System::Relay => relay::start(stage),
        }
    }

    /// A client. `number` is its own among all of a run; messages to it must have bodies of `body_bytes`.
    pub fn agent(self, number: usize, role: Role, body_bytes: usize) -> Result<Box<dyn Agent>> {
        use crate::load;
        let id = number as u32;
        Ok(match self {
            System::Malote | System::MalotePlaintext => {
                let agent = load::malote::Malote::new(id, body_bytes)?;
                Box::new(if role == Role::Member { agent.in_room(ROOM)? } else { agent })
            }
            System::Relay => Box::new(load::relay::Relay::new(id, body_bytes)),
        })
    }

    /// Whether it answers each message by itself. Where it does not, a message counts as answered once it is delivered.
    pub fn answers(self) -> bool {
        match self {
            System::Malote | System::MalotePlaintext => true,
            System::Relay => false,
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            System::Malote => "Malote, TLS",
            System::MalotePlaintext => "Malote, plaintext",
            System::Relay => "relay (stores nothing)",
        })
    }
}
