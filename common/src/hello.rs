//! The opening frames of each side, in a layout that will never change.
//!
//! A client offers the versions it speaks; a server takes one of them or names its own, so that programs of any age
//! can tell each other politely that one of them is too old. What follows the fixed part belongs to the version.
//!
//! ```text
//! client   "malote"  n: u8  n × version: u16 (big-endian)   32 bytes public key   16 bytes device
//! server   "malote"  version: u16                           32 bytes nonce
//! server   "malote"  0: u16  n: u8  n × version: u16        (none of the offered versions is spoken here)
//! ```

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::message::DeviceId;

/// The version that this program speaks.
pub const VERSION: u16 = 1;

/// The ALPN protocol name of version 1, offered and required in the TLS handshake.
pub const ALPN: &[u8] = b"malote/1";

const MAGIC: &[u8; 6] = b"malote";

/// The client's opening frame. Browsers send it as JSON, in these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub versions: Vec<u16>,
    /// An Ed25519 public key.
    #[serde(with = "crate::codec::hex")]
    pub key: [u8; 32],
    pub device: DeviceId,
}

/// The server's opening frame. Browsers get it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// The conversation goes on in this version once the nonce is signed.
    Accepted {
        version: u16,
        #[serde(with = "crate::codec::hex")]
        nonce: [u8; 32],
    },
    /// None of the offered versions is spoken here, but these are.
    Refused { versions: Vec<u16> },
}

/// The bytes are not an opening frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an opening frame of Malote")]
pub struct NotAnOpening;

impl Hello {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        write_versions(&mut bytes, &self.versions);
        bytes.extend(self.key);
        bytes.extend(self.device.0);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Hello, NotAnOpening> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NotAnOpening)?;
        let (versions, rest) = read_versions(rest)?;
        let (key, rest) = take::<32>(rest)?;
        let (device, rest) = take::<16>(rest)?;
        // A future version may say more here; a server that was offered that version reads it then.
        if !rest.is_empty() && versions == [VERSION] {
            return Err(NotAnOpening);
        }
        Ok(Hello { versions, key, device: DeviceId(device) })
    }
}

impl Challenge {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        match self {
            Challenge::Accepted { version, nonce } => {
                bytes.extend(version.to_be_bytes());
                bytes.extend(nonce);
            }
            Challenge::Refused { versions } => {
                bytes.extend(0u16.to_be_bytes());
                write_versions(&mut bytes, versions);
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Challenge, NotAnOpening> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NotAnOpening)?;
        let (version, rest) = take::<2>(rest)?;
        match u16::from_be_bytes(version) {
            0 => read_versions(rest).map(|(versions, _)| Challenge::Refused { versions }),
            version => {
                let (nonce, rest) = take::<32>(rest)?;
                if rest.is_empty() { Ok(Challenge::Accepted { version, nonce }) } else { Err(NotAnOpening) }
            }
        }
    }
}

fn write_versions(bytes: &mut Vec<u8>, versions: &[u16]) {
    let count = versions.len().min(limits::VERSIONS_OFFERED);
    bytes.push(count as u8);
    versions.iter().take(count).for_each(|version| bytes.extend(version.to_be_bytes()));
}

fn read_versions(bytes: &[u8]) -> Result<(Vec<u16>, &[u8]), NotAnOpening> {
    let ([count], mut rest) = take::<1>(bytes)?;
    if usize::from(count) > limits::VERSIONS_OFFERED {
        return Err(NotAnOpening);
    }
    let mut versions = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (version, behind) = take::<2>(rest)?;
        versions.push(u16::from_be_bytes(version));
        rest = behind;
    }
    Ok((versions, rest))
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), NotAnOpening> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(NotAnOpening)?;
    Ok((*taken, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_future_client_is_understood_well_enough_to_be_refused() {
        let mut bytes = Hello { versions: vec![2, 3], key: [7; 32], device: DeviceId([8; 16]) }.encode();
        bytes.extend(b"something that version 3 says");
        assert_eq!(Hello::decode(&bytes).map(|hello| hello.versions), Ok(vec![2, 3]));
    }

    #[test]
    fn truncated_openings_are_errors() {
        let hello = Hello { versions: vec![1], key: [7; 32], device: DeviceId([8; 16]) }.encode();
        let challenge = Challenge::Accepted { version: 1, nonce: [9; 32] }.encode();
        for cut in 0..hello.len() {
            assert_eq!(Hello::decode(&hello[..cut]), Err(NotAnOpening), "cut at {cut}");
        }
        for cut in 0..challenge.len() {
            assert_eq!(Challenge::decode(&challenge[..cut]), Err(NotAnOpening), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(versions in prop::collection::vec(1u16.., 0..=16), key: [u8; 32], device: [u8; 16]) {
            let hello = Hello { versions: versions.clone(), key, device: DeviceId(device) };
            prop_assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
            let refused = Challenge::Refused { versions };
            prop_assert_eq!(Challenge::decode(&refused.encode()), Ok(refused));
            let accepted = Challenge::Accepted { version: 1, nonce: key };
            prop_assert_eq!(Challenge::decode(&accepted.encode()), Ok(accepted));
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Hello::decode(&bytes);
            let _ = Challenge::decode(&bytes);
        }
    }
}
