//! The way between `/chat` and the room `#chat`: a session of our own, with the post office and no client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use malote_common::text::{harmless, harmless_line};
use malote_common::{Address, Content, Entry, MailboxId, Message, MessageId, Name, Seq, Timestamp, codec};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::chat::Hub;
use crate::connection::Context;
use crate::listener::stopped;
use crate::post_office::thread::{Counter, Letter};
use crate::post_office::{Event, Inbox, Request, SessionId, mailslot};
use crate::store::Run;

/// The room that `/chat` is, without its sign.
const ROOM: &str = "chat";

/// For how long visitors are kept waiting for the room, and how often it is asked for where the disk is full.
const OPENING_TIME: Duration = Duration::from_secs(5);

/// The way into the room.
pub struct Door {
    id: SessionId,
    counter: Counter,
    room: Option<Name>,
    /// The number of the next visitor who speaks. It begins with the number of messages that the room has, of which each
    /// visitor who ever spoke wrote one at least: so no two of them have the same, also across restarts.
    next_speaker: AtomicU64,
}

/// The way out of the room.
pub struct Bridge {
    id: SessionId,
    counter: Counter,
    inbox: Inbox,
    room: Option<Room>,
}

/// What was heard of the room.
struct Room {
    mailbox: MailboxId,
    /// The last entry that the visitors were told, or need not be.
    seen: Seq,
    /// Whether a page is on its way.
    fetching: bool,
}

/// Opens the room, in both directions.
pub async fn open(id: SessionId, context: &Context) -> (Door, Bridge) {
    let counter = context.counter.clone();
    let (slot, inbox) = mailslot();
    // Fails only where the post office has ended, and the server with it.
    let _ = counter.send(Letter::Open(id, slot)).await;
    let mut bridge = Bridge { id, counter: counter.clone(), inbox, room: None };
    bridge.ask_for_room().await;
    // The post office takes nothing from a session that is not in the room yet.
    if let Ok(Some(mail)) = timeout(OPENING_TIME, bridge.inbox.take()).await {
        mail.events.into_iter().for_each(|event| bridge.opened(event));
    } else {
        warn!("the room of the visitors cannot be opened yet; what they say is not kept");
    }
    let next_speaker = AtomicU64::new(bridge.room.as_ref().map_or(0, |room| room.seen));
    (Door { id, counter, room: room(), next_speaker }, bridge)
}

fn room() -> Option<Name> {
    Name::parse(ROOM).ok()
}

impl Door {
    /// Says something in the room, in this visitor's name, which is given with the first words.
    pub async fn post(&self, speaker: &mut Option<Name>, text: &str) {
        let Some(room) = self.room.clone().filter(|_| !text.trim().is_empty()) else { return };
        let name = || Name::visitor(self.next_speaker.fetch_add(1, Ordering::Relaxed));
        let from = speaker.get_or_insert_with(name).clone();
        match message(room, text) {
            Ok(message) => {
                let letter = Letter::Requests(self.id, vec![Request::Post { from, message }]);
                // Fails only where the post office has ended, and the server with it.
                let _ = self.counter.send(letter).await;
            }
            Err(error) => warn!(error, "what a visitor said cannot be kept"),
        }
    }

    /// A door that leads nowhere.
    #[cfg(test)]
    pub fn closed() -> Door {
        Door { id: SessionId(0), counter: tokio::sync::mpsc::channel(1).0, room: None, next_speaker: AtomicU64::new(0) }
    }
}

impl Bridge {
    /// Tells the visitors what the members say, until the server stops.
    pub async fn run(mut self, hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                mail = self.inbox.take() => match mail {
                    Some(mail) => {
                        for event in mail.events {
                            self.take(event, &hub).await;
                        }
                        if mail.missed {
                            self.fetch().await;
                        }
                    }
                    None => return,
                },
                () = tokio::time::sleep(OPENING_TIME), if self.room.is_none() => self.ask_for_room().await,
                () = stopped(&mut stopping) => return,
            }
        }
    }

    async fn take(&mut self, event: Event, hub: &Hub) {
        match (event, &mut self.room) {
            (Event::Entries(run), Some(room)) if !room.fetching && run.first <= room.seen.saturating_add(1) => {
                room.tell(&run, hub)
            }
            (Event::Entries(run), Some(room)) if run.last > room.seen => self.fetch().await,
            (Event::Page { entries, .. }, Some(room)) => {
                room.fetching = false;
                entries.iter().for_each(|run| room.tell(run, hub));
                if !entries.is_empty() {
                    self.fetch().await;
                }
            }
            (event, None) => self.opened(event),
            _ => {}
        }
    }

    fn opened(&mut self, event: Event) {
        if let Event::Bridged { mailbox, last_seq } = event {
            self.room = Some(Room { mailbox, seen: last_seq, fetching: false });
        }
    }

    async fn ask_for_room(&self) {
        if let Some(room) = room() {
            self.ask(Request::Bridge { room }).await;
        }
    }

    async fn fetch(&mut self) {
        if let Some(room) = self.room.as_mut().filter(|room| !room.fetching) {
            room.fetching = true;
            let request = Request::Fetch { mailbox: room.mailbox, after: room.seen };
            self.ask(request).await;
        }
    }

    async fn ask(&self, request: Request) {
        // Fails only where the post office has ended; then there is no further event either.
        let _ = self.counter.send(Letter::Requests(self.id, vec![request])).await;
    }
}

impl Room {
    fn tell(&mut self, run: &Run, hub: &Hub) {
        for (seq, entry) in run.iter().filter(|(seq, _)| *seq > self.seen) {
            match codec::decode(entry) {
                // What visitors said has reached the others already; of what was damaged there is nothing to say.
                Ok(Entry::Message { number: None, .. } | Entry::Receipt(_) | Entry::Damaged { .. }) => {}
                Ok(Entry::Message { from, message, .. }) => match codec::decode(&message.content) {
                    Ok(content) => hub.tell(&line(&from, &content).into()),
                    Err(error) => debug!(%error, "a message in the visitors' room cannot be shown to them"),
                },
                Err(error) => debug!(seq, %error, "an entry of the visitors' room cannot be read"),
            }
        }
        self.seen = self.seen.max(run.last);
    }
}

/// What a member says, as visitors see it.
fn line(from: &Name, content: &Content) -> String {
    let (subject, body) = (harmless_line(&content.subject), harmless(&content.body));
    let parts = [subject.as_str(), body.trim()];
    let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{from}: {}", said.join(" — "))
}

fn message(room: Name, text: &str) -> Result<Message, String> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let content = Content { subject: String::new(), body: text.to_owned() };
    Ok(Message {
        id: MessageId(id),
        to: vec![Address::Room(room)],
        in_reply_to: None,
        sent_at: Timestamp::from_system(SystemTime::now()),
        content: codec::encode(&content).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, body: &str, expect: &str) {
        let content = Content { subject: subject.to_owned(), body: body.to_owned() };
        assert_eq!(line(&Name::given(1), &content), expect);
    }

    #[test]
    fn what_members_say_is_one_text() {
        check("", "bom dia", "Usuario1: bom dia");
        check("Obra", "chegou o cimento\n", "Usuario1: Obra — chegou o cimento");
        check("Obra", "", "Usuario1: Obra");
        check("", "a\u{1b}[31m\u{202e}", "Usuario1: a\u{fffd}[31m\u{fffd}");
    }
}
