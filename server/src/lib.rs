//! Malote's server.
//!
//! [`Server::bind`] opens the store and the address, [`Server::run`] serves until it is told to stop. A connection is
//! pumped by [`connection`], thought for by [`session`], and served by the one [`post_office`], which keeps everything
//! in a [`store`].

mod announce;
pub mod config;
mod connection;
mod identity;
mod listener;
pub mod post_office;
pub mod rate;
pub mod session;
pub mod store;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use malote_common::fingerprint::Fingerprint;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

use crate::announce::Announcement;
use crate::config::Config;
use crate::connection::Context;
use crate::identity::{Identity, IdentityError};
use crate::post_office::{PostOffice, thread};
use crate::rate::Allowances;
use crate::store::{StoreError, sqlite::SqliteStore};

const STORE: &str = "store.db";
const LOCK: &str = "lock";

/// A server that has its address and its store, and serves once it is run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    identity: Identity,
    store: SqliteStore,
    config: Config,
    /// Held for as long as the data directory is in use.
    _lock: File,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot write to {}: {error}", path.display())]
    DataUnwritable { path: PathBuf, error: io::Error },
    #[error("{} is in use by another server", path.display())]
    DataLocked { path: PathBuf },
    #[error("the store in {} cannot be opened: {reason}", path.display())]
    Store { path: PathBuf, reason: String },
    #[error("the key in {} cannot be used: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
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
        let lock = lock_directory(&config.data)?;
        let path = config.data.clone();
        let identity = Identity::open(&config.data).map_err(|error| match error {
            IdentityError::Io(error) => StartError::DataUnwritable { path, error },
            IdentityError::Unusable(reason) => StartError::Key { path, reason },
        })?;
        let store = SqliteStore::open(&config.data.join(STORE))
            .map_err(|error| StartError::Store { path: config.data.clone(), reason: error.to_string() })?;
        let failed = |error| StartError::Listen { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, identity, store, config, _lock: lock })
    }

    /// The address that was really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint
    }

    /// Serves until `shutdown` completes, then says goodbye to everybody and ends. Ends with an error where the store
    /// fails, after which nothing can be promised.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let tls = TlsAcceptor::from(self.identity.tls_config()?);
        let (counter, office) = thread::start(PostOffice::new(self.store, self.config.max_clients))?;
        let (ended, mut office_ended) = oneshot::channel();
        tokio::task::spawn_blocking(move || ended.send(office.join()));
        let (stop, stopping) = watch::channel(false);
        let context = Context { tls, counter, allowances: Allowances::new(self.config.rate), stopping };
        let mut connections = tokio::spawn(listener::listen(self.listener, self.config.max_clients, context));
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
        let _ = (&mut connections).await;
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

/// Where a server keeps its data if nothing else is said.
pub fn default_data_directory() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "malote").map(|directories| directories.data_dir().join("server"))
}

fn lock_directory(path: &Path) -> Result<File, StartError> {
    let unwritable = |error| StartError::DataUnwritable { path: path.to_owned(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unwritable)?;
    let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
    let lock = lock.map_err(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::DataLocked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unwritable(error)),
    }
}
