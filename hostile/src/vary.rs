//! Variations of bytes that mean well, as a peer makes them who looks for what was forgotten.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// What a length, a count or a number is easily taken for something else at: as bincode, JSON's digits and a frame's header
/// write them.
const NUMBERS: [&[u8]; 14] = [
    &[0xfa],
    &[0xfb, 0xff, 0xff],
    &[0xfc, 0xff, 0xff, 0xff, 0xff],
    &[0xfc, 0x00, 0x00, 0x08, 0x00],
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xfd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00],
    &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xff],
    &[0x00],
    &[0xff, 0xff, 0xff, 0xff],
    b"18446744073709551615",
    b"-1",
    b"1e999",
];

/// A variation of these bytes: one to four small changes, such as an overwritten length, a cut or a piece that stands twice.
pub fn vary(bytes: &[u8], plan: &mut StdRng) -> Vec<u8> {
    let mut varied = bytes.to_vec();
    for _ in 0..plan.random_range(1..=4) {
        change(&mut varied, plan);
    }
    varied
}

/// Bytes that mean nothing.
pub fn noise(most: usize, plan: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; plan.random_range(0..=most)];
    plan.fill_bytes(&mut bytes);
    bytes
}

fn change(bytes: &mut Vec<u8>, plan: &mut StdRng) {
    let at = plan.random_range(0..=bytes.len());
    let piece = at..(at + plan.random_range(0..=16)).min(bytes.len());
    match plan.random_range(0..7) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(piece)),
        2 => {
            let again = bytes[piece].to_vec();
            bytes.splice(at..at, again);
        }
        3 => {
            let number = NUMBERS.choose(plan).copied().unwrap_or_default();
            bytes.splice(at..at, number.iter().copied());
        }
        // A number in the place of a small one, which is a byte.
        4 => {
            let number = NUMBERS.choose(plan).copied().unwrap_or_default();
            bytes.splice(at..(at + 1).min(bytes.len()), number.iter().copied());
        }
        5 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << plan.random_range(0..8);
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = plan.random();
            }
        }
    }
}
