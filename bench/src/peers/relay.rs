//! The floor: a relay that copies frames from one socket to the other and stores nothing. It is this program itself, run
//! as a child. `load/relay.rs` says what the frames look like.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::process::Command;

use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::Server;
use super::process::Process;
use crate::interrupt;
use crate::load::pump::Wire;
use crate::load::relay::frame;
use crate::stage::Stage;

/// The argument that makes a relay of this program.
pub const ARGUMENT: &str = "relay";

const READY: &str = "relay ready ";
const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;

pub fn start(stage: &Stage) -> Result<Server> {
    let data = stage.fresh_folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::start(command.arg(ARGUMENT), &stage.cores, data.path())?;
    let address = process.wait_for(|said| said.lines().find_map(|line| line.strip_prefix(READY)).map(str::to_owned))?;
    Ok(Server { process, address: address.parse()?, wire: Wire::Plain, data })
}

/// Relays until it is told to end.
pub fn run() -> Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("{READY}{}", listener.local_addr()?);
    let mut relay =
        Relay { ends: Vec::new(), numbers: HashMap::new(), dirty: Vec::new(), scratch: vec![0; READ_BYTES] };
    let mut events = Events::with_capacity(1024);
    while !interrupt::asked() {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => relay.accept(&listener, &poll)?,
                Token(end) => relay.serve(end)?,
            }
        }
        relay.write();
    }
    Ok(())
}

struct Relay {
    ends: Vec<End>,
    /// Which connection has which number.
    numbers: HashMap<u32, usize>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
}

struct End {
    stream: TcpStream,
    is_known: bool,
    inbox: Vec<u8>,
    out: Vec<u8>,
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot accept a connection"),
            };
            stream.set_nodelay(true)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(self.ends.len()), interest)?;
            self.ends.push(End { stream, is_known: false, inbox: Vec::new(), out: Vec::new() });
        }
    }

    fn serve(&mut self, number: usize) -> Result<()> {
        loop {
            let end = &mut self.ends[number];
            if !end.out.is_empty() {
                self.dirty.push(number);
            }
            match end.stream.read(&mut self.scratch) {
                Ok(0) => return Ok(()),
                Ok(count) => end.inbox.extend_from_slice(&self.scratch[..count]),
                // Whoever is gone is written to no more; that is all a relay can do about it.
                Err(_) => return Ok(()),
            }
            self.pass_on(number)?;
        }
    }

    fn pass_on(&mut self, number: usize) -> Result<()> {
        let mut inbox = std::mem::take(&mut self.ends[number].inbox);
        let mut used = 0;
        while let Some((to, whole)) = frame(&inbox[used..])? {
            used += whole.len();
            let receiver = if std::mem::replace(&mut self.ends[number].is_known, true) {
                self.numbers.get(&to).copied()
            } else {
                self.numbers.insert(to, number);
                Some(number)
            };
            if let Some(receiver) = receiver {
                let out = &mut self.ends[receiver].out;
                if out.is_empty() {
                    self.dirty.push(receiver);
                }
                out.extend_from_slice(whole);
            }
        }
        inbox.drain(..used);
        self.ends[number].inbox = inbox;
        Ok(())
    }

    fn write(&mut self) {
        while let Some(number) = self.dirty.pop() {
            let End { stream, out, .. } = &mut self.ends[number];
            while !out.is_empty() {
                match stream.write(out) {
                    Ok(count) => drop(out.drain(..count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => out.clear(),
                }
            }
        }
    }
}
