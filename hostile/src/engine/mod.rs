//! Whole conversations with the client: its engine and its archive, told whatever it likes by a server that is none of ours.

mod script;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use ed25519_dalek::SigningKey;
use malote_client::archive::Change;
use malote_client::engine::{Engine, Now, Output};
use malote_client::{Archive, Command, Problem};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, Membership, Person, Room, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, MessageId, Name, Outcome, Receipt, Seq, Timestamp, limits,
};

use crate::{lawful, samples};
use script::{Answer, Number, Place, Step, What};

/// Steps of one conversation.
const STEPS: u8 = 200;

/// The names that there are.
const NAMES: [&str; 5] = ["Usuario0", "Usuario1", "ana", "obras", "todos"];

/// The bytes are a conversation: its steps one after the other.
pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut client = Client::new();
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut bytes) else { break };
        client.carry_out(step);
        client.pump();
    }
    client.carry_out(Step::Restart);
    client.pump();
}

pub fn seeds() -> Vec<Vec<u8>> {
    let greet = crate::bytes_of::<Step>(1, |step| matches!(step, Step::Greet { .. }));
    let rest: [fn(&Step) -> bool; 7] = [
        |step| matches!(step, Step::Send { .. }),
        |step| matches!(step, Step::Entered { .. }),
        |step| matches!(step, Step::Deliver { what: What::Message { .. }, .. }),
        |step| matches!(step, Step::Outcomes { .. }),
        |step| matches!(step, Step::Wait { .. }),
        |step| matches!(step, Step::Welcome { .. }),
        |step| matches!(step, Step::Restart),
    ];
    // Lists go on for as long as there are ones, so everything else is zero.
    let rest: Vec<Vec<u8>> = rest.into_iter().map(|is_wanted| crate::bytes_of(0, is_wanted)).collect();
    rest.iter().map(|step| [&greet[..], &step.repeat(2), &rest.concat()].concat()).collect()
}

/// The client's engine with its disk, and the server's side of the connection.
struct Client {
    engine: Engine,
    archive: Archive,
    /// How often the program was started again.
    lives: u8,
    now: Now,
    heard: FrameBuffer,
    is_connected: bool,
    was_greeted: bool,
    /// The last counter that was used, and the last entry of each mailbox that is on the disk.
    counter: u64,
    kept: BTreeMap<MailboxId, Seq>,
    tokens: u64,
}

impl Client {
    fn new() -> Client {
        let archive = Archive::in_memory().expect("an archive in memory");
        let now = Now { instant: Instant::now(), wall: Timestamp(1_700_000_000_000) };
        Client {
            engine: engine(&archive, now, 0),
            archive,
            lives: 0,
            now,
            heard: FrameBuffer::default(),
            is_connected: false,
            was_greeted: false,
            counter: 0,
            kept: BTreeMap::new(),
            tokens: 0,
        }
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Challenge { version } => self.challenge(version),
            Step::Greet { last_counter } => {
                self.engine.command(Command::ConnectNow, self.now);
                self.engine.tick(self.now);
                self.pump();
                self.challenge(VERSION);
                self.pump();
                let last_counter = self.number(last_counter, self.counter);
                self.hear(&ServerFrame::Welcome(Welcome { last_counter, ..samples::welcome() }));
            }
            Step::Welcome { mailbox, epoch, last_seq, last_counter, rooms } => {
                let welcome = Welcome {
                    mailbox: self.mailbox(mailbox),
                    epoch: Epoch([epoch; 16]),
                    last_seq: self.number(last_seq, 0),
                    last_counter: self.number(last_counter, self.counter),
                    rooms: rooms.iter().map(|place| self.membership(place)).collect(),
                    ..samples::welcome()
                };
                self.hear(&ServerFrame::Welcome(welcome));
            }
            Step::Deliver { mailbox, seq, what } => {
                let mailbox = self.mailbox(mailbox);
                let next = self.kept.get(&mailbox).map_or(1, |last| last.saturating_add(1));
                let seq = self.number(seq, next);
                let entry = self.entry(what);
                self.hear(&ServerFrame::Delivery { mailbox, seq, entry });
            }
            Step::Outcomes { counter, outcomes } => {
                let counter = self.number(counter, self.counter);
                let outcomes = outcomes.into_iter().map(|answer| self.outcome(answer)).collect();
                self.hear(&ServerFrame::Outcomes { counter, outcomes });
            }
            Step::ReadNoted { seqs } => {
                let seqs = seqs.into_iter().map(|seq| self.number(seq, 1)).collect();
                self.hear(&ServerFrame::ReadNoted { mailbox: MailboxId(2), seqs });
            }
            Step::People { numbers, more } => {
                let people = self.people(&numbers);
                self.hear(&ServerFrame::People { people, more });
            }
            Step::Rooms { names, more } => {
                let room = |index: &u8| Room { name: name(*index), mailbox: MailboxId(9), members: 1 };
                self.hear(&ServerFrame::Rooms { rooms: names.iter().map(room).collect(), more });
            }
            Step::Members { mailbox, numbers, more } => {
                let (mailbox, people) = (self.mailbox(mailbox), self.people(&numbers));
                self.hear(&ServerFrame::Members { mailbox, people, more });
            }
            Step::Member { mailbox, number, entered } => {
                let mailbox = self.mailbox(mailbox);
                let person = self.people(&[number]).remove(0);
                self.hear(&ServerFrame::Member { mailbox, person, entered });
            }
            Step::Entered { place } => {
                let membership = self.membership(&place);
                self.hear(&ServerFrame::Entered { membership, created: false });
            }
            Step::Left { mailbox, name: index } => {
                let mailbox = self.mailbox(mailbox);
                self.hear(&ServerFrame::Left { room: name(index), mailbox });
            }
            Step::Named { name: index } => self.hear(&ServerFrame::Named { name: name(index) }),
            Step::Closing { is_final } => {
                let reason = if is_final { Closing::Superseded } else { Closing::ServerFull };
                self.hear(&ServerFrame::Closing(reason));
            }
            Step::Body { body } => self.hear_body(&body),
            Step::Bytes { bytes } => self.receive(&bytes),
            Step::Cut => {
                if std::mem::take(&mut self.is_connected) {
                    self.engine.disconnected(Problem::Lost, self.now);
                }
            }
            Step::Wait { seconds } => self.wait(i64::from(seconds), seconds.into()),
            Step::Jump { seconds } => self.wait(seconds.into(), 0),
            Step::Restart => {
                self.is_connected = false;
                self.begin_anew();
                self.engine.tick(self.now);
            }
            user => self.command(user),
        }
    }

    fn begin_anew(&mut self) {
        self.lives = self.lives.wrapping_add(1);
        self.engine = engine(&self.archive, self.now, self.lives);
    }

    fn command(&mut self, step: Step) {
        self.tokens += 1;
        let command = match step {
            Step::Send { to, bytes } => {
                let mut to: Vec<Address> = to.into_iter().map(|index| Address::Person(name(index))).collect();
                to.truncate(limits::RECIPIENTS - 1);
                // The parser of lists makes none without anybody.
                to.push(Address::Everybody);
                let content = Content { subject: String::new(), body: "a".repeat(bytes.into()) };
                Command::Send { token: self.tokens, to, content, in_reply_to: None }
            }
            Step::Open { row, mailbox, seq } => {
                Command::Open { row: row.into(), mailbox: self.mailbox(mailbox), seq: self.number(seq, 1) }
            }
            Step::Clear { is_room, mailbox } => {
                let room = is_room.then(|| self.mailbox(mailbox));
                Command::Clear { clearing: self.tokens as i64, room }
            }
            Step::Enter { name: index, create } => Command::Enter { room: name(index), create },
            Step::Leave { name: index } => Command::Leave { room: name(index) },
            Step::TakeName { name: index } => Command::TakeName { name: index.map(name) },
            Step::List { mailbox: None } => Command::ListRooms,
            Step::List { mailbox: Some(mailbox) } => Command::ListMembers { mailbox: self.mailbox(mailbox) },
            Step::ConnectNow => Command::ConnectNow,
            other => unreachable!("{other:?} is no command"),
        };
        let command = self.archive.located(command);
        self.engine.command(command, self.now);
    }

    fn wait(&mut self, wall_seconds: i64, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.wall = Timestamp(self.now.wall.0.saturating_add(1000 * wall_seconds));
        self.engine.tick(self.now);
        let deadline = self.engine.deadline(self.now);
        assert!(deadline.is_none_or(|at| at <= self.now.instant + Duration::from_secs(24 * 60 * 60)));
    }

    /// Carries out what the engine says, in order, as its driver does.
    fn pump(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Connect => {
                    (self.is_connected, self.was_greeted) = (true, false);
                    self.heard = FrameBuffer::default();
                    self.engine.connected([1; 32], self.now);
                }
                Output::Send(bytes) => self.check_sent(&bytes),
                Output::Disconnect => self.is_connected = false,
                Output::Reload => {
                    self.is_connected = false;
                    self.lives = self.lives.wrapping_add(1);
                    let next = engine(&self.archive, self.now, self.lives);
                    let last = std::mem::replace(&mut self.engine, next);
                    self.engine.inherit(last);
                }
                Output::Keep(change) => self.keep(change),
                Output::Tell(_) => {}
            }
        }
    }

    /// Whatever a server says can be written down.
    fn keep(&mut self, change: Change) {
        match &change {
            Change::Attempted { counter, .. } => {
                assert!(*counter > self.counter || *counter > limits::HIGHEST_COUNTER, "a counter is used again");
                self.counter = *counter;
            }
            Change::Received { mailbox, seq, entry } => {
                lawful::entry(entry);
                self.kept.insert(*mailbox, *seq);
            }
            _ => {}
        }
        self.archive.apply(&[change]).expect("a disk that works");
    }

    /// What the client says can be read, keeps to the limits, and acknowledges nothing that is not on its disk.
    fn check_sent(&mut self, bytes: &[u8]) {
        assert!(self.is_connected, "said to nobody");
        self.heard.extend(bytes);
        while let Some(body) = self.heard.next_frame(limits::FRAME_BYTES).expect("the client keeps to the limit") {
            if !std::mem::replace(&mut self.was_greeted, true) {
                Hello::decode(body).expect("a hello");
                continue;
            }
            let frame: ClientFrame = codec::decode(body).expect("the client says what can be read");
            lawful::client(&frame);
            match frame {
                ClientFrame::Acknowledge { mailbox, seq } => {
                    assert!(self.kept.get(&mailbox).is_some_and(|kept| *kept >= seq), "{seq} is not on the disk");
                }
                ClientFrame::Read { seqs, .. } => assert!(seqs.len() <= limits::READ_PER_FRAME),
                ClientFrame::Submit(submission) if submission.counter <= limits::HIGHEST_COUNTER => {
                    assert_eq!(submission.refusal(), None);
                }
                _ => {}
            }
        }
    }

    fn challenge(&mut self, version: u16) {
        let challenge = match version {
            0 => Challenge::Refused { versions: vec![2] },
            version => Challenge::Accepted { version, nonce: [3; 32] },
        };
        self.hear_body(&challenge.encode());
    }

    fn hear(&mut self, frame: &ServerFrame) {
        if let Ok(body) = codec::encode(frame) {
            self.hear_body(&body);
        }
    }

    fn hear_body(&mut self, body: &[u8]) {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.receive(&wire);
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.is_connected {
            self.engine.receive(bytes, self.now);
        }
    }

    fn number(&self, number: Number, next: u64) -> u64 {
        match number {
            Number::Small(number) => number.into(),
            Number::Next => next,
            Number::Any(number) => number,
            Number::Highest => u64::MAX,
            Number::HighestSigned => i64::MAX as u64,
        }
    }

    /// The next one is the client's own.
    fn mailbox(&self, number: Number) -> MailboxId {
        MailboxId(self.number(number, samples::welcome().mailbox.0))
    }

    fn membership(&self, place: &Place) -> Membership {
        Membership {
            room: name(place.name),
            mailbox: self.mailbox(place.mailbox),
            epoch: Epoch([place.epoch; 16]),
            first: self.number(place.first, 1),
            last_seq: self.number(place.last_seq, 1),
        }
    }

    fn people(&self, numbers: &[Number]) -> Vec<Person> {
        let person =
            |number: &Number| Person { number: self.number(*number, 1), name: Name::given(1), connected: true };
        numbers.iter().map(person).collect()
    }

    fn entry(&self, what: What) -> Entry {
        let at = self.now.wall;
        match what {
            What::Message { from, number, id, is_content, at } => {
                let mut message = samples::message();
                message.id = MessageId([id; 16]);
                message.sent_at = Timestamp(at);
                if !is_content {
                    message.content = vec![0xff; 5];
                }
                let number = number.map(|number| self.number(number, 1));
                Entry::Message { from: name(from), number, accepted_at: Timestamp(at), message }
            }
            What::Delivered { mailbox, seq } => {
                Entry::Receipt(Receipt::Delivered { mailbox: self.mailbox(mailbox), seq: self.number(seq, 1), at })
            }
            What::Read { mailbox, seq } => {
                Entry::Receipt(Receipt::Read { mailbox: self.mailbox(mailbox), seq: self.number(seq, 1), at })
            }
            What::Damaged { number } => Entry::Damaged { number: number.map(|number| self.number(number, 1)) },
            What::WasDamaged { mailbox, seq } => {
                Entry::Receipt(Receipt::Damaged { mailbox: self.mailbox(mailbox), seq: self.number(seq, 1), at })
            }
        }
    }

    fn outcome(&self, answer: Answer) -> Outcome {
        match answer {
            Answer::Accepted { mailbox, seq } => {
                Outcome::Accepted { mailbox: self.mailbox(mailbox), seq: self.number(seq, 1) }
            }
            Answer::NotAMember => Outcome::NotAMember,
            Answer::MailboxFull => Outcome::MailboxFull,
            Answer::ServerFull => Outcome::ServerFull,
            Answer::RateLimited(wait) => Outcome::RateLimited { retry_after_ms: self.number(wait, 1) },
            Answer::OutOfTurn => Outcome::OutOfTurn,
        }
    }
}

/// Each life has random numbers of its own, as it has in earnest.
fn engine(archive: &Archive, now: Now, life: u8) -> Engine {
    let saved = archive.load().expect("what was written can be read");
    Engine::new(SigningKey::from_bytes(&[5; 32]), DeviceId([6; 16]), saved, true, [life; 32], now)
}

fn name(index: u8) -> Name {
    Name::parse(NAMES[usize::from(index) % NAMES.len()]).expect("a name")
}
