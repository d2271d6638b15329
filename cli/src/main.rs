//! `malote-cli`: Malote for the terminal and for scripts.

mod commands;
mod flags;
mod output;
mod session;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use malote_client::explain;
use malote_texts::{Language, Texts, clap::translated};

use crate::flags::Flags;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let texts = Texts::new(Language::from_arguments(&arguments));
    let matches = translated(Flags::command(), "cli", &texts).try_get_matches_from(arguments);
    let matches = matches.unwrap_or_else(|error| refuse(&error, &texts));
    let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match commands::run(&flags, &texts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(sentence) = &failure.sentence {
                eprintln!("{sentence}");
            }
            ExitCode::from(failure.status)
        }
    }
}

/// Ends the program because of what was typed, or shows the help that was asked for.
fn refuse(error: &clap::Error, texts: &Texts) -> ! {
    // clap explains what programmers get wrong; an address is what everybody types.
    if let Some(typed) = error.source().and_then(|source| source.downcast_ref()) {
        eprintln!("{}", explain::not_an_address(typed, texts));
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// Why a command fails, for the person and for scripts.
#[derive(Debug)]
pub struct Failure {
    pub status: u8,
    /// Nothing where all has been said already.
    pub sentence: Option<String>,
}

impl Failure {
    /// Something on this computer, or what was typed.
    pub const LOCAL: u8 = 1;
    /// The server refused a recipient, a room or a name.
    pub const REFUSED: u8 = 3;
    /// The server has another key than before.
    pub const KEY_CHANGED: u8 = 4;
    /// The server was not reached in time.
    pub const NOT_REACHED: u8 = 5;

    pub fn local(sentence: String) -> Failure {
        Failure { status: Failure::LOCAL, sentence: Some(sentence) }
    }

    pub fn refused(sentence: String) -> Failure {
        Failure { status: Failure::REFUSED, sentence: Some(sentence) }
    }
}
