//! One connection to the server: what was said by it, what was heard, and what must hold of that.

use std::collections::BTreeMap;
use std::time::Instant;

use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, ServerFrame};
use malote_common::hello::{Challenge, Hello};
use malote_common::{DeviceId, Epoch, MailboxId, Seq, Submission, limits};
use malote_server::post_office::{Event, Request, SessionId};
use malote_server::session::{Door, Session};

use super::script::Number;
use crate::lawful;

/// Bytes that may wait for a peer who does not read: what the session allows itself, and a frame or two on top.
const WAITING: usize = 4 * limits::FRAME_BYTES;

pub struct Guest {
    pub id: SessionId,
    pub session: Session,
    /// The session has said that this is the end.
    pub has_ended: bool,
    /// Whose connection it is, once that is proved.
    pub person: Option<u64>,
    /// The mailboxes that the guest was told of, with their epochs.
    pub epochs: BTreeMap<MailboxId, Epoch>,
    /// What was submitted last.
    pub last: Option<Submission>,
    door: Door,
    nonce: [u8; 32],
    own: Option<MailboxId>,
    /// The key of the hello, and whether the last proof was made with it as it must be.
    key: Option<[u8; 32]>,
    has_proved: bool,
    heard: FrameBuffer,
    was_challenged: bool,
    /// The last entry of each mailbox that was delivered; of the own one, also what was resumed behind.
    pub delivered: BTreeMap<MailboxId, Seq>,
    /// How many targets each submission had, by counter.
    targets: BTreeMap<u64, Vec<usize>>,
    /// Submissions that the post office has not answered.
    unanswered: u64,
    /// The guest has sent bytes of which we do not know what they say.
    is_wild: bool,
}

impl Guest {
    pub fn new(id: SessionId, session: Session, door: Door, nonce: [u8; 32]) -> Guest {
        Guest {
            id,
            session,
            has_ended: false,
            person: None,
            epochs: BTreeMap::new(),
            last: None,
            door,
            nonce,
            own: None,
            key: None,
            has_proved: false,
            heard: FrameBuffer::default(),
            was_challenged: false,
            delivered: BTreeMap::new(),
            targets: BTreeMap::new(),
            unanswered: 0,
            is_wild: false,
        }
    }

    pub fn number(&self, number: Number) -> u64 {
        match number {
            Number::Small(number) => number.into(),
            Number::Any(number) => number,
            Number::Highest => u64::MAX,
            Number::HighestSigned => i64::MAX as u64,
        }
    }

    /// A mailbox that the guest was told of, or any other.
    pub fn mailbox(&self, number: Number) -> MailboxId {
        match number {
            Number::Small(index) if index < 128 && !self.epochs.is_empty() => {
                let index = usize::from(index) % self.epochs.len();
                *self.epochs.keys().nth(index).expect("an index within")
            }
            number => MailboxId(self.number(number)),
        }
    }

    pub fn hello(&mut self, key: &SigningKey, device: DeviceId, versions: Vec<u16>, now: Instant) {
        let key = key.verifying_key().to_bytes();
        self.key = Some(key);
        let hello = Hello { versions, key, device };
        let body = match self.door {
            Door::Program { .. } => hello.encode(),
            Door::Browser { .. } => self.door.encoding().encode(&hello).expect("a hello is short"),
        };
        self.give_body(&body, now);
    }

    pub fn prove(&mut self, key: &SigningKey, is_right: bool, now: Instant) {
        let mut nonce = self.nonce;
        nonce[0] ^= u8::from(!is_right);
        let signature = key.sign(&self.door.statement(&nonce)).to_bytes().to_vec();
        self.has_proved = is_right && self.key == Some(key.verifying_key().to_bytes());
        self.say(&ClientFrame::Proof { signature }, now);
    }

    pub fn submit(&mut self, submission: Submission, now: Instant) {
        self.targets.entry(submission.counter).or_default().push(submission.targets.len());
        self.last = Some(submission.clone());
        self.say(&ClientFrame::Submit(submission), now);
    }

    /// Only the first time counts for the own mailbox.
    pub fn resume(&mut self, mailbox: MailboxId, after: Seq) {
        if self.own == Some(mailbox) {
            self.delivered.entry(mailbox).or_insert(after);
        }
    }

    pub fn say(&mut self, frame: &ClientFrame, now: Instant) {
        // What is over the limit cannot be said.
        if let Ok(body) = self.door.encoding().encode(frame) {
            self.give_body(&body, now);
        }
    }

    pub fn give_body(&mut self, body: &[u8], now: Instant) {
        match self.door {
            Door::Browser { .. } => self.give(body, now),
            Door::Program { .. } => {
                let mut wire = Vec::new();
                codec::write_frame(&mut wire, body);
                self.give(&wire, now);
            }
        }
    }

    /// Bytes come of which nothing is known.
    pub fn give_wild(&mut self, bytes: &[u8], is_body: bool, now: Instant) {
        self.is_wild = true;
        match is_body {
            true => self.give_body(bytes, now),
            false => self.give(bytes, now),
        }
    }

    /// Bytes come, if the session wants any.
    pub fn give(&mut self, bytes: &[u8], now: Instant) {
        if !self.session.accepts_input() {
            return;
        }
        match self.door {
            Door::Browser { .. } => self.session.receive_body(bytes, now),
            Door::Program { .. } => self.session.receive(bytes, now),
        }
    }

    pub fn told(&mut self, event: Event) {
        if matches!(event, Event::Outcomes { .. }) {
            self.unanswered -= 1;
        }
        self.session.event(event);
    }

    pub fn check_bounds(&mut self) {
        let waiting = self.session.transmit().len();
        assert!(waiting <= WAITING, "{waiting} bytes wait for one peer");
        if let Some(login) = self.session.login() {
            (self.person, self.own) = (Some(login.person.0), Some(login.mailbox));
        }
    }

    /// The session asks something on behalf of this guest, who must be allowed to.
    pub fn asks(&mut self, request: &Request) {
        match request {
            Request::Login { key, .. } => assert!(self.has_proved && self.key == Some(*key), "a login without a proof"),
            _ => assert!(self.person.is_some(), "{request:?} before the login"),
        }
        match request {
            Request::Submit(submission) => {
                self.unanswered += 1;
                assert!(self.unanswered <= limits::WINDOW);
                assert!(submission.targets.len() <= limits::RECIPIENTS);
                assert!(submission.message.to.len() <= limits::RECIPIENTS_LOOKED_AT);
            }
            Request::Acknowledge { mailbox, .. } => assert_eq!(Some(*mailbox), self.own),
            Request::Read { mailbox, seqs } => {
                assert_eq!(Some(*mailbox), self.own);
                assert!(seqs.len() <= limits::READ_PER_FRAME);
            }
            Request::Bridge { .. } | Request::Post { .. } | Request::Gone => panic!("{request:?} is not a client's"),
            _ => {}
        }
    }

    /// Reads at most so many bytes, and returns what the server said after its challenge.
    pub fn read(&mut self, most: usize) -> Vec<ServerFrame> {
        let waiting = self.session.transmit();
        let bytes = waiting[..waiting.len().min(most)].to_vec();
        self.session.transmitted(bytes.len());
        self.heard.extend(&bytes);
        let mut frames = Vec::new();
        while let Some(body) = self.heard.next_frame(limits::FRAME_BYTES).expect("the server keeps to the limit") {
            let body = body.to_vec();
            if let Some(frame) = self.hear(&body) {
                self.check(&frame);
                frames.push(frame);
            }
        }
        frames
    }

    fn hear(&mut self, body: &[u8]) -> Option<ServerFrame> {
        let encoding = self.door.encoding();
        if !std::mem::replace(&mut self.was_challenged, true) {
            let challenge = match self.door {
                Door::Program { .. } => Challenge::decode(body).ok(),
                Door::Browser { .. } => encoding.decode(body).ok(),
            };
            if let Some(challenge) = challenge {
                assert!(!matches!(challenge, Challenge::Accepted { nonce, .. } if nonce != self.nonce));
                return None;
            }
        }
        Some(encoding.decode(body).expect("the server says what can be read"))
    }

    fn check(&mut self, frame: &ServerFrame) {
        lawful::server(frame);
        match frame {
            ServerFrame::Welcome(welcome) => {
                self.epochs.insert(welcome.mailbox, welcome.epoch);
                self.epochs.extend(welcome.rooms.iter().map(|room| (room.mailbox, room.epoch)));
            }
            ServerFrame::Entered { membership, .. } => {
                self.epochs.insert(membership.mailbox, membership.epoch);
            }
            ServerFrame::Left { mailbox, .. } => {
                self.epochs.remove(mailbox);
                self.delivered.remove(mailbox);
            }
            ServerFrame::Delivery { mailbox, seq, .. } => self.deliver(*mailbox, *seq),
            ServerFrame::Outcomes { counter, outcomes } if !self.is_wild => {
                let asked = self.targets.get(counter).expect("an answer to what was asked");
                assert!(asked.contains(&outcomes.len()), "an outcome for each target");
            }
            ServerFrame::ReadNoted { mailbox, .. } => assert_eq!(Some(*mailbox), self.own),
            ServerFrame::Closing(reason) => assert_ne!(*reason, Closing::StoreFailed),
            _ => {}
        }
    }

    /// Each entry once and in order, without gaps, of a mailbox that is open to this guest.
    fn deliver(&mut self, mailbox: MailboxId, seq: Seq) {
        assert!(self.epochs.contains_key(&mailbox), "an entry of {mailbox:?}, which is none of theirs");
        match self.delivered.insert(mailbox, seq) {
            Some(last) if self.own == Some(mailbox) && !self.is_wild => assert_eq!(last.checked_add(1), Some(seq)),
            Some(last) => assert!(seq > last, "{seq} behind {last}"),
            None if self.is_wild => {}
            None => assert_ne!(self.own, Some(mailbox), "entries of the own mailbox, which was not resumed"),
        }
    }
}
