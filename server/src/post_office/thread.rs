//! Runs the post office on a thread of its own: takes what has arrived, commits it with one sync, tells the sessions.
//!
//! While a sync runs, requests gather in the queue; they are the next batch. So the busier the server, the larger the
//! batches and the fewer the syncs per message.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use malote_common::{Timestamp, limits};
use tokio::sync::mpsc;

use super::{Event, PostOffice, Request, SessionId};
use crate::store::{Store, StoreError};

/// Requests that may wait for the commit in progress. Full, it makes the connections wait, and so their clients.
const QUEUE: usize = 4096;

/// Requests in one commit: it bounds how long those behind it wait.
const BATCH: usize = 2048;

/// Events that may wait for one session. Half of them are kept for those that it cannot do without.
const EVENTS: usize = 4 * limits::WINDOW as usize;

/// What reaches the thread.
pub enum Letter {
    /// A connection opens and says where it hears.
    Open(SessionId, Mailslot),
    Request(SessionId, Request),
}

/// The thread's side of a session.
pub struct Mailslot {
    events: mpsc::Sender<Event>,
    left_out: Arc<LeftOut>,
}

/// The session's side: its events, and whether some had to be left out because it was too slow to take them.
pub struct Inbox {
    pub events: mpsc::Receiver<Event>,
    left_out: Arc<LeftOut>,
}

/// What a session that is too slow was not told.
#[derive(Default)]
struct LeftOut {
    /// Something that it can ask for.
    missed: AtomicBool,
    /// Something that nobody will tell it again.
    lost: AtomicBool,
}

/// The way to the post office, for connections.
pub type Counter = mpsc::Sender<Letter>;

/// A session's two ends of its way back.
pub fn mailslot() -> (Mailslot, Inbox) {
    let (sender, events) = mpsc::channel(EVENTS);
    let left_out = Arc::new(LeftOut::default());
    (Mailslot { events: sender, left_out: left_out.clone() }, Inbox { events, left_out })
}

/// Starts the thread. It ends when all counters are dropped, or with the error that makes the store unreliable.
pub fn start<S: Store + 'static>(
    office: PostOffice<S>,
) -> std::io::Result<(Counter, std::thread::JoinHandle<Result<(), StoreError>>)> {
    let (counter, letters) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new().name("post office".into()).spawn(move || run(office, letters))?;
    Ok((counter, thread))
}

fn run<S: Store>(mut office: PostOffice<S>, mut letters: mpsc::Receiver<Letter>) -> Result<(), StoreError> {
    let mut slots: HashMap<SessionId, Mailslot> = HashMap::new();
    let mut arrived = Vec::with_capacity(BATCH);
    while letters.blocking_recv_many(&mut arrived, BATCH) > 0 {
        let mut batch = Vec::with_capacity(arrived.len());
        let mut gone = Vec::new();
        for letter in arrived.drain(..) {
            match letter {
                Letter::Open(session, slot) => drop(slots.insert(session, slot)),
                Letter::Request(session, request) => {
                    if matches!(request, Request::Gone) {
                        gone.push(session);
                    }
                    batch.push((session, request));
                }
            }
        }
        for (session, event) in office.handle(batch, Timestamp::from_system(SystemTime::now()))? {
            if let Some(slot) = slots.get(&session) {
                slot.put(event);
            }
        }
        gone.iter().for_each(|session| drop(slots.remove(session)));
    }
    Ok(())
}

impl Mailslot {
    /// Hands an event over without ever waiting. A session that is slow misses what it can ask for later. There is always
    /// room for answers, which follows from the windows that sessions enforce; but not for what a person's other devices
    /// do with rooms and names all the while.
    fn put(&self, event: Event) {
        if event.can_be_missed() {
            if self.events.capacity() < EVENTS / 2 || self.events.try_send(event).is_err() {
                self.left_out.missed.store(true, Ordering::Release);
            }
        } else if self.events.try_send(event).is_err() {
            self.left_out.lost.store(true, Ordering::Release);
        }
    }
}

impl Inbox {
    /// Whether events were left out since the last time this was asked.
    pub fn take_missed(&self) -> bool {
        let missed = &self.left_out.missed;
        missed.load(Ordering::Relaxed) && missed.swap(false, Ordering::Acquire)
    }

    /// Whether something was left out that cannot be asked for: the session has to begin anew.
    pub fn has_lost(&self) -> bool {
        self.left_out.lost.load(Ordering::Acquire)
    }
}
