//! News of who is here, which everybody who watches is told alike.

use std::sync::OnceLock;

use malote_common::codec::Encoding;
use malote_common::frame::{Person, ServerFrame};
use malote_common::limits;

/// People who came, left or changed. Thousands may be told, so it is encoded once for all of them.
#[derive(Debug)]
pub struct Changes {
    pub people: Vec<Person>,
    binary: OnceLock<Vec<u8>>,
    json: OnceLock<Vec<u8>>,
}

impl Changes {
    pub fn new(people: Vec<Person>) -> Changes {
        Changes { people, binary: OnceLock::new(), json: OnceLock::new() }
    }

    /// The frames that tell of them. A crowd that arrives at once is told in pieces, each within a frame.
    pub fn frames(&self, encoding: Encoding) -> &[u8] {
        let frames = match encoding {
            Encoding::Binary => &self.binary,
            Encoding::Json => &self.json,
        };
        frames.get_or_init(|| {
            let mut frames = Vec::new();
            for people in self.people.chunks(limits::PEOPLE_PER_PAGE) {
                let told = encoding.append(&mut frames, &ServerFrame::Presence { people: people.to_vec() });
                debug_assert!(told.is_ok(), "a page of people is far below a frame's limit");
            }
            frames
        })
    }
}
