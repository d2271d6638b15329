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

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn read_digits(digits: &[u8]) -> Result<u64> {
    let mut number = 0;
    for digit in digits {
        let value = (*digit as char).to_digit(16).context("a body arrived that is not ours")?;
        number = number << 4 | u64::from(value);
    }
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
