//! Who comes and goes, which all who want to know are told alike.

use std::sync::OnceLock;

use malote_common::codec::Encoding;
use malote_common::frame::{Person, ServerFrame};
use malote_common::{MailboxId, limits};

/// What a batch changed in who is here or in a room. Thousands may be told, so it is encoded once for all of them.
#[derive(Debug)]
pub struct News {
    pub frames: Vec<ServerFrame>,
    binary: OnceLock<Vec<u8>>,
    json: OnceLock<Vec<u8>>,
}

impl News {
    pub fn new(frames: Vec<ServerFrame>) -> News {
        News { frames, binary: OnceLock::new(), json: OnceLock::new() }
    }

    /// People came, left or changed. A crowd that arrives at once is told in pieces, each within a frame.
    pub fn of_people(people: &[Person]) -> News {
        let pieces = people.chunks(limits::PEOPLE_PER_PAGE);
        News::new(pieces.map(|people| ServerFrame::Presence { people: people.to_vec() }).collect())
    }

    /// People entered a room (`true`) or left it, in this order.
    pub fn of_room(mailbox: MailboxId, moves: Vec<(Person, bool)>) -> News {
        let told = |(person, entered)| ServerFrame::Member { mailbox, person, entered };
        News::new(moves.into_iter().map(told).collect())
    }

    /// The frames, each with its length before it.
    pub fn encoded(&self, encoding: Encoding) -> &[u8] {
        let encoded = match encoding {
            Encoding::Binary => &self.binary,
            Encoding::Json => &self.json,
        };
        encoded.get_or_init(|| {
            let mut bytes = Vec::new();
            for frame in &self.frames {
                let appended = encoding.append(&mut bytes, frame);
                debug_assert!(appended.is_ok(), "a page of people is far below a frame's limit");
            }
            bytes
        })
    }
}
