//! The server's side of one connection, without the connection.
//!
//! A [`Session`] is given what arrives (bytes from the peer, events from the post office, the time) and says what to
//! do: [`Output`]s to carry out, and bytes to write. It does no I/O and reads no clock, so a test can run it against a
//! client's engine in one thread.

mod active;
mod door;
mod listening;
mod outgoing;
mod requests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, Limits, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::limits;

use crate::post_office::{Event, Request};
use crate::rate::Allowances;
use crate::store::{Login, Run};
use active::{Active, List};
pub use door::Door;
use outgoing::WriteBuffer;

/// Bytes that may wait for the peer to read them before deliveries stop. They go on when half of it is gone.
const OUTGOING_BYTES: usize = 128 * 1024;

/// Bytes that may wait before nothing more is read from the peer, whose requests make them grow.
const OUTGOING_LIMIT: usize = 2 * limits::FRAME_BYTES;

/// What the driver is to do.
#[derive(Debug)]
pub enum Output {
    Ask(Request),
    /// Write what [`Session::transmit`] has, then close.
    Close,
}

/// The protocol state of one connection.
pub struct Session {
    state: State,
    door: Door,
    nonce: [u8; 32],
    allowances: Allowances,
    incoming: FrameBuffer,
    outgoing: WriteBuffer,
    outputs: VecDeque<Output>,
    heard_at: Instant,
    /// Since when a ping has been under way.
    pinged_at: Option<Instant>,
    /// Nothing that the peer says is listened to before this: they have asked too much.
    held_until: Option<Instant>,
    /// Since when the rest of a frame has been awaited.
    unfinished_since: Option<Instant>,
    /// Since when the peer was heard without having taken anything of what waits for them.
    untaken_since: Option<Instant>,
    opened_at: Instant,
}

enum State {
    /// Nothing was heard yet.
    Greeting,
    /// The challenge is out.
    Challenged(Hello),
    /// The proof held; the post office is asked who this is.
    LoggingIn,
    Active(Box<Active>),
    Closed,
}

impl Session {
    /// A connection was accepted; `nonce` is 32 random bytes.
    pub fn new(door: Door, nonce: [u8; 32], allowances: Allowances, now: Instant) -> Session {
        Session {
            state: State::Greeting,
            door,
            nonce,
            allowances,
            incoming: FrameBuffer::default(),
            outgoing: WriteBuffer::default(),
            outputs: VecDeque::new(),
            heard_at: now,
            pinged_at: None,
            held_until: None,
            unfinished_since: None,
            untaken_since: None,
            opened_at: now,
        }
    }

    /// Bytes came from the peer: frames with their lengths before them.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.heard(now);
        self.incoming.extend(bytes);
        self.listen(now);
    }

    /// One frame's body came from the peer, over something that keeps frames apart by itself.
    pub fn receive_body(&mut self, body: &[u8], now: Instant) {
        self.heard(now);
        match self.allowed() {
            Some(allowed) if body.len() <= allowed => self.frame(body, now),
            Some(_) => self.close(Closing::ProtocolError),
            None => {}
        }
    }

    /// Bytes that a frame's body may have at this point.
    fn allowed(&self) -> Option<usize> {
        match self.state {
            State::Closed => None,
            State::Active(_) => Some(limits::FRAME_BYTES),
            _ => Some(limits::HANDSHAKE_FRAME_BYTES),
        }
    }

    /// The post office tells something.
    pub fn event(&mut self, event: Event) {
        match (event, &mut self.state) {
            (_, State::Closed) => {}
            (Event::LoggedIn(login), State::LoggingIn) => self.welcome(*login),
            (Event::Full, _) => self.close(Closing::ServerFull),
            (Event::Superseded, _) => self.close(Closing::Superseded),
            (Event::Outcomes { counter, outcomes }, State::Active(active)) => {
                active.unanswered = active.unanswered.saturating_sub(1);
                self.send(&ServerFrame::Outcomes { counter, outcomes });
            }
            (Event::Entries(run), State::Active(_)) => self.deliver(run),
            (Event::Page { mailbox, entries }, State::Active(active)) => {
                active.feeds.fetched(mailbox);
                // Whoever has left the room and entered it again has not resumed it yet.
                if let Some(feed) = active.feeds.get(mailbox).filter(|feed| feed.sent.is_some()) {
                    feed.behind |= !entries.is_empty();
                }
                entries.into_iter().for_each(|run| self.deliver(run));
                self.catch_up();
            }
            (Event::People { people, more }, State::Active(active)) => {
                active.watching = true;
                self.listed(&ServerFrame::People { people, more });
            }
            (Event::Rooms { rooms, more }, State::Active(_)) => self.listed(&ServerFrame::Rooms { rooms, more }),
            (Event::Members { mailbox, people, more }, State::Active(_)) => {
                self.listed(&ServerFrame::Members { mailbox, people, more });
            }
            // Whoever reads slowly is told later how it stands, not what happened meanwhile.
            (Event::News(_), State::Active(active)) if self.outgoing.len() >= OUTGOING_BYTES => active.left_out = true,
            (Event::News(news), State::Active(_)) => {
                self.outgoing.end().extend_from_slice(news.encoded(self.door.encoding()));
            }
            (Event::Entered { membership, created, asked }, State::Active(active)) => {
                active.feeds.enter(&membership);
                self.send(&ServerFrame::Entered { membership, created });
                self.answered(asked);
            }
            (Event::Left { room, mailbox, asked }, State::Active(active)) => {
                active.feeds.leave(mailbox);
                active.lists.leave(mailbox);
                self.send(&ServerFrame::Left { room, mailbox });
                self.answered(asked);
                self.list();
                self.catch_up();
            }
            (Event::RoomRefused { room, why }, State::Active(_)) => {
                self.send(&ServerFrame::RoomRefused { room, why });
                self.answered(true);
            }
            (Event::Named { name, asked }, State::Active(active)) => {
                active.login.name = name.clone();
                self.send(&ServerFrame::Named { name });
                self.answered(asked);
            }
            (Event::NameRefused { name, why }, State::Active(_)) => {
                self.send(&ServerFrame::NameRefused { name, why });
                self.answered(true);
            }
            (Event::ReadNoted { mailbox, seqs }, State::Active(active)) => {
                active.reading = active.reading.saturating_sub(1);
                self.send(&ServerFrame::ReadNoted { mailbox, seqs });
            }
            _ => {}
        }
    }

    /// Some events were left out because the driver was too slow to take them.
    pub fn missed_events(&mut self) {
        let State::Active(active) = &mut self.state else { return };
        active.feeds.fall_behind();
        // Whoever watches, or is just beginning to, is told everything again.
        if active.watching || active.lists.is_fetching_people() {
            active.lists.want_anew(List::People { after: None });
        }
        for feed in active.feeds.iter_mut().filter(|feed| feed.lists_members) {
            active.lists.want_anew(List::Members { mailbox: feed.mailbox, after: None });
        }
        self.list();
        self.catch_up();
    }

    /// The deadline that [`Session::deadline`] named has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.held_until.is_some_and(|until| now >= until) {
            self.held_until = None;
            // Whoever is not listened to is not silent.
            self.heard(now);
            self.listen(now);
        }
        let silence = now.saturating_duration_since(self.heard_at);
        let is_over = |since| now.saturating_duration_since(since) >= limits::DEAD_AFTER;
        match self.state {
            State::Closed => {}
            State::Active(_) if self.untaken_since.is_some_and(is_over) => self.close(Closing::Silent),
            State::Active(_) if self.unfinished_since.is_some_and(is_over) => self.close(Closing::Silent),
            State::Active(_) if self.held_until.is_some() => {}
            State::Active(_) if silence >= limits::DEAD_AFTER => self.close(Closing::Silent),
            State::Active(_) if self.pinged_at.is_none() && silence >= limits::PING_AFTER => {
                self.pinged_at = Some(now);
                self.send(&ServerFrame::Ping { token: 0 });
            }
            State::Active(_) => {}
            _ if now.saturating_duration_since(self.opened_at) >= limits::HANDSHAKE_TIME => self.close(Closing::Silent),
            _ => {}
        }
    }

    /// When [`Session::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Active(_) => {
                let silence = if self.pinged_at.is_none() { limits::PING_AFTER } else { limits::DEAD_AFTER };
                let next = self.held_until.or_else(|| self.heard_at.checked_add(silence));
                let bounded = [self.untaken_since, self.unfinished_since].into_iter().flatten();
                next.into_iter().chain(bounded.filter_map(|since| since.checked_add(limits::DEAD_AFTER))).min()
            }
            _ => self.opened_at.checked_add(limits::HANDSHAKE_TIME),
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // An idle connection holds no buffer.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// The bytes to write to the peer.
    pub fn transmit(&self) -> &[u8] {
        self.outgoing.waiting()
    }

    /// That many of them were written.
    pub fn transmitted(&mut self, bytes: usize) {
        self.outgoing.advance(bytes);
        if bytes > 0 {
            self.untaken_since = None;
        }
        self.deliver_held();
        if self.has_room()
            && let State::Active(active) = &mut self.state
            && std::mem::take(&mut active.left_out)
        {
            return self.missed_events();
        }
        self.list();
        self.catch_up();
    }

    /// Whether entries are held back that go out as soon as more is written. They cost memory: whoever drives this writes at
    /// once, or says that it cannot ([`Session::let_go`]).
    pub fn is_holding(&self) -> bool {
        matches!(&self.state, State::Active(active) if !active.held.is_empty())
    }

    /// The peer takes nothing more for now: what is held back is left to the store.
    pub fn let_go(&mut self) {
        let State::Active(active) = &mut self.state else { return };
        for run in std::mem::take(&mut active.held) {
            if let Some(feed) = active.feeds.get(run.mailbox).filter(|feed| feed.sent.is_some()) {
                feed.behind = true;
            }
        }
    }

    /// Bytes of frames that have come and are not finished, or not listened to yet.
    pub fn unfinished(&self) -> usize {
        self.incoming.waiting()
    }

    /// Whether to read from the peer: not while it does not read itself, or has asked too much.
    pub fn accepts_input(&self) -> bool {
        self.outgoing.len() < OUTGOING_LIMIT && self.held_until.is_none()
    }

    /// Ends the conversation, telling the peer why.
    pub fn close(&mut self, reason: Closing) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.send(&ServerFrame::Closing(reason));
        self.state = State::Closed;
        self.outputs.push_back(Output::Close);
    }

    /// Who logged in here, for logs.
    pub fn login(&self) -> Option<&Login> {
        match &self.state {
            State::Active(active) => Some(&active.login),
            _ => None,
        }
    }

    fn frame(&mut self, body: &[u8], now: Instant) {
        match &self.state {
            State::Greeting => match self.door.hello(body) {
                Ok(hello) => self.challenge(hello),
                Err(_) => self.close(Closing::ProtocolError),
            },
            State::Challenged(hello) => match self.door.encoding().decode(body) {
                Ok(ClientFrame::Proof { signature }) => {
                    let (key, device) = (hello.key, hello.device);
                    if proves(&key, &signature, &self.door.statement(&self.nonce)) {
                        self.state = State::LoggingIn;
                        self.outputs.push_back(Output::Ask(Request::Login { key, device }));
                    } else {
                        self.close(Closing::WrongProof);
                    }
                }
                _ => self.close(Closing::ProtocolError),
            },
            State::Active(_) => match self.door.encoding().decode(body) {
                Ok(frame) => self.request(frame, now),
                Err(_) => self.close(Closing::ProtocolError),
            },
            // The client is to wait for its welcome.
            State::LoggingIn => self.close(Closing::ProtocolError),
            State::Closed => {}
        }
    }

    fn challenge(&mut self, hello: Hello) {
        let accepted = hello.versions.contains(&VERSION);
        let challenge = match accepted {
            true => Challenge::Accepted { version: VERSION, nonce: self.nonce },
            false => Challenge::Refused { versions: vec![VERSION] },
        };
        match self.door.challenge(&challenge) {
            Ok(body) => codec::write_frame(self.outgoing.end(), &body),
            Err(error) => unreachable!("a frame of our own is over the limit: {error}"),
        }
        if accepted {
            self.state = State::Challenged(hello);
        } else {
            self.state = State::Closed;
            self.outputs.push_back(Output::Close);
        }
    }

    fn welcome(&mut self, login: Login) {
        self.send(&ServerFrame::Welcome(Welcome {
            name: login.name.clone(),
            number: login.person.0,
            mailbox: login.mailbox,
            epoch: login.epoch,
            last_seq: login.last_seq,
            last_counter: login.last_counter,
            limits: Limits::default(),
            rooms: login.rooms.clone(),
        }));
        self.state = State::Active(Box::new(Active::new(login)));
    }

    /// Sends a run's entries behind those that are held back, if any are.
    fn deliver(&mut self, run: Run) {
        if self.is_holding() || !self.send_entries(&run) {
            let State::Active(active) = &mut self.state else { return };
            active.held.push_back(run);
        }
    }

    /// Sends what is held back, as far as there is room for it.
    fn deliver_held(&mut self) {
        while self.has_room()
            && let State::Active(active) = &mut self.state
            && let Some(run) = active.held.pop_front()
        {
            if !self.send_entries(&run)
                && let State::Active(active) = &mut self.state
            {
                active.held.push_front(run);
            }
        }
    }

    /// Sends those entries that are the next ones; the others are in the store. Whether there was room for all of them.
    fn send_entries(&mut self, run: &Run) -> bool {
        let State::Active(active) = &mut self.state else { return true };
        let Some(feed) = active.feeds.get(run.mailbox) else { return true };
        let Some(mut sent) = feed.sent else { return true };
        let mut has_room = true;
        for (seq, entry) in run.iter() {
            if seq <= sent {
                continue;
            }
            if sent.checked_add(1) != Some(seq) {
                feed.behind = true;
                break;
            }
            if self.outgoing.len() >= OUTGOING_BYTES {
                has_room = false;
                break;
            }
            if self.door.deliver(self.outgoing.end(), run.mailbox, seq, entry).is_err() {
                self.close(Closing::StoreFailed);
                return true;
            }
            sent = seq;
        }
        feed.sent = Some(sent);
        has_room
    }

    /// Asks for the next page where there may be one and there is room for it.
    fn catch_up(&mut self) {
        if self.has_room()
            && let State::Active(active) = &mut self.state
            && active.held.is_empty()
            && let Some(request) = active.feeds.next_page()
        {
            self.outputs.push_back(Output::Ask(request));
        }
    }

    /// Asks for the next page of a list that is wanted, one at a time, where there is room for it.
    fn list(&mut self) {
        if self.has_room()
            && let State::Active(active) = &mut self.state
            && let Some(request) = active.lists.next_page()
        {
            self.outputs.push_back(Output::Ask(request));
        }
    }

    /// Whether the peer has read enough to be sent more of what the store keeps.
    fn has_room(&self) -> bool {
        self.outgoing.len() <= OUTGOING_BYTES / 2
    }

    /// Sends a page of a list, for which there was room when it was asked for.
    fn listed(&mut self, page: &ServerFrame) {
        if let State::Active(active) = &mut self.state {
            active.lists.fetched();
        }
        self.send(page);
        self.list();
    }

    fn send(&mut self, frame: &ServerFrame) {
        match self.door.encoding().append(self.outgoing.end(), frame) {
            Ok(()) => {}
            Err(error) => unreachable!("a frame of our own is over the limit: {error}"),
        }
    }
}

/// Whether the signature over the statement was made with the key. Strict: no two keys fit one signature.
fn proves(key: &[u8; 32], signature: &[u8], statement: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(key) else { return false };
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
    key.verify_strict(statement, &signature).is_ok()
}

/// How long the driver may go on writing to a peer after [`Output::Close`].
pub const CLOSING_TIME: Duration = Duration::from_secs(2);
