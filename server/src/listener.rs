//! Accepts connections, within bounds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use malote_common::limits;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::connection::{Context, serve, stopped};
use crate::post_office::SessionId;

/// Connections beyond `--max-clients` that may be open for as long as it takes to tell them that the server is full.
const ROOM_FOR_REFUSALS: usize = 100;

/// Pause after the system could not give us a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the server stops, then waits for the connections to end.
pub async fn listen(listener: TcpListener, max_clients: usize, context: Context) {
    let places = Arc::new(Semaphore::new(max_clients.saturating_add(ROOM_FOR_REFUSALS)));
    let handshakes = Handshakes::default();
    let mut stopping = context.stopping.clone();
    let mut connections = JoinSet::new();
    let mut next = 0;
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Beyond the bounds nothing is spent on a stranger, not even a goodbye.
                    let (Ok(place), Some(handshake)) =
                        (places.clone().try_acquire_owned(), handshakes.begin(peer.ip()))
                    else {
                        debug!(%peer, "turned away");
                        continue;
                    };
                    next += 1;
                    connections.spawn(occupy(place, serve(stream, peer, SessionId(next), context.clone(), handshake)));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn occupy(_place: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
}

/// Counts the connections of each address that are being set up.
#[derive(Clone, Default)]
struct Handshakes(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place among an address's handshakes, given back when dropped.
pub struct Handshake {
    handshakes: Handshakes,
    address: IpAddr,
}

impl Handshakes {
    fn begin(&self, address: IpAddr) -> Option<Handshake> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= limits::HANDSHAKES_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Handshake { handshakes: self.clone(), address })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut counts = self.handshakes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_handshakes_and_no_more() {
        let handshakes = Handshakes::default();
        let address = IpAddr::from([127, 0, 0, 1]);
        let held: Vec<_> = (0..limits::HANDSHAKES_PER_ADDRESS).map(|_| handshakes.begin(address).unwrap()).collect();
        assert!(handshakes.begin(address).is_none());
        assert!(handshakes.begin(IpAddr::from([127, 0, 0, 2])).is_some());
        drop(held);
        assert!(handshakes.begin(address).is_some());
        assert_eq!(handshakes.0.lock().unwrap().len(), 0);
    }
}
