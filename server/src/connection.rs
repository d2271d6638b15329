//! Pumps one connection: bytes between the socket and its session, requests and events between it and the post office.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use malote_common::frame::Closing;
use malote_common::{hello, limits, login};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use crate::listener::{Arrival, Handshake, stopped};
use crate::long_frames::{LongFrames, Unfinished};
use crate::post_office::thread::{Counter, Letter, REQUESTS_PER_LETTER};
use crate::post_office::{Inbox, Mail, Request, SessionId, mailslot};
use crate::rate::{Allowances, Rate};
use crate::session::{CLOSING_TIME, Door, Output, Session};

/// Bytes read from a socket at once: what a client may send without waiting, if it is short.
const READ_BYTES: usize = 64 * 1024;

/// What all connections share.
#[derive(Clone)]
pub struct Context {
    pub counter: Counter,
    pub allowances: Allowances,
    pub long_frames: LongFrames,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

impl Context {
    pub fn new(counter: Counter, rate: Rate, stopping: watch::Receiver<bool>) -> Context {
        Context { counter, allowances: Allowances::new(rate), long_frames: LongFrames::new(), stopping }
    }
}

/// What a session hears by.
pub trait Incoming {
    /// Waits for something from the peer. May be dropped at any time.
    async fn next(&mut self) -> io::Result<Arrived<'_>>;
}

/// Something from a peer.
pub enum Arrived<'a> {
    /// Frames, cut anywhere, with their lengths before them.
    Bytes(&'a [u8]),
    /// One frame's body.
    Body(&'a [u8]),
    /// Nothing that a session would want to know.
    Nothing,
    /// What cannot be a frame.
    Unreadable,
    /// Nothing more will come.
    End,
}

/// What a session speaks by.
pub trait Outgoing {
    /// Writes some of the bytes, which follow those that were written before and end with a frame, and returns how many; where
    /// there are none, makes sure that earlier ones have left. May be dropped at any time.
    async fn write(&mut self, frames: &[u8]) -> io::Result<usize>;

    /// Writes all of the bytes, and that they were the last.
    async fn finish(&mut self, frames: &[u8]) -> io::Result<()>;
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Serves a program's connection to its end, over TLS unless there is none.
pub async fn serve(stream: TcpStream, arrival: Arrival, context: Context, tls: Option<TlsAcceptor>) {
    let Arrival { id, peer, at, handshake, place: _place } = arrival;
    let caller = Caller { id, peer, at, handshake };
    // Frames are written when there is nothing more to put with them, so that nothing is gained by waiting.
    if let Err(error) = stream.set_nodelay(true) {
        return debug!(%peer, %error, "no connection");
    }
    let Some(tls) = tls else {
        let (reader, writer) = stream.into_split();
        return Box::pin(serve_program(reader, writer, PLAINTEXT, caller, context)).await;
    };
    // What the handshake needs is gone when it is over: a connection is idle for most of its life, and holds only what the
    // conversation needs.
    match Box::pin(speak_tls(stream, tls, at)).await {
        Ok((reader, writer, door)) => Box::pin(serve_program(reader, writer, door, caller, context)).await,
        Err(error) => debug!(%peer, %error, "no connection"),
    }
}

/// Without TLS there is nothing that a proof could be bound to.
const PLAINTEXT: Door = Door::Program { exporter: [0; 32] };

async fn serve_program(
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    door: Door,
    caller: Caller,
    context: Context,
) {
    let mut reader = ByteReader { reader, last: Vec::new() };
    converse(&mut reader, &mut writer, door, caller, context).await;
}

async fn speak_tls(
    stream: TcpStream,
    tls: TlsAcceptor,
    arrived_at: Instant,
) -> io::Result<(ReadHalf<TlsStream>, WriteHalf<TlsStream>, Door)> {
    let time_left = limits::HANDSHAKE_TIME.saturating_sub(arrived_at.elapsed());
    let tls = timeout(time_left, tls.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if tls.get_ref().1.alpn_protocol() != Some(hello::ALPN) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer speaks another protocol"));
    }
    let mut exporter = [0; 32];
    let exported = tls.get_ref().1.export_keying_material(&mut exporter[..], login::EXPORTER_LABEL, None);
    exported.map_err(io::Error::other)?;
    let (reader, writer) = tokio::io::split(tls);
    Ok((reader, writer, Door::Program { exporter }))
}

/// Whom a session is for.
pub struct Caller {
    pub id: SessionId,
    pub peer: SocketAddr,
    /// When the connection was accepted.
    pub at: Instant,
    /// Let go of once the peer has proved who it is.
    pub handshake: Handshake,
}

/// Lets a session have its conversation, to the end.
pub async fn converse(
    incoming: &mut impl Incoming,
    outgoing: &mut impl Outgoing,
    door: Door,
    caller: Caller,
    context: Context,
) {
    let Caller { id, peer, at, handshake } = caller;
    let Context { counter, allowances, long_frames, stopping } = context;
    let pumped = async {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let (slot, inbox) = mailslot();
        counter.send(Letter::Open(id, slot)).await.map_err(io::Error::other)?;
        let session = Session::new(door, nonce, allowances, at);
        let handshake = Some(handshake);
        let unfinished = Unfinished::new(long_frames, peer.ip());
        let mut pump = Pump { session, id, peer, handshake, counter: &counter, unfinished };
        pump.run(incoming, outgoing, inbox, stopping).await
    };
    match pumped.await {
        Ok(()) => debug!(%peer, "connection closed"),
        Err(error) => debug!(%peer, %error, "connection lost"),
    }
    // Fails only when the post office is gone, and the session with it.
    let _ = counter.send(Letter::Gone(id)).await;
}

struct Pump<'a> {
    session: Session,
    id: SessionId,
    peer: SocketAddr,
    handshake: Option<Handshake>,
    counter: &'a Counter,
    unfinished: Unfinished,
}

impl Pump<'_> {
    async fn run(
        &mut self,
        incoming: &mut impl Incoming,
        outgoing: &mut impl Outgoing,
        mut inbox: Inbox,
        mut stopping: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut stopping = pin!(stopped(&mut stopping));
        // Whoever speaks moves the deadline. The timer is not moved with it, unless it must ring earlier: it looks again when
        // it rings.
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut unflushed = false;
        loop {
            let (requests, closes) = self.wanted();
            self.unfinished.holds(self.session.unfinished());
            for letter in requests {
                self.wait_for_turn(&letter).await;
                self.counter.send(letter).await.map_err(io::Error::other)?;
            }
            if closes {
                return self.close(outgoing).await;
            }
            let waiting = !self.session.transmit().is_empty();
            let deadline = self.session.deadline().map(tokio::time::Instant::from_std);
            if let Some(deadline) = deadline.filter(|deadline| *deadline < alarm.deadline()) {
                alarm.as_mut().reset(deadline);
            }
            tokio::select! {
                mail = inbox.take() => match mail {
                    Some(mail) => {
                        self.take(mail);
                        unflushed |= self.pass_on(outgoing)?;
                    }
                    // The post office has ended: nothing more can be promised to anybody.
                    None => self.session.close(Closing::StoreFailed),
                },
                place = poll_fn(|context| self.unfinished.poll_place(context)), if self.unfinished.is_waiting() => place?,
                arrived = incoming.next(), if self.session.accepts_input() && !self.unfinished.is_waiting() => match arrived? {
                    Arrived::Bytes(bytes) => self.session.receive(bytes, Instant::now()),
                    Arrived::Body(body) => self.session.receive_body(body, Instant::now()),
                    Arrived::Nothing => self.session.receive_nothing(Instant::now()),
                    Arrived::Unreadable => self.session.close(Closing::ProtocolError),
                    Arrived::End => return Ok(()),
                },
                written = outgoing.write(self.session.transmit()), if unflushed || waiting => {
                    self.session.transmitted(written?);
                    unflushed = waiting;
                },
                () = alarm.as_mut() => {
                    self.session.tick(Instant::now());
                    alarm.set(tokio::time::sleep(self.time_left()));
                },
                () = stopping.as_mut() => self.session.close(Closing::ShuttingDown),
            }
        }
    }

    /// Until the session has to be told the time again.
    fn time_left(&self) -> Duration {
        let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.session.deadline().map_or(limits::DEAD_AFTER, until)
    }

    /// Whoever logs in waits where others of the same address have done so too often of late.
    async fn wait_for_turn(&mut self, letter: &Letter) {
        if let Letter::Requests(_, requests) = letter
            && let ([Request::Login { .. }], Some(handshake)) = (&requests[..], &self.handshake)
        {
            let wait = handshake.log_in(Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// What the session wants of the post office, and whether it is at its end.
    fn wanted(&mut self) -> (Vec<Letter>, bool) {
        let mut letters = Vec::new();
        let mut requests = Vec::new();
        let mut closes = false;
        while let Some(output) = self.session.poll() {
            match output {
                Output::Ask(request) => requests.push(request),
                Output::Close => closes = true,
            }
            if requests.len() == REQUESTS_PER_LETTER {
                letters.push(Letter::Requests(self.id, std::mem::take(&mut requests)));
            }
        }
        if !requests.is_empty() {
            letters.push(Letter::Requests(self.id, requests));
        }
        (letters, closes)
    }

    fn take(&mut self, mail: Mail) {
        mail.events.into_iter().for_each(|event| self.session.event(event));
        if mail.missed {
            self.session.missed_events();
        }
        if mail.lost {
            self.session.close(Closing::Silent);
        }
        if self.handshake.is_some()
            && let Some(login) = self.session.login()
        {
            self.handshake = None;
            info!(peer = %self.peer, person = login.person.0, new = login.is_new, "logged in");
        }
    }

    /// Writes what the session holds back, as far as the peer takes it at once. Returns whether anything was written.
    fn pass_on(&mut self, outgoing: &mut impl Outgoing) -> io::Result<bool> {
        let mut wrote = false;
        while self.session.is_holding() {
            match outgoing.write(self.session.transmit()).now_or_never().transpose()? {
                Some(bytes) if bytes > 0 => self.session.transmitted(bytes),
                _ => self.session.let_go(),
            }
            wrote = true;
        }
        Ok(wrote)
    }

    async fn close(&mut self, outgoing: &mut impl Outgoing) -> io::Result<()> {
        let farewell = outgoing.finish(self.session.transmit());
        timeout(CLOSING_TIME, farewell).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// A stream of bytes, and what came last by it.
struct ByteReader<R> {
    reader: R,
    last: Vec<u8>,
}

thread_local! {
    /// Where all connections of a thread read to: each of them holds only what came, and nothing while it is silent.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

impl<R: AsyncRead + Unpin> Incoming for ByteReader<R> {
    async fn next(&mut self) -> io::Result<Arrived<'_>> {
        self.last = Vec::new();
        let (reader, last) = (&mut self.reader, &mut self.last);
        poll_fn(|context| {
            READ.with_borrow_mut(|bytes| {
                let mut buffer = ReadBuf::new(bytes);
                let read = Pin::new(&mut *reader).poll_read(context, &mut buffer);
                last.extend_from_slice(buffer.filled());
                read
            })
        })
        .await?;
        Ok(match self.last.is_empty() {
            true => Arrived::End,
            false => Arrived::Bytes(&self.last),
        })
    }
}

impl<W: AsyncWrite + Unpin> Outgoing for W {
    async fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        match frames.is_empty() {
            false => AsyncWriteExt::write(self, frames).await,
            true => self.flush().await.map(|()| 0),
        }
    }

    async fn finish(&mut self, frames: &[u8]) -> io::Result<()> {
        self.write_all(frames).await?;
        self.shutdown().await
    }
}
