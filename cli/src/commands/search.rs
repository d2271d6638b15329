//! `malote-cli search`: what was received and sent, by its words.

use malote_client::archive::{Hit, Query};
use malote_texts::Texts;

use super::mark_read;
use crate::Failure;
use crate::flags::Flags;
use crate::output::Printer;
use crate::session::Session;

/// Prints what is found, newest first, with what could be fetched; fails behind that where the server was not reached.
pub fn run(flags: &Flags, texts: &Texts, printer: &Printer, typed: &[String]) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let settled = session.settle();
    let failed = |error| session.archive_failed(&error);
    let own = session.reader.name_at(&flags.server.to_string()).map_err(failed)?.unwrap_or_default();
    let found = session.reader.search(&Query::parse(&typed.join(" "))).map_err(failed)?;
    for hit in &found.hits {
        match *hit {
            Hit::Received(row) => {
                if let Some(letter) = session.reader.letter(row).map_err(failed)? {
                    printer.letter(&letter)?;
                    mark_read(&session, printer, &letter);
                }
            }
            Hit::Sent(row) => {
                if let Some(sent) = session.reader.sent_message_at(row).map_err(failed)? {
                    printer.sent(&own, &sent)?;
                }
            }
        }
    }
    if found.hits.is_empty() {
        printer.remark(&texts.get("cli-nothing-found"))?;
    }
    if found.more {
        printer.remark(&texts.with("cli-found-newest", &[("count", found.hits.len().into())]))?;
    }
    settled.map(drop)
}
