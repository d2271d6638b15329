//! A client of NATS: its text protocol, with plain subjects or with JetStream.
//!
//! With JetStream, posting is a `PUB` with a reply subject that ends in the message's index; the server's answer comes to
//! that subject once the stream has the message. A recipient has a durable push consumer of its own and acknowledges
//! cumulatively (`ack_policy: all`), once for what came in one read, as Malote's clients do.

use anyhow::{Context, Result, bail, ensure};

use super::{Agent, Heard, Mark, mark};

/// The stream that holds all messages.
pub const STREAM: &str = "BENCH";

/// The subjects of messages begin so.
pub const SUBJECTS: &str = "m.";

const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"1\",\"protocol\":1}\r\n";

/// Subscriptions: to messages, and to answers.
const MESSAGES: &[u8] = b"1";
const ANSWERS: &[u8] = b"2";

/// Bytes of a payload that either side takes: as much as a server does by default.
const PAYLOAD_BYTES: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Posts into the stream.
    StreamSender,
    /// Reads from the stream.
    StreamRecipient,
    /// Plain subjects, a subject of its own.
    Plain,
    /// Plain subjects, one for all.
    Room,
}

pub struct Nats {
    number: u32,
    kind: Kind,
    /// `PUB`, the subject, and with JetStream the reply subject up to the index.
    head: Vec<u8>,
    body: Vec<u8>,
    body_bytes: usize,
    is_ready: bool,
    /// The subject by which the newest message is acknowledged.
    reply: Vec<u8>,
}

/// What a server says.
#[derive(Debug, PartialEq)]
enum Said<'a> {
    Message { subscription: &'a [u8], subject: &'a [u8], reply: &'a [u8], payload: &'a [u8] },
    Ping,
    Pong,
    Error(&'a [u8]),
    Other,
}

impl Nats {
    /// `number` tells it from the others; messages to it must have bodies of `body_bytes`.
    pub fn new(number: u32, kind: Kind, body_bytes: usize) -> Nats {
        let (head, body, reply) = (Vec::new(), Vec::new(), Vec::new());
        Nats { number, kind, head, body, body_bytes, is_ready: false, reply }
    }

    fn become_ready(&mut self, heard: &mut Vec<Heard>) {
        if !std::mem::replace(&mut self.is_ready, true) {
            heard.push(Heard::Ready);
        }
    }

    fn answer(&mut self, subject: &[u8], payload: &[u8], heard: &mut Vec<Heard>) -> Result<()> {
        check_answer(payload)?;
        if self.kind == Kind::StreamRecipient {
            self.become_ready(heard);
            return Ok(());
        }
        let index = subject.rsplit(|byte| *byte == b'.').next().and_then(number);
        heard.push(Heard::Accepted(index.context("an answer without an index")? as u64));
        Ok(())
    }
}

/// An error where an answer of JetStream is one.
pub fn check_answer(payload: &[u8]) -> Result<()> {
    let is_error = payload.windows(8).any(|part| part == b"\"error\":");
    ensure!(!is_error, "JetStream refuses: {}", String::from_utf8_lossy(payload));
    Ok(())
}

/// A request to JetStream, whose answer comes to the subject `reply`.
pub fn request(api: &str, reply: &str, json: &str, out: &mut Vec<u8>) {
    out.extend(format!("PUB $JS.API.{api} {reply} {}\r\n{json}\r\n", json.len()).into_bytes());
}

impl Agent for Nats {
    fn opened(&mut self, _exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()> {
        let Nats { number, kind, .. } = self;
        let subscribe = match kind {
            Kind::Plain => format!("SUB {SUBJECTS}{number} 1\r\n"),
            Kind::Room => format!("SUB {SUBJECTS}room 1\r\n"),
            Kind::StreamSender => format!("SUB _I.{number}.> 2\r\n"),
            Kind::StreamRecipient => format!("SUB d.{number} 1\r\nSUB _I.{number}.> 2\r\n"),
        };
        out.extend(format!("{CONNECT}{subscribe}").into_bytes());
        if *kind == Kind::StreamRecipient {
            let json = format!(
                "{{\"stream_name\":\"{STREAM}\",\"config\":{{\"name\":\"c{number}\",\"durable_name\":\"c{number}\",\
                 \"deliver_subject\":\"d.{number}\",\"filter_subject\":\"{SUBJECTS}{number}\",\
                 \"deliver_policy\":\"all\",\"ack_policy\":\"all\",\"max_ack_pending\":65536}}}}"
            );
            request(&format!("CONSUMER.CREATE.{STREAM}.c{number}"), &format!("_I.{number}.create"), &json, out);
        } else {
            out.extend(b"PING\r\n");
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut used = 0;
        self.reply.clear();
        while let Some((said, length)) = parse(&bytes[used..])? {
            used += length;
            match said {
                Said::Message { subscription: MESSAGES, reply, payload, .. } => {
                    heard.push(Heard::Delivered(mark::read(payload, self.body_bytes)?));
                    self.reply.clear();
                    self.reply.extend_from_slice(reply);
                }
                Said::Message { subscription: ANSWERS, subject, payload, .. } => {
                    self.answer(subject, payload, heard)?
                }
                Said::Message { .. } => bail!("a message arrived that nobody asked for"),
                Said::Ping => out.extend(b"PONG\r\n"),
                Said::Pong => self.become_ready(heard),
                Said::Error(text) => bail!("the server says {}", String::from_utf8_lossy(text)),
                Said::Other => {}
            }
        }
        if !self.reply.is_empty() {
            out.extend(b"PUB ");
            out.extend_from_slice(&self.reply);
            out.extend(b" 4\r\n+ACK\r\n");
        }
        Ok(used)
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Room => "room".to_owned(),
            _ => self.number.to_string(),
        }
    }

    fn aim(&mut self, to: &str, body_bytes: usize) -> Result<()> {
        self.body = mark::blank(body_bytes);
        self.head = match self.kind {
            Kind::StreamSender => format!("PUB {SUBJECTS}{to} _I.{}.", self.number).into_bytes(),
            _ => format!("PUB {SUBJECTS}{to}").into_bytes(),
        };
        Ok(())
    }

    fn post(&mut self, index: u64, out: &mut Vec<u8>) {
        mark::write(&mut self.body, Mark { author: self.number, index });
        out.extend_from_slice(&self.head);
        if self.kind == Kind::StreamSender {
            write_number(index, out);
        }
        out.push(b' ');
        write_number(self.body.len() as u64, out);
        out.extend(b"\r\n");
        out.extend_from_slice(&self.body);
        out.extend(b"\r\n");
    }
}

/// The first thing that was said, if it is there whole, and how many bytes it takes.
fn parse(bytes: &[u8]) -> Result<Option<(Said<'_>, usize)>> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let said = match words.next() {
        Some(b"MSG") => {
            let mut word = || words.next().unwrap_or_default();
            let (subject, subscription, third, fourth) = (word(), word(), word(), word());
            let (reply, length) = if fourth.is_empty() { (fourth, third) } else { (third, fourth) };
            let length = number(length).context("a message without a length")?;
            ensure!(length <= PAYLOAD_BYTES, "a message of {length} bytes was announced");
            let Some(payload) = bytes.get(end + 1..end + 1 + length + 2) else { return Ok(None) };
            let payload = payload.strip_suffix(b"\r\n").context("a message does not end where it should")?;
            return Ok(Some((Said::Message { subscription, subject, reply, payload }, end + 1 + length + 2)));
        }
        Some(b"PING") => Said::Ping,
        Some(b"PONG") => Said::Pong,
        Some(b"-ERR") => Said::Error(line),
        _ => Said::Other,
    };
    Ok(Some((said, end + 1)))
}

fn number(digits: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok()
}

/// Formatting costs more than everything else about a message.
fn write_number(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = number;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(agent: &mut Nats, wire: &[u8]) -> (Vec<u8>, Vec<Heard>) {
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        assert_eq!(agent.receive(wire, &mut out, &mut heard).unwrap(), wire.len());
        (out, heard)
    }

    #[test]
    fn what_is_posted_is_read_again() {
        let mut author = Nats::new(3, Kind::StreamSender, 0);
        author.aim("9", 24).unwrap();
        let mut wire = Vec::new();
        author.post(1050, &mut wire);
        let text = String::from_utf8(wire).unwrap();
        assert!(text.starts_with("PUB m.9 _I.3.1050 24\r\n"), "{text}");
        let body = text.lines().nth(1).unwrap();

        let mut reader = Nats::new(9, Kind::StreamRecipient, 24);
        let delivery = format!("MSG m.9 1 $JS.ACK.a 24\r\n{body}\r\nMSG m.9 1 $JS.ACK.b 24\r\n{body}\r\n");
        let (out, heard) = hear(&mut reader, delivery.as_bytes());
        assert_eq!(heard, [Heard::Delivered(Mark { author: 3, index: 1050 }); 2]);
        assert_eq!(String::from_utf8(out).unwrap(), "PUB $JS.ACK.b 4\r\n+ACK\r\n");

        let (_, heard) = hear(&mut author, b"MSG _I.3.1050 2 4\r\n{..}\r\n");
        assert_eq!(heard, [Heard::Accepted(1050)]);
    }

    #[test]
    fn what_is_not_whole_waits_and_what_is_wrong_is_an_error() {
        let whole = b"MSG a 1 4\r\nbody\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(parse(whole).unwrap().map(|(_, length)| length), Some(whole.len()));
        assert!(parse(b"MSG a 1 99999999\r\n").is_err());
        assert!(parse(b"MSG a 1 2\r\nbody\r\n").is_err());
        let mut agent = Nats::new(1, Kind::Plain, 24);
        assert!(agent.receive(b"-ERR 'no'\r\n", &mut Vec::new(), &mut Vec::new()).is_err());
        assert!(check_answer(b"{\"error\":{\"code\":400}}").is_err());
    }

    #[test]
    fn pings_are_answered_and_the_first_pong_makes_ready() {
        let mut agent = Nats::new(1, Kind::Plain, 24);
        let (out, heard) = hear(&mut agent, b"INFO {}\r\nPING\r\nPONG\r\nPONG\r\n");
        assert_eq!((out.as_slice(), heard.as_slice()), (&b"PONG\r\n"[..], &[Heard::Ready][..]));
    }
}
