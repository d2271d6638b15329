//! Pumps one connection: bytes between the socket and its session, requests and events between it and the post office.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use malote_common::frame::Closing;
use malote_common::{hello, limits, login};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use crate::listener::{Arrival, Handshake, stopped};
use crate::post_office::thread::{Counter, Inbox, Letter, mailslot};
use crate::post_office::{Request, SessionId};
use crate::rate::Allowances;
use crate::session::{CLOSING_TIME, Door, Output, Session};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 * 1024;

/// What all connections share.
#[derive(Clone)]
pub struct Context {
    pub counter: Counter,
    pub allowances: Allowances,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
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
    /// Writes some of the bytes, which begin with a frame's length, and returns how many; where there are none, makes
    /// sure that earlier ones have left. May be dropped at any time.
    async fn write(&mut self, frames: &[u8]) -> io::Result<usize>;

    /// Writes all of the bytes, and that they were the last.
    async fn finish(&mut self, frames: &[u8]) -> io::Result<()>;
}

/// Serves a program's connection to its end.
pub async fn serve(stream: TcpStream, arrival: Arrival, context: Context, tls: TlsAcceptor) {
    let Arrival { id, peer, at, handshake, place: _place } = arrival;
    match speak_tls(stream, tls, at).await {
        Ok((stream, door)) => {
            let (reader, mut writer) = tokio::io::split(stream);
            let mut reader = ByteReader { reader, buffer: vec![0; READ_BYTES] };
            converse(&mut reader, &mut writer, door, Caller { id, peer, at, handshake }, context).await;
        }
        Err(error) => debug!(%peer, %error, "no connection"),
    }
}

async fn speak_tls(
    stream: TcpStream,
    tls: TlsAcceptor,
    arrived_at: Instant,
) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Door)> {
    stream.set_nodelay(true)?;
    let deadline = tokio::time::Instant::from_std(arrived_at + limits::HANDSHAKE_TIME);
    let tls = timeout_at(deadline, tls.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if tls.get_ref().1.alpn_protocol() != Some(hello::ALPN) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer speaks another protocol"));
    }
    let mut exporter = [0; 32];
    let exported = tls.get_ref().1.export_keying_material(&mut exporter[..], login::EXPORTER_LABEL, None);
    exported.map_err(io::Error::other)?;
    Ok((tls, Door::Program { exporter }))
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
    let pumped = async {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let (slot, inbox) = mailslot();
        context.counter.send(Letter::Open(id, slot)).await.map_err(io::Error::other)?;
        let mut pump = Pump {
            session: Session::new(door, nonce, context.allowances, at),
            id,
            peer,
            inbox,
            handshake: Some(handshake),
            stopping: context.stopping,
            counter: context.counter.clone(),
        };
        pump.run(incoming, outgoing).await
    };
    match pumped.await {
        Ok(()) => debug!(%peer, "connection closed"),
        Err(error) => debug!(%peer, %error, "connection lost"),
    }
    // Fails only when the post office is gone, and the session with it.
    let _ = context.counter.send(Letter::Request(id, Request::Gone)).await;
}

struct Pump {
    session: Session,
    id: SessionId,
    peer: SocketAddr,
    inbox: Inbox,
    handshake: Option<Handshake>,
    stopping: watch::Receiver<bool>,
    counter: Counter,
}

impl Pump {
    async fn run(&mut self, incoming: &mut impl Incoming, outgoing: &mut impl Outgoing) -> io::Result<()> {
        let mut unflushed = false;
        loop {
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Ask(request) => self.ask(request).await?,
                    Output::Close => return self.close(outgoing).await,
                }
            }
            let deadline = self.session.deadline().map(tokio::time::Instant::from_std);
            let waiting = !self.session.transmit().is_empty();
            tokio::select! {
                event = self.inbox.events.recv() => match event {
                    Some(event) => self.take(event),
                    // The post office has ended: nothing more can be promised to anybody.
                    None => self.session.close(Closing::StoreFailed),
                },
                arrived = incoming.next(), if self.session.accepts_input() => match arrived? {
                    Arrived::Bytes(bytes) => self.session.receive(bytes, Instant::now()),
                    Arrived::Body(body) => self.session.receive_body(body, Instant::now()),
                    Arrived::Nothing => {}
                    Arrived::Unreadable => self.session.close(Closing::ProtocolError),
                    Arrived::End => return Ok(()),
                },
                written = outgoing.write(self.session.transmit()), if unflushed || waiting => {
                    self.session.transmitted(written?);
                    unflushed = waiting;
                },
                () = tokio::time::sleep_until(deadline.unwrap_or_else(far_away)), if deadline.is_some() => {
                    self.session.tick(Instant::now());
                },
                () = stopped(&mut self.stopping) => self.session.close(Closing::ShuttingDown),
            }
        }
    }

    fn take(&mut self, event: crate::post_office::Event) {
        self.session.event(event);
        // What has gathered meanwhile is written together.
        while let Ok(event) = self.inbox.events.try_recv() {
            self.session.event(event);
        }
        if self.inbox.take_missed() {
            self.session.missed_events();
        }
        if self.inbox.has_lost() {
            self.session.close(Closing::Silent);
        }
        if self.handshake.is_some()
            && let Some(login) = self.session.login()
        {
            self.handshake = None;
            info!(peer = %self.peer, person = login.person.0, new = login.is_new, "logged in");
        }
    }

    async fn ask(&mut self, request: Request) -> io::Result<()> {
        self.counter.send(Letter::Request(self.id, request)).await.map_err(io::Error::other)
    }

    async fn close(&mut self, outgoing: &mut impl Outgoing) -> io::Result<()> {
        let farewell = outgoing.finish(self.session.transmit());
        timeout(CLOSING_TIME, farewell).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// A stream of bytes with room for what comes in by it.
struct ByteReader<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Incoming for ByteReader<R> {
    async fn next(&mut self) -> io::Result<Arrived<'_>> {
        Ok(match self.reader.read(&mut self.buffer).await? {
            0 => Arrived::End,
            read => Arrived::Bytes(self.buffer.get(..read).unwrap_or_default()),
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

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + limits::DEAD_AFTER
}
