//! The generator's side: what a client of each system says and hears, as state machines without I/O, and the pump that
//! gives all of them their sockets on one thread.
//!
//! Server and generator have one core each, so that the generator must not be the slower of the two: many frames go into
//! each read and each write, and nothing is allocated for a message.

pub mod identity;
pub mod malote;
pub mod mark;
pub mod mqtt;
pub mod nats;
pub mod pump;
pub mod relay;
pub mod tls;
pub mod websocket;

use anyhow::Result;

/// Which message: its author among all connections, and its place among what that author wrote, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub author: u32,
    pub index: u64,
}

/// What an agent learned from the bytes that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It may be asked to post, and whatever is posted to it reaches it.
    Ready,
    /// Its own message with this index was accepted.
    Accepted(u64),
    /// A message reached it, with the length that it should have.
    Delivered(Mark),
}

/// One client of one system. It is given bytes and says what to write; sockets and time are the pump's.
pub trait Agent {
    /// The connection is open. `exporter` is its keying material, zeros where there is no TLS.
    fn opened(&mut self, exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()>;

    /// Takes bytes from the wire, from where the last call stopped, and returns how many of them it has done with. What is
    /// to be answered at once goes to `out`, acknowledgements once for all bytes of a call. An error is that the server
    /// said what it must not.
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize>;

    /// Under what name others reach it. Known once it is ready.
    fn name(&self) -> String;

    /// To whom it will post, by name, and how many bytes its messages' bodies have.
    fn aim(&mut self, to: &str, body_bytes: usize) -> Result<()>;

    /// Posts the message with this index, which is one more than the last one's.
    fn post(&mut self, index: u64, out: &mut Vec<u8>);
}
