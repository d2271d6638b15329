//! What must hold of everything that could be decoded at all.

use std::fmt::Debug;

use malote_common::codec::{self, Encoding, FrameError};
use malote_common::frame::{ClientFrame, NameRefusal, RoomRefusal, ServerFrame};
use malote_common::{Address, Entry, Message, Name, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Decodes a body, and checks that what it says survives being said again, in both forms. Nothing where it is no such body.
pub fn decode<T: Serialize + DeserializeOwned + PartialEq + Debug>(encoding: Encoding, body: &[u8]) -> Option<T> {
    let value: T = encoding.decode(body).ok()?;
    for encoding in [Encoding::Binary, Encoding::Json] {
        match encoding.encode(&value) {
            Ok(again) => {
                assert!(again.len() <= limits::FRAME_BYTES);
                // A number counts with its full width towards what a decoder may be made to hold, and takes a byte at least.
                if again.len() <= limits::FRAME_BYTES / 8 {
                    assert_eq!(encoding.decode::<T>(&again).as_ref(), Ok(&value), "{encoding:?}");
                }
                let mut frame = vec![1, 2, 3];
                encoding.append(&mut frame, &value).expect("what can be encoded can be appended");
                assert_eq!(frame.len(), 3 + codec::HEADER_BYTES + again.len());
                assert!(frame.ends_with(&again));
            }
            // JSON is longer than bincode, and so is bincode than what JSON can say in fewer bytes.
            Err(FrameError::TooLong { announced, allowed }) => {
                assert!(allowed < announced);
                let mut frame = vec![1, 2, 3];
                assert!(encoding.append(&mut frame, &value).is_err());
                assert_eq!(frame, [1, 2, 3], "what is not appended leaves nothing behind");
            }
            Err(error) => panic!("{value:?} cannot be said again: {error}"),
        }
    }
    Some(value)
}

pub fn client(frame: &ClientFrame) {
    match frame {
        ClientFrame::Submit(submission) => {
            message(&submission.message);
            if submission.refusal().is_none() {
                let recipients = submission.message.to.len();
                assert!(recipients <= limits::RECIPIENTS && !submission.targets.is_empty());
                assert!(submission.message.content.len() <= limits::CONTENT_BYTES);
                assert_eq!(submission.recipients().count(), submission.targets.len(), "each target is a recipient");
                assert!(submission.counter <= limits::HIGHEST_COUNTER && submission.since <= submission.counter);
            }
        }
        ClientFrame::Enter { room, .. } | ClientFrame::Leave { room } => name(room),
        ClientFrame::Rooms { after: Some(room) } => name(room),
        ClientFrame::TakeName { name: Some(wish) } => name(wish),
        _ => {}
    }
}

pub fn server(frame: &ServerFrame) {
    match frame {
        ServerFrame::Welcome(welcome) => {
            name(&welcome.name);
            welcome.rooms.iter().for_each(|room| name(&room.room));
        }
        ServerFrame::Delivery { entry, .. } => self::entry(entry),
        ServerFrame::People { people, .. } | ServerFrame::Presence { people } => {
            people.iter().for_each(|person| name(&person.name));
        }
        ServerFrame::Rooms { rooms, .. } => rooms.iter().for_each(|room| name(&room.name)),
        ServerFrame::RoomRefused { room, why } => {
            name(room);
            if let RoomRefusal::LooksLike(other) = why {
                name(other);
            }
        }
        ServerFrame::NameRefused { name: wish, why } => {
            name(wish);
            if let NameRefusal::LooksLike(other) = why {
                name(other);
            }
        }
        _ => {}
    }
}

pub fn entry(entry: &Entry) {
    if let Entry::Message { from, message: inner, .. } = entry {
        name(from);
        message(inner);
    }
}

fn message(message: &Message) {
    for address in &message.to {
        match address {
            Address::Person(other) | Address::Room(other) => name(other),
            Address::Everybody => {}
        }
    }
}

/// However it came here, a name is one that the parser makes.
pub fn name(name: &Name) {
    assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(name));
    assert!((1..=limits::NAME_CHARS).contains(&name.as_str().chars().count()));
    assert_eq!(malote_common::text::harmless_line(name.as_str()), name.as_str(), "a name acts on no screen");
}
