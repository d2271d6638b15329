//! A bad line between a program and a server on this computer: it delays what it carries, cuts connections after any byte, and
//! delivers what a cut connection had under way when the next one is talking already.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bytes of the longest piece that is carried at once.
const PIECE: usize = 16 * 1024;

/// How lines carry: bytes at once, at most, and how long each such piece takes, at most.
const PACES: [(usize, Duration); 3] =
    [(10, Duration::from_micros(50)), (500, Duration::from_millis(1)), (PIECE, Duration::from_millis(10))];

/// Bytes after which a connection is cut at the latest.
const LONGEST_LIFE: u64 = 12_000;

/// For so long a cut connection takes what the program had sent already, to deliver it late.
const LAST_GASP: Duration = Duration::from_millis(5);

/// What is late is delivered at the latest after this time.
const LATEST: Duration = Duration::from_secs(2);

/// The line of one program.
pub struct BadLine {
    address: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

/// What has been done to connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub cuts: u64,
    /// Of the cuts, those before anybody could have been logged in.
    pub while_logging_in: u64,
    /// Cut connections that delivered something late …
    pub late: u64,
    /// … and of these, those after the login of the next one.
    pub after_login: u64,
}

struct State {
    server: SocketAddr,
    chance: Mutex<StdRng>,
    is_bad: AtomicBool,
    is_over: AtomicBool,
    /// Bytes that the program sends until it is logged in and has asked for everything, at most.
    greeting: AtomicU64,
    newest: Mutex<Newest>,
    has_moved: Condvar,
    tally: Mutex<Tally>,
}

/// The connection that was made last.
#[derive(Default)]
struct Newest {
    number: u64,
    /// Bytes that it has carried to the server.
    up: u64,
    streams: Option<[TcpStream; 2]>,
}

/// What becomes of one connection.
struct Fate {
    /// After how many bytes in which direction it is cut.
    cut: Option<(Way, u64)>,
    /// Whether what was under way to the server arrives late, and then when the next connection has sent so many bytes.
    late_at: Option<u64>,
    /// Bytes carried at once, at most, and how long each such piece takes, at most.
    piece: usize,
    delay: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Up,
    Down,
}

/// A connection of a program, carried on to the server.
struct Carried {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    fate: Fate,
    /// The server's end stays open for what is late.
    is_late: AtomicBool,
    state: Arc<State>,
}

impl BadLine {
    /// A line to a server, which is good at first.
    pub fn to(server: SocketAddr, seed: u64) -> BadLine {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            server,
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            is_bad: AtomicBool::default(),
            is_over: AtomicBool::default(),
            greeting: AtomicU64::default(),
            newest: Mutex::default(),
            has_moved: Condvar::new(),
            tally: Mutex::default(),
        });
        let listening = thread::spawn({
            let state = state.clone();
            move || listen(&listener, &state)
        });
        BadLine { address, state, listening: Some(listening) }
    }

    /// Where the program is to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the line is bad, beginning with the connection that there is: its program must be logged in and silent.
    pub fn turn_bad(&self) {
        let newest = guarded(&self.state.newest);
        self.state.greeting.store(newest.up, Relaxed);
        self.state.is_bad.store(true, Relaxed);
        newest.streams.iter().flatten().for_each(close);
    }

    /// Connections that are made from now on are left alone.
    pub fn turn_good(&self) {
        self.state.is_bad.store(false, Relaxed);
    }

    pub fn tally(&self) -> Tally {
        *guarded(&self.state.tally)
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        self.state.is_over.store(true, Relaxed);
        // Wakes the listener. Where that fails, it has ended already.
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().map(JoinHandle::join);
        guarded(&self.state.newest).streams.iter().flatten().for_each(close);
    }
}

fn listen(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.is_over.load(Relaxed) {
            break;
        }
        // Where the server is not there, the program's connection ends at once.
        let Ok(client) = client else { continue };
        let Ok(server) = TcpStream::connect(state.server) else { continue };
        if let Err(error) = carry_on(client, server, state) {
            eprintln!("a connection cannot be carried: {error}");
        }
    }
}

/// Carries a connection in both directions, on threads that end with it.
fn carry_on(client: TcpStream, server: TcpStream, state: &Arc<State>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = {
        let mut newest = guarded(&state.newest);
        let streams = Some([client.try_clone()?, server.try_clone()?]);
        *newest = Newest { number: newest.number + 1, up: 0, streams };
        newest.number
    };
    state.has_moved.notify_all();
    let (fate, is_late) = (Fate::draw(state), AtomicBool::default());
    let carried = Arc::new(Carried { number, client, server, fate, is_late, state: state.clone() });
    for way in [Way::Up, Way::Down] {
        let carried = carried.clone();
        thread::spawn(move || carried.carry(way));
    }
    Ok(())
}

impl Fate {
    fn draw(state: &State) -> Fate {
        if !state.is_bad.load(Relaxed) {
            return Fate { cut: None, late_at: None, piece: PIECE, delay: Duration::ZERO };
        }
        let mut chance = guarded(&state.chance);
        let greeting = state.greeting.load(Relaxed);
        let way = if chance.random_bool(0.5) { Way::Up } else { Way::Down };
        // Each stage of a connection is cut: its making, and the talk that follows.
        let life = if chance.random_bool(0.4) { 0..2 * greeting } else { 2 * greeting..LONGEST_LIFE };
        let cut = Some((way, chance.random_range(life)));
        let (piece, delay) = PACES[chance.random_range(0..PACES.len())];
        let is_late = way == Way::Up && chance.random_bool(0.6);
        Fate { cut, late_at: is_late.then(|| chance.random_range(0..2 * greeting)), piece, delay }
    }
}

impl Carried {
    fn carry(&self, way: Way) {
        let (from, to) = match way {
            Way::Up => (&self.client, &self.server),
            Way::Down => (&self.server, &self.client),
        };
        let end = self.fate.cut.and_then(|(cut, after)| (cut == way).then_some(after));
        let rest = self.pass(way, from, to, end);
        if let Some(rest) = rest {
            self.note_cut();
            if let (Way::Up, Some(late_at)) = (way, self.fate.late_at) {
                self.deliver_late(rest, late_at);
            }
        }
        close(&self.client);
        if way == Way::Up || !self.is_late.load(Relaxed) {
            close(&self.server);
        }
    }

    /// Carries bytes until the connection ends, or until it is to be cut: then what was read and not carried is returned.
    fn pass(&self, way: Way, mut from: &TcpStream, mut to: &TcpStream, end: Option<u64>) -> Option<Vec<u8>> {
        let mut piece = vec![0; self.fate.piece];
        let mut passed = 0;
        loop {
            let count = from.read(&mut piece).ok().filter(|count| *count > 0)?;
            if !self.fate.delay.is_zero() {
                let delay = guarded(&self.state.chance).random_range(Duration::ZERO..=self.fate.delay);
                thread::sleep(delay);
            }
            let left = end.map_or(u64::MAX, |end| end - passed);
            let (carried, rest) = piece[..count].split_at(count.min(usize::try_from(left).unwrap_or(usize::MAX)));
            to.write_all(carried).ok()?;
            passed += carried.len() as u64;
            if way == Way::Up {
                self.moved(carried.len() as u64);
            }
            if end == Some(passed) {
                return Some(rest.to_vec());
            }
        }
    }

    /// So many bytes were carried to the server.
    fn moved(&self, bytes: u64) {
        let mut newest = guarded(&self.state.newest);
        if newest.number == self.number {
            newest.up += bytes;
            self.state.has_moved.notify_all();
        }
    }

    fn note_cut(&self) {
        let newest = guarded(&self.state.newest);
        let is_logging_in = newest.number == self.number && newest.up <= self.state.greeting.load(Relaxed);
        let mut tally = guarded(&self.state.tally);
        tally.cuts += 1;
        tally.while_logging_in += u64::from(is_logging_in);
    }

    /// To the program the connection is cut. The server gets what was under way when the next one has come so far.
    fn deliver_late(&self, mut rest: Vec<u8>, late_at: u64) {
        self.is_late.store(true, Relaxed);
        if self.client.set_read_timeout(Some(LAST_GASP)).is_ok() {
            // Fails where nothing more is there.
            let _ = (&self.client).take(PIECE as u64).read_to_end(&mut rest);
        }
        close(&self.client);
        let newest = guarded(&self.state.newest);
        let is_early = |newest: &mut Newest| {
            let is_next = newest.number == self.number + 1;
            newest.number == self.number || is_next && newest.up < late_at
        };
        let waited = self.state.has_moved.wait_timeout_while(newest, LATEST, is_early);
        let (newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_after_login = newest.number == self.number + 1 && newest.up > self.state.greeting.load(Relaxed);
        drop(newest);
        if !rest.is_empty() && (&self.server).write_all(&rest).is_ok() {
            let mut tally = guarded(&self.state.tally);
            tally.late += 1;
            tally.after_login += u64::from(is_after_login);
        }
    }
}

/// Ends a connection. Fails only where it has ended.
fn close(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

fn guarded<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
