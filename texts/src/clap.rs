//! Help texts of commands in the person's language.

use std::ffi::OsString;

use clap::{Arg, Command};

use crate::{Language, Texts};

impl Language {
    /// The language that `--lang` names, or else `MALOTE_LANG`; known before the flags are parsed, since the
    /// explanation of a wrong flag needs it.
    pub fn from_arguments(arguments: &[OsString]) -> Language {
        let mut words = arguments.iter().map(|word| word.to_string_lossy());
        let mut named = None;
        while let Some(word) = words.next() {
            match word.strip_prefix("--lang") {
                Some("") => named = words.next(),
                Some(value) if value.starts_with('=') => named = Some(value[1..].to_owned().into()),
                _ => {}
            }
        }
        let named = named.map(|tag| tag.into_owned()).or_else(|| std::env::var("MALOTE_LANG").ok());
        named.and_then(|tag| tag.parse().ok()).unwrap_or_default()
    }
}

/// The command with the help texts of `<prefix>-about`, `<prefix>-help-<argument>` and `<prefix>-command-<name>`.
pub fn translated(command: Command, prefix: &str, texts: &Texts) -> Command {
    let about = texts.find(&format!("{prefix}-about"), &[]);
    describe(command, prefix, texts).about(about.unwrap_or_default())
}

fn describe(command: Command, prefix: &str, texts: &Texts) -> Command {
    let help = |argument: Arg| {
        let key = format!("{prefix}-help-{}", argument.get_id().as_str().replace('_', "-"));
        match texts.find(&key, &[]) {
            Some(text) => argument.help(text),
            None => argument,
        }
    };
    command.mut_args(help).mut_subcommands(|subcommand| {
        let about = texts.find(&format!("{prefix}-command-{}", subcommand.get_name()), &[]);
        describe(subcommand, prefix, texts).about(about.unwrap_or_default())
    })
}
