//! A client of Malote: logs in, resumes its mailbox, posts, and acknowledges cumulatively what came in one read.
//!
//! Outcomes and deliveries, of which there are as many as messages, are read field by field where they lie. Everything else
//! goes through the codec that all programs share.

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, HEADER_BYTES};
use malote_common::frame::{ClientFrame, Membership, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{
    Address, Content, DeviceId, Epoch, MailboxId, Message, MessageId, Name, Seq, Submission, Timestamp,
};
use malote_common::{limits, login};

use super::identity;
use super::mark::{self, MARK_BYTES};
use super::{Agent, Heard, Mark};

/// The indices of the frames that are read by hand (docs/PROTOCOL.md, section 8).
const OUTCOMES: u8 = 1;
const DELIVERY: u8 = 2;

/// A person with one device, who is in one room at most.
pub struct Malote {
    number: u32,
    key: SigningKey,
    device: DeviceId,
    exporter: [u8; 32],
    stage: Stage,
    /// The room that it enters, if any.
    room: Option<Name>,
    welcome: Option<Welcome>,
    /// What its messages look like, all but for counter, identity and mark.
    template: Option<Template>,
    /// Bytes that the bodies of messages to it have.
    body_bytes: usize,
    /// How many of the newest entries of its mailbox it asks for on login, as somebody who was away.
    lacks: u64,
    /// Whether it listens in all rooms that it is in, as a program does.
    listens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Challenge,
    Welcome,
    Entering,
    Ready,
}

/// A submission's bytes before and after its counter, and where in them identity and mark stand.
struct Template {
    /// From `since` to the end.
    behind: Vec<u8>,
    id_at: usize,
    mark_at: usize,
}

impl Malote {
    /// A new person. `number` tells it from the others of this run; messages to it must have bodies of `body_bytes`.
    pub fn new(number: u32, body_bytes: usize) -> Result<Malote> {
        let mut seed = [0; 48];
        getrandom::fill(&mut seed).context("the system gives no random numbers")?;
        let (key, device) = seed.split_at(32);
        Ok(Malote {
            number,
            key: SigningKey::from_bytes(key.try_into()?),
            device: DeviceId(device.try_into()?),
            exporter: [0; 32],
            stage: Stage::Challenge,
            room: None,
            welcome: None,
            template: None,
            body_bytes,
            lacks: 0,
            listens: false,
        })
    }

    /// The person with this number in a store of [`crate::filling`], on a device that was never seen before.
    pub fn known(number: u32, body_bytes: usize) -> Result<Malote> {
        Ok(Malote { key: identity::key(number), ..Malote::new(number, body_bytes)? })
    }

    /// The same, and it listens in all rooms that it is in, as a program does.
    pub fn listening(self) -> Malote {
        Malote { listens: true, ..self }
    }

    /// The same, and it lacks so many of the newest entries of its mailbox.
    pub fn lacking(self, lacks: u64) -> Malote {
        Malote { lacks, ..self }
    }

    /// The same, and it enters a room, which it makes where there is none.
    pub fn in_room(mut self, room: &str) -> Result<Malote> {
        self.room = Some(Name::parse(room)?);
        Ok(self)
    }

    fn opening(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Challenge::Accepted { nonce, .. } = Challenge::decode(body)? else {
            bail!("the server is of another version")
        };
        let signature = self.key.sign(&login::statement(&nonce, &self.exporter)).to_bytes().to_vec();
        self.stage = Stage::Welcome;
        say(&ClientFrame::Proof { signature }, out)
    }

    fn control(&mut self, body: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<()> {
        match codec::decode(body)? {
            ServerFrame::Welcome(welcome) => {
                let Welcome { mailbox, epoch, last_seq, .. } = welcome;
                for room in welcome.rooms.iter().filter(|_| self.listens) {
                    resume(room.mailbox, room.epoch, room.last_seq, out)?;
                }
                self.welcome = Some(welcome);
                resume(mailbox, epoch, last_seq.saturating_sub(self.lacks), out)?;
                match &self.room {
                    None => self.become_ready(heard),
                    Some(room) => {
                        self.stage = Stage::Entering;
                        say(&ClientFrame::Enter { room: room.clone(), create: true }, out)?;
                    }
                }
            }
            ServerFrame::Entered { membership: Membership { mailbox, epoch, last_seq, .. }, .. } => {
                resume(mailbox, epoch, last_seq, out)?;
                if self.stage == Stage::Entering {
                    self.become_ready(heard);
                }
            }
            ServerFrame::Ping { token } => say(&ClientFrame::Pong { token }, out)?,
            ServerFrame::Closing(reason) => bail!("the server closes the connection: {reason:?}"),
            ServerFrame::RoomRefused { why, .. } => bail!("the room is refused: {why:?}"),
            // News of others.
            _ => {}
        }
        Ok(())
    }

    fn become_ready(&mut self, heard: &mut Vec<Heard>) {
        self.stage = Stage::Ready;
        heard.push(Heard::Ready);
    }

    /// One delivery; where it is of the own mailbox, the number up to which is now to be acknowledged.
    fn delivery(&self, fields: &mut Fields, heard: &mut Vec<Heard>) -> Result<Option<Seq>> {
        let mailbox = MailboxId(fields.number()?);
        let seq = fields.number()?;
        let own = self.welcome.as_ref().is_some_and(|welcome| welcome.mailbox == mailbox).then_some(seq);
        if fields.number()? == 0 {
            let body = fields.message()?;
            heard.push(Heard::Delivered(mark::read(body, self.body_bytes)?));
        }
        Ok(own)
    }
}

impl Agent for Malote {
    fn opened(&mut self, exporter: &[u8; 32], out: &mut Vec<u8>) -> Result<()> {
        self.exporter = *exporter;
        let key = self.key.verifying_key().to_bytes();
        codec::write_frame(out, &Hello { versions: vec![VERSION], key, device: self.device }.encode());
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut used = 0;
        let mut acknowledged = None;
        while let Some((header, rest)) = bytes[used..].split_first_chunk::<HEADER_BYTES>() {
            let length = u32::from_be_bytes(*header) as usize;
            ensure!(length <= limits::FRAME_BYTES, "the server announces a frame of {length} bytes");
            let Some(body) = rest.get(..length) else { break };
            used += HEADER_BYTES + length;
            let mut fields = Fields(body);
            match (self.stage, body.first()) {
                (Stage::Challenge, Some(b'm')) => self.opening(body, out)?,
                (Stage::Ready | Stage::Entering, Some(&DELIVERY)) => {
                    fields.number()?;
                    acknowledged = self.delivery(&mut fields, heard)?.or(acknowledged);
                }
                (Stage::Ready, Some(&OUTCOMES)) => {
                    fields.number()?;
                    heard.push(Heard::Accepted(fields.outcomes()? - 1));
                }
                _ => self.control(body, out, heard)?,
            }
        }
        if let (Some(seq), Some(welcome)) = (acknowledged, &self.welcome) {
            say(&ClientFrame::Acknowledge { mailbox: welcome.mailbox, seq }, out)?;
        }
        Ok(used)
    }

    fn name(&self) -> String {
        match (&self.room, &self.welcome) {
            (Some(room), _) => format!("#{}", room.as_str()),
            (None, Some(welcome)) => welcome.name.as_str().to_owned(),
            (None, None) => String::new(),
        }
    }

    fn aim(&mut self, to: &str, body_bytes: usize) -> Result<()> {
        let to = match to.strip_prefix('#') {
            Some(room) => Address::Room(Name::parse(room)?),
            None => Address::Person(Name::parse(to)?),
        };
        self.template = Some(Template::new(to, body_bytes)?);
        Ok(())
    }

    fn post(&mut self, index: u64, out: &mut Vec<u8>) {
        if let Some(template) = &mut self.template {
            template.write(Mark { author: self.number, index }, out);
        }
    }
}

impl Template {
    fn new(to: Address, body_bytes: usize) -> Result<Template> {
        const SINCE: u64 = 1;
        let body = String::from_utf8(mark::blank(body_bytes))?;
        let content = codec::encode(&Content { subject: String::new(), body })?;
        let message =
            Message { id: MessageId([0xff; 16]), to: vec![to], in_reply_to: None, sent_at: Timestamp(0), content };
        let submission = Submission { counter: 1, since: SINCE, targets: vec![0], message };
        let whole = codec::encode(&ClientFrame::Submit(submission))?;
        // Variant and counter take one byte each; behind them stand `since`, one target and the identity.
        let behind = whole.get(2..).context("a submission without fields")?.to_vec();
        let id_at = behind.iter().position(|byte| *byte == 0xff).context("a submission without identity")?;
        let mark_at = behind.len() - body_bytes.max(MARK_BYTES);
        Ok(Template { behind, id_at, mark_at })
    }

    fn write(&mut self, mark: Mark, out: &mut Vec<u8>) {
        const SUBMIT: u8 = 2;
        let id = &mut self.behind[self.id_at..self.id_at + 16];
        id[..4].copy_from_slice(&mark.author.to_be_bytes());
        id[4..12].copy_from_slice(&mark.index.to_be_bytes());
        mark::write(&mut self.behind[self.mark_at..], mark);
        let start = out.len();
        out.extend([0; HEADER_BYTES]);
        out.push(SUBMIT);
        write_number(mark.index + 1, out);
        out.extend_from_slice(&self.behind);
        let length = (out.len() - start - HEADER_BYTES) as u32;
        out[start..start + HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}

fn resume(mailbox: MailboxId, epoch: Epoch, after: Seq, out: &mut Vec<u8>) -> Result<()> {
    say(&ClientFrame::Resume { mailbox, epoch, after }, out)
}

fn say(frame: &ClientFrame, out: &mut Vec<u8>) -> Result<()> {
    codec::write_frame(out, &codec::encode(frame)?);
    Ok(())
}

/// A number as docs/PROTOCOL.md, section 5, writes it.
fn write_number(number: u64, out: &mut Vec<u8>) {
    match number {
        0..=250 => out.push(number as u8),
        251..=0xffff => {
            out.push(251);
            out.extend((number as u16).to_le_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(252);
            out.extend((number as u32).to_le_bytes());
        }
        _ => {
            out.push(253);
            out.extend(number.to_le_bytes());
        }
    }
}

/// A frame's fields, taken one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("a frame ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        let first = self.bytes(1)?[0];
        let more = match first {
            0..=250 => return Ok(first.into()),
            251 => 2,
            252 => 4,
            253 => 8,
            _ => bail!("a frame has a number that is none"),
        };
        let mut number = [0; 8];
        number[..more].copy_from_slice(self.bytes(more)?);
        Ok(u64::from_le_bytes(number))
    }

    fn text(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        self.bytes(length.try_into()?)
    }

    fn option(&mut self) -> Result<bool> {
        Ok(self.bytes(1)?[0] == 1)
    }

    /// The counter of an `Outcomes` frame that must say that its one recipient has the message.
    fn outcomes(&mut self) -> Result<u64> {
        const ACCEPTED: u64 = 0;
        let counter = self.number()?;
        let (count, outcome) = (self.number()?, self.number()?);
        ensure!(
            count == 1 && outcome == ACCEPTED,
            "a message was refused: {count} outcomes, the first of kind {outcome}"
        );
        Ok(counter)
    }

    /// The body of the content of an entry that is a message.
    fn message(&mut self) -> Result<&'a [u8]> {
        self.text()?;
        if self.option()? {
            self.number()?;
        }
        self.number()?;
        self.bytes(16)?;
        for _ in 0..self.number()? {
            match self.number()? {
                0 | 1 => drop(self.text()?),
                _ => {}
            }
        }
        if self.option()? {
            self.bytes(16)?;
        }
        self.number()?;
        let mut content = Fields(self.text()?);
        ensure!(self.0.is_empty(), "a delivery has {} bytes too many", self.0.len());
        content.text()?;
        let body = content.text()?;
        ensure!(content.0.is_empty(), "a content has {} bytes too many", content.0.len());
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::{Entry, Outcome, Receipt};

    fn mark(index: u64) -> Mark {
        Mark { author: 7, index }
    }

    /// What a template writes, as the codec reads it.
    fn submission(to: Address, mark: Mark) -> Submission {
        let mut wire = Vec::new();
        Template::new(to, 200).unwrap().write(mark, &mut wire);
        let body = codec::frames(&wire).next().unwrap();
        assert_eq!(wire.len(), HEADER_BYTES + body.len());
        match codec::decode(body).unwrap() {
            ClientFrame::Submit(submission) => submission,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_template_writes_what_the_codec_reads() {
        let to = Address::Room(Name::parse("obras").unwrap());
        for index in [0, 249, 250, 70_000, 1 << 40] {
            let submission = submission(to.clone(), mark(index));
            assert_eq!((submission.counter, submission.since, &submission.targets), (index + 1, 1, &vec![0]));
            assert_eq!(submission.message.to.as_slice(), std::slice::from_ref(&to));
            let content: Content = codec::decode(&submission.message.content).unwrap();
            assert_eq!(mark::read(content.body.as_bytes(), 200).unwrap(), mark(index));
        }
    }

    #[test]
    fn what_the_codec_writes_is_heard_and_acknowledged_once() {
        let mut agent = Malote::new(0, 200).unwrap();
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        agent.opened(&[0; 32], &mut out).unwrap();
        let nonce = [9; 32];
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, &Challenge::Accepted { version: VERSION, nonce }.encode());
        let welcome = Welcome {
            name: Name::given(3),
            number: 3,
            mailbox: MailboxId(300),
            epoch: Epoch([1; 16]),
            last_seq: 0,
            last_counter: 0,
            limits: Default::default(),
            rooms: vec![],
        };
        let message = submission(Address::Person(Name::given(3)), mark(5)).message;
        let message = Entry::Message { from: Name::given(0), number: Some(0), accepted_at: Timestamp(-5), message };
        let receipt = Receipt::Delivered { mailbox: MailboxId(1), seq: 2, at: Timestamp(3) };
        let outcomes = vec![Outcome::Accepted { mailbox: MailboxId(70_000), seq: 1 << 40 }];
        for frame in [
            ServerFrame::Welcome(welcome),
            ServerFrame::Ping { token: 4 },
            ServerFrame::Delivery { mailbox: MailboxId(300), seq: 1, entry: message },
            ServerFrame::Delivery { mailbox: MailboxId(300), seq: 2, entry: Entry::Receipt(receipt) },
            ServerFrame::Outcomes { counter: 300, outcomes },
        ] {
            codec::write_frame(&mut wire, &codec::encode(&frame).unwrap());
        }
        // A frame that is not there whole is left alone.
        wire.extend([0, 0]);
        out.clear();
        let used = agent.receive(&wire, &mut out, &mut heard).unwrap();
        assert_eq!(used, wire.len() - 2);
        assert_eq!(heard, [Heard::Ready, Heard::Delivered(mark(5)), Heard::Accepted(299)]);
        let said: Vec<ClientFrame> = codec::frames(&out).map(|body| codec::decode(body).unwrap()).collect();
        let mailbox = MailboxId(300);
        assert!(matches!(said[0], ClientFrame::Proof { .. }));
        assert_eq!(
            said[1..],
            [
                ClientFrame::Resume { mailbox, epoch: Epoch([1; 16]), after: 0 },
                ClientFrame::Pong { token: 4 },
                ClientFrame::Acknowledge { mailbox, seq: 2 }
            ]
        );
    }

    #[test]
    fn a_refusal_is_an_error() {
        let frame = ServerFrame::Outcomes { counter: 1, outcomes: vec![Outcome::MailboxFull] };
        let body = codec::encode(&frame).unwrap();
        assert!(Fields(&body[1..]).outcomes().is_err());
        assert!(Fields(&body[1..2]).outcomes().is_err());
    }
}
