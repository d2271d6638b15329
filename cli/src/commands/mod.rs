//! One file per command that is more than a few lines.

mod doctor;
mod names;
mod rooms;
mod search;
mod send;
mod servers;
mod watch;

use malote_client::archive::{Letter, Shelf};
use malote_client::{Command as Engine, Event};
use malote_common::fingerprint::Fingerprint;
use malote_texts::Texts;

use crate::Failure;
use crate::flags::{Command, Flags};
use crate::output::Printer;
use crate::session::Session;

/// Does what the flags say.
pub fn run(flags: &Flags, texts: &Texts) -> Result<(), Failure> {
    let printer = Printer::new(flags.json, texts);
    match &flags.command {
        Command::Whoami => {
            let mut session = Session::start(flags, texts, false)?;
            let (name, server) = (session.settle()?, flags.server.to_string());
            let key = session.reader.fingerprint_at(&server).map_err(|error| session.archive_failed(&error))?;
            printer.who(&name, &server, key)
        }
        Command::Send { to, subject, body } => send::run(flags, texts, &printer, to, subject, body),
        Command::Inbox { room: None } => inbox(flags, texts, &printer),
        Command::Inbox { room: Some(room) } => rooms::inbox(flags, texts, &printer, room),
        Command::Search { words } => search::run(flags, texts, &printer, words),
        Command::Watch => watch::run(flags, texts, &printer),
        Command::Clear => clear(flags, texts, &printer),
        Command::Rooms => rooms::list(flags, texts, &printer),
        Command::Join { room } => rooms::join(flags, texts, &printer, room),
        Command::Leave { room } => rooms::leave(flags, texts, &printer, room),
        Command::Members { room } => rooms::members(flags, texts, &printer, room),
        Command::People => names::people(flags, texts, &printer),
        Command::Name { name } => names::take(flags, texts, &printer, name.as_deref()),
        Command::Trust { fingerprint } => trust(flags, texts, &printer, fingerprint),
        Command::Doctor => doctor::run(flags, texts, &printer),
        Command::Servers => servers::run(texts, &printer),
    }
}

/// Prints the inbox, with what could be fetched; fails behind that where the server was not reached.
fn inbox(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let settled = session.settle();
    print_shelf(&session, texts, printer, Shelf::Inbox)?;
    settled.map(drop)
}

/// Prints what stands on a shelf, oldest first.
fn print_shelf(session: &Session, texts: &Texts, printer: &Printer, shelf: Shelf) -> Result<(), Failure> {
    let letters = session.reader.letters(shelf).map_err(|error| session.archive_failed(&error))?;
    for letter in &letters {
        printer.letter(letter)?;
        mark_read(session, printer, letter);
    }
    match letters.is_empty() {
        true => printer.remark(&texts.get("cli-no-messages")),
        false => Ok(()),
    }
}

/// What a person was shown was opened; what a program was given was not.
fn mark_read(session: &Session, printer: &Printer, letter: &Letter) {
    if printer.is_for_people() && !letter.read {
        session.command(Engine::Open { row: letter.row, mailbox: letter.mailbox, seq: letter.seq });
    }
}

/// Clears the inbox, with what could be fetched.
fn clear(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let settled = session.settle();
    let count = session.reader.summaries(Shelf::Inbox).map_err(|error| session.archive_failed(&error))?.len();
    let clearing = jiff::Timestamp::now().as_millisecond();
    session.command(Engine::Clear { clearing, room: None });
    while !matches!(session.next()?, None | Some(Event::News(malote_client::archive::News::InboxChanged))) {}
    printer.remark(&texts.with("cli-cleared", &[("count", count.into())]))?;
    settled.map(drop)
}

fn trust(flags: &Flags, texts: &Texts, printer: &Printer, fingerprint: &str) -> Result<(), Failure> {
    let fingerprint: Fingerprint =
        fingerprint.parse().map_err(|()| Failure::local(texts.get("cli-bad-fingerprint")))?;
    let profile = malote_client::Profile::open(flags.profile.as_deref())
        .map_err(|error| Failure::local(malote_client::explain::profile_error(&error, texts)))?;
    let server = flags.server.to_string();
    malote_client::Archive::open(&profile.archive(), &server)
        .and_then(|mut archive| archive.trust(&server, fingerprint))
        .map_err(|error| Failure::local(malote_client::explain::archive_error(&error, texts)))?;
    let args = [("server", server.into()), ("fingerprint", fingerprint.to_string().into())];
    printer.remark(&texts.with("cli-trusted", &args))
}
