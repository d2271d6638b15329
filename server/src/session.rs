//! The server's side of one connection, without the connection.
//!
//! A [`Session`] is given what arrives (bytes from the peer, events from the post office, the time) and says what to
//! do: [`Output`]s to carry out, and bytes to write. It does no I/O and reads no clock, so a test can run it against a
//! client's engine in one thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, Limits, ServerFrame, Welcome, delivery_body};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{Outcome, Seq, Submission, limits, login};

use crate::post_office::{Event, Request};
use crate::rate::Allowances;
use crate::store::{Login, Stored};

/// Bytes that may wait for the peer to read them before deliveries stop and the store keeps the rest. Deliveries go on
/// when half of it is gone.
const OUTGOING_BYTES: usize = 128 * 1024;

/// Bytes that may wait before nothing more is read from the peer, whose requests make them grow.
const OUTGOING_LIMIT: usize = 2 * limits::FRAME_BYTES;

/// Marks of reading that may be under way at once; it bounds the answers that wait for the client.
const READS: usize = limits::WINDOW as usize / 2;

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
    exporter: [u8; 32],
    nonce: [u8; 32],
    allowances: Allowances,
    incoming: FrameBuffer,
    outgoing: Vec<u8>,
    outputs: VecDeque<Output>,
    heard_at: Instant,
    /// Since when a ping has been under way.
    pinged_at: Option<Instant>,
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

/// What is known of a client that has logged in.
struct Active {
    login: Login,
    /// The last counter that was over the rate.
    limited: u64,
    /// Submissions that the post office has not answered.
    unanswered: u64,
    /// The last entry that was sent; nothing until the client resumes.
    sent: Option<Seq>,
    /// There may be entries in the store that were not sent, beside those of the page on its way.
    behind: bool,
    /// A page is on its way.
    fetching: bool,
    /// The client wants to know who comes and goes.
    watching: bool,
    /// A page of the directory is on its way.
    listing: bool,
    /// The page that is wanted when that one has come.
    next_page: Option<Option<u64>>,
    /// Marks of reading that the post office has not noted.
    reading: usize,
}

impl Session {
    /// A connection was accepted; `exporter` is its TLS keying material under [`login::EXPORTER_LABEL`], `nonce` 32
    /// random bytes.
    pub fn new(exporter: [u8; 32], nonce: [u8; 32], allowances: Allowances, now: Instant) -> Session {
        Session {
            state: State::Greeting,
            exporter,
            nonce,
            allowances,
            incoming: FrameBuffer::default(),
            outgoing: Vec::new(),
            outputs: VecDeque::new(),
            heard_at: now,
            pinged_at: None,
            opened_at: now,
        }
    }

    /// Bytes came from the peer.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.heard_at = now;
        self.pinged_at = None;
        self.incoming.extend(bytes);
        loop {
            let allowed = match self.state {
                State::Closed => return,
                State::Active(_) => limits::FRAME_BYTES,
                _ => limits::HANDSHAKE_FRAME_BYTES,
            };
            match self.incoming.next_frame(allowed) {
                Ok(Some(body)) => self.frame(&body, now),
                Ok(None) => return,
                Err(_) => return self.close(Closing::ProtocolError),
            }
        }
    }

    /// The post office tells something.
    pub fn event(&mut self, event: Event) {
        match (event, &mut self.state) {
            (_, State::Closed) => {}
            (Event::LoggedIn(login), State::LoggingIn) => self.welcome(login),
            (Event::Full, _) => self.close(Closing::ServerFull),
            (Event::Superseded, _) => self.close(Closing::Superseded),
            (Event::Outcomes { counter, outcomes }, State::Active(active)) => {
                active.unanswered = active.unanswered.saturating_sub(1);
                self.send(&ServerFrame::Outcomes { counter, outcomes });
            }
            (Event::Entry(stored), State::Active(_)) => self.deliver(stored),
            (Event::Page { entries }, State::Active(active)) => {
                active.fetching = false;
                active.behind |= !entries.is_empty();
                entries.into_iter().for_each(|stored| self.deliver(stored));
                self.catch_up();
            }
            (Event::People { people, more }, State::Active(active)) => {
                active.listing = false;
                active.watching = true;
                self.send(&ServerFrame::People { people, more });
                self.list();
            }
            (Event::ReadNoted { mailbox, seqs }, State::Active(active)) => {
                active.reading = active.reading.saturating_sub(1);
                self.send(&ServerFrame::ReadNoted { mailbox, seqs });
            }
            (Event::Presence(people), State::Active(_)) => {
                // A crowd that arrives at once is told in pieces, each within a frame.
                for people in people.chunks(limits::PEOPLE_PER_PAGE) {
                    self.send(&ServerFrame::Presence { people: people.to_vec() });
                }
            }
            _ => {}
        }
    }

    /// Some events were left out because the driver was too slow to take them.
    pub fn missed_events(&mut self) {
        let State::Active(active) = &mut self.state else { return };
        active.behind = true;
        // Whoever watches, or is just beginning to, is told everything again.
        if active.watching || active.listing {
            active.next_page = Some(None);
        }
        self.list();
        self.catch_up();
    }

    /// The deadline that [`Session::deadline`] named has passed.
    pub fn tick(&mut self, now: Instant) {
        match self.state {
            State::Closed => {}
            State::Active(_) if now >= self.heard_at + limits::DEAD_AFTER => self.close(Closing::Silent),
            State::Active(_) if self.pinged_at.is_none() && now >= self.heard_at + limits::PING_AFTER => {
                self.pinged_at = Some(now);
                self.send(&ServerFrame::Ping { token: 0 });
            }
            State::Active(_) => {}
            _ if now >= self.opened_at + limits::HANDSHAKE_TIME => self.close(Closing::Silent),
            _ => {}
        }
    }

    /// When [`Session::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Active(_) if self.pinged_at.is_none() => Some(self.heard_at + limits::PING_AFTER),
            State::Active(_) => Some(self.heard_at + limits::DEAD_AFTER),
            _ => Some(self.opened_at + limits::HANDSHAKE_TIME),
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The bytes to write to the peer.
    pub fn transmit(&self) -> &[u8] {
        &self.outgoing
    }

    /// That many of them were written.
    pub fn transmitted(&mut self, bytes: usize) {
        self.outgoing.drain(..bytes);
        if self.outgoing.is_empty() {
            // An idle connection holds no buffer.
            self.outgoing = Vec::new();
        }
        self.catch_up();
    }

    /// Whether to read from the peer: not while it does not read itself, or the post office has enough of its work.
    pub fn accepts_input(&self) -> bool {
        self.outgoing.len() < OUTGOING_LIMIT
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
            State::Greeting => match Hello::decode(body) {
                Ok(hello) => self.challenge(hello),
                Err(_) => self.close(Closing::ProtocolError),
            },
            State::Challenged(hello) => match codec::decode(body) {
                Ok(ClientFrame::Proof { signature }) => {
                    let (key, device) = (hello.key, hello.device);
                    if proves(&key, &signature, &login::statement(&self.nonce, &self.exporter)) {
                        self.state = State::LoggingIn;
                        self.outputs.push_back(Output::Ask(Request::Login { key, device }));
                    } else {
                        self.close(Closing::WrongProof);
                    }
                }
                _ => self.close(Closing::ProtocolError),
            },
            State::Active(_) => match codec::decode(body) {
                Ok(frame) => self.request(frame, now),
                Err(_) => self.close(Closing::ProtocolError),
            },
            // The client is to wait for its welcome.
            State::LoggingIn => self.close(Closing::ProtocolError),
            State::Closed => {}
        }
    }

    fn challenge(&mut self, hello: Hello) {
        if hello.versions.contains(&VERSION) {
            let challenge = Challenge::Accepted { version: VERSION, nonce: self.nonce };
            codec::write_frame(&mut self.outgoing, &challenge.encode());
            self.state = State::Challenged(hello);
        } else {
            let refusal = Challenge::Refused { versions: vec![VERSION] };
            codec::write_frame(&mut self.outgoing, &refusal.encode());
            self.state = State::Closed;
            self.outputs.push_back(Output::Close);
        }
    }

    fn welcome(&mut self, login: Login) {
        self.send(&ServerFrame::Welcome(Welcome {
            name: login.name.clone(),
            mailbox: login.mailbox,
            epoch: login.epoch,
            last_seq: login.last_seq,
            last_counter: login.last_counter,
            limits: Limits::default(),
        }));
        self.state = State::Active(Box::new(Active {
            login,
            limited: 0,
            unanswered: 0,
            sent: None,
            behind: false,
            fetching: false,
            watching: false,
            listing: false,
            next_page: None,
            reading: 0,
        }));
    }

    fn request(&mut self, frame: ClientFrame, now: Instant) {
        let State::Active(active) = &mut self.state else { return };
        let own = active.login.mailbox;
        match frame {
            ClientFrame::Submit(submission) => self.submit(submission, now),
            ClientFrame::Resume { mailbox, epoch, after }
                if mailbox == own && epoch == active.login.epoch && active.sent.is_none() =>
            {
                active.sent = Some(after);
                active.fetching = true;
                self.outputs.push_back(Output::Ask(Request::Resume { mailbox, after }));
            }
            // Only what was sent can have arrived.
            ClientFrame::Acknowledge { mailbox, seq } if mailbox == own && active.sent >= Some(seq) => {
                self.outputs.push_back(Output::Ask(Request::Acknowledge { mailbox, seq }));
            }
            ClientFrame::Read { mailbox, seqs }
                if mailbox == own && seqs.len() <= limits::READ_PER_FRAME && active.reading < READS =>
            {
                active.reading += 1;
                self.outputs.push_back(Output::Ask(Request::Read { mailbox, seqs }));
            }
            ClientFrame::People { after } => {
                // Where everything is told again, the client asks again for what follows.
                active.next_page.get_or_insert(after);
                self.list();
            }
            ClientFrame::Ping { token } => self.send(&ServerFrame::Pong { token }),
            ClientFrame::Pong { .. } => {}
            _ => self.close(Closing::ProtocolError),
        }
    }

    fn submit(&mut self, submission: Submission, now: Instant) {
        let State::Active(active) = &mut self.state else { return };
        // An answer is as long as the list of targets, so that list is bounded before anything is answered.
        if active.unanswered >= limits::WINDOW || submission.targets.len() > limits::RECIPIENTS {
            return self.close(Closing::ProtocolError);
        }
        let recipients = submission.targets.len();
        // Only the store knows. Refused here, what was carried out would come again under another counter.
        if submission.is_inquiry() {
            active.unanswered += 1;
            return self.outputs.push_back(Output::Ask(Request::Submit(submission)));
        }
        if submission.would_overtake(active.limited) {
            let outcomes = vec![Outcome::OutOfTurn; recipients];
            return self.send(&ServerFrame::Outcomes { counter: submission.counter, outcomes });
        }
        match self.allowances.take(active.login.person, recipients as u32, now) {
            Ok(()) => {
                active.unanswered += 1;
                self.outputs.push_back(Output::Ask(Request::Submit(submission)));
            }
            Err(wait) => {
                active.limited = submission.counter;
                let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
                let outcomes = vec![Outcome::RateLimited { retry_after_ms }; recipients];
                self.send(&ServerFrame::Outcomes { counter: submission.counter, outcomes });
            }
        }
    }

    /// Sends an entry if it is the next one and the peer keeps up; otherwise it stays in the store for now.
    fn deliver(&mut self, stored: Stored) {
        let State::Active(active) = &mut self.state else { return };
        let Some(sent) = active.sent else { return };
        if stored.seq <= sent {
            return;
        }
        if stored.seq != sent + 1 || self.outgoing.len() >= OUTGOING_BYTES {
            active.behind = true;
            return;
        }
        match delivery_body(stored.mailbox, stored.seq, &stored.entry) {
            Ok(body) => {
                active.sent = Some(stored.seq);
                codec::write_frame(&mut self.outgoing, &body);
            }
            Err(_) => self.close(Closing::StoreFailed),
        }
    }

    /// Asks for the next page where there may be one and there is room for it.
    fn catch_up(&mut self) {
        let State::Active(active) = &mut self.state else { return };
        let Some(sent) = active.sent else { return };
        if active.behind && !active.fetching && self.outgoing.len() <= OUTGOING_BYTES / 2 {
            active.fetching = true;
            active.behind = false;
            let mailbox = active.login.mailbox;
            self.outputs.push_back(Output::Ask(Request::Fetch { mailbox, after: sent }));
        }
    }

    /// Asks for the page of the directory that is wanted, one at a time.
    fn list(&mut self) {
        let State::Active(active) = &mut self.state else { return };
        if !active.listing
            && let Some(after) = active.next_page.take()
        {
            active.listing = true;
            self.outputs.push_back(Output::Ask(Request::People { after }));
        }
    }

    fn send(&mut self, frame: &ServerFrame) {
        match codec::encode(frame) {
            Ok(body) => codec::write_frame(&mut self.outgoing, &body),
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
