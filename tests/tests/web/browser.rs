//! A browser's side of `/ws`, in as few words as will do.

use std::net::TcpStream;

use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, Encoding};
use malote_common::frame::{ClientFrame, Closing, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{
    Address, Content, DeviceId, Entry, MailboxId, Message, MessageId, Name, Outcome, Seq, Submission, Timestamp, login,
};
use malote_tests::{PATIENCE, TestServer};
use rand::random;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, WebSocket};

use crate::host;

/// A WebSocket whose text messages are frames.
pub struct Line {
    socket: WebSocket<TcpStream>,
}

impl Line {
    /// Opens `/ws` as our page does. The error is the status with which that is refused.
    pub fn open(server: &TestServer) -> Line {
        Line::open_from(server, server.web()).expect("our own page is let in")
    }

    /// The same from a page of another origin.
    pub fn open_from(server: &TestServer, origin: &str) -> Result<Line, StatusCode> {
        let stream = TcpStream::connect(host(server)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("ws://{}/ws", host(server)).into_client_request().unwrap();
        request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Line { socket }),
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => Err(response.status()),
            Err(error) => panic!("no answer to the handshake: {error}"),
        }
    }

    pub fn say(&mut self, frame: &impl Serialize) {
        let text = String::from_utf8(Encoding::Json.encode(frame).unwrap()).unwrap();
        self.send(tungstenite::Message::text(text));
    }

    pub fn send(&mut self, message: tungstenite::Message) {
        self.socket.send(message).unwrap();
    }

    /// The next frame; panics where the connection ends instead.
    #[track_caller]
    pub fn hear<T: DeserializeOwned>(&mut self) -> T {
        match self.socket.read() {
            Ok(tungstenite::Message::Text(text)) => match Encoding::Json.decode(text.as_bytes()) {
                Ok(frame) => frame,
                Err(error) => panic!("not a frame: {text}: {error}"),
            },
            other => panic!("no frame: {other:?}"),
        }
    }

    /// The server closes for this reason, and does so properly.
    #[track_caller]
    pub fn expect_end(mut self, reason: Closing) {
        assert_eq!(self.hear::<ServerFrame>(), ServerFrame::Closing(reason));
        let end = self.socket.read();
        assert!(matches!(end, Ok(tungstenite::Message::Close(Some(_)))), "{end:?}");
    }

    /// The server closes with this code, having said nothing.
    #[track_caller]
    pub fn expect_close(mut self, code: CloseCode) {
        match self.socket.read() {
            Ok(tungstenite::Message::Close(Some(frame))) => assert_eq!(frame.code, code),
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Whether the server answers to a greeting.
    pub fn try_greet(&mut self) -> bool {
        let key = SigningKey::from_bytes(&random());
        let hello = Hello { versions: vec![VERSION], key: key.verifying_key().to_bytes(), device: DeviceId(random()) };
        let text = String::from_utf8(Encoding::Json.encode(&hello).unwrap()).unwrap();
        self.socket.send(tungstenite::Message::text(text)).is_ok()
            && matches!(self.socket.read(), Ok(tungstenite::Message::Text(_)))
    }

    /// Says who comes, and returns what to sign.
    pub fn greet(&mut self, key: &SigningKey, device: DeviceId) -> [u8; 32] {
        self.say(&Hello { versions: vec![VERSION], key: key.verifying_key().to_bytes(), device });
        match self.hear() {
            Challenge::Accepted { version: VERSION, nonce } => nonce,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub fn prove(&mut self, key: &SigningKey, statement: &[u8]) {
        self.say(&ClientFrame::Proof { signature: key.sign(statement).to_bytes().to_vec() });
    }
}

/// Somebody who has logged in at the page, and hears their mailbox.
pub struct Browser {
    pub line: Line,
    pub key: SigningKey,
    pub device: DeviceId,
    pub welcome: Welcome,
    counter: u64,
}

impl Browser {
    /// Somebody whom the server does not know yet.
    pub fn log_in(server: &TestServer) -> Browser {
        Browser::log_in_as(server, SigningKey::from_bytes(&random()), DeviceId(random()))
    }

    pub fn log_in_as(server: &TestServer, key: SigningKey, device: DeviceId) -> Browser {
        let mut line = Line::open(server);
        let nonce = line.greet(&key, device);
        line.prove(&key, &login::web_statement(&nonce, server.web()));
        let ServerFrame::Welcome(welcome) = line.hear() else { panic!("not welcome") };
        let counter = welcome.last_counter;
        Browser { line, key, device, welcome, counter }
    }

    pub fn name(&self) -> Name {
        self.welcome.name.clone()
    }

    /// Wants everything in their mailbox behind `after`.
    pub fn resume(&mut self, after: Seq) {
        let (mailbox, epoch) = (self.welcome.mailbox, self.welcome.epoch);
        self.line.say(&ClientFrame::Resume { mailbox, epoch, after });
    }

    /// Enters a room that is there, and wants everything in it.
    pub fn enter(&mut self, room: &str) -> MailboxId {
        self.line.say(&ClientFrame::Enter { room: Name::parse(room).unwrap(), create: false });
        let ServerFrame::Entered { membership, .. } = self.hear() else { panic!("not entered") };
        let (mailbox, epoch) = (membership.mailbox, membership.epoch);
        self.line.say(&ClientFrame::Resume { mailbox, epoch, after: membership.last_seq });
        // Answered in order, so what is said from now on is heard.
        self.line.say(&ClientFrame::Ping { token: 7 });
        assert_eq!(self.hear(), ServerFrame::Pong { token: 7 });
        mailbox
    }

    /// The next frame that is no ping.
    #[track_caller]
    pub fn hear(&mut self) -> ServerFrame {
        loop {
            match self.line.hear() {
                ServerFrame::Ping { token } => self.line.say(&ClientFrame::Pong { token }),
                frame => return frame,
            }
        }
    }

    /// Sends a message, which must be accepted.
    #[track_caller]
    pub fn send(&mut self, to: Address, subject: &str, body: &str) {
        self.counter += 1;
        let content = Content { subject: subject.to_owned(), body: body.to_owned() };
        let message = Message {
            id: MessageId(random()),
            to: vec![to],
            in_reply_to: None,
            sent_at: Timestamp(0),
            content: codec::encode(&content).unwrap(),
        };
        let (counter, since) = (self.counter, 1);
        self.line.say(&ClientFrame::Submit(Submission { counter, since, targets: vec![0], message }));
        loop {
            match self.hear() {
                ServerFrame::Outcomes { counter, outcomes } => {
                    assert!(matches!(outcomes[..], [Outcome::Accepted { .. }]), "{outcomes:?}");
                    assert_eq!(counter, self.counter);
                    return;
                }
                // The author is in the room too.
                ServerFrame::Delivery { .. } => {}
                other => panic!("not an outcome: {other:?}"),
            }
        }
    }

    /// The next message: its number, author and content.
    #[track_caller]
    pub fn hear_message(&mut self) -> (Seq, Name, Content) {
        match self.hear() {
            ServerFrame::Delivery { seq, entry: Entry::Message { from, message, .. }, .. } => {
                (seq, from, codec::decode(&message.content).unwrap())
            }
            other => panic!("no message: {other:?}"),
        }
    }
}
