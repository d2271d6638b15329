//! Servers that announce themselves on the local network by mDNS, and one on this computer.
//!
//! What is announced is shown to the person and believed in nothing: the server's key is learned and pinned on the
//! connection, as for an address that was typed.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use malote_common::announcement::{KEY_PROPERTY, SERVICE};
use malote_common::fingerprint::Fingerprint;
use malote_common::text;
use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};
use tracing::{debug, warn};

use crate::address::ServerAddress;
use crate::connection::dial;

/// Servers in the list: more than any honest network has, and a bound for one that is not.
const SERVERS: usize = 32;

/// Addresses of one server that are kept.
const ADDRESSES: usize = 4;

/// Characters of a server's name that are shown.
const NAME_CHARS: usize = 40;

/// A server that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name that it announces, made harmless; nothing for the one on this computer.
    pub name: Option<String>,
    /// Where it says that it is, at least one address, the most promising first.
    pub addresses: Vec<ServerAddress>,
    /// The key that it says it has.
    pub fingerprint: Option<Fingerprint>,
}

/// A search under way. It ends when this is dropped.
pub struct Discovery {
    list: Arc<Mutex<List>>,
    daemon: Option<ServiceDaemon>,
}

/// Where to search.
#[derive(Clone, Debug)]
pub struct Search {
    /// Whether to listen to announcements on the network.
    pub network: bool,
    /// Where a server on this computer would be.
    pub here: ServerAddress,
}

impl Default for Search {
    fn default() -> Search {
        Search { network: true, here: ServerAddress::default() }
    }
}

impl Discovery {
    /// Begins to search. `wake` is called after each change of what is found. Where the network cannot be searched,
    /// the log says why, and nothing is found there.
    pub fn start(search: &Search, wake: impl Fn() + Send + Sync + 'static) -> Discovery {
        let list = Arc::new(Mutex::new(List::default()));
        let wake = Arc::new(wake);
        look_here(search.here.clone(), list.clone(), wake.clone());
        let daemon = search.network.then(|| browse(list.clone(), wake)).transpose();
        let daemon = daemon.unwrap_or_else(|error| {
            warn!(%error, "cannot search the network for servers");
            None
        });
        Discovery { list, daemon }
    }

    /// What is found so far: the server on this computer first, the others by name.
    pub fn found(&self) -> Vec<Found> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).found()
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        if let Some(daemon) = &self.daemon {
            // Fails only where the daemon is gone already. Its thread ends, and with it the one that listens to it.
            let _ = daemon.shutdown();
        }
    }
}

/// Listens to announcements on a thread of its own.
fn browse(list: Arc<Mutex<List>>, wake: Arc<impl Fn() + Send + Sync + 'static>) -> Result<ServiceDaemon, String> {
    let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
    let events = daemon.browse(SERVICE).map_err(|error| error.to_string())?;
    let listen = move || {
        while let Ok(event) = events.recv() {
            let changed = match event {
                ServiceEvent::ServiceResolved(service) => {
                    debug!(name = service.get_fullname(), "a server announces itself");
                    list.lock().unwrap_or_else(PoisonError::into_inner).insert(&service)
                }
                ServiceEvent::ServiceRemoved(_, name) => {
                    list.lock().unwrap_or_else(PoisonError::into_inner).remove(&name)
                }
                _ => false,
            };
            if changed {
                wake();
            }
        }
    };
    thread::Builder::new().name("discovery".into()).spawn(listen).map_err(|error| error.to_string())?;
    Ok(daemon)
}

/// Asks once whether a server answers on this computer, on a thread of its own.
fn look_here(here: ServerAddress, list: Arc<Mutex<List>>, wake: Arc<impl Fn() + Send + Sync + 'static>) {
    let look = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let Ok(connected) = runtime.block_on(dial(here.clone(), None)) else { return };
        let found = Found { name: None, addresses: vec![here], fingerprint: Some(connected.fingerprint) };
        list.lock().unwrap_or_else(PoisonError::into_inner).here = Some(found);
        wake();
    };
    if let Err(error) = thread::Builder::new().name("discovery".into()).spawn(look) {
        warn!(%error, "cannot look for a server on this computer");
    }
}

/// What is found so far.
#[derive(Default)]
struct List {
    here: Option<Found>,
    /// By the full name of the announcement.
    announced: Vec<(String, Found)>,
}

impl List {
    fn found(&self) -> Vec<Found> {
        // A server on this computer that also announces itself is one server.
        let key = self.here.as_ref().and_then(|here| here.fingerprint);
        let others = self.announced.iter().filter(|(_, found)| key.is_none() || found.fingerprint != key);
        let mut others: Vec<Found> = others.map(|(_, found)| found.clone()).collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        self.here.iter().cloned().chain(others).collect()
    }

    fn insert(&mut self, service: &ResolvedService) -> bool {
        let Some(found) = announced(service) else { return false };
        let has_room = self.announced.len() < SERVERS;
        match self.announced.iter_mut().find(|(name, _)| name == service.get_fullname()) {
            Some((_, known)) if *known == found => false,
            Some((_, known)) => {
                *known = found;
                true
            }
            None if has_room => {
                self.announced.push((service.get_fullname().to_owned(), found));
                true
            }
            None => false,
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let before = self.announced.len();
        self.announced.retain(|(known, _)| known != name);
        self.announced.len() < before
    }
}

/// What an announcement says, as far as it can be used.
fn announced(service: &ResolvedService) -> Option<Found> {
    let mut addresses: Vec<IpAddr> = service.get_addresses().iter().map(|address| address.to_ip_addr()).collect();
    addresses.retain(is_usable);
    // In the order of the numbers, the older family first, which more networks carry.
    addresses.sort();
    addresses.truncate(ADDRESSES);
    let port = service.get_port();
    if addresses.is_empty() || port == 0 {
        return None;
    }
    let addresses = addresses.into_iter().map(|address| ServerAddress { host: address.to_string(), port }).collect();
    let fingerprint = service.get_property_val_str(KEY_PROPERTY).and_then(|key| key.parse().ok());
    Some(Found { name: Some(instance_name(service.get_fullname())), addresses, fingerprint })
}

/// Whether an address of another computer can be dialled as it stands: a link-local one of IPv6 needs an interface with
/// it, which no announcement names.
fn is_usable(address: &IpAddr) -> bool {
    let reserved = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    !reserved && !matches!(address, IpAddr::V6(address) if Ipv6Addr::is_unicast_link_local(address))
}

/// The name before the type of service, without the escapes of DNS, fit to be shown.
fn instance_name(fullname: &str) -> String {
    let escaped = fullname.strip_suffix(SERVICE).and_then(|name| name.strip_suffix('.')).unwrap_or(fullname);
    let mut name = String::new();
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        name.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text::first_words(&name, NAME_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdns_sd::ServiceInfo;

    fn service(name: &str, addresses: &str, port: u16, key: &str) -> ResolvedService {
        let properties = [(KEY_PROPERTY, key)];
        let info = ServiceInfo::new(SERVICE, name, "host.local.", addresses, port, &properties[..]);
        info.unwrap().as_resolved_service()
    }

    #[test]
    fn an_announcement_gives_name_addresses_and_key() {
        let key = Fingerprint([7; 32]);
        let mut list = List::default();
        let announcement = service("casa.da ana", "192.168.0.10,10.0.0.2", 5000, &key.to_string());
        assert!(list.insert(&announcement));
        assert!(!list.insert(&announcement));
        let addresses = ["10.0.0.2:5000", "192.168.0.10:5000"].map(|address| address.parse().unwrap()).to_vec();
        let found = Found { name: Some("casa.da ana".into()), addresses, fingerprint: Some(key) };
        assert_eq!(list.found(), [found]);
        assert!(list.remove(announcement.get_fullname()));
        assert_eq!(list.found(), []);
    }

    #[test]
    fn what_strangers_announce_is_bounded_and_harmless() {
        let mut list = List::default();
        for number in 0..SERVERS + 10 {
            list.insert(&service(&format!("s{number}"), "192.168.0.10", 1, ""));
        }
        assert_eq!(list.found().len(), SERVERS);
        let hostile = format!("{}\u{1b}[31m\u{202e}{}", "x".repeat(30), "y".repeat(30));
        let many: Vec<String> = (1..100).map(|number| format!("192.168.0.{number}")).collect();
        let found = announced(&service(&hostile, &many.join(","), 1, "SHA256:zz")).unwrap();
        assert_eq!(found.addresses.len(), ADDRESSES);
        assert_eq!(found.fingerprint, None);
        let name = found.name.unwrap();
        assert!(name.chars().count() <= NAME_CHARS && !name.contains(['\u{1b}', '\u{202e}']), "{name:?}");
    }

    #[test]
    fn addresses_that_cannot_be_dialled_are_left_out() {
        for useless in ["127.0.0.1", "0.0.0.0", "224.0.0.251", "::1", "fe80::1"] {
            assert_eq!(announced(&service("s", useless, 1, "")), None, "{useless}");
        }
        assert_eq!(announced(&service("s", "192.168.0.10", 0, "")), None);
    }

    #[test]
    fn a_server_here_that_announces_itself_is_one_server() {
        let key = Fingerprint([7; 32]);
        let here = Found { name: None, addresses: vec![ServerAddress::default()], fingerprint: Some(key) };
        let mut list = List { here: Some(here.clone()), ..List::default() };
        list.insert(&service("this one", "192.168.0.10", 1, &key.to_string()));
        assert_eq!(list.found(), [here]);
        list.insert(&service("another", "192.168.0.11", 1, ""));
        assert_eq!(list.found().len(), 2);
    }
}
