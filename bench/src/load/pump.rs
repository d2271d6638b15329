//! Gives agents their sockets: one thread, one poll, everything that has gathered in one read and one write.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustls::{ClientConfig, ClientConnection};

use super::{Agent, Heard, tls};
use crate::interrupt;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;

/// Events taken from the system at once.
const EVENTS: usize = 1024;

/// The longest that a turn waits, so that Ctrl+C is noticed.
const TURN: Duration = Duration::from_millis(100);

/// Reads from one socket in one turn; what is left after them waits until the others had theirs.
const READS: usize = 4;

/// Connections that are opened at once where many are wanted.
const AT_THE_DOOR: usize = 128;

/// Connections that share an address of their own: fewer than a Malote server lets be in the handshake at once.
const PER_SOURCE: usize = 16;

/// How connections begin.
#[derive(Clone)]
pub enum Wire {
    Plain,
    Tls(Arc<ClientConfig>),
}

/// Agents with their connections.
pub struct Pump {
    poll: Poll,
    events: Events,
    lines: Vec<Line>,
    /// Lines with something to write.
    dirty: Vec<usize>,
    /// Lines with more to read than a turn allows.
    unread: VecDeque<usize>,
    scratch: Vec<u8>,
    plain: Vec<u8>,
    heard: Vec<Heard>,
    /// Asks the system again and again instead of sleeping, so that being woken takes no time of what is measured.
    pub spins: bool,
    /// Where somebody wants to know, the connections that were lost, each with the reason, instead of an error.
    pub lost: Option<Vec<(usize, String)>>,
}

struct Line {
    stream: TcpStream,
    agent: Box<dyn Agent>,
    tls: Option<Box<ClientConnection>>,
    opened: bool,
    /// What the agent could not make a whole of yet.
    inbox: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    is_dirty: bool,
    is_lost: bool,
}

impl Pump {
    pub fn new() -> Result<Pump> {
        Ok(Pump {
            poll: Poll::new().context("cannot poll")?,
            events: Events::with_capacity(EVENTS),
            lines: Vec::new(),
            dirty: Vec::new(),
            unread: VecDeque::new(),
            scratch: vec![0; READ_BYTES],
            plain: vec![0; READ_BYTES],
            heard: Vec::new(),
            spins: false,
            lost: None,
        })
    }

    /// Connects all of these and waits until each is ready, as many at a time as a server takes. Fails where that takes
    /// longer than `limit`.
    pub fn admit(
        &mut self,
        address: SocketAddr,
        wire: &Wire,
        agents: impl IntoIterator<Item = Box<dyn Agent>>,
        limit: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut agents = agents.into_iter();
        let mut ready = self.lines.len();
        let mut heard = Vec::new();
        loop {
            while self.lines.len() - ready < AT_THE_DOOR
                && let Some(agent) = agents.next()
            {
                self.connect(address, wire, agent)?;
            }
            if ready == self.lines.len() {
                return Ok(());
            }
            self.turn(deadline, &mut heard)?;
            ready += heard.drain(..).filter(|(_, heard)| *heard == Heard::Ready).count();
            if Instant::now() > deadline {
                bail!("after {limit:?}, only {ready} of {} connections are served", self.lines.len());
            }
        }
    }

    /// Opens one connection and returns its number: they count from 0.
    pub fn connect(&mut self, address: SocketAddr, wire: &Wire, agent: Box<dyn Agent>) -> Result<usize> {
        let number = self.lines.len();
        let line = self.open(number, address, wire, agent)?;
        self.lines.push(line);
        self.dirty.push(number);
        Ok(number)
    }

    /// Opens a connection in the place of one that was lost.
    pub fn reconnect(&mut self, number: usize, address: SocketAddr, wire: &Wire, agent: Box<dyn Agent>) -> Result<()> {
        self.lines[number] = self.open(number, address, wire, agent)?;
        self.dirty.push(number);
        Ok(())
    }

    /// Gives a connection up.
    pub fn hang_up(&mut self, number: usize) -> Result<()> {
        self.lines[number].is_lost = true;
        Ok(self.lines[number].stream.shutdown(Shutdown::Both).or_else(ignore_unconnected)?)
    }

    fn open(&self, number: usize, address: SocketAddr, wire: &Wire, agent: Box<dyn Agent>) -> Result<Line> {
        let stream = dial(address, number).with_context(|| format!("connection {number} cannot be opened"))?;
        let tls = match wire {
            Wire::Plain => None,
            Wire::Tls(config) => Some(Box::new(tls::connection(config)?)),
        };
        let mut line = Line {
            stream,
            agent,
            tls,
            opened: false,
            inbox: Vec::new(),
            out: Vec::new(),
            written: 0,
            is_dirty: true,
            is_lost: false,
        };
        if line.tls.is_none() {
            line.opened = true;
            line.agent.opened(&[0; 32], &mut line.out)?;
        }
        self.poll.registry().register(&mut line.stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        Ok(line)
    }

    pub fn agent(&mut self, number: usize) -> &mut dyn Agent {
        &mut *self.lines[number].agent
    }

    /// Lets a connection's agent post; it leaves with the next turn.
    pub fn post(&mut self, number: usize, index: u64) {
        let line = &mut self.lines[number];
        line.agent.post(index, &mut line.out);
        if !std::mem::replace(&mut line.is_dirty, true) {
            self.dirty.push(number);
        }
    }

    /// Writes what is to be written, waits for something to read until `deadline` at the latest, and tells what the agents
    /// heard, each with its connection's number. May return earlier, with nothing.
    pub fn turn(&mut self, deadline: Instant, heard: &mut Vec<(usize, Heard)>) -> Result<()> {
        interrupt::check()?;
        self.write_all()?;
        let patience = match self.spins || !self.unread.is_empty() {
            true => Duration::ZERO,
            false => deadline.saturating_duration_since(Instant::now()).min(TURN),
        };
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error).context("cannot poll"),
            _ => {}
        }
        let mut writable = Vec::new();
        for event in &self.events {
            let Token(number) = event.token();
            if event.is_writable() {
                writable.push(number);
            }
            if event.is_readable() || event.is_read_closed() {
                self.unread.push_back(number);
            }
        }
        for number in writable {
            self.write(number)?;
        }
        for _ in 0..self.unread.len() {
            let Some(number) = self.unread.pop_front() else { break };
            if self.lines[number].is_lost {
                continue;
            }
            match self.read(number, heard) {
                Ok(true) => self.unread.push_back(number),
                Ok(false) => {}
                Err(error) => self.lose(number, error)?,
            }
        }
        self.write_all()
    }

    fn write_all(&mut self) -> Result<()> {
        while let Some(number) = self.dirty.pop() {
            self.lines[number].is_dirty = false;
            self.write(number)?;
        }
        Ok(())
    }

    fn write(&mut self, number: usize) -> Result<()> {
        let line = &mut self.lines[number];
        match line.is_lost {
            true => Ok(()),
            false => line.write().or_else(|error| self.lose(number, error)),
        }
    }

    fn lose(&mut self, number: usize, error: anyhow::Error) -> Result<()> {
        self.lines[number].is_lost = true;
        match &mut self.lost {
            Some(lost) => lost.push((number, format!("{error:#}"))),
            None => return Err(error.context(format!("connection {number} was lost"))),
        }
        Ok(())
    }

    /// Reads from a connection; `true` where there may be more.
    fn read(&mut self, number: usize, heard: &mut Vec<(usize, Heard)>) -> Result<bool> {
        let Pump { lines, scratch, plain, heard: own, dirty, .. } = self;
        let line = &mut lines[number];
        let mut more = true;
        for _ in 0..READS {
            let count = match line.stream.read(scratch) {
                Ok(0) => bail!("the server hung up"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            line.take(&scratch[..count], plain, own)?;
            if count < scratch.len() {
                more = false;
                break;
            }
        }
        let wants_write = !line.out.is_empty() || line.tls.as_ref().is_some_and(|tls| tls.wants_write());
        if wants_write && !std::mem::replace(&mut line.is_dirty, true) {
            dirty.push(number);
        }
        heard.extend(own.drain(..).map(|what| (number, what)));
        Ok(more)
    }
}

impl Line {
    /// Takes bytes as they came from the socket.
    fn take(&mut self, mut bytes: &[u8], plain: &mut [u8], heard: &mut Vec<Heard>) -> Result<()> {
        if self.tls.is_none() {
            return self.feed(bytes, heard);
        }
        while !bytes.is_empty() {
            let Some(tls) = &mut self.tls else { break };
            tls.read_tls(&mut bytes)?;
            tls.process_new_packets()?;
            if !self.opened && !tls.is_handshaking() {
                let exporter = tls.export_keying_material([0; 32], malote_common::login::EXPORTER_LABEL, None)?;
                self.opened = true;
                self.agent.opened(&exporter, &mut self.out)?;
            }
            let count = drain(tls, plain)?;
            self.feed(&plain[..count], heard)?;
        }
        Ok(())
    }

    /// Takes bytes as the agent understands them.
    fn feed(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) -> Result<()> {
        if self.inbox.is_empty() {
            let used = self.agent.receive(bytes, &mut self.out, heard)?;
            self.inbox.extend_from_slice(&bytes[used..]);
        } else {
            self.inbox.extend_from_slice(bytes);
            let used = self.agent.receive(&self.inbox, &mut self.out, heard)?;
            self.inbox.drain(..used);
        }
        Ok(())
    }

    /// Writes as much as the socket takes; the system says when it takes more.
    fn write(&mut self) -> Result<()> {
        if let Some(tls) = &mut self.tls {
            if self.opened && !self.out.is_empty() {
                tls.writer().write_all(&self.out)?;
                self.out.clear();
            }
            while tls.wants_write() {
                match tls.write_tls(&mut self.stream) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(());
        }
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}

/// All that TLS has ready, which is no more than it took from the wire at once: far less than there is room for.
fn drain(tls: &mut ClientConnection, plain: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < plain.len() {
        match tls.reader().read(&mut plain[filled..]) {
            Ok(0) => bail!("the server ended the connection"),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// Each few connections come from another address of this computer: servers limit how many one address may be setting up.
fn dial(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let group = number / PER_SOURCE;
    let source = Ipv4Addr::new(127, 1, (group / 250) as u8, (group % 250) as u8 + 1);
    rustix::net::bind(&socket, &SocketAddr::from((source, 0)))?;
    match rustix::net::connect(&socket, &address) {
        // The first write fails where nobody takes the connection.
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = std::net::TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(TcpStream::from_std(stream))
}

fn ignore_unconnected(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}
