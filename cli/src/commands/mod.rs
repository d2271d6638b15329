//! One file per command that is more than a few lines.

mod doctor;
mod send;
mod servers;
mod watch;

use malote_client::archive::{Letter, Shelf};
use malote_client::{Command as Engine, Event, People};
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
        Command::Inbox => inbox(flags, texts, &printer),
        Command::Watch => watch::run(flags, texts, &printer),
        Command::Clear => clear(flags, texts, &printer),
        Command::People => people(flags, texts, &printer),
        Command::Trust { fingerprint } => trust(flags, texts, &printer, fingerprint),
        Command::Doctor => doctor::run(flags, texts, &printer),
        Command::Servers => servers::run(texts, &printer),
    }
}

/// Prints the inbox, with what could be fetched; fails behind that where the server was not reached.
fn inbox(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let settled = session.settle();
    let letters = session.reader.letters(Shelf::Inbox).map_err(|error| session.archive_failed(&error))?;
    for letter in &letters {
        printer.letter(letter)?;
        mark_read(&session, printer, letter);
    }
    if letters.is_empty() {
        printer.remark(&texts.get("cli-no-messages"))?;
    }
    settled.map(drop)
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

fn people(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, true)?;
    let (mut people, mut own_name) = (People::default(), String::new());
    loop {
        match session.next()? {
            Some(Event::Status(malote_client::Status::Online { name, .. })) => own_name = name.to_string(),
            Some(Event::People { people: page, complete }) => {
                people.update(page);
                if complete {
                    break;
                }
            }
            Some(_) => {}
            None => return Err(session.not_reached()),
        }
    }
    people.iter().try_for_each(|person| printer.person(person, &own_name))
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
