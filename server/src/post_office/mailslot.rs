//! The way back from the post office to a session: a bounded queue at which the post office never waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use malote_common::limits;
use tokio::sync::Notify;

use super::Event;

/// Events that may wait for one session. Half of them are kept for those that it cannot do without.
const EVENTS: usize = 4 * limits::WINDOW as usize;

/// Bytes of entries that may wait for one session; what is more comes from the store when there is room for it.
const ENTRY_BYTES: usize = limits::FRAME_BYTES;

/// The post office's end. Dropped, it ends the session's.
pub struct Mailslot(Arc<Shared>);

/// The session's end.
pub struct Inbox(Arc<Shared>);

/// What the post office had to tell, and what it could not.
#[derive(Default)]
pub struct Mail {
    /// In order.
    pub events: Vec<Event>,
    /// Something was left out that the session can ask for.
    pub missed: bool,
    /// Something was left out that nobody will tell the session again: it has to begin anew.
    pub lost: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    mail: Mail,
    /// Bytes of the entries among the events.
    entry_bytes: usize,
    /// The post office says nothing more.
    ended: bool,
}

/// A session's two ends of its way back.
pub fn mailslot() -> (Mailslot, Inbox) {
    let shared = Arc::new(Shared::default());
    (Mailslot(shared.clone()), Inbox(shared))
}

impl Mailslot {
    /// Hands an event over without ever waiting. A session that is slow misses what it can ask for later. There is always
    /// room for answers, which follows from the windows that sessions enforce; but not for what a person's other devices
    /// do with rooms and names all the while.
    ///
    /// Returns whether it is the first that waits: then the session is to be [woken](Mailslot::wake), once for all that
    /// is handed over together.
    pub fn put(&self, event: Event) -> bool {
        let mut queue = self.0.lock();
        let Queue { mail, entry_bytes, .. } = &mut *queue;
        let is_first = mail.is_empty();
        let bytes = match &event {
            Event::Entries(run) => run.bytes.len(),
            _ => 0,
        };
        let has_room = match event.can_be_missed() {
            true => mail.events.len() < EVENTS / 2 && entry_bytes.saturating_add(bytes) <= ENTRY_BYTES,
            false => mail.events.len() < EVENTS,
        };
        match has_room {
            true => {
                *entry_bytes = entry_bytes.saturating_add(bytes);
                mail.events.push(event);
            }
            false if event.can_be_missed() => mail.missed = true,
            false => mail.lost = true,
        }
        is_first
    }

    pub fn wake(&self) {
        self.0.arrived.notify_one();
    }
}

impl Drop for Mailslot {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.wake();
    }
}

impl Inbox {
    /// Waits for mail, and takes all that there is. Nothing when the post office has ended. May be dropped at any time.
    pub async fn take(&mut self) -> Option<Mail> {
        loop {
            {
                let mut queue = self.0.lock();
                if !queue.mail.is_empty() {
                    queue.entry_bytes = 0;
                    return Some(std::mem::take(&mut queue.mail));
                }
                if queue.ended {
                    return None;
                }
            }
            self.0.arrived.notified().await;
        }
    }
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.missed && !self.lost
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use malote_common::MailboxId;

    use super::super::News;
    use super::*;
    use crate::store::Run;

    fn news() -> Event {
        Event::News(Arc::new(News::of_people(&[])))
    }

    fn answer(counter: u64) -> Event {
        Event::Outcomes { counter, outcomes: Vec::new() }
    }

    async fn taken(inbox: &mut Inbox) -> Mail {
        inbox.take().await.unwrap()
    }

    #[tokio::test]
    async fn there_is_always_room_for_answers_and_the_rest_is_missed() {
        let (slot, mut inbox) = mailslot();
        assert!(slot.put(news()), "the first one wakes");
        assert!((0..EVENTS).all(|_| !slot.put(news())));
        (0..EVENTS as u64 / 2).for_each(|counter| assert!(!slot.put(answer(counter))));
        let mail = taken(&mut inbox).await;
        assert_eq!((mail.events.len(), mail.missed, mail.lost), (EVENTS, true, false));
        (0..=EVENTS as u64).for_each(|counter| assert_eq!(slot.put(answer(counter)), counter == 0));
        let mail = taken(&mut inbox).await;
        assert_eq!((mail.events.len(), mail.missed, mail.lost), (EVENTS, false, true));
    }

    #[tokio::test]
    async fn entries_wait_up_to_so_many_bytes() {
        let (slot, mut inbox) = mailslot();
        let run = |bytes: usize| Event::Entries(Run::of_one(MailboxId(1), 1, &vec![0; bytes]));
        slot.put(run(ENTRY_BYTES - 100));
        slot.put(run(100));
        slot.put(run(10));
        let mail = taken(&mut inbox).await;
        assert_eq!((mail.events.len(), mail.missed), (2, true), "what is too much is left out, what fits is not");
        slot.put(run(ENTRY_BYTES - 100));
        let mail = taken(&mut inbox).await;
        assert_eq!((mail.events.len(), mail.missed), (1, false), "what was taken leaves its room");
    }

    #[tokio::test]
    async fn a_session_hears_the_rest_and_then_the_end() {
        let (slot, mut inbox) = mailslot();
        slot.put(answer(1));
        drop(slot);
        assert_eq!(taken(&mut inbox).await.events.len(), 1);
        assert!(inbox.take().await.is_none());
    }
}
