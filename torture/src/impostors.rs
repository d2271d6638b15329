//! Servers that are not what they seem. Each takes down what it is sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, unbounded};
use malote_common::hello;
use malote_tests::PATIENCE;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

/// What one client has said.
#[derive(Debug, Default)]
pub struct Notes {
    /// Bytes as they came.
    pub wire: Vec<u8>,
    /// Bytes that the client meant for the server that it believed to speak with: what TLS carried.
    pub application: Vec<u8>,
}

impl Notes {
    /// The content types of the TLS records that came (RFC 8446, 5.1); nothing where something else came.
    pub fn records(&self) -> Option<Vec<u8>> {
        let (mut rest, mut types) = (&self.wire[..], Vec::new());
        while let [kind, 3, _, high, low, behind @ ..] = rest {
            types.push(*kind);
            rest = behind.get(usize::from(u16::from_be_bytes([*high, *low]))..)?;
        }
        rest.is_empty().then_some(types)
    }
}

/// A listener on this computer that serves one client after the other. It ends when it is dropped.
pub struct Impostor {
    pub address: SocketAddr,
    notes: Receiver<Notes>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    fn start(serve: impl FnMut(&mut Tap) -> Vec<u8> + Send + 'static) -> Impostor {
        Impostor::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), serve)
    }

    fn start_at(address: SocketAddr, mut serve: impl FnMut(&mut Tap) -> Vec<u8> + Send + 'static) -> Impostor {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, notes) = unbounded();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = thread::spawn(move || {
            for socket in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let socket = socket.expect("a connection");
                socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
                let mut tap = Tap { socket, wire: Vec::new() };
                let application = serve(&mut tap);
                let _ = sender.send(Notes { wire: tap.wire, application });
            }
        });
        Impostor { address, notes, is_over, thread: Some(thread) }
    }

    /// Says these bytes to whoever comes, and speaks no TLS.
    pub fn saying(words: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Impostor {
        let mut clients = 0;
        Impostor::start(move |tap| {
            // Who hangs up early has said what there was to say.
            let _ = tap.write_all(&words(clients));
            clients += 1;
            let _ = io::copy(tap, &mut io::sink());
            Vec::new()
        })
    }

    /// Speaks TLS as a server of Malote does, with this certificate and key.
    pub fn with(certificate: CertifiedKey) -> Impostor {
        Impostor::with_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), certificate)
    }

    /// The same at this address, where the real server was.
    pub fn with_at(address: SocketAddr, certificate: CertifiedKey) -> Impostor {
        let config = tls(certificate);
        Impostor::start_at(address, move |tap| {
            let mut tls = ServerConnection::new(config.clone()).expect("a server");
            let mut application = Vec::new();
            let _ = rustls::Stream::new(&mut tls, tap).read_to_end(&mut application);
            application
        })
    }

    /// Speaks TLS with a key of its own, and hands on what each side says by what `dial` has opened to the real server.
    pub fn between<S: Read + Write>(mut dial: impl FnMut() -> S + Send + 'static) -> Impostor {
        let config = tls(own_certificate());
        Impostor::start(move |tap| {
            let mut tls = ServerConnection::new(config.clone()).expect("a server");
            let mut client = rustls::Stream::new(&mut tls, tap);
            let (mut server, mut application, mut bytes) = (dial(), Vec::new(), [0; 16 * 1024]);
            // A login is a question and an answer, twice.
            while let Ok(count @ 1..) = client.read(&mut bytes) {
                application.extend(&bytes[..count]);
                let Ok(()) = server.write_all(&bytes[..count]).and_then(|()| server.flush()) else { break };
                let Ok(count @ 1..) = server.read(&mut bytes) else { break };
                let Ok(()) = client.write_all(&bytes[..count]).and_then(|()| client.flush()) else { break };
            }
            application
        })
    }

    /// What the next client has said, once it has gone.
    #[track_caller]
    pub fn notes(&self) -> Notes {
        self.notes.recv_timeout(PATIENCE).expect("a client came and went")
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It waits for a client; where it has ended already, there is nobody to wake.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A certificate with its key, made just now.
pub fn own_certificate() -> CertifiedKey {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec!["malote".to_owned()]).expect("a certificate");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    certified(certificate.der().clone(), &key)
}

/// A server's own certificate, which everybody sees who connects, with a key that is not its own.
pub fn stolen_certificate(pem: &[u8]) -> CertifiedKey {
    let key = rcgen::KeyPair::generate().expect("a key");
    certified(CertificateDer::from_pem_slice(pem).expect("a certificate"), &key)
}

fn certified(certificate: CertificateDer<'static>, key: &rcgen::KeyPair) -> CertifiedKey {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("a key that signs");
    CertifiedKey::new(vec![certificate], key)
}

fn tls(certificate: CertifiedKey) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = vec![hello::ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// A socket that writes down what is read from it.
pub struct Tap {
    socket: TcpStream,
    wire: Vec<u8>,
}

impl Read for Tap {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(bytes)?;
        self.wire.extend(&bytes[..count]);
        Ok(count)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
