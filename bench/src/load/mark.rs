//! What stands in the bodies of messages, so that each can be known again: author and index in hexadecimal digits, then
//! filling. It is text, since some systems carry nothing else.

use anyhow::{Context, Result, ensure};

use super::Mark;

/// Bytes that a mark takes; no body is shorter.
pub const MARK_BYTES: usize = 24;

const AUTHOR_DIGITS: usize = 8;
const FILLING: u8 = b'.';

/// A body of this many bytes, at least [`MARK_BYTES`], without its mark.
pub fn blank(bytes: usize) -> Vec<u8> {
    vec![FILLING; bytes.max(MARK_BYTES)]
}

/// Writes a mark over the first bytes of a body.
pub fn write(body: &mut [u8], mark: Mark) {
    let (author, index) = body.split_at_mut(AUTHOR_DIGITS);
    write_digits(author, u64::from(mark.author));
    write_digits(&mut index[..MARK_BYTES - AUTHOR_DIGITS], mark.index);
}

/// The mark of a body that must have `bytes` bytes.
pub fn read(body: &[u8], bytes: usize) -> Result<Mark> {
    ensure!(body.len() == bytes, "a body of {} bytes arrived with {}", bytes, body.len());
    let (head, _) = body.split_at_checked(MARK_BYTES).context("a body arrived that is too short")?;
    let (author, index) = head.split_at(AUTHOR_DIGITS);
    Ok(Mark { author: read_digits(author)? as u32, index: read_digits(index)? })
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of each letter that is a digit, and [`NONE`] for the others: looked up once for each digit of each message.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

const NONE: u8 = 0xff;

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = DIGITS[(number & 15) as usize];
        number >>= 4;
    }
}

fn read_digits(digits: &[u8]) -> Result<u64> {
    let (mut number, mut seen) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(*digit)];
        seen |= value;
        number = number << 4 | u64::from(value & 15);
    }
    ensure!(seen != NONE, "a body arrived that is not ours");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark { author: 0xdead_beef, index: 0x0123_4567_89ab_cdef };
        let mut body = blank(200);
        write(&mut body, mark);
        assert_eq!(read(&body, 200).unwrap(), mark);
        assert!(std::str::from_utf8(&body).is_ok());
    }

    #[test]
    fn bodies_that_are_not_ours_are_errors() {
        let mut body = blank(30);
        write(&mut body, Mark { author: 1, index: 2 });
        assert!(read(&body, 31).is_err());
        assert!(read(&body[..10], 10).is_err());
        body[3] = b'x';
        assert!(read(&body, 30).is_err());
    }
}
