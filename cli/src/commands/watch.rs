//! `malote-cli watch`: prints each message as it arrives, until it is stopped.

use malote_client::archive::News;
use malote_client::{Event, Status, explain};
use malote_texts::Texts;

use super::mark_read;
use crate::Failure;
use crate::flags::Flags;
use crate::output::Printer;
use crate::session::Session;

pub fn run(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let mut told = None;
    while let Some(event) = session.next_ever()? {
        match event {
            Event::News(News::Received(row)) => {
                let look = |row| Ok((session.reader.letter(row)?, session.reader.came_before(row)?));
                let (letter, came_before) = look(row).map_err(|error| session.archive_failed(&error))?;
                if let Some(letter) = letter.filter(|letter| !letter.mine && !came_before) {
                    printer.letter(&letter)?;
                    mark_read(&session, printer, &letter);
                }
            }
            // Said once, however often it is tried in vain.
            Event::Status(Status::Waiting { problem, .. }) if told.as_ref() != Some(&problem) => {
                eprintln!("{}", explain::problem(&problem, &flags.server, texts));
                told = Some(problem);
            }
            Event::Status(Status::Online { .. }) => told = None,
            _ => {}
        }
    }
    Ok(())
}
