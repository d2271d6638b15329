//! `malote-cli send`: posts a message and waits for what the server says of each recipient.

use std::io::{self, Read};

use malote_client::archive::{News, Sent, State};
use malote_client::{Command, Event, explain};
use malote_common::{Address, Content, MessageId};
use malote_texts::Texts;

use crate::Failure;
use crate::flags::Flags;
use crate::output::Printer;
use crate::session::Session;

pub fn run(
    flags: &Flags,
    texts: &Texts,
    printer: &Printer,
    to: &str,
    subject: &str,
    body: &str,
) -> Result<(), Failure> {
    let usage = |sentence| Failure { status: 2, sentence: Some(sentence) };
    let to = Address::parse_list(to).map_err(|error| usage(explain::address_error(&error, texts)))?;
    let content = Content { subject: subject.to_owned(), body: read_body(body, texts)? };
    content.check().map_err(|error| usage(explain::content_error(error, texts)))?;

    let with = |failure: Failure, kept: &str| Failure {
        sentence: failure.sentence.map(|sentence| format!("{sentence}\n{}", texts.get(kept))),
        ..failure
    };
    let started = Session::start(flags, texts, false);
    let mut session = started.map_err(|failure| with(failure, "cli-not-kept"))?;
    session.command(Command::Send { token: 0, to, content, in_reply_to: None });
    let mut id = None;
    match wait(&mut session, &mut id) {
        Ok(sent) => report(&sent, &session, texts, printer),
        // Once it is queued, the message is on this computer's disk, whatever kept the server from answering.
        Err(failure) => {
            let is_kept = id.is_some() || session.is_kept();
            Err(with(failure, if is_kept { "cli-kept" } else { "cli-not-kept" }))
        }
    }
}

/// Waits until no recipient is open, or the time is up. `id` is the message's once it is on this computer's disk.
fn wait(session: &mut Session, id: &mut Option<MessageId>) -> Result<Sent, Failure> {
    loop {
        let event = session.next()?;
        match &event {
            Some(Event::Queued { id: queued, .. }) => *id = Some(*queued),
            Some(Event::News(News::Sent(_))) | None => {}
            Some(_) => continue,
        }
        let Some(id) = *id else {
            match event {
                None => return Err(session.not_reached()),
                Some(_) => continue,
            }
        };
        let sent = session.reader.sent_by_id(id).map_err(|error| session.archive_failed(&error))?;
        let Some(sent) = sent else { return Err(session.not_reached()) };
        let unanswered = |waiting: &State| matches!(waiting, State::Queued { .. });
        if !sent.recipients.iter().any(|recipient| unanswered(&recipient.state)) || event.is_none() {
            return Ok(sent);
        }
    }
}

fn report(sent: &Sent, session: &Session, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    sent.recipients.iter().try_for_each(|recipient| printer.outcome(recipient))?;
    let any = |matches: fn(&State) -> bool| sent.recipients.iter().any(|recipient| matches(&recipient.state));
    if any(|state| matches!(state, State::Queued { waiting: None })) {
        let Failure { status, sentence } = session.not_reached();
        let kept = texts.get("cli-kept");
        return Err(Failure { status, sentence: sentence.map(|sentence| format!("{sentence}\n{kept}")) });
    }
    if any(|state| matches!(state, State::Refused { .. } | State::Queued { .. })) {
        return Err(Failure { status: Failure::REFUSED, sentence: None });
    }
    Ok(())
}

fn read_body(body: &str, texts: &Texts) -> Result<String, Failure> {
    if body != "-" {
        return Ok(body.to_owned());
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed is enough to know that it is too long.
    let limit = malote_common::limits::BODY_BYTES as u64 + 1;
    io::stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::local(texts.with("cli-input-failed", &[("reason", error.to_string().into())])))?;
    if bytes.len() as u64 == limit {
        // It may have been cut inside a letter; what it says does not matter any more.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|_| Failure::local(texts.get("cli-body-unreadable")))
}
