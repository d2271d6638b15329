//! What goes wrong, in sentences for people.

use std::io::ErrorKind;

use malote_common::address::AddressError;
use malote_common::frame::{Closing, NameRefusal, RoomRefusal};
use malote_common::message::ContentError;
use malote_common::{Name, limits, text};
use malote_texts::{Texts, Value};

use crate::address::{NotAnAddress, ServerAddress};
use crate::archive::{ArchiveError, State};
use crate::connection::Fault;
use crate::doctor::{Detail, Outcome, Step};
use crate::engine::Problem;
use crate::profile::ProfileError;

/// Why a recipient field is not right.
pub fn address_error(error: &AddressError, texts: &Texts) -> String {
    match error {
        AddressError::Empty => texts.get("recipient-empty"),
        AddressError::TooLong { typed } => {
            texts.with("recipient-too-long", &[("typed", shown(typed)), ("max", count(limits::NAME_CHARS))])
        }
        AddressError::Character { typed, character } if character.is_whitespace() => {
            texts.with("recipient-space", &[("typed", shown(typed))])
        }
        AddressError::Character { typed, character } => {
            let character = shown(&character.to_string());
            texts.with("recipient-character", &[("typed", shown(typed)), ("character", character)])
        }
        AddressError::NotEverybody { .. } => texts.get("recipient-not-everybody"),
        AddressError::TooMany => texts.with("recipient-too-many", &[("max", count(limits::RECIPIENTS))]),
    }
}

/// Why a name that somebody wants to have, or to give to a room, is none.
pub fn name_error(error: &AddressError, texts: &Texts) -> String {
    match error {
        AddressError::TooLong { typed } => {
            texts.with("name-too-long", &[("typed", shown(typed)), ("max", count(limits::NAME_CHARS))])
        }
        AddressError::Character { typed, character } if character.is_whitespace() => {
            let joined = typed.split_whitespace().collect::<Vec<_>>().join(".");
            texts.with("name-space", &[("typed", shown(typed)), ("joined", shown(&joined))])
        }
        AddressError::Character { character, .. } => {
            texts.with("name-character", &[("character", shown(&character.to_string()))])
        }
        AddressError::Empty | AddressError::NotEverybody { .. } | AddressError::TooMany => texts.get("name-empty"),
    }
}

/// Why the server does not give somebody this name.
pub fn name_refusal(name: &Name, why: &NameRefusal, texts: &Texts) -> String {
    let name = ("name", shown(name.as_str()));
    match why {
        NameRefusal::Taken => texts.with("name-refused-taken", &[name]),
        NameRefusal::LooksLike(other) => {
            texts.with("name-refused-looks-like", &[name, ("other", shown(other.as_str()))])
        }
        NameRefusal::Reserved => texts.with("name-refused-reserved", &[name]),
        NameRefusal::GivenUp => texts.with("name-refused-given-up", &[name]),
        NameRefusal::RateLimited { retry_after_ms } => {
            texts.with("name-refused-patience", &[("when", wait(*retry_after_ms, texts).into())])
        }
        NameRefusal::ServerFull => texts.get("name-refused-server-full"),
    }
}

/// Why somebody cannot enter or leave this room.
pub fn room_refusal(room: &Name, why: &RoomRefusal, texts: &Texts) -> String {
    let room = ("room", shown(room.as_str()));
    match why {
        RoomRefusal::Unknown => texts.with("room-refused-unknown", &[room]),
        RoomRefusal::LooksLike(other) => {
            texts.with("room-refused-looks-like", &[room, ("other", shown(other.as_str()))])
        }
        RoomRefusal::Reserved => texts.with("room-refused-reserved", &[room]),
        RoomRefusal::TooManyRooms => texts.with("room-refused-too-many", &[("max", count(limits::ROOMS_PER_PERSON))]),
        RoomRefusal::RateLimited { retry_after_ms } => {
            texts.with("room-refused-patience", &[("when", wait(*retry_after_ms, texts).into())])
        }
        RoomRefusal::ServerFull => texts.get("room-refused-server-full"),
    }
}

/// When it is worth trying again, as exactly as people care.
fn wait(milliseconds: u64, texts: &Texts) -> String {
    const MINUTE: u64 = 60 * 1000;
    const DAY: u64 = 24 * 60 * MINUTE;
    match milliseconds {
        0..MINUTE => texts.get("wait-moment"),
        MINUTE..DAY => texts.with("wait-minutes", &[("count", count(milliseconds.div_ceil(MINUTE) as usize))]),
        _ => texts.with("wait-days", &[("count", count(milliseconds.div_ceil(DAY) as usize))]),
    }
}

/// Why a subject or body cannot be sent.
pub fn content_error(error: ContentError, texts: &Texts) -> String {
    match error {
        ContentError::SubjectTooLong { bytes } => {
            texts.with("subject-too-long", &[("bytes", count(bytes)), ("max", count(limits::SUBJECT_BYTES))])
        }
        ContentError::BodyTooLong { bytes } => {
            texts.with("body-too-long", &[("bytes", count(bytes)), ("max", count(limits::BODY_BYTES))])
        }
    }
}

/// Why there is no connection, and what to do.
pub fn problem(problem: &Problem, server: &ServerAddress, texts: &Texts) -> String {
    let key = match problem {
        Problem::UnknownHost => "connect-name",
        Problem::Refused => "connect-refused",
        Problem::Unreachable => "connect-unreachable",
        Problem::NotMalote => "connect-not-malote",
        Problem::KeyChanged { found, .. } => {
            let args = [("server", shown(&server.to_string())), ("found", found.to_string().into())];
            return texts.with("connect-key-changed", &args);
        }
        Problem::Version => "connect-version",
        Problem::Lost => "connect-lost",
        Problem::Silent | Problem::Closed(Closing::Silent) => "connect-silent",
        Problem::Closed(Closing::ServerFull) => "connect-full",
        Problem::Closed(Closing::Superseded) => "connect-superseded",
        Problem::Closed(Closing::ShuttingDown | Closing::StoreFailed) => "connect-stopping",
        Problem::Closed(Closing::WrongProof) => "connect-refused-proof",
        Problem::Closed(Closing::ProtocolError) => "connect-version",
        Problem::Disk(error) => return archive_error(error, texts),
    };
    // Without Fluent's grouping of digits: a port is not a quantity.
    let port = limits::DEFAULT_PORT.to_string();
    texts.with(key, &[("server", shown(&server.to_string())), ("port", port.into())])
}

/// What a step of a check is called.
pub fn step(step: Step, texts: &Texts) -> String {
    texts.get(&format!("doctor-step-{}", step.code()))
}

/// What a step has found, or what failed and what to do about it.
pub fn outcome(outcome: &Outcome, server: &ServerAddress, texts: &Texts) -> String {
    let host = ("host", shown(&server.host));
    match outcome {
        Outcome::NotReached => texts.get("doctor-not-reached"),
        Outcome::Failed(fault) => self::fault(*fault, server, texts),
        Outcome::Passed(detail) => match detail {
            Detail::Leads(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                texts.with("doctor-leads", &[host, ("addresses", addresses.join(", ").into())])
            }
            Detail::IsAddress => texts.with("doctor-is-address", &[host]),
            Detail::Leaves(address) => texts.with("doctor-leaves", &[("address", address.to_string().into())]),
            Detail::Listens => texts.with("doctor-listens", &[("port", server.port.to_string().into())]),
            Detail::Encrypted => texts.get("doctor-encrypted"),
            Detail::SameVersion => texts.get("doctor-same-version"),
            Detail::KnownKey => texts.get("doctor-known-key"),
            Detail::NewKey(found) => texts.with("doctor-new-key", &[("found", found.to_string().into())]),
        },
    }
}

/// Why a step of dialling failed, and what to do.
fn fault(fault: Fault, server: &ServerAddress, texts: &Texts) -> String {
    let key = match fault {
        Fault::UnknownHost => "doctor-unknown-host",
        Fault::NoRoute => "doctor-no-route",
        Fault::HostUnreachable => "doctor-host-unreachable",
        Fault::Refused if server.is_this_computer() => "doctor-refused-here",
        Fault::Refused => "doctor-refused",
        Fault::NoAnswer => "doctor-no-answer",
        Fault::NotTls => "doctor-not-tls",
        Fault::HungUp => "doctor-hung-up",
        Fault::Silent => "doctor-silent",
        Fault::OtherProtocol => "doctor-other-protocol",
        Fault::OtherVersion => "doctor-other-version",
        Fault::Closed(_) | Fault::KeyChanged { .. } => return problem(&fault.into(), server, texts),
    };
    let (port, default) = (server.port.to_string().into(), limits::DEFAULT_PORT.to_string().into());
    texts.with(key, &[("host", shown(&server.host)), ("port", port), ("default", default)])
}

/// Why a profile cannot be opened.
pub fn profile_error(error: &ProfileError, texts: &Texts) -> String {
    match error {
        ProfileError::InUse { name } => texts.with("profile-in-use", &[("profile", shown(name))]),
        ProfileError::BadName { name } => texts.with("profile-name", &[("profile", shown(name))]),
        ProfileError::Unwritable { error, .. } if error.kind() == ErrorKind::StorageFull => texts.get("disk-full"),
        ProfileError::Unwritable { path, error } => texts.with(
            "profile-unwritable",
            &[("path", shown(&path.display().to_string())), ("reason", error.to_string().into())],
        ),
        ProfileError::Damaged { path, reason } => texts.with(
            "profile-damaged",
            &[("path", shown(&path.display().to_string())), ("reason", reason.as_str().into())],
        ),
        ProfileError::NoHome => texts.get("profile-no-home"),
    }
}

/// Why the archive could not be written.
pub fn archive_error(error: &ArchiveError, texts: &Texts) -> String {
    match error {
        ArchiveError::DiskFull => texts.get("disk-full"),
        ArchiveError::Failed { path, reason } => texts.with(
            "archive-failed",
            &[("path", shown(&path.display().to_string())), ("reason", reason.as_str().into())],
        ),
    }
}

/// Why a text is no server's address.
pub fn not_an_address(error: &NotAnAddress, texts: &Texts) -> String {
    let port = limits::DEFAULT_PORT.to_string();
    texts.with("server-address", &[("server", shown(&error.0)), ("port", port.into())])
}

/// The word for a state.
pub fn state(state: &State, texts: &Texts) -> String {
    texts.get(state_key(state))
}

/// So many in a state.
pub fn states(state: &State, number: usize, texts: &Texts) -> String {
    texts.with(&format!("{}-count", state_key(state)), &[("count", count(number))])
}

fn state_key(state: &State) -> &'static str {
    match state {
        State::Queued { .. } => "state-queued",
        State::Accepted { .. } => "state-accepted",
        State::Delivered { .. } => "state-delivered",
        State::Read { .. } => "state-read",
        State::Refused { .. } => "state-refused",
    }
}

/// Why a message waits or was refused, where there is something to say.
pub fn reason(state: &State, texts: &Texts) -> Option<String> {
    match state {
        State::Queued { waiting: Some(code) } => texts.find(&format!("waiting-{code}"), &[]),
        State::Refused { reason } => texts.find(&format!("refused-{reason}"), &[]),
        _ => None,
    }
}

fn shown(text: &str) -> Value<'static> {
    text::harmless_line(text).into()
}

fn count(number: usize) -> Value<'static> {
    number.into()
}
