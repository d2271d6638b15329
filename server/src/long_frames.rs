//! Bounds on what people have begun to say and not finished. Short frames, which nearly all are, need nothing; of a long one no
//! more is read before it has a place. With the deadlines of those who speak, the places bound what the server holds for
//! people who finish nothing.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use malote_common::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a frame that may be read without a place: what nearly all messages are shorter than.
const SHORT: usize = 32 * 1024;

/// Long frames that may be under way at the same time.
const PLACES: usize = 128;

/// How many of them may come from one address: whoever finishes nothing keeps no other computer waiting.
const PLACES_PER_ADDRESS: usize = 32;

/// All places, and who has them.
#[derive(Clone)]
pub struct LongFrames(Arc<Places>);

struct Places {
    all: Arc<Semaphore>,
    /// Only those are remembered from which a long frame is under way, or waits.
    of_addresses: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// A place, given back when dropped.
struct Place {
    _of_address: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl LongFrames {
    pub fn new() -> LongFrames {
        LongFrames(Arc::new(Places { all: Arc::new(Semaphore::new(PLACES)), of_addresses: Mutex::default() }))
    }

    /// Waits for a place: for one of the address's own first, so that its others are not in anybody's way meanwhile.
    async fn wait(self, address: IpAddr) -> io::Result<Place> {
        let of_address = self.of_address(address).acquire_owned().await.map_err(io::Error::other)?;
        let of_all = self.0.all.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok(Place { _of_address: of_address, _of_all: of_all })
    }

    fn of_address(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut known = self.0.of_addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = known.get(&address).and_then(Weak::upgrade) {
            return places;
        }
        // Every place keeps its address's alive: where nobody has one or waits for one, there is nothing to remember.
        known.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(PLACES_PER_ADDRESS));
        known.insert(address, Arc::downgrade(&places));
        places
    }
}

/// What one connection has begun to say.
pub struct Unfinished {
    long_frames: LongFrames,
    address: IpAddr,
    place: State,
}

enum State {
    NotNeeded,
    Awaited(BoxFuture<'static, io::Result<Place>>),
    Held { _place: Place, since: Instant },
}

impl Unfinished {
    pub fn new(long_frames: LongFrames, address: IpAddr) -> Unfinished {
        Unfinished { long_frames, address, place: State::NotNeeded }
    }

    /// So many bytes of a frame are there, and it is not finished. Where they are few, the place is free for somebody else.
    pub fn holds(&mut self, bytes: usize) {
        match (&self.place, bytes > SHORT) {
            (_, false) => self.place = State::NotNeeded,
            (State::NotNeeded, true) => {
                self.place = State::Awaited(self.long_frames.clone().wait(self.address).boxed());
            }
            (State::Awaited(_) | State::Held { .. }, true) => {}
        }
    }

    /// Whether nothing more is to be read for now.
    pub fn is_waiting(&self) -> bool {
        matches!(self.place, State::Awaited(_))
    }

    /// Whether a place is kept for longer than anybody needs.
    pub fn is_overdue(&self, now: Instant) -> bool {
        match &self.place {
            State::Held { since, .. } => now.saturating_duration_since(*since) >= limits::DEAD_AFTER,
            State::NotNeeded | State::Awaited(_) => false,
        }
    }

    /// Ready when more of the frame may be read.
    pub fn poll_place(&mut self, context: &mut Context) -> Poll<io::Result<()>> {
        if let State::Awaited(place) = &mut self.place {
            let place = ready!(place.poll_unpin(context))?;
            self.place = State::Held { _place: place, since: Instant::now() };
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Somebody at this address who has begun a frame of so many bytes.
    fn begin(long_frames: &LongFrames, address: [u8; 4], bytes: usize) -> Unfinished {
        let mut unfinished = Unfinished::new(long_frames.clone(), address.into());
        unfinished.holds(bytes);
        unfinished
    }

    /// Whether more may be read without a wait.
    fn goes_on(unfinished: &mut Unfinished) -> bool {
        poll_fn(|context| unfinished.poll_place(context)).now_or_never().is_some()
    }

    #[test]
    fn whoever_finishes_nothing_keeps_only_their_own_address_waiting() {
        let long_frames = LongFrames::new();
        let mut held: Vec<_> = (0..PLACES_PER_ADDRESS).map(|_| begin(&long_frames, [10, 0, 0, 1], SHORT + 1)).collect();
        assert!(held.iter_mut().all(goes_on));
        let mut next = begin(&long_frames, [10, 0, 0, 1], SHORT + 1);
        assert!(!goes_on(&mut next) && next.is_waiting());
        assert!(goes_on(&mut begin(&long_frames, [10, 0, 0, 1], SHORT)), "what is short needs no place");
        assert!(goes_on(&mut begin(&long_frames, [10, 0, 0, 2], SHORT + 1)));
        let later = Instant::now() + limits::DEAD_AFTER;
        assert!(held[0].is_overdue(later) && !held[0].is_overdue(Instant::now()));
        assert!(!next.is_overdue(later), "whoever waits cannot finish anything");
        held[0].holds(0);
        assert!(!held[0].is_overdue(later));
        assert!(goes_on(&mut next), "a frame was finished");
        assert!(!next.is_waiting());
    }

    #[test]
    fn all_addresses_together_have_so_many_places() {
        let long_frames = LongFrames::new();
        let mut held: Vec<_> =
            (0..PLACES).map(|number| begin(&long_frames, [10, 0, 0, (number / 8) as u8], SHORT + 1)).collect();
        assert!(held.iter_mut().all(goes_on));
        let mut next = begin(&long_frames, [10, 0, 1, 1], SHORT + 1);
        assert!(!goes_on(&mut next));
        held.clear();
        assert!(goes_on(&mut next));
    }

    #[test]
    fn an_address_is_forgotten_with_its_last_place() {
        let long_frames = LongFrames::new();
        for address in 0..100 {
            assert!(goes_on(&mut begin(&long_frames, [10, 0, 0, address], SHORT + 1)));
        }
        assert_eq!(long_frames.0.of_addresses.lock().unwrap().len(), 1);
    }
}
