//! A network in virtual time: it delays, cuts bytes into pieces, and loses connections, all by chance.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// How likely it is that a program's end resets its connection, so that what it sent last is lost.
const RESETS: f64 = 0.3;

/// How likely a connection is to be slow, and how slow it is then: so what was sent over one may arrive after what was
/// sent later over another.
const SLOW: f64 = 0.2;
const SLOWNESS: u64 = 10;

/// How likely it is that an end of a cut connection ever hears of it, and in what time. Otherwise pings find out.
const HEARS_OF_CUT: f64 = 0.7;
const HEARS_WITHIN_MS: RangeInclusive<u64> = 0..=3_000;

/// One connection, for as long as either end has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

/// What reaches an end of a connection.
#[derive(Debug)]
pub enum Arrival {
    Bytes(Vec<u8>),
    /// The connection is over.
    Over,
}

/// How this network behaves.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// Milliseconds that a piece takes at most.
    pub latency_ms: u64,
    /// Bytes that travel together at most.
    pub piece: usize,
    /// Bytes that can be under way in one direction; a writer waits beyond that.
    pub capacity: usize,
}

pub struct Network {
    conduct: Conduct,
    connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
}

struct Connection {
    /// How many times longer than usual everything takes here.
    slowness: u64,
    to_client: Pipe,
    to_server: Pipe,
}

/// One direction of a connection; what is written first arrives first.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<(Duration, Arrival)>,
    /// Bytes in the pieces.
    bytes: usize,
    last_arrival: Duration,
    /// Nothing that is written reaches anybody any more.
    leads_nowhere: bool,
    /// The end that reads has heard that the connection is over, or has closed it itself.
    is_over: bool,
}

impl End {
    fn other(self) -> End {
        match self {
            End::Client => End::Server,
            End::Server => End::Client,
        }
    }
}

impl Arrival {
    fn bytes(&self) -> usize {
        match self {
            Arrival::Bytes(bytes) => bytes.len(),
            Arrival::Over => 0,
        }
    }
}

impl Network {
    pub fn new(conduct: Conduct) -> Network {
        Network { conduct, connections: BTreeMap::new(), opened: 0 }
    }

    pub fn connect(&mut self, random: &mut StdRng) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let slowness = if random.random_bool(SLOW) { SLOWNESS } else { 1 };
        self.connections.insert(id, Connection { slowness, to_client: Pipe::default(), to_server: Pipe::default() });
        id
    }

    /// How many bytes an end could write now.
    pub fn room(&self, id: ConnectionId, from: End) -> usize {
        self.pipe(id, from.other()).map_or(0, |pipe| self.conduct.capacity.saturating_sub(pipe.bytes))
    }

    /// An end writes; the bytes travel in pieces of random length.
    pub fn write(&mut self, id: ConnectionId, from: End, bytes: &[u8], now: Duration, random: &mut StdRng) {
        let (latency_ms, piece) = (self.latency_ms(id), self.conduct.piece);
        let Some(pipe) = self.pipe_mut(id, from.other()) else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (first, others) = rest.split_at(random.random_range(1..=piece).min(rest.len()));
            pipe.send(Arrival::Bytes(first.to_vec()), now + millis(random, &latency_ms));
            rest = others;
        }
    }

    /// What has arrived at an end and was not read yet, piece by piece.
    pub fn read(&mut self, id: ConnectionId, end: End, now: Duration) -> Option<Arrival> {
        let pipe = self.pipe_mut(id, end)?;
        let (_, arrival) = pipe.pieces.pop_front_if(|(at, _)| *at <= now)?;
        pipe.bytes -= arrival.bytes();
        if matches!(arrival, Arrival::Over) {
            self.forget(id, end);
        }
        Some(arrival)
    }

    /// Cuts a connection: what is under way is lost, and each end hears of it at another time, or never.
    pub fn cut(&mut self, id: ConnectionId, now: Duration, random: &mut StdRng) {
        for end in [End::Client, End::Server] {
            let Some(pipe) = self.pipe_mut(id, end).filter(|pipe| !pipe.is_over) else { continue };
            pipe.lose();
            if random.random_bool(HEARS_OF_CUT) {
                pipe.pieces.push_back((now + millis(random, &HEARS_WITHIN_MS), Arrival::Over));
            }
        }
    }

    pub fn cut_all(&mut self, now: Duration, random: &mut StdRng) {
        self.whole().into_iter().for_each(|id| self.cut(id, now, random));
    }

    /// An end closes the connection, or its program has died. What it sent may still arrive, and the other end hears of
    /// it behind that.
    pub fn close(&mut self, id: ConnectionId, end: End, now: Duration, random: &mut StdRng) {
        let latency = millis(random, &self.latency_ms(id));
        let reset = random.random_bool(RESETS);
        if let Some(pipe) = self.pipe_mut(id, end.other()).filter(|pipe| !pipe.leads_nowhere) {
            if reset {
                pipe.clear();
            }
            pipe.send(Arrival::Over, now + latency);
            pipe.leads_nowhere = true;
        }
        self.forget(id, end);
    }

    /// When something arrives next.
    pub fn next_arrival(&self, now: Duration) -> Option<Duration> {
        let fronts = self.pipes().filter_map(|pipe| pipe.pieces.front());
        fronts.map(|(at, _)| *at).filter(|at| *at > now).min()
    }

    /// The connections that nothing has befallen.
    pub fn whole(&self) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, connection)| connection.is_whole()).map(|(id, _)| *id).collect()
    }

    /// Whether nothing is under way that anybody will read.
    pub fn is_idle(&self) -> bool {
        self.pipes().all(|pipe| pipe.pieces.is_empty())
    }

    fn latency_ms(&self, id: ConnectionId) -> RangeInclusive<u64> {
        let slowness = self.connections.get(&id).map_or(1, |connection| connection.slowness);
        0..=self.conduct.latency_ms * slowness
    }

    /// An end has no more to do with the connection; it is gone when neither has.
    fn forget(&mut self, id: ConnectionId, end: End) {
        let Some(pipe) = self.pipe_mut(id, end) else { return };
        pipe.lose();
        pipe.is_over = true;
        if self.pipe(id, end.other()).is_none_or(|pipe| pipe.is_over) {
            self.connections.remove(&id);
        }
    }

    fn pipes(&self) -> impl Iterator<Item = &Pipe> {
        self.connections.values().flat_map(|connection| [&connection.to_client, &connection.to_server])
    }

    /// The direction that leads to this end.
    fn pipe(&self, id: ConnectionId, to: End) -> Option<&Pipe> {
        let connection = self.connections.get(&id)?;
        Some(match to {
            End::Client => &connection.to_client,
            End::Server => &connection.to_server,
        })
    }

    fn pipe_mut(&mut self, id: ConnectionId, to: End) -> Option<&mut Pipe> {
        let connection = self.connections.get_mut(&id)?;
        Some(match to {
            End::Client => &mut connection.to_client,
            End::Server => &mut connection.to_server,
        })
    }
}

impl Connection {
    fn is_whole(&self) -> bool {
        !self.to_client.leads_nowhere && !self.to_server.leads_nowhere
    }
}

impl Pipe {
    fn send(&mut self, arrival: Arrival, at: Duration) {
        if !self.leads_nowhere {
            self.last_arrival = self.last_arrival.max(at);
            self.bytes += arrival.bytes();
            self.pieces.push_back((self.last_arrival, arrival));
        }
    }

    fn lose(&mut self) {
        self.clear();
        self.leads_nowhere = true;
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }
}

/// A random time within a range of milliseconds, finer than a millisecond.
pub fn millis(random: &mut StdRng, range: &RangeInclusive<u64>) -> Duration {
    Duration::from_micros(random.random_range(range.start() * 1000..=range.end() * 1000))
}
