//! The short form of a server's key, for people to compare.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

const PREFIX: &str = "SHA256:";

/// SHA-256 of a certificate's SubjectPublicKeyInfo in DER, as RFC 7469 pins keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a public key as a DER-encoded SubjectPublicKeyInfo.
    pub fn of(subject_public_key_info: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(subject_public_key_info).into())
    }
}

impl fmt::Display for Fingerprint {
    /// `SHA256:` and 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Fingerprint, ()> {
        let digits = text.trim().strip_prefix(PREFIX).unwrap_or(text.trim());
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(drop)?;
            *byte = u8::from_str_radix(pair, 16).map_err(drop)?;
        }
        Ok(Fingerprint(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_and_typed() {
        let fingerprint = Fingerprint::of(b"key");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!("SHA256:00".parse::<Fingerprint>(), Err(()));
        assert_eq!("zz".repeat(32).parse::<Fingerprint>(), Err(()));
    }
}
