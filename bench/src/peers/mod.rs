//! The systems that are measured: how each is found, started on the server's core, spoken to and stopped.

mod chat;
mod malote;
mod mosquitto;
mod nats;
pub mod process;
mod python;
pub mod relay;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, bail};
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
    JetStream,
    JetStreamSynced,
    Mosquitto,
    NatsCore,
    Chat,
    Relay,
}

/// How many a server must be prepared for.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    pub connections: usize,
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
    pub const ALL: [System; 8] = [
        System::Malote,
        System::MalotePlaintext,
        System::JetStream,
        System::JetStreamSynced,
        System::NatsCore,
        System::Mosquitto,
        System::Chat,
        System::Relay,
    ];

    /// Whether it is what all others are compared with.
    pub fn is_malote(self) -> bool {
        matches!(self, System::Malote | System::MalotePlaintext)
    }

    /// Why it cannot be measured here, as a sentence that names what is missing.
    pub fn missing(self, stage: &Stage) -> Option<String> {
        match self {
            System::Malote => malote::missing(stage, true),
            System::MalotePlaintext => malote::missing(stage, false),
            System::JetStream | System::JetStreamSynced | System::NatsCore | System::Chat => {
                python::programs(stage).err()
            }
            System::Mosquitto => mosquitto::missing(),
            System::Relay => None,
        }
    }

    /// What is measured, with its version.
    pub fn version(self, stage: &Stage) -> Result<String> {
        match self {
            System::Malote | System::MalotePlaintext => malote::version(stage),
            System::JetStream | System::JetStreamSynced | System::NatsCore => nats::version(stage),
            System::Mosquitto => mosquitto::version(),
            System::Chat => chat::version(stage),
            System::Relay => Ok(format!("relay of this benchmark {}", env!("CARGO_PKG_VERSION"))),
        }
    }

    /// Starts a server with a fresh data directory, pinned to the server's core, on a free port of the loopback address.
    pub fn start(self, stage: &Stage, crowd: Crowd) -> Result<Server> {
        match self {
            System::Malote => malote::start(stage, crowd, true),
            System::MalotePlaintext => malote::start(stage, crowd, false),
            System::JetStream => nats::start(stage, nats::Keeping::Files),
            System::JetStreamSynced => nats::start(stage, nats::Keeping::Synced),
            System::NatsCore => nats::start(stage, nats::Keeping::None),
            System::Mosquitto => mosquitto::start(stage),
            System::Chat => chat::start(stage),
            System::Relay => relay::start(stage),
        }
    }

    /// A client. `number` is its own among all of a run; messages to it must have bodies of `body_bytes`.
    pub fn agent(self, number: usize, role: Role, body_bytes: usize) -> Result<Box<dyn Agent>> {
        use crate::load::{malote::Malote, mqtt::Mqtt, nats, nats::Nats, relay::Relay, websocket::WebSocket};
        let id = number as u32;
        Ok(match (self, role) {
            (System::Malote | System::MalotePlaintext, Role::Member) => {
                Box::new(Malote::new(id, body_bytes)?.in_room(ROOM)?)
            }
            (System::Malote | System::MalotePlaintext, _) => Box::new(Malote::new(id, body_bytes)?),
            (System::JetStream | System::JetStreamSynced, Role::Sender) => {
                Box::new(Nats::new(id, nats::Kind::StreamSender, body_bytes))
            }
            (System::JetStream | System::JetStreamSynced, Role::Recipient) => {
                Box::new(Nats::new(id, nats::Kind::StreamRecipient, body_bytes))
            }
            (System::NatsCore, Role::Member) => Box::new(Nats::new(id, nats::Kind::Room, body_bytes)),
            (System::NatsCore, _) => Box::new(Nats::new(id, nats::Kind::Plain, body_bytes)),
            (System::Mosquitto, Role::Sender | Role::Recipient) => {
                Box::new(Mqtt::new(id, role == Role::Recipient, body_bytes))
            }
            (System::Chat, Role::Member) => Box::new(WebSocket::new(id, body_bytes)),
            (System::Relay, Role::Sender | Role::Recipient) => Box::new(Relay::new(id, body_bytes)),
            _ => bail!("{self} is not measured with a {role:?}"),
        })
    }

    /// Whether it answers each message by itself. Where it does not, a message counts as answered once it is delivered.
    pub fn answers(self) -> bool {
        !matches!(self, System::NatsCore | System::Chat | System::Relay)
    }
}

impl Server {
    /// Where its data are, on the disk that is measured.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            System::Malote => "Malote, TLS",
            System::MalotePlaintext => "Malote, plaintext",
            System::JetStream => "JetStream, synced now and then",
            System::JetStreamSynced => "JetStream, synced always",
            System::Mosquitto => "Mosquitto, QoS 1, not synced",
            System::NatsCore => "NATS core (stores nothing)",
            System::Chat => "chat in Python (stores nothing)",
            System::Relay => "relay (stores nothing)",
        })
    }
}
