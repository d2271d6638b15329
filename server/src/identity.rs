//! The server's own key: made on first start, kept in the data directory, pinned by every client.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use malote_common::{fingerprint::Fingerprint, hello};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The files in the data directory.
pub const FILES: [&str; 2] = [KEY, CERTIFICATE];

const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// The ALPN protocol name of HTTP/1.1 (RFC 7301, 6).
const HTTP: &[u8] = b"http/1.1";

/// The name in the certificate. Clients go by the key and not by names.
const SUBJECT: &str = "malote";

/// A certificate with its key, which is wiped from memory with it.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pub fingerprint: Fingerprint,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Unusable(String),
}

impl Identity {
    /// Reads the key from the data directory, or makes one there. A damaged one is an error and never replaced: every
    /// client would take the new one for an attack.
    pub fn open(directory: &Path) -> Result<Identity, IdentityError> {
        let (certificate_path, key_path) = (directory.join(CERTIFICATE), directory.join(KEY));
        // The certificate is written last, so where it is missing none was ever shown to a client.
        if !certificate_path.exists() {
            make(&certificate_path, &key_path)?;
        }
        Identity::read(directory)
    }

    /// Reads the key that is there.
    pub fn read(directory: &Path) -> Result<Identity, IdentityError> {
        let (certificate_path, key_path) = (directory.join(CERTIFICATE), directory.join(KEY));
        let certificate = CertificateDer::from_pem_slice(&read_checked(&certificate_path)?)
            .map_err(|error| unusable(&certificate_path, error))?;
        let key =
            PrivateKeyDer::from_pem_slice(&read_checked(&key_path)?).map_err(|error| unusable(&key_path, error))?;
        let key_pair = Zeroizing::new(rcgen::KeyPair::try_from(&key).map_err(|error| unusable(&key_path, error))?);
        let fingerprint = Fingerprint::of(&rcgen::PublicKeyData::subject_public_key_info(&*key_pair));
        Ok(Identity { certificate, key, fingerprint })
    }

    /// TLS with this key, for version 1 of our protocol.
    pub fn tls_config(&self) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
        let mut config = self.config_for(hello::ALPN)?;
        // Every login proves the key anew, so a resumed TLS session would save nothing that matters.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// TLS with this key, for browsers.
    pub fn web_config(&self) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
        Ok(Arc::new(self.config_for(HTTP)?))
    }

    fn config_for(&self, protocol: &[u8]) -> Result<rustls::ServerConfig, rustls::Error> {
        server_config(vec![self.certificate.clone()], self.key.clone_key(), protocol)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl ZeroizeOnDrop for Identity {}

/// TLS 1.3 and nothing older, for one protocol, named as in ALPN.
fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocol: &[u8],
) -> Result<rustls::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// TLS for browsers with a certificate and its key from PEM files. The certificate may be followed by those between it and
/// the one that browsers know. The error says which file is of no use, and why.
pub fn web_config_from(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
    let config = server_config(chain, private, HTTP).map_err(|error| unusable(certificate, error))?;
    Ok(Arc::new(config))
}

fn make(certificate_path: &Path, key_path: &Path) -> Result<(), IdentityError> {
    let failed = |error: rcgen::Error| IdentityError::Unusable(error.to_string());
    let key = Zeroizing::new(rcgen::KeyPair::generate().map_err(failed)?);
    let mut parameters = rcgen::CertificateParams::new(vec![SUBJECT.to_owned()]).map_err(failed)?;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
    let certificate = parameters.self_signed(&*key).map_err(failed)?;
    write_private(key_path, &Zeroizing::new(key.serialize_pem()))?;
    write_private(certificate_path, &certificate.pem())?;
    Ok(())
}

/// What stands before the sum in the last line of our own files. Readers of PEM pass over what is outside of its blocks
/// (RFC 7468, 2).
const SUM: &str = "CRC-32: ";

/// Reads a file that [`write_private`] has written. One in which a bit has changed would be another key, or none that any client
/// could use.
fn read_checked(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let is_whole = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.rsplit_once(SUM))
        .is_some_and(|(text, sum)| sum == format!("{:08x}\n", crc32fast::hash(text.as_bytes())));
    match is_whole {
        true => Ok(bytes),
        false => Err(unusable(path, "it is not what was written")),
    }
}

/// Writes a file so that a crash leaves all of it or nothing, with a sum in its last line.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.write_all(format!("{SUM}{:08x}\n", crc32fast::hash(text.as_bytes())).as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Unusable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = Identity::open(directory.path()).unwrap().fingerprint;
        assert_eq!(Identity::open(directory.path()).unwrap().fingerprint, first);
        let mode = fs::metadata(directory.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Identity::open(directory.path()).unwrap().tls_config().unwrap();
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        Identity::open(directory.path()).unwrap();
        fs::write(directory.path().join(KEY), "nonsense").unwrap();
        assert!(Identity::open(directory.path()).is_err());
        assert_eq!(fs::read_to_string(directory.path().join(KEY)).unwrap(), "nonsense");
    }
}
