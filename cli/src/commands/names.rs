//! `malote-cli people` and `name`.

use malote_client::{Command, Event, People, explain};
use malote_common::Name;
use malote_texts::Texts;

use crate::Failure;
use crate::flags::Flags;
use crate::output::Printer;
use crate::session::Session;

/// Lists everybody, with both names, and who is connected.
pub fn people(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, true)?;
    let mut people = People::default();
    session.wait_for(None, |event| match event {
        Event::People { people: page, complete } => {
            people.update(page);
            complete.then_some(())
        }
        _ => None,
    })?;
    people.iter().try_for_each(|person| printer.person(person, session.number()))
}

/// Takes a name, or goes back to the given one.
pub fn take(flags: &Flags, texts: &Texts, printer: &Printer, typed: Option<&str>) -> Result<(), Failure> {
    let usage = |error| Failure { status: 2, sentence: Some(explain::name_error(&error, texts)) };
    let name = typed.map(Name::parse).transpose().map_err(usage)?;
    let mut session = Session::start(flags, texts, false)?;
    session.command(Command::TakeName { name });
    let answer = session.wait_for(None, |event| match event {
        Event::Named { name } => Some(Ok(name)),
        Event::NameRefused { name, why } => Some(Err((name, why))),
        _ => None,
    })?;
    match answer {
        Ok(name) => {
            let sentence = texts.with("cli-named", &[("name", name.as_str().into())]);
            printer.name_outcome(&name, "named", &sentence)
        }
        Err((name, why)) => {
            if !printer.is_for_people() {
                printer.name_outcome(&name, why.code(), "")?;
            }
            Err(Failure::refused(explain::name_refusal(&name, &why, texts)))
        }
    }
}
