//! What a server is told: flags, and a TOML file with the same names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use malote_common::limits;
use serde::Deserialize;

use crate::rate::Rate;

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub max_clients: usize,
    /// Of those, from one address.
    pub max_clients_per_address: usize,
    pub rate: Rate,
    /// Whether clients speak without TLS, to measure what TLS costs. Only for a loopback address.
    pub plaintext: bool,
    /// Nothing where browsers are not served.
    pub web: Option<WebConfig>,
}

/// What the web listener needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebConfig {
    pub address: SocketAddr,
    /// Whether somebody has asked for this address: then the server does not start without it.
    pub is_asked_for: bool,
    /// A certificate with its key, in PEM files, instead of the server's own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether whoever comes from other computers may speak on `/chat`.
    pub visitors: bool,
}

/// The content of `--config`. A flag given on the command line takes precedence.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigFile {
    pub listen: Option<SocketAddr>,
    pub lan: Option<bool>,
    pub data: Option<PathBuf>,
    pub max_clients: Option<usize>,
    pub max_clients_per_address: Option<usize>,
    pub log_format: Option<LogFormat>,
    pub web: Option<WebAddress>,
    pub web_cert: Option<PathBuf>,
    pub web_key: Option<PathBuf>,
    pub web_visitors: Option<bool>,
    /// How much one person may post.
    pub rate: Option<Rate>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Where the web listener listens, if anywhere: `off` or an address with its port.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum WebAddress {
    Off,
    At(SocketAddr),
}

impl FromStr for WebAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<WebAddress, String> {
        match text {
            "off" => Ok(WebAddress::Off),
            address => address.parse().map(WebAddress::At).map_err(|error| error.to_string()),
        }
    }
}

impl TryFrom<String> for WebAddress {
    type Error = String;

    fn try_from(text: String) -> Result<WebAddress, String> {
        text.parse()
    }
}

/// Where the web listener listens: on this computer only, unless told otherwise. `true` where it was told.
pub fn web_address(asked: Option<WebAddress>) -> Option<(SocketAddr, bool)> {
    match asked {
        None => Some((SocketAddr::from((Ipv4Addr::LOCALHOST, limits::DEFAULT_WEB_PORT)), false)),
        Some(WebAddress::At(address)) => Some((address, true)),
        Some(WebAddress::Off) => None,
    }
}

/// Where a server listens: on this computer only, unless told otherwise.
pub fn listen_address(listen: Option<SocketAddr>, lan: bool) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, limits::DEFAULT_PORT));
    let address = listen.unwrap_or(default);
    match lan && address.ip().is_loopback() {
        true => SocketAddr::from((IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port())),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_unless_told_otherwise() {
        assert_eq!(listen_address(None, false).to_string(), "127.0.0.1:44765");
        assert_eq!(listen_address(None, true).to_string(), "0.0.0.0:44765");
        let other = "192.168.0.10:5".parse().unwrap();
        assert_eq!(listen_address(Some(other), true), other);
        assert_eq!(listen_address(Some("127.0.0.1:5".parse().unwrap()), true).to_string(), "0.0.0.0:5");
    }

    #[test]
    fn the_web_listener_is_on_unless_told_otherwise() {
        let address = |text: &str| web_address(Some(text.parse().unwrap()));
        assert_eq!(web_address(None), Some(("127.0.0.1:44780".parse().unwrap(), false)));
        assert_eq!(address("[::1]:5"), Some(("[::1]:5".parse().unwrap(), true)));
        assert_eq!(address("off"), None);
        assert!("nowhere".parse::<WebAddress>().is_err());
        let text = "web = 'off'\nweb-cert = 'a.pem'\nweb-key = 'b.pem'\nweb-visitors = true";
        let file: ConfigFile = toml::from_str(text).unwrap();
        assert_eq!((file.web, file.web_visitors), (Some(WebAddress::Off), Some(true)));
        assert!(toml::from_str::<ConfigFile>("web = 'aus'").is_err());
    }

    #[test]
    fn a_file_has_the_flags_names_and_no_others() {
        let file: ConfigFile = toml::from_str(
            "listen = '127.0.0.1:0'\nmax-clients = 3\nmax-clients-per-address = 2\nlog-format = 'json'\n[rate]\nburst = 1\nper-second = 2",
        )
        .unwrap();
        assert_eq!((file.max_clients, file.max_clients_per_address), (Some(3), Some(2)));
        assert_eq!(file.rate, Some(Rate { burst: 1, per_second: 2 }));
        assert!(toml::from_str::<ConfigFile>("max-clientes = 3").is_err());
    }
}
