//! What a client says and does, without the connection, the disk and the clock.
//!
//! The engine is given what happens (commands of the user, bytes from the server, the time) and says what to do, as
//! [`Output`]s that are carried out in order: something that is to be kept is on the disk before what stands behind it
//! is sent. Where keeping fails, the driver drops the rest and begins anew with what the disk has.

mod outbox;
mod rooms;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{Address, Content, DeviceId, MailboxId, Message, MessageId, Seq, limits, login};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::archive::{Change, Saved};
use crate::backoff::Backoff;
use outbox::Outbox;
use rooms::{Pages, Wishes};
pub use types::{Command, Event, Now, Output, Problem, Status};

/// A disk that took nothing is tried again after this pause at the earliest: each attempt makes the server send anew.
const HOLD: Duration = Duration::from_secs(2);

/// The client's side of the protocol.
pub struct Engine {
    key: SigningKey,
    device: DeviceId,
    random: StdRng,
    backoff: Backoff,
    link: Link,
    incoming: FrameBuffer,
    outputs: VecDeque<Output>,
    saved: Saved,
    outbox: Outbox,
    /// Whether this user wants to know who is there.
    wants_people: bool,
    /// A frame that tells what was opened is under way.
    telling: bool,
    /// The last number of the directory page that was asked for behind.
    listed: Option<u64>,
    /// What the server had when we came and is not here yet: each mailbox's last entry. Nothing where all of it is here.
    caught_up_at: Option<BTreeMap<MailboxId, Seq>>,
    wishes: Wishes,
    pages: Pages,
    /// The rooms whose members the user wants to know.
    listed_rooms: BTreeSet<MailboxId>,
    /// Nothing is posted before all wishes are answered: they are what makes recipients of it.
    wishes_come_first: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
enum Link {
    Down {
        retry_at: Instant,
    },
    Stopped,
    Dialling,
    /// The hello is out.
    Greeting {
        exporter: [u8; 32],
        since: Instant,
    },
    /// The proof is out.
    Proving {
        since: Instant,
    },
    Up {
        heard_at: Instant,
        pinged: bool,
    },
}

impl Engine {
    /// An engine for this person and device that goes on from what was saved. It connects at its first tick.
    pub fn new(
        key: SigningKey,
        device: DeviceId,
        saved: Saved,
        wants_people: bool,
        seed: [u8; 32],
        now: Now,
    ) -> Engine {
        let mut saved = saved;
        let outbox = Outbox::new(std::mem::take(&mut saved.outbox), saved.next_counter, now);
        let wishes = Wishes::new(&saved.wishes);
        Engine {
            key,
            device,
            random: StdRng::from_seed(seed),
            backoff: Backoff::default(),
            link: Link::Down { retry_at: now.instant },
            incoming: FrameBuffer::default(),
            outputs: VecDeque::new(),
            saved,
            outbox,
            wants_people,
            telling: false,
            listed: None,
            caught_up_at: None,
            wishes_come_first: !wishes.are_answered(),
            wishes,
            pages: Pages::default(),
            listed_rooms: BTreeSet::new(),
        }
    }

    /// Takes over what another engine of the same person knows and the disk does not.
    pub fn inherit(&mut self, other: Engine) {
        self.wishes.inherit(other.wishes);
        self.listed_rooms = other.listed_rooms;
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Waits before connecting, after something went wrong that another attempt at once would meet again.
    pub fn hold(&mut self, problem: Problem, now: Now) {
        self.wait(problem, HOLD, now);
    }

    /// The connection is made. `exporter` is its TLS keying material under [`login::EXPORTER_LABEL`].
    pub fn connected(&mut self, exporter: [u8; 32], now: Now) {
        self.incoming = FrameBuffer::default();
        self.link = Link::Greeting { exporter, since: now.instant };
        let hello = Hello { versions: vec![VERSION], key: self.key.verifying_key().to_bytes(), device: self.device };
        self.send_body(&hello.encode());
    }

    /// The connection could not be made, or has ended.
    pub fn disconnected(&mut self, problem: Problem, now: Now) {
        self.wait(problem, Duration::ZERO, now);
    }

    /// Connects again after a pause, and not before `shortest`, or not by itself.
    fn wait(&mut self, problem: Problem, shortest: Duration, now: Now) {
        if matches!(self.link, Link::Stopped) {
            return;
        }
        self.outbox.disconnected();
        self.caught_up_at = None;
        let final_for_now =
            matches!(problem, Problem::KeyChanged { .. } | Problem::Closed(Closing::Superseded | Closing::WrongProof));
        let status = if final_for_now {
            self.link = Link::Stopped;
            Status::Stopped { problem }
        } else {
            let retry_in = self.backoff.next(&mut self.random).max(shortest);
            self.link = Link::Down { retry_at: now.instant + retry_in };
            Status::Waiting { problem, retry_in }
        };
        self.tell(Event::Status(status));
    }

    /// Bytes came from the server.
    pub fn receive(&mut self, bytes: &[u8], now: Now) {
        if let Link::Up { heard_at, pinged } = &mut self.link {
            (*heard_at, *pinged) = (now.instant, false);
        }
        let mut incoming = std::mem::take(&mut self.incoming);
        incoming.extend(bytes);
        let before = self.received_up_to();
        // What follows on a connection that is given up is nobody's.
        while !matches!(self.link, Link::Down { .. } | Link::Stopped) {
            match incoming.next_frame(limits::FRAME_BYTES) {
                Ok(Some(body)) => self.body(body, now),
                Ok(None) => {
                    self.incoming = incoming;
                    break;
                }
                Err(_) => self.give_up(Problem::NotMalote, now),
            }
        }
        self.acknowledge(before);
    }

    /// The user wants something.
    pub fn command(&mut self, command: Command, now: Now) {
        match command {
            Command::Send { token, to, content, in_reply_to } => self.compose(token, to, content, in_reply_to, now),
            Command::Open { row, mailbox, seq } => {
                self.keep(Change::Opened { row });
                // What is read in a room is nobody's affair.
                let is_mail = self.saved.resume.is_some_and(|(own, ..)| own == mailbox);
                if is_mail && seq > 0 && self.saved.tell_read && !self.saved.to_tell.contains(&seq) {
                    self.saved.to_tell.push(seq);
                    self.tell_read();
                }
            }
            Command::Clear { clearing, room } => self.keep(Change::Cleared { clearing, room }),
            Command::Restore { clearing } => self.keep(Change::Restored { clearing }),
            Command::SaveDraft(draft) => self.keep(Change::Draft(draft)),
            Command::TellRead(tell) => {
                self.saved.tell_read = tell;
                self.keep(Change::TellRead(tell));
            }
            Command::ConnectNow => {
                if matches!(self.link, Link::Down { .. } | Link::Stopped) {
                    self.backoff.reset();
                    self.link = Link::Down { retry_at: now.instant };
                }
            }
            Command::AskedName => self.keep(Change::AskedName),
            Command::Enter { room, create } => self.wish(ClientFrame::Enter { room, create }),
            Command::Leave { room } => self.wish(ClientFrame::Leave { room }),
            Command::TakeName { name } => self.wish(ClientFrame::TakeName { name }),
            Command::ListRooms => self.list_rooms(),
            Command::ListMembers { mailbox } => self.list_members(mailbox),
            // The driver knows about keys; what is left to do here is to try again.
            Command::Trust(_) => self.link = Link::Down { retry_at: now.instant },
        }
    }

    /// The deadline that [`Engine::deadline`] named has passed.
    pub fn tick(&mut self, now: Now) {
        match self.link {
            Link::Down { retry_at } if now.instant >= retry_at => {
                self.link = Link::Dialling;
                self.tell(Event::Status(Status::Connecting));
                self.outputs.push_back(Output::Connect);
            }
            Link::Greeting { since, .. } | Link::Proving { since } if now.instant >= since + limits::HANDSHAKE_TIME => {
                self.give_up(Problem::Silent, now);
            }
            Link::Up { heard_at, .. } if now.instant >= heard_at + limits::DEAD_AFTER => {
                self.give_up(Problem::Silent, now);
            }
            Link::Up { heard_at, pinged: false } if now.instant >= heard_at + limits::PING_AFTER => {
                self.link = Link::Up { heard_at, pinged: true };
                self.send(&ClientFrame::Ping { token: 0 });
            }
            _ => {}
        }
        self.ask_postponed_wishes(now);
        self.flush(now);
    }

    /// When [`Engine::tick`] has something to do.
    pub fn deadline(&self, now: Now) -> Option<Instant> {
        let link = match self.link {
            Link::Down { retry_at } => Some(retry_at),
            Link::Stopped | Link::Dialling => None,
            Link::Greeting { since, .. } | Link::Proving { since } => Some(since + limits::HANDSHAKE_TIME),
            Link::Up { heard_at, pinged: false } => Some(heard_at + limits::PING_AFTER),
            Link::Up { heard_at, pinged: true } => Some(heard_at + limits::DEAD_AFTER),
        };
        let (outbox, wishes) = match self.link {
            Link::Up { .. } => (self.outbox.next_attempt(now), self.wishes.held_until()),
            _ => (None, None),
        };
        [link, outbox, wishes, self.outbox.next_birthday(now)].into_iter().flatten().min()
    }

    /// What still has to go out.
    pub fn is_outbox_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    fn body(&mut self, body: &[u8], now: Now) {
        match self.link {
            Link::Greeting { exporter, .. } => match Challenge::decode(body) {
                Ok(Challenge::Accepted { version: VERSION, nonce }) => {
                    let signature = self.key.sign(&login::statement(&nonce, &exporter));
                    self.link = Link::Proving { since: now.instant };
                    self.send(&ClientFrame::Proof { signature: signature.to_bytes().to_vec() });
                }
                Ok(_) => self.give_up(Problem::Version, now),
                // A server that closes before its challenge says why in a frame of version 1.
                Err(_) => match codec::decode(body) {
                    Ok(ServerFrame::Closing(reason)) => self.give_up(Problem::Closed(reason), now),
                    _ => self.give_up(Problem::NotMalote, now),
                },
            },
            _ => match codec::decode(body) {
                Ok(frame) => self.frame(frame, now),
                Err(_) => self.give_up(Problem::NotMalote, now),
            },
        }
    }

    fn frame(&mut self, frame: ServerFrame, now: Now) {
        match (frame, self.link) {
            (ServerFrame::Closing(reason), _) => self.give_up(Problem::Closed(reason), now),
            // A server that says that we have counted further than anybody can is not to be followed.
            (ServerFrame::Welcome(welcome), Link::Proving { .. })
                if welcome.last_counter <= limits::HIGHEST_COUNTER =>
            {
                self.welcome(welcome, now);
            }
            (ServerFrame::Outcomes { counter, outcomes }, Link::Up { .. }) => {
                if let Some(change) = self.outbox.answered(counter, &outcomes, &mut self.random, now) {
                    self.keep(change);
                }
                self.flush(now);
            }
            (ServerFrame::Delivery { mailbox, seq, entry }, Link::Up { .. }) => {
                let is_room = self.saved.rooms.contains_key(&mailbox);
                match self.last_of(mailbox) {
                    Some(last) if last.checked_add(1) == Some(seq) => *last = seq,
                    // Where we left a room and are in it again, the server may have begun where the first time ended.
                    Some(last) if is_room && seq <= *last => return,
                    // A server that leaves a gap or repeats itself is not to be followed.
                    _ => return self.give_up(Problem::NotMalote, now),
                }
                self.keep(Change::Received { mailbox, seq, entry });
                self.check_caught_up();
            }
            (ServerFrame::People { people, more }, Link::Up { .. }) => {
                self.listed = people.last().map(|person| person.number).or(self.listed);
                self.tell(Event::People { people, complete: !more });
                if more {
                    self.send(&ClientFrame::People { after: self.listed });
                }
            }
            (ServerFrame::Presence { people }, Link::Up { .. }) => self.tell(Event::Presence { people }),
            (ServerFrame::ReadNoted { seqs, .. }, Link::Up { .. }) => {
                self.telling = false;
                // Nothing was noted where the server's disk is full: that is told again another time.
                if !seqs.is_empty() {
                    self.saved.to_tell.retain(|seq| !seqs.contains(seq));
                    self.keep(Change::Told { seqs });
                    self.tell_read();
                }
            }
            (ServerFrame::Ping { token }, Link::Up { .. }) => self.send(&ClientFrame::Pong { token }),
            (ServerFrame::Pong { .. }, Link::Up { .. }) => {}
            (frame, Link::Up { .. }) => {
                if self.room_frame(frame, now).is_some() {
                    self.give_up(Problem::NotMalote, now);
                } else if self.wishes_come_first {
                    self.flush(now);
                }
            }
            _ => self.give_up(Problem::NotMalote, now),
        }
    }

    fn welcome(&mut self, welcome: Welcome, now: Now) {
        let Welcome { name, number, mailbox, epoch, last_seq, last_counter, rooms, .. } = welcome;
        self.backoff.reset();
        self.link = Link::Up { heard_at: now.instant, pinged: false };
        // The same epoch with fewer entries than we have: the server's data were put back as plain files.
        let has_gone_back = |(own, known, seq)| known != epoch || own == mailbox && seq > last_seq;
        if self.saved.resume.is_some_and(has_gone_back) {
            // It was brought back from a backup. What that changes is the archive's affair; we go on from there.
            let wishes = self.to_wish_back(&name, &rooms);
            self.keep(Change::ServerRestored { last_counter, wishes });
            self.keep(Change::Welcomed { name, number, mailbox, epoch, rooms });
            self.outputs.push_back(Output::Reload);
            self.link = Link::Down { retry_at: now.instant };
            return;
        }
        let after = match self.saved.resume {
            Some((known, known_epoch, seq)) if (known, known_epoch) == (mailbox, epoch) => seq,
            _ => 0,
        };
        let rooms_differ = self.take_over_rooms(&rooms);
        if rooms_differ || self.saved.name.as_ref() != Some(&name) || self.saved.resume != Some((mailbox, epoch, after))
        {
            self.keep(Change::Welcomed { name: name.clone(), number, mailbox, epoch, rooms: rooms.clone() });
        }
        self.saved.name = Some(name.clone());
        self.saved.resume = Some((mailbox, epoch, after));
        let goals = rooms.iter().map(|room| (room.mailbox, room.last_seq));
        self.caught_up_at = Some(goals.chain([(mailbox, last_seq)]).collect());
        self.tell(Event::Status(Status::Online { name, number }));
        self.send(&ClientFrame::Resume { mailbox, epoch, after });
        self.resume_rooms();
        self.wishes.connected();
        self.ask_wishes();
        if self.wants_people {
            self.send(&ClientFrame::People { after: None });
        }
        self.telling = false;
        self.tell_read();
        for submission in self.outbox.connected(last_counter) {
            self.send(&ClientFrame::Submit(submission));
        }
        self.check_caught_up();
        self.flush(now);
    }

    fn compose(&mut self, token: u64, to: Vec<Address>, content: Content, in_reply_to: Option<MessageId>, now: Now) {
        let mut id = [0; 16];
        self.random.fill_bytes(&mut id);
        let encoded = match codec::encode(&content) {
            Ok(encoded) => encoded,
            Err(error) => unreachable!("content is checked before it is sent: {error}"),
        };
        let message = Message { id: MessageId(id), to, in_reply_to, sent_at: now.wall, content: encoded };
        self.outbox.compose(message.clone(), now);
        self.keep(Change::Composed { message, content });
        self.tell(Event::Queued { token, id: MessageId(id) });
        self.flush(now);
    }

    /// Sends what may be sent.
    fn flush(&mut self, now: Now) {
        for change in self.outbox.grow_older(now) {
            self.keep(change);
        }
        if !matches!(self.link, Link::Up { .. }) {
            return;
        }
        self.wishes_come_first &= !self.wishes.are_answered();
        if self.wishes_come_first {
            return;
        }
        let submissions: Vec<_> = std::iter::from_fn(|| self.outbox.attempt(now)).collect();
        for submission in &submissions {
            self.keep(Change::Attempted { message: submission.message.id, counter: submission.counter });
        }
        for submission in submissions {
            self.send(&ClientFrame::Submit(submission));
        }
    }

    /// Tells what was opened, in one frame at a time.
    fn tell_read(&mut self) {
        let (Link::Up { .. }, Some((mailbox, ..))) = (self.link, self.saved.resume) else { return };
        if !self.telling && !self.saved.to_tell.is_empty() {
            self.telling = true;
            let seqs = self.saved.to_tell.iter().copied().take(limits::READ_PER_FRAME).collect();
            self.send(&ClientFrame::Read { mailbox, seqs });
        }
    }

    /// Tells the server how far everything is on this disk: once for all that came together.
    fn acknowledge(&mut self, before: Seq) {
        let (Link::Up { .. }, Some((mailbox, _, seq))) = (self.link, self.saved.resume) else { return };
        if seq > before {
            self.send(&ClientFrame::Acknowledge { mailbox, seq });
        }
    }

    fn check_caught_up(&mut self) {
        let Some(mut goals) = self.caught_up_at.take() else { return };
        // A room that was left meanwhile has no more to come.
        goals.retain(|mailbox, goal| self.last_of(*mailbox).is_some_and(|last| *last < *goal));
        match goals.is_empty() {
            true => self.tell(Event::CaughtUp),
            false => self.caught_up_at = Some(goals),
        }
    }

    /// The last entry of a mailbox that is here, our own or that of a room that we are in.
    fn last_of(&mut self, mailbox: MailboxId) -> Option<&mut Seq> {
        match &mut self.saved.resume {
            Some((own, _, last)) if *own == mailbox => Some(last),
            _ => self.saved.rooms.get_mut(&mailbox).filter(|room| room.member).map(|room| &mut room.last_seq),
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    fn received_up_to(&self) -> Seq {
        self.saved.resume.map_or(0, |(.., seq)| seq)
    }

    fn give_up(&mut self, problem: Problem, now: Now) {
        self.outputs.push_back(Output::Disconnect);
        self.disconnected(problem, now);
    }

    fn send(&mut self, frame: &ClientFrame) {
        match codec::encode(frame) {
            Ok(body) => self.send_body(&body),
            Err(error) => unreachable!("a frame of our own is over the limit: {error}"),
        }
    }

    fn send_body(&mut self, body: &[u8]) {
        // Frames that follow each other leave together.
        if let Some(Output::Send(wire)) = self.outputs.back_mut() {
            return codec::write_frame(wire, body);
        }
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.outputs.push_back(Output::Send(wire));
    }

    fn keep(&mut self, change: Change) {
        self.outputs.push_back(Output::Keep(change));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Tell(event));
    }
}
