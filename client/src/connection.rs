//! Dialling a server: name, route, port, TLS, key. Not a byte of ours goes to a server with the wrong key.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use malote_common::fingerprint::Fingerprint;
use malote_common::frame::Closing;
use malote_common::{hello, login};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;
use crate::engine::Problem;

/// For each step of dialling: a computer on the same network answers in a fraction of it.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// Addresses of one name that are tried: a name with many would keep us waiting for each.
const ADDRESSES: usize = 8;

/// The name that clients say in TLS. Servers are known by their keys; it only has to be some name.
const SERVER_NAME: &str = "malote";

/// A connection whose server has proved its key.
pub struct Connected {
    pub stream: TlsStream<TcpStream>,
    pub fingerprint: Fingerprint,
    /// Keying material of this connection, to bind the login to it.
    pub exporter: [u8; 32],
}

/// Why a step of dialling fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No computer has that name.
    UnknownHost,
    /// This computer has no way to the network where the server is.
    NoRoute,
    /// No computer answers at that address.
    HostUnreachable,
    /// The computer answers, but nothing listens on that port.
    Refused,
    /// Nothing comes back at all.
    NoAnswer,
    /// What listens there does not speak TLS.
    NotTls,
    /// What listens there hangs up on us.
    HungUp,
    /// What listens there takes the connection and says nothing.
    Silent,
    /// It speaks TLS, but no Malote that this program knows.
    OtherProtocol,
    /// It is a Malote server, of other versions only.
    OtherVersion,
    /// The server says why it does not go on.
    Closed(Closing),
    /// The server has another key than before.
    KeyChanged { expected: Fingerprint, found: Fingerprint },
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        match fault {
            Fault::UnknownHost => Problem::UnknownHost,
            Fault::NoRoute | Fault::HostUnreachable | Fault::NoAnswer => Problem::Unreachable,
            Fault::Refused => Problem::Refused,
            Fault::NotTls | Fault::OtherProtocol => Problem::NotMalote,
            Fault::HungUp => Problem::Lost,
            Fault::Silent => Problem::Silent,
            Fault::OtherVersion => Problem::Version,
            Fault::Closed(reason) => Problem::Closed(reason),
            Fault::KeyChanged { expected, found } => Problem::KeyChanged { expected, found },
        }
    }
}

/// Connects. With `pinned`, a server with another key is refused in the handshake.
pub async fn dial(address: ServerAddress, pinned: Option<Fingerprint>) -> Result<Connected, Problem> {
    let addresses = resolve(&address).await?;
    let stream = reach(&addresses).await?;
    Ok(secure(stream, pinned).await?)
}

/// The addresses of the server's computer, at least one.
pub(crate) async fn resolve(address: &ServerAddress) -> Result<Vec<SocketAddr>, Fault> {
    let found = timeout(STEP, tokio::net::lookup_host((address.host.as_str(), address.port))).await;
    let found = found.map_err(|_| Fault::UnknownHost)?.map_err(|_| Fault::UnknownHost)?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    if found.is_empty() { Err(Fault::UnknownHost) } else { Ok(found) }
}

/// A connection to the first of the addresses that gives one. Where none does, what came closest tells the most.
pub(crate) async fn reach(addresses: &[SocketAddr]) -> Result<TcpStream, Fault> {
    let closeness = |fault: &Fault| match fault {
        Fault::Refused => 3,
        Fault::NoAnswer => 2,
        Fault::HostUnreachable => 1,
        _ => 0,
    };
    let mut faults = Vec::new();
    for address in addresses {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small frames leave at once; where that cannot be set, they leave a little later.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => faults.push(route_fault(&error)),
            Err(_) => faults.push(Fault::NoAnswer),
        }
    }
    Err(faults.into_iter().max_by_key(closeness).unwrap_or(Fault::UnknownHost))
}

/// What the system says where a connection cannot be made.
pub(crate) fn route_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        io::ErrorKind::HostUnreachable => Fault::HostUnreachable,
        io::ErrorKind::TimedOut => Fault::NoAnswer,
        // Without an address or an interface of a suitable kind there is no way out either.
        _ => Fault::NoRoute,
    }
}

/// Shakes hands. With `pinned`, a server with another key is refused.
pub async fn secure(stream: TcpStream, pinned: Option<Fingerprint>) -> Result<Connected, Fault> {
    let verifier = Arc::new(PinnedKey::new(pinned));
    let connector = TlsConnector::from(Arc::new(tls_config(verifier.clone()).map_err(|_| Fault::NotTls)?));
    let name = ServerName::try_from(SERVER_NAME).map_err(|_| Fault::NotTls)?;
    let handshake = timeout(STEP, connector.connect(name, stream)).await;
    let found = verifier.found();
    if let (Some(expected), Some(found)) = (pinned, found)
        && expected != found
    {
        return Err(Fault::KeyChanged { expected, found });
    }
    let stream = handshake.map_err(|_| Fault::Silent)?.map_err(|error| tls_fault(&error))?;
    let (_, tls) = stream.get_ref();
    if tls.alpn_protocol() != Some(hello::ALPN) {
        return Err(Fault::OtherProtocol);
    }
    let mut exporter = [0; 32];
    tls.export_keying_material(&mut exporter, login::EXPORTER_LABEL, None).map_err(|_| Fault::OtherProtocol)?;
    let fingerprint = found.ok_or(Fault::OtherProtocol)?;
    Ok(Connected { stream, fingerprint, exporter })
}

fn tls_fault(error: &io::Error) -> Fault {
    if error.kind() != io::ErrorKind::InvalidData {
        // A server that has no room for strangers right now hangs up without a word.
        return Fault::HungUp;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        // Whoever says in TLS what they do not like about our TLS speaks it.
        Some(rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_)) => Fault::OtherProtocol,
        _ => Fault::NotTls,
    }
}

fn tls_config(verifier: Arc<PinnedKey>) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut config = rustls::ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![hello::ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Takes a server's certificate for its key alone, as ssh does: the first one is learned, another one is refused.
#[derive(Debug)]
struct PinnedKey {
    pinned: Option<Fingerprint>,
    found: Mutex<Option<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl PinnedKey {
    fn new(pinned: Option<Fingerprint>) -> PinnedKey {
        PinnedKey { pinned, found: Mutex::new(None), provider: Arc::new(ring::default_provider()) }
    }

    fn found(&self) -> Option<Fingerprint> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let bad = rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|_| bad)?;
        let found = Fingerprint::of(certificate.subject_public_key_info().as_ref());
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        match self.pinned {
            Some(pinned) if pinned != found => {
                Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The certificate is only as good as the proof that the server holds its key.
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
