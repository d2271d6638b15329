//! The door through which a client comes: what its frames look like, and what its proof is bound to.

use malote_common::codec::{self, Encoding, FrameError};
use malote_common::frame::{ServerFrame, append_delivery};
use malote_common::hello::{Challenge, Hello, NotAnOpening};
use malote_common::{MailboxId, Seq, login};

/// Where a connection comes in.
#[derive(Clone, Debug)]
pub enum Door {
    /// A program over TLS, with this keying material under [`login::EXPORTER_LABEL`].
    Program { exporter: [u8; 32] },
    /// A page of this origin in a browser, over a WebSocket.
    Browser { origin: String },
}

impl Door {
    pub fn encoding(&self) -> Encoding {
        match self {
            Door::Program { .. } => Encoding::Binary,
            Door::Browser { .. } => Encoding::Json,
        }
    }

    /// What the client has to sign.
    pub fn statement(&self, nonce: &[u8; 32]) -> Vec<u8> {
        match self {
            Door::Program { exporter } => login::statement(nonce, exporter),
            Door::Browser { origin } => login::web_statement(nonce, origin),
        }
    }

    pub fn hello(&self, body: &[u8]) -> Result<Hello, NotAnOpening> {
        match self {
            Door::Program { .. } => Hello::decode(body),
            Door::Browser { .. } => Encoding::Json.decode(body).map_err(|_| NotAnOpening),
        }
    }

    pub fn challenge(&self, challenge: &Challenge) -> Result<Vec<u8>, FrameError> {
        match self {
            Door::Program { .. } => Ok(challenge.encode()),
            Door::Browser { .. } => Encoding::Json.encode(challenge),
        }
    }

    /// Appends a [`ServerFrame::Delivery`] around an entry as it lies in the store.
    pub fn deliver(&self, wire: &mut Vec<u8>, mailbox: MailboxId, seq: Seq, entry: &[u8]) -> Result<(), FrameError> {
        match self {
            Door::Program { .. } => append_delivery(wire, mailbox, seq, entry),
            Door::Browser { .. } => {
                Encoding::Json.append(wire, &ServerFrame::Delivery { mailbox, seq, entry: codec::decode(entry)? })
            }
        }
    }
}
