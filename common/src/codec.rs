//! How frames become bytes: a 4-byte big-endian length, then a body in bincode 2's standard configuration. In browsers,
//! where a WebSocket keeps frames apart, a body is JSON.
//!
//! bincode is finished and unmaintained (RUSTSEC-2025-0141), so this is the only file that knows it, and it trusts it
//! with nothing: lengths are checked before anything is buffered, decoding has a limit on what may be claimed, and
//! every byte must be consumed.

use serde::{Serialize, de::DeserializeOwned};

use crate::limits;

/// Bytes of the length that stands before each frame's body.
pub const HEADER_BYTES: usize = 4;

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {announced} bytes was announced; at most {allowed} are allowed here")]
    TooLong { announced: usize, allowed: usize },
    #[error("the frame's body cannot be read: {0}")]
    Malformed(String),
    #[error("{0} bytes stand behind the frame's content")]
    Trailing(usize),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ limits::FRAME_BYTES }>()
}

/// In which form a connection's frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// bincode, between programs.
    Binary,
    /// JSON, for browsers: variants and fields under their names, identities and keys as hexadecimal digits, other bytes
    /// as base64.
    Json,
}

impl Encoding {
    /// A value's body. Fails where it would be over [`limits::FRAME_BYTES`].
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, FrameError> {
        match self {
            Encoding::Binary => encode(value),
            Encoding::Json => {
                let body = serde_json::to_vec(value).map_err(|e| FrameError::Malformed(e.to_string()))?;
                within_limit(body)
            }
        }
    }

    /// Appends a value as a frame, with its length before it. Fails as [`Encoding::encode`] does, and appends nothing then.
    pub fn append<T: Serialize>(self, wire: &mut Vec<u8>, value: &T) -> Result<(), FrameError> {
        append_frame(wire, |wire| match self {
            Encoding::Binary => append(wire, value),
            Encoding::Json => serde_json::to_writer(wire, value).map_err(|e| FrameError::Malformed(e.to_string())),
        })
    }

    /// The value whose body these bytes are, all of them.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, FrameError> {
        match self {
            Encoding::Binary => decode(body),
            Encoding::Json => serde_json::from_slice(body).map_err(|e| FrameError::Malformed(e.to_string())),
        }
    }
}

/// A value's body, without the length before it. Fails where it would be over [`limits::FRAME_BYTES`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(value, config()).map_err(|e| FrameError::Malformed(e.to_string()))?;
    within_limit(body)
}

/// Appends a value's body to what is there. Where that fails, what was there is there still.
pub fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), FrameError> {
    let start = bytes.len();
    let result = bincode::serde::encode_into_std_write(value, bytes, config());
    let result = result.map_err(|e| FrameError::Malformed(e.to_string())).and_then(|written| match written {
        0..=limits::FRAME_BYTES => Ok(()),
        announced => Err(FrameError::TooLong { announced, allowed: limits::FRAME_BYTES }),
    });
    if result.is_err() {
        bytes.truncate(start);
    }
    result
}

fn within_limit(body: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    match body.len() <= limits::FRAME_BYTES {
        true => Ok(body),
        false => Err(FrameError::TooLong { announced: body.len(), allowed: limits::FRAME_BYTES }),
    }
}

/// The value whose body these bytes are, all of them.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let decoded = bincode::serde::decode_from_slice(body, config());
    let (value, used) = decoded.map_err(|e| FrameError::Malformed(e.to_string()))?;
    match body.len().saturating_sub(used) {
        0 => Ok(value),
        trailing => Err(FrameError::Trailing(trailing)),
    }
}

/// Appends a frame whose body `write_body` appends. Where that fails or writes too much, nothing is appended.
pub fn append_frame(
    wire: &mut Vec<u8>,
    write_body: impl FnOnce(&mut Vec<u8>) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let start = wire.len();
    wire.extend([0; HEADER_BYTES]);
    let body = wire.len();
    let written = write_body(wire).and_then(|()| match wire.len().saturating_sub(body) {
        bytes if bytes <= limits::FRAME_BYTES => Ok(bytes as u32),
        announced => Err(FrameError::TooLong { announced, allowed: limits::FRAME_BYTES }),
    });
    match written {
        Ok(bytes) => {
            if let Some(header) = wire.get_mut(start..body) {
                header.copy_from_slice(&bytes.to_be_bytes());
            }
            Ok(())
        }
        Err(error) => {
            wire.truncate(start);
            Err(error)
        }
    }
}

/// The value whose body stands at the beginning of these bytes, and the bytes behind it.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), FrameError> {
    let decoded = bincode::serde::decode_from_slice(bytes, config());
    let (value, used) = decoded.map_err(|e| FrameError::Malformed(e.to_string()))?;
    Ok((value, bytes.get(used..).unwrap_or_default()))
}

/// Appends a body with its length before it, as it goes over the wire.
pub fn write_frame(wire: &mut Vec<u8>, body: &[u8]) {
    debug_assert!(body.len() <= limits::FRAME_BYTES);
    wire.extend((body.len() as u32).to_be_bytes());
    wire.extend(body);
}

/// The bodies in bytes that [`write_frame`] wrote, up to the first one that is not there whole.
pub fn frames(mut wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (header, rest) = wire.split_first_chunk::<HEADER_BYTES>()?;
        let (body, behind) = rest.split_at_checked(u32::from_be_bytes(*header) as usize)?;
        wire = behind;
        Some(body)
    })
}

/// Collects the bytes of a connection and gives them back as frames.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` have been given back already.
    used: usize,
}

impl FrameBuffer {
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes of a frame that is not complete, or of frames that were not asked for yet.
    pub fn waiting(&self) -> usize {
        self.bytes.len().saturating_sub(self.used)
    }

    /// The body of the next frame that is complete. An announced length over `allowed` is an error at once, before
    /// any of it is waited for; the connection is of no more use then.
    pub fn next_frame(&mut self, allowed: usize) -> Result<Option<&[u8]>, FrameError> {
        if self.used == self.bytes.len() {
            // An idle connection holds no buffer.
            *self = FrameBuffer::default();
        }
        let waiting = self.bytes.get(self.used..).unwrap_or_default();
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*header) as usize;
        if announced > allowed {
            return Err(FrameError::TooLong { announced, allowed });
        }
        let Some(body) = rest.get(..announced) else {
            return Ok(None);
        };
        self.used = self.used.saturating_add(HEADER_BYTES).saturating_add(announced);
        Ok(Some(body))
    }
}

/// Bytes of fixed length that people may come to see, as hexadecimal digits in JSON: `#[serde(with = "codec::hex")]`.
pub mod hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeTuple};

    pub fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            return digits.serialize(serializer);
        }
        let mut tuple = serializer.serialize_tuple(N)?;
        bytes.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }

    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
        if deserializer.is_human_readable() {
            let digits = String::deserialize(deserializer)?;
            return parse(&digits)
                .ok_or_else(|| de::Error::custom(format!("{N} bytes expected, as hexadecimal digits")));
        }
        deserializer.deserialize_tuple(N, Bytes::<N>)
    }

    /// Exactly as many digits as there are to be.
    fn parse<const N: usize>(digits: &str) -> Option<[u8; N]> {
        if Some(digits.len()) != N.checked_mul(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(bytes)
    }

    struct Bytes<const N: usize>;

    impl<'de, const N: usize> de::Visitor<'de> for Bytes<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = elements.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
            }
            Ok(bytes)
        }
    }
}

/// Serde's way of writing bytes as bytes and not as a list of numbers, in JSON as base64: `#[serde(with = "codec::bytes")]`.
pub mod bytes {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&BASE64_STANDARD.encode(bytes)),
            false => serializer.serialize_bytes(bytes),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return BASE64_STANDARD.decode(text).map_err(de::Error::custom);
        }
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ClientFrame, ServerFrame};
    use proptest::prelude::*;

    #[test]
    fn a_length_bomb_costs_an_error_and_no_memory() {
        let mut buffer = FrameBuffer::default();
        buffer.extend(&u32::MAX.to_be_bytes());
        let announced = u32::MAX as usize;
        assert_eq!(buffer.next_frame(100), Err(FrameError::TooLong { announced, allowed: 100 }));
        assert!(buffer.bytes.capacity() < 64);
    }

    #[test]
    fn a_claimed_length_inside_a_frame_costs_an_error_and_no_memory() {
        // Variant 0 (Proof), then a byte string that claims 2^40 bytes and has two.
        let mut body = vec![0, 253];
        body.extend((1u64 << 40).to_le_bytes());
        body.extend([1, 2]);
        assert!(matches!(decode::<ClientFrame>(&body), Err(FrameError::Malformed(_))));
        // The same for a list: Read{mailbox: 1, seqs: 2^40 of them}.
        let mut body = vec![4, 1, 253];
        body.extend((1u64 << 40).to_le_bytes());
        assert!(matches!(decode::<ClientFrame>(&body), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn trailing_bytes_and_unknown_variants_are_errors() {
        let mut body = encode(&ClientFrame::Ping { token: 1 }).unwrap();
        body.push(0);
        assert_eq!(decode::<ClientFrame>(&body), Err(FrameError::Trailing(1)));
        assert!(matches!(decode::<ServerFrame>(&[200]), Err(FrameError::Malformed(_))));
        assert!(matches!(decode::<ServerFrame>(&[]), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn values_stand_behind_each_other() {
        let mut bytes = Vec::new();
        append(&mut bytes, &(7u64, "sete")).unwrap();
        append(&mut bytes, &(8u64, "oito")).unwrap();
        assert!(append(&mut bytes, &vec![1u8; limits::FRAME_BYTES + 1]).is_err());
        let (first, rest) = decode_first::<(u64, String)>(&bytes).unwrap();
        let (second, rest) = decode_first::<(u64, String)>(rest).unwrap();
        assert_eq!((first, second, rest), ((7, "sete".into()), (8, "oito".into()), &[][..]));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(body: Vec<u8>) {
            let _ = decode::<ClientFrame>(&body);
            let _ = decode::<ServerFrame>(&body);
        }

        #[test]
        fn frames_survive_any_cutting(bodies in prop::collection::vec(any::<Vec<u8>>(), 0..6), cut in 1usize..40) {
            let mut wire = Vec::new();
            bodies.iter().for_each(|body| write_frame(&mut wire, body));
            let mut buffer = FrameBuffer::default();
            let mut received = Vec::new();
            for piece in wire.chunks(cut) {
                buffer.extend(piece);
                while let Some(body) = buffer.next_frame(1000).unwrap() {
                    received.push(body.to_vec());
                }
            }
            prop_assert_eq!(received, bodies);
            prop_assert_eq!(buffer.bytes.len(), 0);
        }
    }
}
