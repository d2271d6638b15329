//! Somebody who calls a server and says what they like: no client of ours would, but anybody could write one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use malote_client::connection::{Connected, secure};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{Address, Content, DeviceId, Message, MessageId, Name, Submission, Timestamp, limits, login};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// How long a step of logging in may take before it counts as one that will never be done.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who calls, from which address of this computer, and with which device.
#[derive(Clone)]
pub struct Who {
    pub key: SigningKey,
    pub device: DeviceId,
    pub source: Ipv4Addr,
}

/// A connection whose caller has logged in.
pub struct Caller {
    pub welcome: Welcome,
    pub ear: Ear,
    pub mouth: Mouth,
}

/// What a caller hears by.
pub struct Ear {
    reader: ReadHalf<TlsStream<TcpStream>>,
    buffer: FrameBuffer,
    bytes: Vec<u8>,
}

/// What a caller speaks by.
pub struct Mouth {
    writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Who {
    /// Somebody whom no server knows.
    pub fn new(source: Ipv4Addr, plan: &mut StdRng) -> Who {
        let seed: [u8; 32] = plan.random();
        Who { key: SigningKey::from_bytes(&seed), device: DeviceId(plan.random()), source }
    }

    /// The same person at another computer.
    pub fn elsewhere(&self, plan: &mut StdRng) -> Who {
        Who { device: DeviceId(plan.random()), ..self.clone() }
    }
}

/// An address of this computer, one of 65,000 from which nothing else calls.
pub fn source(number: usize) -> Ipv4Addr {
    let [.., high, low] = (number as u32).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// Connects from one of this computer's addresses.
pub async fn reach(server: SocketAddr, source: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // What is left of earlier connections does not keep its ports from us.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Caller {
    /// Logs in. Where the server does not have it so, the error says what happened.
    pub async fn log_in(server: SocketAddr, who: &Who) -> io::Result<Caller> {
        tokio::time::timeout(PATIENCE, Caller::try_to_log_in(server, who)).await?
    }

    async fn try_to_log_in(server: SocketAddr, who: &Who) -> io::Result<Caller> {
        let secured = secure(reach(server, who.source).await?, None).await;
        let Connected { stream, exporter, .. } =
            secured.map_err(|fault| io::Error::other(format!("no handshake: {fault:?}")))?;
        let (reader, writer) = tokio::io::split(stream);
        let mut ear = Ear { reader, buffer: FrameBuffer::default(), bytes: vec![0; READ_BYTES] };
        let mut mouth = Mouth { writer };
        let hello = Hello { versions: vec![VERSION], key: who.key.verifying_key().to_bytes(), device: who.device };
        mouth.say_body(&hello.encode()).await?;
        let nonce = match Challenge::decode(&ear.body().await?) {
            Ok(Challenge::Accepted { nonce, .. }) => nonce,
            _ => return Err(io::Error::other("no challenge")),
        };
        let signature = who.key.sign(&login::statement(&nonce, &exporter)).to_bytes().to_vec();
        mouth.say(&ClientFrame::Proof { signature }).await?;
        match ear.hear().await? {
            ServerFrame::Welcome(welcome) => Ok(Caller { welcome, ear, mouth }),
            other => Err(io::Error::other(format!("no welcome: {other:?}"))),
        }
    }

    /// Asks for the own mailbox from the beginning.
    pub async fn resume(&mut self) -> io::Result<()> {
        let Welcome { mailbox, epoch, .. } = self.welcome;
        self.mouth.say(&ClientFrame::Resume { mailbox, epoch, after: 0 }).await
    }
}

impl Ear {
    /// The next frame. Pings of the server are answered by whoever cares.
    pub async fn hear(&mut self) -> io::Result<ServerFrame> {
        let body = self.body().await?;
        codec::decode(&body).map_err(io::Error::other)
    }

    /// The next frame's body. May be dropped at any time.
    async fn body(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(body) = self.buffer.next_frame(limits::FRAME_BYTES).map_err(io::Error::other)? {
                return Ok(body.to_vec());
            }
            match self.reader.read(&mut self.bytes).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.buffer.extend(&self.bytes[..count]),
            }
        }
    }
}

impl Mouth {
    pub async fn say(&mut self, frame: &ClientFrame) -> io::Result<()> {
        self.say_all(std::slice::from_ref(frame)).await
    }

    /// Says several things in one breath. Waits where the server does not listen.
    pub async fn say_all(&mut self, frames: &[ClientFrame]) -> io::Result<()> {
        let mut wire = Vec::new();
        for frame in frames {
            codec::write_frame(&mut wire, &codec::encode(frame).map_err(io::Error::other)?);
        }
        self.say_bytes(&wire).await
    }

    async fn say_body(&mut self, body: &[u8]) -> io::Result<()> {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.say_bytes(&wire).await
    }

    /// Says what need be no whole frame.
    pub async fn say_bytes(&mut self, wire: &[u8]) -> io::Result<()> {
        self.writer.write_all(wire).await?;
        self.writer.flush().await
    }
}

/// A short message whose identity says who wrote it and as the which one.
pub fn message(author: u64, index: u64, to: Name) -> Message {
    let content = Content { subject: String::new(), body: format!("{author} {index}") };
    Message {
        id: message_id(author, index),
        to: vec![Address::Person(to)],
        in_reply_to: None,
        sent_at: Timestamp(0),
        content: codec::encode(&content).expect("a short message"),
    }
}

/// A submission of such a message. `since` is 0 for an inquiry.
pub fn submission(author: u64, counter: u64, since: u64, to: Name) -> Submission {
    Submission { counter, since, targets: vec![0], message: message(author, counter, to) }
}

/// The author and the index of such a message.
pub fn author_and_index(id: MessageId) -> (u64, u64) {
    let number = u128::from_be_bytes(id.0);
    ((number >> 64) as u64, number as u64)
}

fn message_id(author: u64, index: u64) -> MessageId {
    MessageId((u128::from(author) << 64 | u128::from(index)).to_be_bytes())
}
