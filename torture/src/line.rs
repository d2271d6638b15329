//! A client that says whatever one likes: frames by hand, over TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};

use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, ServerFrame, Welcome};
use malote_common::hello::{self, Challenge, Hello, VERSION};
use malote_common::{DeviceId, MailboxId, Message, Name, Outcome, Submission, limits, login};
use malote_tests::PATIENCE;
use rand::{Rng, RngExt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// A connection to a server. Everything that comes over it is searched for what must not come.
pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
    heard: FrameBuffer,
    /// Keying material of this connection, which a login is bound to.
    pub exporter: [u8; 32],
    /// What nobody at this end may read.
    secret: Option<&'static str>,
}

impl Line {
    /// Connects, whatever key the server has.
    pub fn open(server: SocketAddr) -> Line {
        let mut socket = TcpStream::connect(server).expect("the server listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let name = ServerName::try_from("malote").expect("a name");
        let mut tls = ClientConnection::new(CONFIG.clone(), name).expect("a client");
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).expect("the server shakes hands");
        }
        let exporter = tls.export_keying_material([0; 32], login::EXPORTER_LABEL, None).expect("keying material");
        Line { stream: StreamOwned::new(tls, socket), heard: FrameBuffer::default(), exporter, secret: None }
    }

    /// What is below: bytes in TLS.
    pub fn into_stream(self) -> impl Read + Write {
        self.stream
    }

    /// The same; from now on it is checked that this is never heard.
    pub fn without(self, secret: &'static str) -> Line {
        Line { secret: Some(secret), ..self }
    }

    pub fn say(&mut self, frame: &ClientFrame) {
        self.say_body(&codec::encode(frame).expect("a frame"));
    }

    /// Says something that may be no frame. Who is not listened to any more hears so next.
    pub fn say_body(&mut self, body: &[u8]) {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        let _ = self.stream.write_all(&wire).and_then(|()| self.stream.flush());
    }

    /// The next frame; nothing where the connection has ended.
    #[track_caller]
    pub fn hear(&mut self) -> Option<ServerFrame> {
        let body = self.hear_body()?;
        Some(codec::decode(&body).expect("a server's frame"))
    }

    #[track_caller]
    fn hear_body(&mut self) -> Option<Vec<u8>> {
        let mut bytes = [0; 16 * 1024];
        loop {
            if let Some(body) = self.heard.next_frame(limits::FRAME_BYTES).expect("a server's frame") {
                let has = |secret: &str| body.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!self.secret.is_some_and(has), "a secret was told: {}", String::from_utf8_lossy(body));
                return Some(body.to_vec());
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.heard.extend(&bytes[..count]),
                Err(error) if [ErrorKind::TimedOut, ErrorKind::WouldBlock].contains(&error.kind()) => {
                    panic!("the server says nothing")
                }
                Err(_) => return None,
            }
        }
    }

    /// Says who comes, and returns what to sign.
    #[track_caller]
    pub fn greet(&mut self, key: [u8; 32], device: DeviceId) -> [u8; 32] {
        self.say_body(&Hello { versions: vec![VERSION], key, device }.encode());
        let body = self.hear_body().expect("a challenge");
        match Challenge::decode(&body) {
            Ok(Challenge::Accepted { nonce, .. }) => nonce,
            other => panic!("no challenge: {other:?}"),
        }
    }
}

/// Somebody who has logged in on a line.
pub struct Caller {
    pub line: Line,
    pub key: SigningKey,
    pub device: DeviceId,
    pub welcome: Welcome,
    /// The signature that let them in.
    pub proof: Vec<u8>,
    pub counter: u64,
}

impl Caller {
    /// Somebody whom the server does not know yet.
    pub fn new(server: SocketAddr, random: &mut impl Rng) -> Caller {
        let key = SigningKey::from_bytes(&random.random());
        Caller::log_in(Line::open(server), key, DeviceId(random.random()))
    }

    /// Somebody with this key, on this device.
    #[track_caller]
    pub fn log_in(mut line: Line, key: SigningKey, device: DeviceId) -> Caller {
        let nonce = line.greet(key.verifying_key().to_bytes(), device);
        let proof = key.sign(&login::statement(&nonce, &line.exporter)).to_bytes().to_vec();
        line.say(&ClientFrame::Proof { signature: proof.clone() });
        match line.hear() {
            Some(ServerFrame::Welcome(welcome)) => {
                let counter = welcome.last_counter;
                Caller { line, key, device, welcome, proof, counter }
            }
            other => panic!("not welcome: {other:?}"),
        }
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    pub fn mailbox(&self) -> MailboxId {
        self.welcome.mailbox
    }

    /// Wants everything in the own mailbox, from now on too.
    pub fn resume(&mut self) {
        let Welcome { mailbox, epoch, .. } = self.welcome;
        self.line.say(&ClientFrame::Resume { mailbox, epoch, after: 0 });
    }

    /// A submission to the recipients with these indices that does not wait for earlier ones.
    pub fn submission(&mut self, message: Message, targets: &[u8]) -> Submission {
        self.counter += 1;
        Submission { counter: self.counter, since: self.counter, targets: targets.to_vec(), message }
    }

    /// Posts and waits for the outcomes. What else is heard meanwhile is passed over.
    #[track_caller]
    pub fn submit(&mut self, submission: &Submission) -> Vec<Outcome> {
        self.line.say(&ClientFrame::Submit(submission.clone()));
        self.wait_for(|frame| match frame {
            ServerFrame::Outcomes { counter, outcomes } if counter == submission.counter => Some(outcomes),
            _ => None,
        })
    }

    /// Takes a name, or says why the server refuses it.
    #[track_caller]
    pub fn take_name(&mut self, name: &Name) -> Result<(), malote_common::frame::NameRefusal> {
        self.line.say(&ClientFrame::TakeName { name: Some(name.clone()) });
        self.wait_for(|frame| match frame {
            ServerFrame::Named { .. } => Some(Ok(())),
            ServerFrame::NameRefused { why, .. } => Some(Err(why)),
            _ => None,
        })
    }

    /// Waits until the server has done everything that it was asked for on this line, and returns what it said meanwhile.
    #[track_caller]
    pub fn settle(&mut self) -> Vec<ServerFrame> {
        // It is answered by way of the post office, behind everything else.
        let mailbox = self.mailbox();
        self.line.say(&ClientFrame::Read { mailbox, seqs: Vec::new() });
        let mut heard = Vec::new();
        loop {
            match self.hear() {
                ServerFrame::ReadNoted { seqs, .. } if seqs.is_empty() => return heard,
                frame => heard.push(frame),
            }
        }
    }

    #[track_caller]
    pub fn wait_for<T>(&mut self, mut wanted: impl FnMut(ServerFrame) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.hear()) {
                return found;
            }
        }
    }

    /// The next frame that is no ping.
    #[track_caller]
    pub fn hear(&mut self) -> ServerFrame {
        loop {
            match self.line.hear().expect("the server hangs up") {
                ServerFrame::Ping { token } => self.line.say(&ClientFrame::Pong { token }),
                frame => return frame,
            }
        }
    }
}

static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![hello::ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
});

/// Takes every server for the right one.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
