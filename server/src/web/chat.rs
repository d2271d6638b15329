//! `/chat`: every text that a visitor sends goes to every visitor. It is also the room `#chat`, whose members hear the
//! visitors and are heard by them ([`super::bridge`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use malote_common::limits;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tracing::debug;

use super::bridge::Door;
use super::socket::{Ending, Talk, cost};
use crate::rate::{Bucket, Rate};

/// What one visitor may say: nobody types that fast, and a program that floods is read more slowly.
const VISITOR_RATE: Rate = Rate { burst: 200, per_second: 20 };

/// What all of them together may say. It is kept, and nobody knows who they are: coming again renews nothing.
const VISITORS_RATE: Rate = Rate { burst: 20_000, per_second: 100 };

/// The visitors, and their way into the room.
pub struct Hub {
    visitors: Mutex<Visitors>,
    bucket: Mutex<Bucket>,
    room: Door,
}

#[derive(Default)]
struct Visitors {
    /// The key of the next one in `present`.
    next: u64,
    present: BTreeMap<u64, Visitor>,
}

/// The hub's side of a visitor.
struct Visitor {
    queue: mpsc::Sender<Utf8Bytes>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    /// Dropped, it tells the visitor to leave, whatever they are doing.
    _presence: oneshot::Sender<()>,
}

/// A visitor's place, given back when dropped.
pub struct Seat {
    place: Place,
    queue: mpsc::Receiver<Utf8Bytes>,
    waiting: Arc<AtomicUsize>,
    sent_away: oneshot::Receiver<()>,
}

struct Place {
    hub: Arc<Hub>,
    number: u64,
}

impl Hub {
    pub fn new(room: Door) -> Hub {
        let bucket = Mutex::new(Bucket::new(VISITORS_RATE, Instant::now()));
        Hub { visitors: Mutex::default(), bucket, room }
    }

    /// A place for one more visitor, if there is one.
    pub fn sit_down(self: Arc<Hub>) -> Option<Seat> {
        let (sender, queue) = mpsc::channel(limits::WEB_QUEUE);
        let (presence, sent_away) = oneshot::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if visitors.present.len() >= limits::WEB_VISITORS {
            return None;
        }
        let number = visitors.next;
        visitors.next = visitors.next.saturating_add(1);
        visitors.present.insert(number, Visitor { queue: sender, waiting: waiting.clone(), _presence: presence });
        drop(visitors);
        Some(Seat { place: Place { hub: self, number }, queue, waiting, sent_away })
    }

    /// Takes from what all visitors may say, or says when that much will be there.
    fn take(&self, cost: u32) -> Result<(), Duration> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(cost, Instant::now())
    }

    /// Hands a text to every visitor, to all in the same order. Those who are too far behind are sent away.
    pub fn tell(&self, text: &Utf8Bytes) {
        let mut visitors = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        visitors.present.retain(|number, visitor| {
            let waiting = visitor.waiting.fetch_add(text.len(), Ordering::Relaxed);
            let keeps_up = waiting <= limits::WEB_QUEUE_BYTES && visitor.queue.try_send(text.clone()).is_ok();
            if !keeps_up {
                debug!(visitor = number, "too slow");
            }
            keeps_up
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.visitors.lock().unwrap_or_else(PoisonError::into_inner).present.remove(&self.number);
    }
}

/// Lets a visitor speak and hear.
pub async fn talk(talk: &mut Talk, seat: Seat) -> Ending {
    let Seat { place, mut queue, waiting, sent_away } = seat;
    let conversation = async {
        let mut bucket = Bucket::new(VISITOR_RATE, Instant::now());
        // Whoever only listens needs no name.
        let mut speaker = None;
        // What the visitor said last must be paid for before they are listened to again: from their own bucket, then from that
        // of all.
        let (mut owed, mut owed_to_all) = (0, 0);
        loop {
            let wait = pay(&mut owed, |cost| bucket.take(cost, Instant::now()))
                .and_then(|()| pay(&mut owed_to_all, |cost| place.hub.take(cost)))
                .err();
            if wait.is_some() {
                talk.heard();
            }
            tokio::select! {
                message = talk.next(), if wait.is_none() => match message? {
                    Message::Text(text) => {
                        owed = cost(text.len());
                        owed_to_all = owed;
                        place.hub.tell(&text);
                        place.hub.room.post(&mut speaker, &text).await;
                    }
                    _ => return Err(Ending::Unsupported),
                },
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                text = queue.recv() => {
                    let text = text.ok_or(Ending::TooSlow)?;
                    waiting.fetch_sub(text.len(), Ordering::Relaxed);
                    talk.send(Message::Text(text)).await?;
                }
            }
        }
    };
    let ended: Result<(), Ending> = tokio::select! {
        ended = conversation => ended,
        _ = sent_away => Err(Ending::TooSlow),
    };
    ended.err().unwrap_or(Ending::Gone)
}

/// Takes what is owed, once, or says when that much will be there.
fn pay(owed: &mut u32, take: impl FnOnce(u32) -> Result<(), Duration>) -> Result<(), Duration> {
    take(*owed).map(|()| *owed = 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_all_pays_their_own_once() {
        let (now, mut owed, mut owed_to_all) = (Instant::now(), 60, 60);
        let mut bucket = Bucket::new(VISITOR_RATE, now);
        for _ in 0..9 {
            let paid = pay(&mut owed, |cost| bucket.take(cost, now));
            assert!(paid.and_then(|()| pay(&mut owed_to_all, |_| Err(Duration::from_secs(1)))).is_err());
        }
        assert_eq!((owed, owed_to_all), (0, 60));
        assert_eq!(bucket.take(VISITOR_RATE.burst - 60, now), Ok(()));
    }

    fn hub() -> Arc<Hub> {
        Arc::new(Hub::new(Door::closed()))
    }

    #[test]
    fn all_visitors_together_may_say_so_much() {
        let hub = hub();
        assert_eq!(hub.take(VISITORS_RATE.burst), Ok(()));
        assert!(hub.take(100).is_err_and(|wait| wait > Duration::from_millis(500)));
    }

    #[test]
    fn so_many_visitors_and_no_more() {
        let hub = hub();
        let mut seats: Vec<Seat> = std::iter::from_fn(|| hub.clone().sit_down()).collect();
        assert_eq!(seats.len(), limits::WEB_VISITORS);
        seats.pop();
        assert!(hub.clone().sit_down().is_some());
    }

    #[track_caller]
    fn check_slow(text: &str, at_most: usize) {
        let hub = hub();
        let (mut slow, mut quick) = (hub.clone().sit_down().unwrap(), hub.clone().sit_down().unwrap());
        let text = Utf8Bytes::from(text);
        for told in 0..at_most {
            assert!(slow.sent_away.try_recv() == Err(oneshot::error::TryRecvError::Empty), "sent away after {told}");
            hub.tell(&text);
            quick.waiting.fetch_sub(quick.queue.try_recv().unwrap().len(), Ordering::Relaxed);
        }
        hub.tell(&text);
        assert_eq!(slow.sent_away.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(hub.visitors.lock().unwrap().present.len(), 1);
        assert!(quick.queue.try_recv().is_ok());
    }

    #[test]
    fn a_slow_visitor_is_sent_away_and_the_others_stay() {
        check_slow("oi", limits::WEB_QUEUE);
        let long = "a".repeat(limits::BODY_BYTES);
        check_slow(&long, limits::WEB_QUEUE_BYTES / limits::BODY_BYTES + 1);
    }
}
