//! Pumps one connection: bytes between the socket and its session, requests and events between it and the post office.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use malote_common::frame::Closing;
use malote_common::{hello, limits, login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use crate::listener::Handshake;
use crate::post_office::thread::{Counter, Inbox, Letter, mailslot};
use crate::post_office::{Request, SessionId};
use crate::rate::Allowances;
use crate::session::{CLOSING_TIME, Door, Output, Session};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 * 1024;

/// What all connections share.
#[derive(Clone)]
pub struct Context {
    pub tls: TlsAcceptor,
    pub counter: Counter,
    pub allowances: Allowances,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// Serves one connection to its end. `handshake` is let go of once the peer has proved who it is.
pub async fn serve(stream: TcpStream, peer: SocketAddr, id: SessionId, context: Context, handshake: Handshake) {
    match converse(stream, id, &context, handshake, peer).await {
        Ok(()) => debug!(%peer, "connection closed"),
        Err(error) => debug!(%peer, %error, "connection lost"),
    }
    // Fails only when the post office is gone, and the session with it.
    let _ = context.counter.send(Letter::Request(id, Request::Gone)).await;
}

async fn converse(
    stream: TcpStream,
    id: SessionId,
    context: &Context,
    handshake: Handshake,
    peer: SocketAddr,
) -> io::Result<()> {
    let opened_at = Instant::now();
    stream.set_nodelay(true)?;
    let deadline = tokio::time::Instant::from_std(opened_at + limits::HANDSHAKE_TIME);
    let tls = timeout_at(deadline, context.tls.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if tls.get_ref().1.alpn_protocol() != Some(hello::ALPN) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer speaks another protocol"));
    }
    let mut exporter = [0; 32];
    let exported = tls.get_ref().1.export_keying_material(&mut exporter[..], login::EXPORTER_LABEL, None);
    exported.map_err(io::Error::other)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;

    let (slot, inbox) = mailslot();
    context.counter.send(Letter::Open(id, slot)).await.map_err(io::Error::other)?;
    let mut pump = Pump {
        session: Session::new(Door::Program { exporter }, nonce, context.allowances.clone(), opened_at),
        id,
        peer,
        inbox,
        handshake: Some(handshake),
        stopping: context.stopping.clone(),
        counter: context.counter.clone(),
    };
    pump.run(tls).await
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
    async fn run(&mut self, tls: tokio_rustls::server::TlsStream<TcpStream>) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(tls);
        let mut buffer = vec![0; READ_BYTES];
        let mut unflushed = false;
        loop {
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Ask(request) => self.ask(request).await?,
                    Output::Close => return self.close(writer).await,
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
                read = reader.read(&mut buffer), if self.session.accepts_input() => match read? {
                    0 => return Ok(()),
                    read => self.session.receive(buffer.get(..read).unwrap_or_default(), Instant::now()),
                },
                written = write_or_flush(&mut writer, self.session.transmit()), if unflushed || waiting => {
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

    async fn close(&mut self, mut writer: impl AsyncWriteExt + Unpin) -> io::Result<()> {
        let farewell = async {
            writer.write_all(self.session.transmit()).await?;
            writer.shutdown().await
        };
        timeout(CLOSING_TIME, farewell).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// Writes some of the bytes, or makes sure that earlier ones have left where there are none. May be dropped at any time.
async fn write_or_flush(writer: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> io::Result<usize> {
    match bytes.is_empty() {
        false => writer.write(bytes).await,
        true => writer.flush().await.map(|()| 0),
    }
}

/// Completes when the server stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is stopped as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + limits::DEAD_AFTER
}
