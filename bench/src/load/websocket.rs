//! A client of the classroom chat: raw frames of a WebSocket (RFC 6455), so that the generator is not the slower side.

use anyhow::{Context, Result, bail, ensure};

use super::{Agent, Heard, Mark, mark};

/// The example of RFC 6455, section 1.3: a key and the answer to it. One key is as good as another between two who trust
/// each other.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// First bytes of frames that are whole messages.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// What a client sends is masked. With zeros, which costs the server as much as any other mask, and us nothing.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0; 4];

/// Bytes of the handshake's answer, and of a message, that we take.
const HANDSHAKE_BYTES: usize = 8 * 1024;
const MESSAGE_BYTES: usize = 1024 * 1024;

pub struct WebSocket {
    number: u32,
    is_open: bool,
    body: Vec<u8>,
    body_bytes: usize,
}

impl WebSocket {
    /// `number` tells it from the others; messages to it must have bodies of `body_bytes`.
    pub fn new(number: u32, body_bytes: usize) -> WebSocket {
        WebSocket { number, is_open: false, body: Vec::new(), body_bytes }
    }
}

impl Agent for WebSocket {
    fn opened(&mut self, _exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()> {
        let request = format!(
            "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        out.extend(request.into_bytes());
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(length) = handshake(bytes)? else { return Ok(0) };
            used = length;
            self.is_open = true;
            heard.push(Heard::Ready);
        }
        while let Some((kind, payload, length)) = frame(&bytes[used..])? {
            used += length;
            match kind {
                TEXT => heard.push(Heard::Delivered(mark::read(payload, self.body_bytes)?)),
                PING => write_frame(PONG, payload, out),
                PONG => {}
                CLOSE => bail!("the server closes the connection"),
                kind => bail!("the server sends a frame that begins with {kind:#x}"),
            }
        }
        Ok(used)
    }

    fn name(&self) -> String {
        // Everybody on the chat hears everything.
        String::new()
    }

    fn aim(&mut self, _to: &str, body_bytes: usize) -> Result<()> {
        self.body = mark::blank(body_bytes);
        Ok(())
    }

    fn post(&mut self, index: u64, out: &mut Vec<u8>) {
        mark::write(&mut self.body, Mark { author: self.number, index });
        write_frame(TEXT, &self.body, out);
    }
}

/// How many bytes the answer to the handshake takes, once it is there whole.
fn handshake(bytes: &[u8]) -> Result<Option<usize>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = bytes.windows(END.len()).position(|part| part == END) else {
        ensure!(bytes.len() <= HANDSHAKE_BYTES, "the answer to the handshake has no end");
        return Ok(None);
    };
    let answer = std::str::from_utf8(&bytes[..end]).context("the answer to the handshake is no text")?;
    ensure!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(ANSWER), "the server refuses: {answer}");
    Ok(Some(end + END.len()))
}

/// The first frame, if it is there whole: its first byte, its payload, and how many bytes it takes.
fn frame(bytes: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    ensure!(second & MASKED == 0, "a server masks its frames");
    let more = match second {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(digits) = rest.get(..more) else { return Ok(None) };
    let length = match more {
        0 => u64::from(*second),
        _ => digits.iter().fold(0, |length, digit| length << 8 | u64::from(*digit)),
    };
    ensure!(length <= MESSAGE_BYTES as u64, "a message of {length} bytes was announced");
    let start = 2 + more;
    let end = start + length as usize;
    Ok(bytes.get(start..end).map(|payload| (*first, payload, end)))
}

fn write_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server makes of a client's frame: the same without the mask.
    fn from_server(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        write_frame(first, payload, &mut wire);
        wire[1] &= !MASKED;
        let mask = wire.len() - payload.len() - MASK.len();
        wire.drain(mask..mask + MASK.len());
        wire
    }

    #[test]
    fn frames_of_every_length_survive_any_cut() {
        for bytes in [0, 125, 126, 0xffff, 0x1_0000] {
            let wire = from_server(TEXT, &vec![b'x'; bytes]);
            assert_eq!(frame(&wire[..wire.len() - 1]).unwrap(), None);
            let (first, payload, length) = frame(&wire).unwrap().unwrap();
            assert_eq!((first, payload.len(), length), (TEXT, bytes, wire.len()));
        }
        assert!(frame(&[TEXT, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(frame(&[TEXT, MASKED]).is_err());
    }

    #[test]
    fn a_conversation() {
        let mut agent = WebSocket::new(4, 200);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        agent.opened(&[0; 32], &mut out).unwrap();
        assert!(out.starts_with(b"GET /chat HTTP/1.1\r\n") && out.ends_with(b"\r\n\r\n"));
        agent.aim("", 200).unwrap();
        let mut posted = Vec::new();
        agent.post(9, &mut posted);
        let mut wire = format!("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {ANSWER}\r\n\r\n").into_bytes();
        wire.extend(from_server(TEXT, &posted[posted.len() - 200..]));
        wire.extend(from_server(PING, b"hi"));
        out.clear();
        assert_eq!(agent.receive(&wire, &mut out, &mut heard).unwrap(), wire.len());
        assert_eq!(heard, [Heard::Ready, Heard::Delivered(Mark { author: 4, index: 9 })]);
        assert_eq!(out, [PONG, MASKED | 2, 0, 0, 0, 0, b'h', b'i']);
        assert!(agent.receive(&from_server(CLOSE, b""), &mut out, &mut heard).is_err());
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(handshake(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        assert_eq!(handshake(b"HTTP/1.1 101 ").unwrap(), None);
        assert!(handshake(&[b'x'; HANDSHAKE_BYTES + 1]).is_err());
    }
}
