//! Runs the post office on a thread of its own: takes what has arrived, commits it with one sync, tells the sessions.
//!
//! While a sync runs, requests gather in the queue; they are the next batch. So the busier the server, the larger the
//! batches and the fewer the syncs per message. Acknowledgements stand aside meanwhile (see [`Acknowledgements`]).

use std::collections::HashMap;
use std::time::SystemTime;

use malote_common::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::acknowledgements::Acknowledgements;
use super::{Mailslot, PostOffice, Request, SessionId};
use crate::store::{Store, StoreError};

/// Letters that may wait for the commit in progress. Full, it makes the connections wait, and so their clients.
const QUEUE: usize = 4096;

/// Requests in one letter: with [`QUEUE`] it bounds what may wait.
pub const REQUESTS_PER_LETTER: usize = 64;

/// What requests weigh after which no further letter is taken into a commit: it bounds how long those behind it wait.
const BATCH: usize = 2048;

/// Bytes of messages after which no further letter is taken into a commit, counted once for each recipient: a batch is held
/// in memory until it is on the disk.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What reaches the thread.
pub enum Letter {
    /// A connection opens and says where it hears.
    Open(SessionId, Mailslot),
    /// What a session asks, in order: at most [`REQUESTS_PER_LETTER`].
    Requests(SessionId, Vec<Request>),
    /// A connection is over.
    Gone(SessionId),
}

/// The way to the post office, for connections.
pub type Counter = mpsc::Sender<Letter>;

/// Starts the thread. It ends when all counters are dropped, or with the error that makes the store unreliable. To be called
/// within a runtime, by whose clock the thread goes.
pub fn start<S: Store + 'static>(
    office: PostOffice<S>,
) -> std::io::Result<(Counter, std::thread::JoinHandle<Result<(), StoreError>>)> {
    let (counter, letters) = mpsc::channel(QUEUE);
    let clock = Handle::current();
    let thread = std::thread::Builder::new().name("post office".into()).spawn(move || run(office, letters, &clock))?;
    Ok((counter, thread))
}

fn run<S: Store>(
    mut office: PostOffice<S>,
    mut letters: mpsc::Receiver<Letter>,
    clock: &Handle,
) -> Result<(), StoreError> {
    let mut slots: HashMap<SessionId, Mailslot> = HashMap::new();
    let mut late = Acknowledgements::default();
    let (mut batch, mut gone, mut to_wake) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let arrival = match late.due() {
            None => Ok(letters.blocking_recv()),
            Some(due) => clock.block_on(async { timeout_at(due, letters.recv()).await }),
        };
        let is_over = matches!(arrival, Ok(None));
        let mut next = arrival.ok().flatten();
        let (mut taken, mut bytes) = (0usize, 0usize);
        // Where connections wait for this processor, they are let go first: what they bring belongs to this batch, and
        // shares its sync. Where none waits, this costs nothing.
        std::thread::yield_now();
        while let Some(letter) = next {
            match letter {
                Letter::Open(session, slot) => drop(slots.insert(session, slot)),
                Letter::Requests(session, requests) => {
                    taken = requests.iter().map(Request::weight).fold(taken, usize::saturating_add);
                    bytes = requests.iter().map(Request::bytes).fold(bytes, usize::saturating_add);
                    requests.into_iter().for_each(|request| late.keep_or_release(session, request, &mut batch));
                }
                Letter::Gone(session) => {
                    late.keep_or_release(session, Request::Gone, &mut batch);
                    gone.push(session);
                }
            }
            next = if taken < BATCH && bytes < BATCH_BYTES { letters.try_recv().ok() } else { None };
        }
        if is_over || late.due().is_some_and(|due| due <= Instant::now()) {
            batch.extend(late.take_all());
        }
        for (session, event) in office.handle(std::mem::take(&mut batch), Timestamp::from_system(SystemTime::now()))? {
            if let Some(slot) = slots.get(&session)
                && slot.put(event)
            {
                to_wake.push(session);
            }
        }
        late.keep_for_later(office.take_unwritten());
        // Whoever has got something is woken when everything is there.
        to_wake.drain(..).filter_map(|session| slots.get(&session)).for_each(Mailslot::wake);
        gone.drain(..).for_each(|session| drop(slots.remove(&session)));
        if is_over {
            return Ok(());
        }
    }
}
