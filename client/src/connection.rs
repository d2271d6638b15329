//! Dialling a server: name, route, port, TLS, key. Not a byte of ours goes to a server with the wrong key.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use malote_common::fingerprint::Fingerprint;
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
const STEP: Duration = Duration::from_secs(5);

/// The name that clients say in TLS. Servers are known by their keys; it only has to be some name.
const SERVER_NAME: &str = "malote";

/// A connection whose server has proved its key.
pub struct Connected {
    pub stream: TlsStream<TcpStream>,
    pub fingerprint: Fingerprint,
    /// Keying material of this connection, to bind the login to it.
    pub exporter: [u8; 32],
}

/// Connects. With `pinned`, a server with another key is refused in the handshake.
pub async fn dial(address: ServerAddress, pinned: Option<Fingerprint>) -> Result<Connected, Problem> {
    let stream = connect(&address).await?;
    // Small frames leave at once; where that cannot be set, they leave a little later.
    let _ = stream.set_nodelay(true);
    let verifier = Arc::new(PinnedKey::new(pinned));
    let connector = TlsConnector::from(Arc::new(tls_config(verifier.clone()).map_err(|_| Problem::NotMalote)?));
    let name = ServerName::try_from(SERVER_NAME).map_err(|_| Problem::NotMalote)?;
    let handshake = timeout(STEP, connector.connect(name, stream)).await;
    let found = verifier.found();
    if let (Some(expected), Some(found)) = (pinned, found)
        && expected != found
    {
        return Err(Problem::KeyChanged { expected, found });
    }
    let stream = handshake.map_err(|_| Problem::Silent)?.map_err(|error| tls_problem(&error))?;
    let (_, tls) = stream.get_ref();
    if tls.alpn_protocol() != Some(hello::ALPN) {
        return Err(Problem::NotMalote);
    }
    let mut exporter = [0; 32];
    tls.export_keying_material(&mut exporter, login::EXPORTER_LABEL, None).map_err(|_| Problem::NotMalote)?;
    let fingerprint = found.ok_or(Problem::NotMalote)?;
    Ok(Connected { stream, fingerprint, exporter })
}

async fn connect(address: &ServerAddress) -> Result<TcpStream, Problem> {
    let found = timeout(STEP, tokio::net::lookup_host((address.host.as_str(), address.port))).await;
    let found = found.map_err(|_| Problem::UnknownHost)?.map_err(|_| Problem::UnknownHost)?;
    let mut problem = Problem::UnknownHost;
    for address in found {
        problem = match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Problem::Refused,
            Ok(Err(_)) | Err(_) => Problem::Unreachable,
        };
    }
    Err(problem)
}

fn tls_problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::InvalidData => Problem::NotMalote,
        // A server that has no room for strangers right now hangs up without a word.
        _ => Problem::Lost,
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
