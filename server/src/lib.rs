//! Malote's server.
//!
//! [`Server::bind`] opens the store and the address, [`Server::run`] serves until it is told to stop. A connection is
//! pumped by [`connection`], thought for by [`session`], and served by the one [`post_office`], which keeps everything
//! in a [`store`].
//!
//! What may panic or wrap around is denied, so that no byte from the network or the disk can make it happen.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod announce;
pub mod config;
mod connection;
mod identity;
mod listener;
mod long_frames;
pub mod maintenance;
pub mod post_office;
pub mod rate;
pub mod session;
pub mod store;
mod web;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use malote_common::fingerprint::Fingerprint;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use crate::announce::Announcement;
use crate::config::{Config, WebConfig};
use crate::connection::Context;
use crate::identity::{Identity, IdentityError};
use crate::listener::Gate;
use crate::post_office::{PostOffice, thread};
use crate::store::{StoreError, sqlite::SqliteStore};
use crate::web::Web;

const STORE: &str = "store.db";
const MARK: &str = "store.db-mark";
const LOCK: &str = "lock";

/// The store of a restore that is not finished.
const UNFINISHED: &str = "unfinished.db";

/// Bytes without which a store cannot be opened.
const SPACE: u64 = 1024 * 1024;

/// A server that has its address and its store, and serves once it is run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    identity: Identity,
    store: SqliteStore,
    web: Option<Web>,
    config: Config,
    /// Held for as long as the data directory is in use.
    _lock: File,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `option` is the flag that says where.
    #[error("cannot listen on {address}: {error}")]
    Listen { option: &'static str, address: SocketAddr, error: io::Error },
    #[error("without TLS only this computer is served, not {address}")]
    Plaintext { address: SocketAddr },
    #[error("cannot write to {}: {error}", path.display())]
    DataUnwritable { path: PathBuf, error: io::Error },
    #[error("{} is in use by another server", path.display())]
    DataLocked { path: PathBuf },
    /// For a copy, which never takes the place of anything.
    #[error("there is something in {} already", path.display())]
    DataPresent { path: PathBuf },
    #[error("the store in {} cannot be opened: {reason}", path.display())]
    Store { path: PathBuf, reason: String },
    #[error("there is no space in {}", path.display())]
    Full { path: PathBuf },
    #[error("the key in {} cannot be used: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    #[error("the certificate for browsers cannot be used: {reason}")]
    WebCertificate { reason: String },
}

/// Why a server stopped that nobody had told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the store failed: {0}")]
    Store(StoreError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    /// Opens everything that a server needs, in the order in which a failure is cheapest.
    pub async fn bind(config: Config) -> Result<Server, StartError> {
        if config.plaintext && !config.listen.ip().to_canonical().is_loopback() {
            return Err(StartError::Plaintext { address: config.listen });
        }
        let lock = lock_directory(&config.data)?;
        let identity = identity_of(&config.data)?;
        let store = open_store(&config.data)?;
        let (listener, address) = listen("--listen", config.listen)?;
        let web = match &config.web {
            Some(web) => bind_web(web, &identity, config.max_clients)?,
            None => None,
        };
        Ok(Server { listener, address, identity, store, web, config, _lock: lock })
    }

    /// The address that was really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where browsers find the server, if they do.
    pub fn web_url(&self) -> Option<String> {
        self.web.as_ref().map(Web::url)
    }

    /// What clients pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint
    }

    /// Serves until `shutdown` completes, then says goodbye to everybody and ends. Ends with an error where the store
    /// fails, after which nothing can be promised.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let tls = match self.config.plaintext {
            true => None,
            false => Some(TlsAcceptor::from(self.identity.tls_config()?)),
        };
        let (counter, office) = thread::start(PostOffice::new(self.store, self.config.max_clients))?;
        let (ended, mut office_ended) = oneshot::channel();
        tokio::task::spawn_blocking(move || ended.send(office.join()));
        let (stop, stopping) = watch::channel(false);
        let gate = Gate::new(self.config.max_clients, self.config.max_clients_per_address);
        let context = Context::new(counter, self.config.rate, stopping);
        let web = self.web.map(|web| tokio::spawn(web.run(gate.clone(), context.clone())));
        let connections = tokio::spawn(listener::listen(self.listener, gate, context.stopping.clone(), {
            move |stream, arrival| connection::serve(stream, arrival, context.clone(), tls.clone())
        }));
        let announcement = Announcement::start(self.address, self.identity.fingerprint);
        let early = tokio::select! {
            () = shutdown => None,
            result = &mut office_ended => Some(result),
        };
        // Whoever listened has gone by now, or goes because of this.
        let _ = stop.send(true);
        if let Some(announcement) = announcement {
            announcement.withdraw().await;
        }
        let _ = connections.await;
        if let Some(web) = web {
            let _ = web.await;
        }
        // The last connection took the way to the post office with it, so the thread comes to its end.
        let result = match early {
            Some(result) => result,
            None => office_ended.await,
        };
        match result {
            Ok(Ok(result)) => result.map_err(RunError::Store),
            _ => Err(RunError::Io(io::Error::other("the post office's thread panicked"))),
        }
    }
}

/// Opens the messages, or makes a store for them.
fn open_store(data: &Path) -> Result<SqliteStore, StartError> {
    let path = data.to_owned();
    SqliteStore::open(&data.join(STORE)).map_err(|error| match error {
        StoreError::Full => StartError::Full { path },
        // What fails for want of space does not always say so, and nobody is to doubt their messages because of it.
        StoreError::Failed(_) if has_no_space(data) => StartError::Full { path },
        StoreError::Failed(reason) => StartError::Store { path, reason },
    })
}

fn has_no_space(directory: &Path) -> bool {
    let space = rustix::fs::statvfs(directory).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    space.is_ok_and(|bytes| bytes < SPACE)
}

/// The server's key; a new one where there is no server yet, or where somebody has deleted the old one to say so.
fn identity_of(data: &Path) -> Result<Identity, StartError> {
    let path = data.to_owned();
    let exists = |name: &str| data.join(name).exists();
    // Where a server has served, there was a key that everybody knows: another one in its place would be an attack to them.
    let is_served = exists(MARK) && identity::FILES.iter().any(|name| exists(name));
    let is_old = is_served || (exists(STORE) && !exists(MARK)) || exists(UNFINISHED);
    let identity = if is_old { Identity::read(data) } else { Identity::open(data) };
    identity.map_err(|error| match error {
        IdentityError::Io(error) if is_old => StartError::Key { path, reason: error.to_string() },
        IdentityError::Io(error) => StartError::DataUnwritable { path, error },
        IdentityError::Unusable(reason) => StartError::Key { path, reason },
    })
}

fn listen(option: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { option, address, error };
    let listener = bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Connections that may wait to be accepted, where the system allows as many. Of whoever comes when there is no room, the system
/// forgets the first packet, and they try again after a second.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again does not wait until the last traces of its former connections are gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The web listener. Where nobody asked for its address and that is not to be had, there is none: another server on
/// this computer may have it.
fn bind_web(config: &WebConfig, identity: &Identity, max_clients: usize) -> Result<Option<Web>, StartError> {
    let is_local = config.address.ip().to_canonical().is_loopback();
    let tls = match &config.certificate {
        Some((certificate, key)) => Some(
            identity::web_config_from(certificate, key)
                .map_err(|error| StartError::WebCertificate { reason: error.to_string() })?,
        ),
        None if is_local => None,
        None => {
            let own = identity.web_config();
            Some(own.map_err(|error| StartError::WebCertificate { reason: error.to_string() })?)
        }
    };
    match listen("--web", config.address) {
        Ok((listener, address)) => {
            let tls = tls.map(TlsAcceptor::from);
            Ok(Some(Web { listener, address, tls, visitors: is_local || config.visitors, max_clients }))
        }
        Err(error) if config.is_asked_for => Err(error),
        Err(error) => {
            warn!(%error, "browsers are not served; choose another address with --web");
            Ok(None)
        }
    }
}

/// Where a server keeps its data if nothing else is said.
pub fn default_data_directory() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "malote").map(|directories| directories.data_dir().join("server"))
}

/// Makes a directory for nobody else, also those above it, and waits until it is on the disk.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn lock_directory(path: &Path) -> Result<File, StartError> {
    let unwritable = |error| StartError::DataUnwritable { path: path.to_owned(), error };
    make_directory(path).map_err(unwritable)?;
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
    take_lock(path, lock.map_err(unwritable)?)
}

/// The same for a directory in which nothing is to be written, and perhaps nothing can. A copy has no lock, and needs none.
fn lock_to_read(path: &Path) -> Result<Option<File>, StartError> {
    match File::open(path.join(LOCK)) {
        Ok(lock) => take_lock(path, lock).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::DataUnwritable { path: path.to_owned(), error }),
    }
}

fn take_lock(path: &Path, lock: File) -> Result<File, StartError> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::DataLocked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StartError::DataUnwritable { path: path.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_server_that_had_a_key_is_not_given_another() {
        let data = tempfile::tempdir().unwrap();
        let fingerprint = identity_of(data.path()).map(|identity| identity.fingerprint).ok();
        assert!(fingerprint.is_some());
        assert_eq!(identity_of(data.path()).map(|identity| identity.fingerprint).ok(), fingerprint);
        let certificate = data.path().join("server.crt");
        fs::remove_file(&certificate).unwrap();
        // As after a power cut in the very first start, before anybody has seen it.
        assert_ne!(identity_of(data.path()).map(|identity| identity.fingerprint).ok(), fingerprint);
        fs::write(data.path().join(MARK), b"").unwrap();
        fs::remove_file(&certificate).unwrap();
        assert!(matches!(identity_of(data.path()), Err(StartError::Key { .. })));
        // Both are deleted, as the sentence about it says.
        fs::remove_file(data.path().join("server.key")).unwrap();
        assert!(identity_of(data.path()).is_ok());
    }

    #[test]
    fn a_restore_that_was_cut_off_gets_no_key_of_its_own() {
        for unfinished in [UNFINISHED, STORE] {
            let data = tempfile::tempdir().unwrap();
            fs::write(data.path().join(unfinished), b"").unwrap();
            assert!(matches!(identity_of(data.path()), Err(StartError::Key { .. })), "{unfinished}");
        }
    }

    #[tokio::test]
    async fn where_nobody_asked_for_the_web_address_a_server_does_without() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = taken.local_addr().unwrap();
        let bind = async |address, is_asked_for| {
            let data = tempfile::tempdir().unwrap();
            let web = WebConfig { address, is_asked_for, certificate: None, visitors: false };
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let data = data.path().to_owned();
            let config = Config {
                listen,
                data,
                max_clients: 1,
                max_clients_per_address: 1,
                rate: Default::default(),
                plaintext: false,
                web: Some(web),
            };
            Server::bind(config).await.map(|server| server.web_url())
        };
        assert!(matches!(bind(address, false).await, Ok(None)));
        assert!(matches!(bind(address, true).await, Err(StartError::Listen { option: "--web", .. })));
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        assert!(bind(free, true).await.is_ok_and(|url| url.is_some_and(|url| url.starts_with("http://127.0.0.1:"))));
    }
}
