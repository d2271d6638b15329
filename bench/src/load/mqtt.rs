//! A client of MQTT 3.1.1 with quality of service 1 both ways: each message is answered by the broker, and by its
//! recipient.

use anyhow::{Context, Result, bail, ensure};

use super::{Agent, Heard, Mark, mark};

/// Kinds of packets, with the flags that they have here (MQTT 3.1.1, section 2.2).
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xd0;
const AT_LEAST_ONCE: u8 = 0x02;

/// Packet identifiers go round within these, which is far more than are ever unanswered.
const IDENTIFIERS: u64 = 1 << 15;

/// Bytes of a packet that we take.
const PACKET_BYTES: usize = 1024 * 1024;

pub struct Mqtt {
    number: u32,
    receives: bool,
    topic: String,
    body: Vec<u8>,
    body_bytes: usize,
    /// The index of the newest message.
    newest: u64,
}

impl Mqtt {
    /// `number` tells it from the others; where it `receives`, messages to it must have bodies of `body_bytes`.
    pub fn new(number: u32, receives: bool, body_bytes: usize) -> Mqtt {
        Mqtt { number, receives, topic: String::new(), body: Vec::new(), body_bytes, newest: 0 }
    }

    /// Whose answer this is: the newest message with this identifier.
    fn index(&self, identifier: u16) -> Result<u64> {
        let place = u64::from(identifier).checked_sub(1).context("an answer to no message")?;
        let behind = (self.newest % IDENTIFIERS + IDENTIFIERS - place) % IDENTIFIERS;
        self.newest.checked_sub(behind).context("an answer to a message that was never posted")
    }

    fn delivered(&self, kind: u8, mut content: &[u8], out: &mut Vec<u8>) -> Result<Heard> {
        ensure!(kind & 0x06 == AT_LEAST_ONCE, "a message arrived with another quality of service");
        let topic = usize::from(u16_of(&mut content)?);
        content = content.get(topic..).context("a message ends within its topic")?;
        let identifier = u16_of(&mut content)?;
        out.extend([PUBACK, 2]);
        out.extend(identifier.to_be_bytes());
        Ok(Heard::Delivered(mark::read(content, self.body_bytes)?))
    }
}

impl Agent for Mqtt {
    fn opened(&mut self, _exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()> {
        let id = format!("c{}", self.number);
        // Not a clean session, so that what comes while one is away waits; no keep-alive.
        let mut content = b"\x00\x04MQTT\x04\x00\x00\x00".to_vec();
        write_text(&id, &mut content);
        write_packet(CONNECT, &content, out);
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut used = 0;
        while let Some((kind, mut content, length)) = packet(&bytes[used..])? {
            used += length;
            match kind {
                CONNACK => {
                    ensure!(matches!(content, [_, 0]), "the broker refuses the connection: {content:?}");
                    if self.receives {
                        let mut content = vec![0, 1];
                        write_text(&format!("m/{}", self.number), &mut content);
                        content.push(1);
                        write_packet(SUBSCRIBE, &content, out);
                    } else {
                        heard.push(Heard::Ready);
                    }
                }
                SUBACK => {
                    ensure!(matches!(content, [0, 1, 1]), "the broker refuses the subscription: {content:?}");
                    heard.push(Heard::Ready);
                }
                PUBACK => heard.push(Heard::Accepted(self.index(u16_of(&mut content)?)?)),
                PINGRESP => {}
                kind if kind & 0xf0 == PUBLISH => heard.push(self.delivered(kind, content, out)?),
                kind => bail!("the broker sends a packet of kind {kind:#x}"),
            }
        }
        Ok(used)
    }

    fn name(&self) -> String {
        self.number.to_string()
    }

    fn aim(&mut self, to: &str, body_bytes: usize) -> Result<()> {
        self.topic = format!("m/{to}");
        self.body = mark::blank(body_bytes);
        Ok(())
    }

    fn post(&mut self, index: u64, out: &mut Vec<u8>) {
        self.newest = index;
        mark::write(&mut self.body, Mark { author: self.number, index });
        out.push(PUBLISH | AT_LEAST_ONCE);
        write_length(2 + self.topic.len() + 2 + self.body.len(), out);
        write_text(&self.topic, out);
        out.extend(((index % IDENTIFIERS) as u16 + 1).to_be_bytes());
        out.extend_from_slice(&self.body);
    }
}

/// The first packet, if it is there whole: its kind, its content, and how many bytes it takes.
fn packet(bytes: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    let mut length = 0;
    for (place, byte) in rest.iter().enumerate() {
        ensure!(place < 4, "a packet's length has no end");
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            ensure!(length <= PACKET_BYTES, "a packet of {length} bytes was announced");
            let start = 1 + place + 1;
            return Ok(bytes.get(start..start + length).map(|content| (*kind, content, start + length)));
        }
    }
    Ok(None)
}

fn write_packet(kind: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    write_length(content.len(), out);
    out.extend_from_slice(content);
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn u16_of(bytes: &mut &[u8]) -> Result<u16> {
    let (taken, rest) = bytes.split_first_chunk::<2>().context("a packet ends too early")?;
    *bytes = rest;
    Ok(u16::from_be_bytes(*taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_is_delivered_and_answered() {
        let (mut author, mut reader) = (Mqtt::new(1, false, 0), Mqtt::new(2, true, 200));
        author.aim("2", 200).unwrap();
        let (mut wire, mut out, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        author.post(IDENTIFIERS + 5, &mut wire);
        for cut in 0..wire.len() {
            assert_eq!(reader.receive(&wire[..cut], &mut out, &mut heard).unwrap(), 0);
        }
        assert_eq!(reader.receive(&wire, &mut out, &mut heard).unwrap(), wire.len());
        assert_eq!(heard, [Heard::Delivered(Mark { author: 1, index: IDENTIFIERS + 5 })]);
        assert_eq!(out, [PUBACK, 2, 0, 6]);
    }

    #[test]
    fn answers_find_their_messages_around_the_end_of_the_identifiers() {
        let mut author = Mqtt::new(1, false, 0);
        author.newest = IDENTIFIERS + 1;
        assert_eq!(author.index(2).unwrap(), IDENTIFIERS + 1);
        assert_eq!(author.index(IDENTIFIERS as u16).unwrap(), IDENTIFIERS - 1);
        author.newest = 3;
        assert!(author.index(5).is_err());
        assert!(author.index(0).is_err());
    }

    #[test]
    fn packets_that_cannot_be_are_errors() {
        assert!(packet(&[PUBLISH, 0xff, 0xff, 0xff, 0xff, 0x01]).is_err());
        assert!(packet(&[PUBLISH, 0xff, 0xff, 0xff, 0x7f]).is_err());
        assert_eq!(packet(&[PUBACK, 2, 0]).unwrap(), None);
        let mut agent = Mqtt::new(1, true, 30);
        let mut receive = |bytes: &[u8]| agent.receive(bytes, &mut Vec::new(), &mut Vec::new());
        assert!(receive(&[CONNACK, 2, 0, 5]).is_err());
        assert!(receive(&[SUBACK, 3, 0, 1, 0x80]).is_err());
        assert!(receive(&[PUBLISH | AT_LEAST_ONCE, 2, 0, 9]).is_err());
    }

    #[test]
    fn a_recipient_is_ready_once_it_has_subscribed() {
        let mut agent = Mqtt::new(7, true, 30);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        agent.receive(&[CONNACK, 2, 0, 0], &mut out, &mut heard).unwrap();
        assert_eq!((out.as_slice(), heard.as_slice()), (&b"\x82\x08\0\x01\0\x03m/7\x01"[..], &[][..]));
        agent.receive(&[SUBACK, 3, 0, 1, 1], &mut out, &mut heard).unwrap();
        assert_eq!(heard, [Heard::Ready]);
    }
}
