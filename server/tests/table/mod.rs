//! A session spoken to by hand, with its two neighbours played by the test.
#![allow(dead_code)] // Each test uses a part of it.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, Membership, ServerFrame};
use malote_common::hello::{Hello, VERSION};
use malote_common::{
    Address, DeviceId, Entry, Epoch, MailboxId, Message, MessageId, Name, Submission, Timestamp, limits, login,
};
use malote_server::post_office::{Event, Request};
use malote_server::rate::{Allowances, Rate};
use malote_server::session::{Door, Output, Session};
use malote_server::store::{Login, PersonId, Run};

pub const EXPORTER: [u8; 32] = [1; 32];
pub const NONCE: [u8; 32] = [2; 32];
pub const OWN: MailboxId = MailboxId(5);
pub const EPOCH: Epoch = Epoch([3; 16]);

/// A session with its two neighbours played by the test.
pub struct Table {
    pub session: Session,
    pub now: Instant,
    /// The rooms that whoever logs in is in.
    pub rooms: Vec<Membership>,
    /// What the client has read so far.
    heard: FrameBuffer,
}

impl Table {
    pub fn new() -> Table {
        Table::with_rate(Rate::default())
    }

    pub fn with_rate(rate: Rate) -> Table {
        Table::sharing(Allowances::new(rate))
    }

    /// One of several sessions that go by the same allowances.
    pub fn sharing(allowances: Allowances) -> Table {
        let now = Instant::now();
        Table {
            session: Session::new(Door::Program { exporter: EXPORTER }, NONCE, allowances, now),
            now,
            rooms: Vec::new(),
            heard: FrameBuffer::default(),
        }
    }

    /// A session whose client has logged in and resumed its mailbox.
    pub fn logged_in() -> Table {
        Table::new().log_in()
    }

    /// The same for somebody who is in these rooms, and resumes none of them.
    pub fn in_rooms(rooms: Vec<Membership>) -> Table {
        let mut table = Table::new();
        table.rooms = rooms;
        table.log_in()
    }

    pub fn log_in(mut self) -> Table {
        self.say_body(&hello(vec![VERSION]).encode());
        self.say(&proof(&key(), &NONCE, &EXPORTER));
        assert!(matches!(self.asked()[..], [Request::Login { .. }]));
        let login = Login {
            person: PersonId(0),
            name: Name::given(0),
            mailbox: OWN,
            epoch: EPOCH,
            last_seq: 0,
            last_counter: 0,
            is_new: true,
            rooms: self.rooms.clone(),
        };
        self.session.event(Event::LoggedIn(Box::new(login)));
        self.say(&ClientFrame::Resume { mailbox: OWN, epoch: EPOCH, after: 0 });
        let asked = self.asked();
        let expected = [Request::Resume { mailbox: OWN, after: 0 }, Request::Fetch { mailbox: OWN, after: 0 }];
        assert_eq!(format!("{asked:?}"), format!("{expected:?}"));
        self.session.event(Event::Page { mailbox: OWN, entries: vec![] });
        let frames = self.read();
        assert!(matches!(frames[..], [ServerFrame::Welcome(_)]), "{frames:?}");
        self
    }

    pub fn say(&mut self, frame: &ClientFrame) {
        self.say_body(&codec::encode(frame).unwrap());
    }

    pub fn say_body(&mut self, body: &[u8]) {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.session.receive(&wire, self.now);
    }

    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
    }

    /// Reads all that waits, as a client does that keeps up.
    pub fn read(&mut self) -> Vec<ServerFrame> {
        self.read_some(usize::MAX)
    }

    /// Reads at most so many bytes of what waits.
    pub fn read_some(&mut self, most: usize) -> Vec<ServerFrame> {
        let waiting = self.session.transmit();
        let bytes = waiting[..waiting.len().min(most)].to_vec();
        self.session.transmitted(bytes.len());
        self.heard.extend(&bytes);
        let mut frames = Vec::new();
        while let Some(body) = self.heard.next_frame(limits::FRAME_BYTES).unwrap() {
            // The challenge is not a frame of this kind.
            frames.extend(codec::decode(body).ok());
        }
        frames
    }

    pub fn asked(&mut self) -> Vec<Request> {
        let outputs = std::iter::from_fn(|| self.session.poll());
        outputs.filter_map(|output| if let Output::Ask(request) = output { Some(request) } else { None }).collect()
    }

    #[track_caller]
    pub fn is_closed(&mut self, reason: Closing) {
        assert_eq!(self.read().last(), Some(&ServerFrame::Closing(reason)));
        assert!(std::iter::from_fn(|| self.session.poll()).any(|output| matches!(output, Output::Close)));
    }

    /// Whether the session ends the connection. Nothing is read for that.
    pub fn has_hung_up(&mut self) -> bool {
        std::iter::from_fn(|| self.session.poll()).any(|output| matches!(output, Output::Close))
    }

    pub fn is_open(&mut self) -> bool {
        !self.read().iter().any(|frame| matches!(frame, ServerFrame::Closing(_)))
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

pub fn hello(versions: Vec<u16>) -> Hello {
    Hello { versions, key: key().verifying_key().to_bytes(), device: DeviceId([4; 16]) }
}

pub fn proof(key: &SigningKey, nonce: &[u8; 32], exporter: &[u8; 32]) -> ClientFrame {
    ClientFrame::Proof { signature: key.sign(&login::statement(nonce, exporter)).to_bytes().to_vec() }
}

pub fn submission(counter: u64, since: u64) -> Submission {
    let message = Message {
        id: MessageId([counter as u8; 16]),
        to: vec![Address::Person(Name::given(0))],
        in_reply_to: None,
        sent_at: Timestamp(0),
        content: vec![],
    };
    Submission { counter, since, targets: vec![0], message }
}

pub fn run(seq: u64, bytes: usize) -> Run {
    run_of(seq..=seq, bytes)
}

/// A run of entries with so many bytes of content each.
pub fn run_of(seqs: RangeInclusive<u64>, bytes: usize) -> Run {
    let message = Message { content: vec![0; bytes], ..submission(1, 1).message };
    let entry = Entry::Message { from: Name::given(1), number: Some(1), accepted_at: Timestamp(0), message };
    let (entry, mut frames) = (codec::encode(&entry).unwrap(), Vec::new());
    seqs.clone().for_each(|_| codec::write_frame(&mut frames, &entry));
    Run { mailbox: OWN, first: *seqs.start(), last: *seqs.end(), bytes: frames.into() }
}
