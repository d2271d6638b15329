//! Frames as they come from a socket: openings, the bodies of every frame, and their lengths.

use malote_common::codec::{self, Encoding, FrameBuffer, FrameError, HEADER_BYTES};
use malote_common::frame::{ClientFrame, ServerFrame, append_delivery};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{Content, Entry, MailboxId, limits};

use crate::{lawful, samples};

/// The first byte says how the others are cut; they are taken for a body, for several frames and for an entry.
pub fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    stream(bytes, usize::from(*cut).max(1));
    opening(bytes);
    body(bytes);
    codec::frames(bytes).for_each(body);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = vec![samples::hello().encode()];
    bodies.extend(samples::challenges().iter().map(Challenge::encode));
    bodies.extend(samples::client_frames().iter().filter_map(|frame| codec::encode(frame).ok()));
    bodies.extend(samples::server_frames().iter().filter_map(|frame| codec::encode(frame).ok()));
    let mut wire = Vec::new();
    bodies.iter().for_each(|body| codec::write_frame(&mut wire, body));
    bodies.push(wire);
    bodies.into_iter().map(|body| [&[7], &body[..]].concat()).collect()
}

/// However a connection's bytes are cut, they are the same frames, up to the first one that is too long.
fn stream(bytes: &[u8], cut: usize) {
    for allowed in [limits::FRAME_BYTES, limits::HANDSHAKE_FRAME_BYTES, 100] {
        let whole = read(bytes, bytes.len().max(1), allowed);
        assert_eq!(read(bytes, cut, allowed), whole);
        let complete: Vec<Vec<u8>> = codec::frames(bytes).map(<[u8]>::to_vec).collect();
        assert!(complete.starts_with(&whole.0));
        match whole.1 {
            Some(FrameError::TooLong { announced, allowed: told }) => assert!(announced > allowed && told == allowed),
            Some(other) => panic!("not a matter of lengths: {other}"),
            None => assert_eq!(complete, whole.0),
        }
        assert!(whole.0.iter().all(|body| body.len() <= allowed));
        let used: usize = whole.0.iter().map(|body| HEADER_BYTES + body.len()).sum();
        assert!(used <= bytes.len());
    }
}

fn read(bytes: &[u8], cut: usize, allowed: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut buffer, mut bodies) = (FrameBuffer::default(), Vec::new());
    for piece in bytes.chunks(cut) {
        buffer.extend(piece);
        loop {
            match buffer.next_frame(allowed) {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(error) => return (bodies, Some(error)),
            }
        }
    }
    (bodies, None)
}

fn opening(bytes: &[u8]) {
    if let Ok(hello) = Hello::decode(bytes) {
        assert!(hello.versions.len() <= limits::VERSIONS_OFFERED);
        assert_eq!(Hello::decode(&hello.encode()).as_ref(), Ok(&hello));
        // What follows the fixed part is for versions to come.
        assert!(bytes.starts_with(&hello.encode()));
        assert!(bytes == hello.encode() || hello.versions != [VERSION]);
    }
    if let Ok(challenge) = Challenge::decode(bytes) {
        assert_eq!(Challenge::decode(&challenge.encode()).as_ref(), Ok(&challenge));
        assert!(bytes.starts_with(&challenge.encode()));
    }
}

fn body(bytes: &[u8]) {
    if let Some(frame) = lawful::decode::<ClientFrame>(Encoding::Binary, bytes) {
        lawful::client(&frame);
    }
    if let Some(frame) = lawful::decode::<ServerFrame>(Encoding::Binary, bytes) {
        lawful::server(&frame);
    }
    lawful::decode::<Content>(Encoding::Binary, bytes);
    if let Some(entry) = lawful::decode::<Entry>(Encoding::Binary, bytes) {
        lawful::entry(&entry);
        delivery(&entry);
    }
    first(bytes);
}

/// An entry as it lies in the store is delivered as if it had been encoded with its frame.
fn delivery(entry: &Entry) {
    let Ok(stored) = codec::encode(entry) else { return };
    let (mailbox, seq) = (MailboxId(stored.len() as u64), u64::MAX);
    let (mut put_together, mut whole) = (Vec::new(), Vec::new());
    let appended = append_delivery(&mut put_together, mailbox, seq, &stored);
    let frame = ServerFrame::Delivery { mailbox, seq, entry: entry.clone() };
    assert_eq!(appended.is_ok(), Encoding::Binary.append(&mut whole, &frame).is_ok());
    assert_eq!(put_together, whole);
}

/// Values that stand behind each other are read up to where they end.
fn first(bytes: &[u8]) {
    if let Ok((value, rest)) = codec::decode_first::<Entry>(bytes) {
        assert!(bytes.ends_with(rest) && rest.len() < bytes.len());
        let used = &bytes[..bytes.len() - rest.len()];
        assert_eq!(codec::decode::<Entry>(used), Ok(value));
    }
}
