//! Where a server is, as a person types it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use malote_common::limits;

/// Bytes of a host's name: what DNS allows (RFC 1035, 2.3.4).
const HOST_BYTES: usize = 253;

/// A host's name or IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    pub host: String,
    pub port: u16,
}

/// The text is no server's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a server's address: {0}")]
pub struct NotAnAddress(pub String);

impl Default for ServerAddress {
    fn default() -> ServerAddress {
        ServerAddress { host: "127.0.0.1".to_owned(), port: limits::DEFAULT_PORT }
    }
}

impl ServerAddress {
    /// Whether it leads to the computer that asks, as far as can be seen without asking anybody.
    pub fn is_this_computer(&self) -> bool {
        let host = self.host.as_str();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl FromStr for ServerAddress {
    type Err = NotAnAddress;

    /// Takes `host`, `host:port`, `[IPv6]` and `[IPv6]:port`.
    fn from_str(typed: &str) -> Result<ServerAddress, NotAnAddress> {
        let error = || NotAnAddress(typed.to_owned());
        let text = typed.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or_else(error)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| error())?;
                (host, behind.strip_prefix(':').or(if behind.is_empty() { None } else { Some("") }))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let named = (1..=HOST_BYTES).contains(&host.len())
            && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'));
        let port = match port {
            None => limits::DEFAULT_PORT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?,
        };
        if named { Ok(ServerAddress { host: host.to_owned(), port }) } else { Err(error()) }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expect: Option<&str>) {
        let parsed = typed.parse::<ServerAddress>().ok().map(|address| address.to_string());
        assert_eq!(parsed.as_deref(), expect, "{typed:?}");
    }

    #[test]
    fn this_computer_is_recognised() {
        let is_here = |address: &str| address.parse::<ServerAddress>().unwrap().is_this_computer();
        assert!(is_here("127.0.0.1") && is_here("[::1]:5") && is_here("LOCALHOST"));
        assert!(!is_here("192.168.0.10") && !is_here("casa"));
    }

    #[test]
    fn addresses() {
        check("localhost", Some("localhost:44765"));
        check(" 192.168.0.10:5000 ", Some("192.168.0.10:5000"));
        check("[::1]", Some("[::1]:44765"));
        check("[fe80::1]:99", Some("[fe80::1]:99"));
        for wrong in
            ["", ":5", "host:", "host:0", "host:99999", "a b:5", "::1", "[::1", "[::1]x", "[host]:5", "http://x"]
        {
            check(wrong, None);
        }
        check(&"a".repeat(HOST_BYTES + 1), None);
    }
}
