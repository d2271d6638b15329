//! Accepts connections, within bounds.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use malote_common::limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::post_office::SessionId;
use crate::rate::{Bucket, Rate};

/// Connections beyond `--max-clients` that may be open for as long as it takes to tell them that the server is full.
const ROOM_FOR_REFUSALS: usize = 100;

/// How many of one address may log in at once and, in the long run, each second. Everybody who watches is told of each of them.
/// A whole office behind one address comes back without noticing it.
const LOGINS: Rate = Rate { burst: 1_000, per_second: 100 };

/// Addresses that are remembered before those are forgotten from which nobody has logged in of late.
const REMEMBERED: usize = 20_000;

/// Pause after the system could not give us a connection, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection passes, whichever listener it came to: it counts them, and bounds how many there are.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    addresses: Addresses,
    last: Arc<AtomicU64>,
}

/// A connection that was let in.
pub struct Arrival {
    pub id: SessionId,
    pub peer: SocketAddr,
    /// When it was accepted.
    pub at: Instant,
    /// To be let go of once the peer has proved who it is, or needs not to.
    pub handshake: Handshake,
    /// Held for as long as the connection lasts.
    pub place: Place,
}

/// One of the places for connections, given back when dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _visit: Visit,
}

impl Gate {
    pub fn new(max_clients: usize, per_address: usize) -> Gate {
        let places = Arc::new(Semaphore::new(max_clients.saturating_add(ROOM_FOR_REFUSALS)));
        let addresses = Addresses::new(limits::HANDSHAKES_PER_ADDRESS, per_address);
        Gate { places, addresses, last: Arc::default() }
    }

    /// A gate beside this one, with places of its own, so that those who come in there take none from those who come in here.
    pub fn beside(&self, places: usize, handshakes_per_address: usize) -> Gate {
        let places = Arc::new(Semaphore::new(places));
        let addresses = Addresses::new(handshakes_per_address, self.addresses.connections);
        Gate { places, addresses, last: self.last.clone() }
    }

    /// A place among those of this address that are being set up, if there is one.
    pub fn begin_handshake(&self, address: IpAddr) -> Option<Handshake> {
        self.addresses.begin(address)
    }

    /// The next session's identity: greater than all before.
    pub fn next_id(&self) -> SessionId {
        SessionId(self.last.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }

    /// Lets a connection in, if there is a place for it.
    fn admit(&self, peer: SocketAddr) -> Option<Arrival> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let visit = self.addresses.enter(peer.ip())?;
        let handshake = self.begin_handshake(peer.ip())?;
        let place = Place { _permit: permit, _visit: visit };
        Some(Arrival { id: self.next_id(), peer, at: Instant::now(), handshake, place })
    }
}

/// Accepts until the server stops, then waits for the connections to end.
pub async fn listen<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    gate: Gate,
    mut stopping: watch::Receiver<bool>,
    serve: impl Fn(TcpStream, Arrival) -> F,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                // Beyond the bounds nothing is spent on a stranger, not even a goodbye.
                Ok((stream, peer)) => match gate.admit(peer) {
                    Some(arrival) => drop(connections.spawn(serve(stream, arrival))),
                    None => debug!(%peer, "turned away"),
                },
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

/// Completes when the server stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is stopped as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Counts the connections of each address, those among them that are being set up, and those who log in.
#[derive(Clone)]
struct Addresses {
    /// How many an address may have that are being set up.
    handshakes: usize,
    /// How many an address may have.
    connections: usize,
    known: Arc<Mutex<HashMap<IpAddr, Address>>>,
}

struct Address {
    being_set_up: usize,
    connected: usize,
    logins: Bucket,
}

/// A place among an address's handshakes, given back when dropped.
pub struct Handshake(Visit);

/// One of an address's connections, given back when dropped.
struct Visit {
    addresses: Addresses,
    address: IpAddr,
    /// Among which it counts.
    count: Count,
}

/// One of an address's counts.
type Count = fn(&mut Address) -> &mut usize;

impl Addresses {
    fn new(handshakes: usize, connections: usize) -> Addresses {
        Addresses { handshakes, connections, known: Arc::default() }
    }

    fn begin(&self, address: IpAddr) -> Option<Handshake> {
        self.count(address, |address| &mut address.being_set_up, self.handshakes).map(Handshake)
    }

    fn enter(&self, address: IpAddr) -> Option<Visit> {
        self.count(address, |address| &mut address.connected, self.connections)
    }

    fn count(&self, address: IpAddr, count: Count, most: usize) -> Option<Visit> {
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= REMEMBERED && !known.contains_key(&address) {
            known.retain(|_, address| !address.is_forgettable(now));
        }
        let new = || Address { being_set_up: 0, connected: 0, logins: Bucket::new(LOGINS, now) };
        let counted = count(known.entry(address).or_insert_with(new));
        if *counted >= most {
            return None;
        }
        *counted = counted.saturating_add(1);
        Some(Visit { addresses: self.clone(), address, count })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    fn is_forgettable(&self, now: Instant) -> bool {
        self.being_set_up == 0 && self.connected == 0 && self.logins.is_full(now)
    }
}

impl Handshake {
    /// Somebody is about to log in here. Says how long they are to wait for their turn, which is no longer than the others of
    /// their address who are being set up take: they keep nobody else waiting.
    pub fn log_in(&self, now: Instant) -> Duration {
        let mut known = self.0.addresses.lock();
        known.get_mut(&self.0.address).map_or(Duration::ZERO, |address| address.logins.overdraw(1, now))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut known = self.addresses.lock();
        if let Some(address) = known.get_mut(&self.address) {
            let counted = (self.count)(address);
            *counted = counted.saturating_sub(1);
            if address.is_forgettable(Instant::now()) {
                known.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_handshakes_and_no_more() {
        let handshakes = Addresses::new(3, 9);
        let address = IpAddr::from([127, 0, 0, 1]);
        let held: Vec<_> = (0..3).map(|_| handshakes.begin(address).unwrap()).collect();
        assert!(handshakes.begin(address).is_none());
        assert!(handshakes.begin(IpAddr::from([127, 0, 0, 2])).is_some());
        drop(held);
        assert!(handshakes.begin(address).is_some());
        assert_eq!(handshakes.lock().len(), 0);
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let gate = Gate::new(9, 3);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let held: Vec<_> = (0..3).map(|_| gate.admit(peer).unwrap()).collect();
        assert!(gate.admit(peer).is_none());
        assert!(gate.admit(SocketAddr::from(([127, 0, 0, 2], 1))).is_some());
        drop(held);
        assert!(gate.admit(peer).is_some());
        assert_eq!(gate.addresses.lock().len(), 0);
    }

    #[test]
    fn whoever_logs_in_again_and_again_waits_and_keeps_others_from_nothing() {
        let (handshakes, now) = (Addresses::new(2, 9), Instant::now());
        let (address, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        // Somebody is there all the while, so that the address is not forgotten meanwhile.
        let _someone = handshakes.begin(address);
        for _ in 0..LOGINS.burst {
            assert_eq!(handshakes.begin(address).unwrap().log_in(now), Duration::ZERO);
        }
        assert!(handshakes.begin(address).unwrap().log_in(now) > Duration::ZERO, "coming back renews nothing");
        assert_eq!(handshakes.begin(other).unwrap().log_in(now), Duration::ZERO);
    }
}
