//! What can be typed behind `malote-cli`. The help texts are in the translation files.

use std::time::Duration;

use clap::{Parser, Subcommand};
use malote_client::ServerAddress;
use malote_texts::Language;

#[derive(Debug, Parser)]
#[command(name = "malote-cli", version)]
pub struct Flags {
    #[arg(long, global = true, value_name = "HOST:PORT", default_value_t)]
    pub server: ServerAddress,
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, global = true, value_name = "pt-BR|en")]
    pub lang: Option<Language>,
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Whoami,
    Send {
        #[arg(long, value_name = "A,B")]
        to: String,
        #[arg(long, default_value = "")]
        subject: String,
        /// Behind `--` it may begin with a hyphen.
        #[arg(default_value = "", allow_hyphen_values = true)]
        body: String,
    },
    Inbox {
        #[arg(long, value_name = "ROOM")]
        room: Option<String>,
    },
    Search {
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    Watch,
    Clear,
    Rooms,
    Join {
        room: String,
    },
    Leave {
        room: String,
    },
    Members {
        room: String,
    },
    People,
    Name {
        name: Option<String>,
    },
    Trust {
        fingerprint: String,
    },
    Doctor,
    Servers,
}

impl Flags {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}
