//! What a server is told: flags, and a TOML file with the same names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use malote_common::limits;
use serde::Deserialize;

use crate::rate::Rate;

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub max_clients: usize,
    pub rate: Rate,
}

/// The content of `--config`. A flag given on the command line takes precedence.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigFile {
    pub listen: Option<SocketAddr>,
    pub lan: Option<bool>,
    pub data: Option<PathBuf>,
    pub max_clients: Option<usize>,
    pub log_format: Option<LogFormat>,
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
    fn a_file_has_the_flags_names_and_no_others() {
        let file: ConfigFile = toml::from_str(
            "listen = '127.0.0.1:0'\nmax-clients = 3\nlog-format = 'json'\n[rate]\nburst = 1\nper-second = 2",
        )
        .unwrap();
        assert_eq!(file.max_clients, Some(3));
        assert_eq!(file.rate, Some(Rate { burst: 1, per_second: 2 }));
        assert!(toml::from_str::<ConfigFile>("max-clientes = 3").is_err());
    }
}
