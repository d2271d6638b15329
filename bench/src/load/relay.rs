//! A client of the relay (`peers/relay.rs`): a frame is a length of 4 bytes, then the receiver's number of 4 bytes, then
//! a body; all numbers are big-endian. The first frame tells the own number in the receiver's place and has no body.

use anyhow::{Context, Result, ensure};

use super::{Agent, Heard, Mark, mark};

/// Bytes before a body.
pub const HEAD_BYTES: usize = 8;

/// The longest body that either side takes.
pub const BODY_BYTES: usize = 1024 * 1024;

/// One frame, if it is there whole: the receiver's number, and all of its bytes.
pub fn frame(bytes: &[u8]) -> Result<Option<(u32, &[u8])>> {
    let Some((head, _)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let (length, to) = (number(&head[..4]), number(&head[4..]));
    ensure!(length as usize <= BODY_BYTES, "a frame of {length} bytes was announced");
    Ok(bytes.get(..HEAD_BYTES + length as usize).map(|whole| (to, whole)))
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// One end of the relay.
pub struct Relay {
    number: u32,
    to: u32,
    body: Vec<u8>,
    body_bytes: usize,
}

impl Relay {
    /// `number` is what others reach it under; messages to it must have bodies of `body_bytes`.
    pub fn new(number: u32, body_bytes: usize) -> Relay {
        Relay { number, to: 0, body: Vec::new(), body_bytes }
    }
}

impl Agent for Relay {
    fn opened(&mut self, _exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()> {
        out.extend(0u32.to_be_bytes());
        out.extend(self.number.to_be_bytes());
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], _out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut used = 0;
        while let Some((to, whole)) = frame(&bytes[used..])? {
            used += whole.len();
            ensure!(to == self.number, "a frame for {to} arrived at {}", self.number);
            match &whole[HEAD_BYTES..] {
                // The relay's answer to the first frame.
                [] => heard.push(Heard::Ready),
                body => heard.push(Heard::Delivered(mark::read(body, self.body_bytes)?)),
            }
        }
        Ok(used)
    }

    fn name(&self) -> String {
        self.number.to_string()
    }

    fn aim(&mut self, to: &str, body_bytes: usize) -> Result<()> {
        self.to = to.parse().context("not a number of the relay")?;
        self.body = mark::blank(body_bytes);
        Ok(())
    }

    fn post(&mut self, index: u64, out: &mut Vec<u8>) {
        mark::write(&mut self.body, Mark { author: self.number, index });
        out.extend((self.body.len() as u32).to_be_bytes());
        out.extend(self.to.to_be_bytes());
        out.extend_from_slice(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_end_posts_the_other_hears_however_it_is_cut() {
        let (mut author, mut reader) = (Relay::new(1, 30), Relay::new(2, 30));
        author.aim("2", 30).unwrap();
        let mut wire = Vec::new();
        author.post(0, &mut wire);
        author.post(1, &mut wire);
        let (mut waiting, mut heard) = (Vec::new(), Vec::new());
        for byte in wire {
            waiting.push(byte);
            let used = reader.receive(&waiting, &mut Vec::new(), &mut heard).unwrap();
            waiting.drain(..used);
        }
        let mark = |index| Heard::Delivered(Mark { author: 1, index });
        assert_eq!(heard, [mark(0), mark(1)]);
    }

    #[test]
    fn frames_that_cannot_be_are_errors() {
        assert!(frame(&[0xff; 8]).is_err());
        assert_eq!(frame(&[0, 0, 0, 1, 0, 0, 0, 2]).unwrap(), None);
        let mut reader = Relay::new(1, 30);
        assert!(reader.receive(&[0, 0, 0, 0, 0, 0, 0, 2], &mut Vec::new(), &mut Vec::new()).is_err());
    }
}
