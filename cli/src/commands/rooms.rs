//! `malote-cli rooms`, `join`, `leave`, `members` and `inbox --room`.

use malote_client::archive::{KnownRoom, Shelf};
use malote_client::{Command, Event, Status, explain};
use malote_common::frame::RoomRefusal;
use malote_common::{Address, Name};
use malote_texts::Texts;

use super::print_shelf;
use crate::Failure;
use crate::flags::Flags;
use crate::output::{Printer, room_address};
use crate::session::Session;

/// Lists all rooms, with how many are in each and whether we are.
pub fn list(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let mut session = Session::start(flags, texts, false)?;
    let rooms = session.wait_for(Some(&Command::ListRooms), |event| match event {
        Event::Rooms { rooms } => Some(rooms),
        _ => None,
    })?;
    let own = session.reader.rooms().map_err(|error| session.archive_failed(&error))?;
    rooms.iter().try_for_each(|room| printer.room(room, own.iter().any(|own| own.mailbox == room.mailbox)))
}

/// Enters a room, and makes it where there is none.
pub fn join(flags: &Flags, texts: &Texts, printer: &Printer, typed: &str) -> Result<(), Failure> {
    let room = parse(typed, texts)?;
    let mut session = Session::start(flags, texts, false)?;
    session.command(Command::Enter { room: room.clone(), create: true });
    let answer = session.wait_for(None, |event| match event {
        Event::Entered { room: entered, created, .. } if is_same(&entered, &room) => Some(Ok((entered, created))),
        Event::RoomRefused { room: refused, why } if is_same(&refused, &room) => Some(Err(why)),
        _ => None,
    })?;
    let (room, created) = answer.map_or_else(|why| Err(refused(&room, &why, texts, printer)), Ok)?;
    let (code, key) = if created { ("created", "cli-created") } else { ("entered", "cli-entered") };
    printer.room_outcome(&room, code, &texts.with(key, &[("room", room_address(&room).to_string().into())]))
}

/// Leaves a room.
pub fn leave(flags: &Flags, texts: &Texts, printer: &Printer, typed: &str) -> Result<(), Failure> {
    let room = parse(typed, texts)?;
    let mut session = Session::start(flags, texts, false)?;
    session.command(Command::Leave { room: room.clone() });
    let answer = session.wait_for(None, |event| match event {
        Event::Left { room: left, .. } if is_same(&left, &room) => Some(Ok(left)),
        Event::RoomRefused { room: refused, why } if is_same(&refused, &room) => Some(Err(why)),
        _ => None,
    })?;
    let room = answer.map_err(|why| refused(&room, &why, texts, printer))?;
    let sentence = texts.with("cli-left", &[("room", room_address(&room).to_string().into())]);
    printer.room_outcome(&room, "left", &sentence)
}

/// Lists who is in a room that we are in, and who of them is connected.
pub fn members(flags: &Flags, texts: &Texts, printer: &Printer, typed: &str) -> Result<(), Failure> {
    let room = parse(typed, texts)?;
    let mut session = Session::start(flags, texts, false)?;
    session.wait_for(None, |event| matches!(event, Event::Status(Status::Online { .. })).then_some(()))?;
    let mailbox = own_room(&session, &room)?.ok_or_else(|| not_in_it(&room, texts))?.mailbox;
    session.command(Command::ListMembers { mailbox });
    let people = session.wait_for(None, |event| match event {
        Event::Members { people, mailbox: of } if of == mailbox => Some(Some(people)),
        // We have left it on another device at this moment.
        Event::Left { mailbox: of, .. } if of == mailbox => Some(None),
        _ => None,
    })?;
    let people = people.ok_or_else(|| not_in_it(&room, texts))?;
    people.iter().try_for_each(|person| printer.person(person, session.number()))
}

/// Prints what was written in a room that we are in, with what could be fetched.
pub fn inbox(flags: &Flags, texts: &Texts, printer: &Printer, typed: &str) -> Result<(), Failure> {
    let room = parse(typed, texts)?;
    let mut session = Session::start(flags, texts, false)?;
    let settled = session.settle();
    match own_room(&session, &room)? {
        Some(room) => {
            print_shelf(&session, texts, printer, Shelf::Room(room.mailbox))?;
            settled.map(drop)
        }
        // Whether we are in it only the server can say.
        None => settled.and(Err(not_in_it(&room, texts))),
    }
}

/// The room that was typed, with or without its sign.
fn parse(typed: &str, texts: &Texts) -> Result<Name, Failure> {
    let room = match Address::parse(typed) {
        Ok(Address::Everybody) => Ok(Name::everybody()),
        Ok(Address::Room(room)) => Ok(room),
        _ => Name::parse(typed.trim().trim_start_matches('#')),
    };
    room.map_err(|error| Failure { status: 2, sentence: Some(explain::name_error(&error, texts)) })
}

fn is_same(one: &Name, other: &Name) -> bool {
    one.folded() == other.folded()
}

fn own_room(session: &Session, room: &Name) -> Result<Option<KnownRoom>, Failure> {
    let rooms = session.reader.rooms().map_err(|error| session.archive_failed(&error))?;
    Ok(rooms.into_iter().find(|own| is_same(&own.name, room)))
}

fn not_in_it(room: &Name, texts: &Texts) -> Failure {
    Failure::refused(texts.with("cli-not-in-room", &[("room", room_address(room).to_string().into())]))
}

fn refused(room: &Name, why: &RoomRefusal, texts: &Texts, printer: &Printer) -> Failure {
    if !printer.is_for_people()
        && let Err(failure) = printer.room_outcome(room, why.code(), "")
    {
        return failure;
    }
    Failure::refused(explain::room_refusal(room, why, texts))
}
