//! WebSockets: who may have one, what for, and how each of them ends.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use malote_common::limits;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tracing::info;

use super::chat::{self, Seat};
use super::headers::{Origin, origin};
use super::intake::{Intake, PIECE};
use super::{Shared, session};
use crate::connection::Caller;
use crate::listener::stopped;
use crate::long_frames::Unfinished;
use crate::rate::{Bucket, Rate};
use crate::session::CLOSING_TIME;

/// Bytes that are gathered before they are written, and of a message that are sent as one piece.
const WRITE_BYTES: usize = 16 * 1024;

/// Bytes that may wait in all: what was gathered, a piece with what WebSocket puts around it, and answers to pings.
const WRITE_LIMIT: usize = 4 * WRITE_BYTES;

/// How long a peer must have said nothing to have said everything, once it was told that we do not listen.
const QUIET: Duration = Duration::from_millis(250);

pub type Socket = WebSocketStream<Intake<TokioIo<Upgraded>>>;

/// What a WebSocket is wanted for.
pub enum Errand {
    /// The page's conversation with the server, from this origin.
    Session {
        origin: String,
    },
    Chat(Seat),
    Echo(OwnedSemaphorePermit),
    /// To be told this reason, and closed.
    Refusal {
        reason: String,
    },
}

/// A connection that is about to become a WebSocket.
pub struct Upgrade {
    connection: OnUpgrade,
    errand: Errand,
    path: String,
}

/// Whether the request is for a WebSocket rather than a page.
pub fn is_wanted(request: &Request) -> bool {
    let has_word = |header, word: &str| {
        let values = request.headers().get_all(header).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    has_word(CONNECTION, "upgrade") && has_word(UPGRADE, "websocket")
}

/// Answers a request for a WebSocket. The error is the status with which it is refused.
pub fn answer(shared: &Shared, mut request: Request) -> Result<Response, StatusCode> {
    let origin = origin(request.headers(), shared.scheme).ok_or(StatusCode::FORBIDDEN)?;
    let path = request.uri().path().to_owned();
    let errand = match (path.as_str(), origin) {
        ("/ws", Origin::Own(origin)) => Errand::Session { origin },
        ("/ws", Origin::None) => return Err(StatusCode::FORBIDDEN),
        ("/chat", _) => {
            let hub = shared.hub.as_ref().ok_or(StatusCode::FORBIDDEN)?;
            Errand::Chat(hub.clone().sit_down().ok_or(StatusCode::SERVICE_UNAVAILABLE)?)
        }
        ("/echo", _) => {
            let place = shared.echoes.clone().try_acquire_owned();
            Errand::Echo(place.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?)
        }
        ("/", _) => Errand::Refusal { reason: "needs a path".to_owned() },
        (path, _) => Errand::Refusal { reason: format!("path not found: {path}") },
    };
    let response = create_response_with_body(&request, Body::empty).map_err(|_| StatusCode::BAD_REQUEST)?;
    let connection = hyper::upgrade::on(&mut request);
    let upgrades = request.extensions().get::<mpsc::Sender<Upgrade>>();
    let upgrades = upgrades.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let upgrade = Upgrade { connection, errand, path };
    upgrades.try_send(upgrade).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(response)
}

/// Serves a WebSocket to its end.
pub async fn serve(upgrade: Upgrade, caller: Caller, shared: Shared) -> io::Result<()> {
    let Upgrade { connection, errand, path } = upgrade;
    let config = WebSocketConfig::default()
        .read_buffer_size(PIECE)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WRITE_LIMIT)
        .max_message_size(Some(errand.message_bytes()))
        .max_frame_size(Some(errand.message_bytes()));
    let Caller { id, peer, at, handshake } = caller;
    let unfinished = Unfinished::new(shared.context.long_frames.clone(), peer.ip());
    let connection = TokioIo::new(connection.await.map_err(io::Error::other)?);
    let connection = Intake::new(connection, errand.message_bytes(), unfinished);
    let socket = Socket::from_raw_socket(connection, Role::Server, Some(config)).await;
    // The request is answered. Whoever is nobody in particular has nothing to prove, and whoever logs in now counts like a
    // program that does.
    drop(handshake);
    let path = shortened(&path).to_owned();
    let now = Instant::now();
    let signs = Bucket::new(SIGN_RATE, now);
    let mut talk = Talk { socket, peer, path: path.clone(), heard_at: now, is_pinged: false, signs, held_until: None };
    info!(%peer, path, "WebSocket connected");
    let stopping = shared.context.stopping.clone();
    match errand {
        Errand::Session { origin } => match shared.gate.begin_handshake(peer.ip()) {
            Some(handshake) => {
                let caller = Caller { id, peer, at, handshake };
                session::serve(talk.socket, origin, caller, shared.context).await;
            }
            None => talk.close(Ending::Busy).await,
        },
        Errand::Chat(seat) => {
            let ending = unless_stopped(chat::talk(&mut talk, seat), stopping).await;
            talk.close(ending).await;
        }
        Errand::Echo(_place) => {
            let ending = unless_stopped(echo(&mut talk), stopping).await;
            talk.close(ending).await;
        }
        Errand::Refusal { reason } => talk.close(Ending::Refused(reason)).await,
    }
    info!(%peer, path, "WebSocket disconnected");
    Ok(())
}

impl Errand {
    /// Bytes that a message may have.
    fn message_bytes(&self) -> usize {
        match self {
            Errand::Session { .. } | Errand::Echo(_) => limits::FRAME_BYTES,
            Errand::Chat(_) => limits::BODY_BYTES,
            Errand::Refusal { .. } => limits::HANDSHAKE_FRAME_BYTES,
        }
    }
}

/// Sends back every message. Whoever does not read gets no more of theirs read.
async fn echo(talk: &mut Talk) -> Ending {
    let mut bucket = Bucket::new(Rate::default(), Instant::now());
    loop {
        let message = match talk.next().await {
            Ok(message) => message,
            Err(ending) => return ending,
        };
        // It is not read meanwhile, so it waits as well.
        while let Err(wait) = bucket.take(cost(message.len()), Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        if let Err(ending) = talk.send(message).await {
            return ending;
        }
    }
}

/// What a message of so many bytes takes from an allowance: it has to be read, unmasked and written, so that a long one costs as
/// much as some short ones.
pub fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes / BYTES_PER_COST).unwrap_or(u32::MAX).saturating_add(1)
}

async fn unless_stopped(talk: impl Future<Output = Ending>, mut stopping: watch::Receiver<bool>) -> Ending {
    tokio::select! {
        ending = talk => ending,
        () = stopped(&mut stopping) => Ending::ShuttingDown,
    }
}

/// Bytes that cost as much as one more message.
const BYTES_PER_COST: usize = 4 * 1024;

/// Pings and pongs that are read without a wait, and a second: many more than any program needs.
const SIGN_RATE: Rate = Rate { burst: 50, per_second: 50 };

/// A WebSocket whose peer is listened to, and watched for falling silent.
pub struct Talk {
    socket: Socket,
    peer: SocketAddr,
    path: String,
    heard_at: Instant,
    /// Whether the peer was asked for a sign of life since then.
    is_pinged: bool,
    /// What the peer may ask and tell beside messages.
    signs: Bucket,
    /// Nothing is read before.
    held_until: Option<Instant>,
}

/// Why a talk is over.
#[derive(Debug)]
pub enum Ending {
    /// The peer has gone, or says nothing any more.
    Gone,
    /// The peer sent what this is not for.
    Unsupported,
    TooLong,
    NoText,
    ProtocolError,
    /// The peer does not read what it is sent.
    TooSlow,
    ShuttingDown,
    /// Too many of the peer's address are logging in.
    Busy,
    /// There was nothing to talk about.
    Refused(String),
}

impl Talk {
    /// The next message, text or binary. May be dropped at any time.
    pub async fn next(&mut self) -> Result<Message, Ending> {
        loop {
            if let Some(until) = self.held_until {
                tokio::time::sleep_until(until.into()).await;
                self.held_until = None;
            }
            let silence = if self.is_pinged { limits::DEAD_AFTER } else { limits::PING_AFTER };
            let time_left = silence.saturating_sub(self.heard_at.elapsed());
            let message = tokio::select! {
                message = self.socket.next() => message,
                () = tokio::time::sleep(time_left) => {
                    if self.is_pinged {
                        return Err(Ending::Gone);
                    }
                    self.is_pinged = true;
                    self.send(Message::Ping(Bytes::new())).await?;
                    continue;
                }
            };
            self.heard();
            match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    info!(peer = %self.peer, path = self.path, bytes = message.len(), "WebSocket message");
                    self.socket.get_mut().let_go();
                    return Ok(message);
                }
                // A ping is answered, and costs both sides.
                Some(Ok(_)) => {
                    let wait = self.signs.overdraw(1, self.heard_at);
                    self.held_until = self.heard_at.checked_add(wait).filter(|_| !wait.is_zero());
                }
                Some(Err(error)) => return Err(Ending::from(error)),
                None => return Err(Ending::Gone),
            }
        }
    }

    /// The peer gives a sign of life, or could give none since we did not listen.
    pub fn heard(&mut self) {
        (self.heard_at, self.is_pinged) = (Instant::now(), false);
    }

    /// Sends a message, and waits until it has left.
    pub async fn send(&mut self, message: Message) -> Result<(), Ending> {
        let sending = async {
            let (kind, bytes) = match message {
                Message::Text(text) => (Data::Text, Bytes::from(text)),
                Message::Binary(bytes) => (Data::Binary, bytes),
                control => return self.socket.send(control).await,
            };
            let (mut kind, mut rest) = (kind, &bytes[..]);
            loop {
                let (piece, length) = piece(kind, rest);
                self.socket.feed(piece).await?;
                (kind, rest) = (Data::Continue, rest.get(length..).unwrap_or_default());
                if rest.is_empty() {
                    return self.socket.flush().await;
                }
            }
        };
        match timeout(limits::DEAD_AFTER, sending).await {
            Ok(sent) => sent.map_err(Ending::from),
            Err(_) => Err(Ending::TooSlow),
        }
    }

    /// Tells the peer why it is over, and gives it a little time to have heard it.
    async fn close(mut self, ending: Ending) {
        let (code, reason) = match &ending {
            Ending::Gone | Ending::Refused(_) => (CloseCode::Normal, ""),
            Ending::Unsupported => (CloseCode::Unsupported, "text only"),
            Ending::TooLong => (CloseCode::Size, ""),
            Ending::NoText => (CloseCode::Invalid, ""),
            Ending::ProtocolError => (CloseCode::Protocol, ""),
            Ending::TooSlow => (CloseCode::Policy, "too slow"),
            Ending::ShuttingDown => (CloseCode::Away, "the server is stopping"),
            Ending::Busy => (CloseCode::Again, ""),
        };
        let reason = if let Ending::Refused(reason) = &ending { reason } else { reason };
        close(&mut self.socket, code, reason).await;
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Ending {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Ending::TooLong,
            Error::Utf8(_) => Ending::NoText,
            Error::Protocol(_) => Ending::ProtocolError,
            Error::WriteBufferFull(_) => Ending::TooSlow,
            _ => Ending::Gone,
        }
    }
}

/// The next piece of a message of which so much has not been sent, and its length. The library keeps room for the longest frame that
/// ever left, so none is long.
pub fn piece(kind: Data, rest: &[u8]) -> (Message, usize) {
    let bytes = rest.get(..WRITE_BYTES).unwrap_or(rest);
    let is_last = bytes.len() == rest.len();
    let frame = Frame::message(Bytes::copy_from_slice(bytes), OpCode::Data(kind), is_last);
    (Message::Frame(frame), bytes.len())
}

/// Closes a WebSocket with a code and as much of a reason as there is room for.
pub async fn close(socket: &mut Socket, code: CloseCode, reason: &str) {
    let frame = CloseFrame { code, reason: shortened(reason).into() };
    let farewell = async {
        socket.close(Some(frame)).await?;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return Ok(());
            }
        }
        // Where unread bytes are left behind, the system resets the connection, and what was said last may be lost.
        let mut rest = [0; PIECE];
        while let Ok(Ok(1..)) = timeout(QUIET, socket.get_mut().connection.read(&mut rest)).await {}
        Ok::<(), Error>(())
    };
    // Whoever does not answer in time has gone.
    let _ = timeout(CLOSING_TIME, farewell).await;
}

/// As much of a reason as a closing frame holds, in whole characters.
fn shortened(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(limits::WEB_REASON_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_sent_in_pieces() {
        let bytes: Vec<u8> = (0..=2 * WRITE_BYTES).map(|number| number as u8).collect();
        for length in [0, 1, WRITE_BYTES, WRITE_BYTES + 1, 2 * WRITE_BYTES, 2 * WRITE_BYTES + 1] {
            let (mut joined, mut pieces) = (Vec::new(), 0);
            loop {
                let (Message::Frame(frame), taken) = piece(Data::Binary, &bytes[joined.len()..length]) else {
                    unreachable!()
                };
                assert_eq!((frame.payload().len(), frame.header().opcode), (taken, OpCode::Data(Data::Binary)));
                joined.extend_from_slice(frame.payload());
                pieces += 1;
                if frame.header().is_final {
                    break;
                }
            }
            assert_eq!(joined, bytes[..length]);
            assert_eq!(pieces, length.div_ceil(WRITE_BYTES).max(1));
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(shortened("needs a path"), "needs a path");
        let long = format!("a{}", "ç".repeat(100));
        assert_eq!(shortened(&long), format!("a{}", "ç".repeat(61)));
        assert_eq!(shortened(&"a".repeat(200)).len(), 123);
    }
}
