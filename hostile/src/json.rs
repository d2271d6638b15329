//! Frames as browsers send them.

use malote_common::codec::Encoding;
use malote_common::frame::{ClientFrame, ServerFrame};
use malote_common::hello::{Challenge, Hello};
use malote_common::{Content, DeviceId, Entry, Epoch, MessageId};

use crate::{lawful, samples};

pub fn check(bytes: &[u8]) {
    let json = Encoding::Json;
    if let Some(frame) = lawful::decode::<ClientFrame>(json, bytes) {
        lawful::client(&frame);
    }
    if let Some(frame) = lawful::decode::<ServerFrame>(json, bytes) {
        lawful::server(&frame);
    }
    if let Some(entry) = lawful::decode::<Entry>(json, bytes) {
        lawful::entry(&entry);
    }
    lawful::decode::<Content>(json, bytes);
    lawful::decode::<Challenge>(json, bytes);
    lawful::decode::<MessageId>(json, bytes);
    lawful::decode::<DeviceId>(json, bytes);
    lawful::decode::<Epoch>(json, bytes);
    lawful::decode::<Hello>(json, bytes);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let json = Encoding::Json;
    let mut bodies = vec![json.encode(&samples::hello())];
    bodies.extend(samples::challenges().iter().map(|challenge| json.encode(challenge)));
    bodies.extend(samples::client_frames().iter().map(|frame| json.encode(frame)));
    bodies.extend(samples::server_frames().iter().map(|frame| json.encode(frame)));
    bodies.into_iter().flatten().collect()
}
