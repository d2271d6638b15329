//! Who the people of a filled store are: their keys follow from their numbers, so that a store can be filled in one run
//! and used by clients in another.

use ed25519_dalek::SigningKey;
use malote_common::DeviceId;

/// Begins every seed, so that no two kinds of numbers make the same key.
const PURPOSE: &[u8; 16] = b"malote benchmark";

/// The key of the person with this number.
pub fn key(number: u32) -> SigningKey {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(PURPOSE);
    seed[28..].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

/// The device by which everything in a filled store was written.
pub fn device() -> DeviceId {
    DeviceId(*PURPOSE)
}
