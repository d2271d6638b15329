//! The floor: a relay that copies frames from one socket to the other and stores nothing. It is this program itself, run
//! as a child. `load/relay.rs` says what the frames look like.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::time::Duration;

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

/// The longest that it waits before it looks whether it is over.
const TURN: Duration = Duration::from_millis(100);

pub fn start(stage: &Stage) -> Result<Server> {
    let data = stage.fresh_folder()?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::start(command.arg(ARGUMENT), &stage.cores, data.path())?;
    let address = process.wait_for(|said| said.lines().find_map(|line| line.strip_prefix(READY)).map(str::to_owned))?;
    Ok(Server { process, address: address.parse()?, wire: Wire::Plain, data })
}

/// Relays until it is told to end.
pub fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    println!("{READY}{}", listener.local_addr()?);
    relay(listener, interrupt::asked)
}

fn relay(mut listener: TcpListener, is_over: impl Fn() -> bool) -> Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut relay =
        Relay { ends: Vec::new(), numbers: HashMap::new(), dirty: Vec::new(), scratch: vec![0; READ_BYTES] };
    let mut events = Events::with_capacity(1024);
    while !is_over() {
        match poll.poll(&mut events, Some(TURN)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::pump::Pump;
    use crate::load::{Agent, Heard, Mark};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    const BODY_BYTES: usize = 4096;
    const MESSAGES: u64 = 2_000;
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_pumped_into_a_relay_comes_out_in_order_at_the_right_end() {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let thread = std::thread::spawn(move || relay(listener, || is_over.load(Ordering::Relaxed)));

        let mut pump = Pump::new().unwrap();
        let agent = |number| Box::new(crate::load::relay::Relay::new(number, BODY_BYTES)) as Box<dyn Agent>;
        pump.admit(address, &Wire::Plain, (0..3).map(agent), PATIENCE).unwrap();
        let name = pump.agent(2).name();
        pump.agent(0).aim(&name, BODY_BYTES).unwrap();
        // Far more than sockets hold, so that writing has to wait for reading.
        (0..MESSAGES).for_each(|index| pump.post(0, index));
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while heard.len() < MESSAGES as usize {
            pump.turn(deadline, &mut heard).unwrap();
            assert!(Instant::now() < deadline, "only {} messages came", heard.len());
        }
        let expected = (0..MESSAGES).map(|index| (2, Heard::Delivered(Mark { author: 0, index })));
        assert!(heard.into_iter().eq(expected));
        over.store(true, Ordering::Relaxed);
        thread.join().unwrap().unwrap();
    }
}
