//! Tells the local network that there is a server, by mDNS. Who finds it this way still pins its key.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use malote_common::announcement::{KEY_PROPERTY, SERVICE, VERSIONS_PROPERTY};
use malote_common::fingerprint::Fingerprint;
use malote_common::{hello, limits};
use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};
use tracing::{info, warn};

/// The goodbye may take this long. Those who miss it notice within the lifetime of the records, two minutes.
const GOODBYE: Duration = Duration::from_secs(1);

/// By then the announcement is out where there is a network: making sure that nobody has the name takes a second.
const FIRST: Duration = Duration::from_secs(10);

/// Bytes of a part of a name in DNS (RFC 1035, 2.3.4).
const LABEL_BYTES: usize = 63;

/// An announcement that stands until it is withdrawn.
pub struct Announcement {
    daemon: ServiceDaemon,
}

impl Announcement {
    /// Announces the server, unless it listens where only this computer reaches it. A network that takes no announcement
    /// is a warning in the log: those who know the address connect all the same.
    pub fn start(address: SocketAddr, fingerprint: Fingerprint) -> Option<Announcement> {
        if address.ip().is_loopback() {
            return None;
        }
        match announce(address, fingerprint) {
            Ok(announcement) => Some(announcement),
            Err(error) => {
                warn!(%error, "cannot announce this server on the network");
                None
            }
        }
    }

    /// Says goodbye, so that the server leaves the lists of those who search.
    pub async fn withdraw(self) {
        let withdraw = move || {
            if let Ok(gone) = self.daemon.shutdown() {
                // Where it takes longer, the records expire by themselves.
                let _ = gone.recv_timeout(GOODBYE);
            }
        };
        // Fails only where it panics, which has been told by then.
        let _ = tokio::task::spawn_blocking(withdraw).await;
    }
}

fn announce(address: SocketAddr, fingerprint: Fingerprint) -> Result<Announcement, mdns_sd::Error> {
    let name = instance_name(&gethostname::gethostname().to_string_lossy(), address.port());
    let service = service(&name, address, fingerprint)?;
    let daemon = ServiceDaemon::new()?;
    // For this computer alone nothing is announced, and so it cannot hide that no network is.
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    report(daemon.monitor()?);
    daemon.register(service)?;
    info!(%name, service = SERVICE, "announcing on the network");
    Ok(Announcement { daemon })
}

/// Writes into the log what becomes of the announcement.
fn report(events: mdns_sd::Receiver<DaemonEvent>) {
    let report = move || {
        // Sockets that cannot be opened are no error to the library: there just is no announcement.
        let deadline = Instant::now() + FIRST;
        let announced = |event| matches!(event, DaemonEvent::Announce(..));
        if !std::iter::from_fn(|| events.recv_deadline(deadline).ok()).any(announced) {
            warn!("this server is announced on no network; other computers need its address to connect");
        }
        while let Ok(event) = events.recv() {
            match event {
                DaemonEvent::Error(error) => warn!(%error, "cannot announce this server on the network"),
                DaemonEvent::NameChange(change) => info!(name = change.new_name, "announced by another name"),
                _ => {}
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("announcement".into()).spawn(report) {
        warn!(%error, "what becomes of the announcement will not be told");
    }
}

fn service(name: &str, address: SocketAddr, fingerprint: Fingerprint) -> Result<ServiceInfo, mdns_sd::Error> {
    // A host name of our own, so that ours never quarrels with the one that the system announces for this computer.
    let digits: String = fingerprint.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let host = format!("malote-{digits}.local.");
    let properties = [(VERSIONS_PROPERTY, hello::VERSION.to_string()), (KEY_PROPERTY, fingerprint.to_string())];
    let ip = address.ip();
    let mut service = if ip.is_unspecified() {
        // Every address that the computer has, also those that it is given later.
        ServiceInfo::new(SERVICE, name, &host, (), address.port(), &properties[..])?.enable_addr_auto()
    } else {
        ServiceInfo::new(SERVICE, name, &host, ip, address.port(), &properties[..])?
    };
    service.set_interfaces(vec![match ip {
        ip if !ip.is_unspecified() => IfKind::Addr(ip),
        IpAddr::V4(_) => IfKind::IPv4,
        IpAddr::V6(_) => IfKind::All,
    }]);
    Ok(service)
}

/// The computer's name, short and plain, with the port where it is an unusual one: a second server on the same computer
/// has another name.
fn instance_name(host: &str, port: u16) -> String {
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let mut name: String = host.chars().filter(plain).collect();
    if name.trim().is_empty() {
        name = "Malote".to_owned();
    }
    let behind = if port == limits::DEFAULT_PORT { String::new() } else { format!(" ({port})") };
    while name.len().saturating_add(behind.len()) > LABEL_BYTES {
        name.pop();
    }
    format!("{}{behind}", name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: Fingerprint = Fingerprint([0xab; 32]);

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(instance_name("casa", limits::DEFAULT_PORT), "casa");
        assert_eq!(instance_name("casa", 5000), "casa (5000)");
        assert_eq!(instance_name("\u{1b}[31m", 5000), "31m (5000)");
        assert_eq!(instance_name(" \u{202e}", limits::DEFAULT_PORT), "Malote");
        for host in ["x".repeat(300), "ação".repeat(100), "漢".repeat(100)] {
            let name = instance_name(&host, 65535);
            assert!(name.len() <= LABEL_BYTES && name.ends_with(" (65535)"), "{name}");
        }
    }

    #[test]
    fn the_announcement_has_port_version_and_key() {
        let service = service("casa", "0.0.0.0:5000".parse().unwrap(), FINGERPRINT).unwrap();
        assert_eq!(service.get_fullname(), "casa._malote._tcp.local.");
        assert_eq!(service.get_hostname(), "malote-abababab.local.");
        assert_eq!(service.get_port(), 5000);
        assert_eq!(service.get_property_val_str(KEY_PROPERTY), Some(FINGERPRINT.to_string().as_str()));
        assert_eq!(service.get_property_val_str(VERSIONS_PROPERTY), Some("1"));
        assert!(service.is_addr_auto());
    }

    #[test]
    fn one_address_is_announced_alone() {
        let service = service("casa", "192.168.0.10:5000".parse().unwrap(), FINGERPRINT).unwrap();
        assert!(!service.is_addr_auto());
        let addresses: Vec<String> = service.get_addresses_v4().into_iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.168.0.10"]);
    }

    #[test]
    fn what_only_this_computer_reaches_is_not_announced() {
        assert!(Announcement::start("127.0.0.1:5000".parse().unwrap(), FINGERPRINT).is_none());
        assert!(Announcement::start("[::1]:5000".parse().unwrap(), FINGERPRINT).is_none());
    }
}
