//! The server with everybody who speaks with it, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use malote_common::codec;
use malote_common::frame::{ClientFrame, ServerFrame};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Seq, Submission, Timestamp,
    limits,
};
use malote_server::post_office::{Event, PostOffice, Request, SessionId};
use malote_server::rate::{Allowances, Rate};
use malote_server::session::{Door, Output, Session};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Run, Store};

use super::guest::Guest;
use super::script::{Step, Text, To};

/// Connections at a time, beyond which none is opened.
const GUESTS: usize = 6;

/// Clients that the server takes: one fewer, so that somebody finds it full.
const MAX_CLIENTS: usize = GUESTS - 1;

/// Allowance enough for some, and too little for a flood.
const RATE: Rate = Rate { burst: 300, per_second: 20 };

/// Of chosen names and rooms: some look alike, some are nobody's to have.
const NAMES: [&str; 8] = ["ana", "Ana", "\u{430}n\u{430}", "obras", "todos", "Usuario3", "visitante-1", "chat"];

pub struct Table {
    office: PostOffice<SqliteStore>,
    allowances: Allowances,
    queue: Vec<(SessionId, Request)>,
    guests: Vec<Guest>,
    last_id: u64,
    now: Instant,
    wall: i64,
    /// Messages made so far.
    messages: u64,
    /// What was accepted, by place: its identity and its author's number.
    accepted: BTreeMap<(MailboxId, Seq), (MessageId, u64)>,
}

impl Table {
    pub fn new() -> Table {
        let store = SqliteStore::in_memory().expect("a store in memory");
        Table {
            office: PostOffice::new(store, MAX_CLIENTS),
            allowances: Allowances::new(RATE),
            queue: Vec::new(),
            guests: Vec::new(),
            last_id: 0,
            now: Instant::now(),
            wall: 1_700_000_000_000,
            messages: 0,
            accepted: BTreeMap::new(),
        }
    }

    pub fn carry_out(&mut self, step: &Step) {
        match *step {
            Step::Open { browser } => drop(self.open(browser)),
            Step::LogIn { person, device, browser } => self.log_in(person, device, browser),
            Step::Hello { who, person, device, version } => {
                self.with(who, |guest, now| guest.hello(&key(person), device_id(device), vec![version], now));
            }
            Step::Prove { who, person, is_right } => {
                self.with(who, |guest, now| guest.prove(&key(person), is_right, now));
            }
            Step::Bytes { who, ref bytes } => self.with(who, |guest, now| guest.give_wild(bytes, false, now)),
            Step::Body { who, ref body } => self.with(who, |guest, now| guest.give_wild(body, true, now)),
            Step::Submit { who, counter, since, to, ref targets, text } => {
                let message = self.message(to, text);
                self.with(who, |guest, now| {
                    let (counter, since) = (guest.number(counter), guest.number(since));
                    guest.submit(Submission { counter, since, targets: targets.clone(), message }, now);
                });
            }
            Step::Write { who, to, text } => {
                let message = self.message(to, text);
                self.with(who, |guest, now| {
                    let counter = guest.last.as_ref().map_or(0, |last| last.counter).saturating_add(1);
                    let targets = (0..message.to.len().min(limits::RECIPIENTS) as u8).collect();
                    guest.submit(Submission { counter, since: counter, targets, message }, now);
                });
            }
            Step::Again { who } => self.with(who, |guest, now| {
                if let Some(submission) = guest.last.clone() {
                    guest.submit(submission, now);
                }
            }),
            Step::Commit => self.commit(),
            Step::Read { who, most } => self.read(who, most.into()),
            Step::ReadAll { who } => self.read(who, usize::MAX),
            Step::Miss { who } => self.with(who, |guest, _| guest.session.missed_events()),
            Step::LetGo { who } => self.with(who, |guest, _| guest.session.let_go()),
            Step::Wait { seconds } => {
                self.now += Duration::from_secs(seconds.into());
                self.wall += 1000 * i64::from(seconds);
                (0..GUESTS as u8).for_each(|who| self.with(who, |guest, now| guest.session.tick(now)));
            }
            Step::Cut { who } => {
                if let Some(index) = self.index(who) {
                    self.queue.push((self.guests.remove(index).id, Request::Gone));
                }
            }
            ref other => self.ask(other),
        }
    }

    /// Everybody reads to the end; then what was accepted must be there, and nothing else have happened to it.
    pub fn end(mut self) {
        for _ in 0..GUESTS {
            self.commit();
            (0..GUESTS as u8).for_each(|who| self.read(who, usize::MAX));
        }
        let mut store = self.office.into_store();
        let mailboxes: BTreeSet<MailboxId> = self.accepted.keys().map(|(mailbox, _)| *mailbox).collect();
        for mailbox in mailboxes {
            let runs = store.entries(mailbox, 0, usize::MAX).expect("a sound store");
            let stored: BTreeMap<Seq, Entry> = runs.iter().flat_map(Run::iter).map(read_entry).collect();
            assert!(stored.keys().copied().eq(1..=stored.len() as u64), "{mailbox:?} has gaps");
            for ((_, seq), (id, author)) in self.accepted.range((mailbox, 0)..=(mailbox, Seq::MAX)) {
                check_entry(stored.get(seq).expect("what was accepted is there"), *id, *author);
            }
        }
    }

    /// What needs nothing but its numbers.
    fn ask(&mut self, step: &Step) {
        let room = |index: u8| Name::parse(NAMES[usize::from(index) % NAMES.len()]).expect("a name");
        match *step {
            Step::Resume { who, mailbox, is_epoch_right, after } => self.with(who, |guest, now| {
                let (mailbox, after) = (guest.mailbox(mailbox), guest.number(after));
                let known = guest.epochs.get(&mailbox).copied().filter(|_| is_epoch_right);
                let epoch = known.unwrap_or(Epoch([7; 16]));
                if known.is_some() {
                    guest.resume(mailbox, after);
                }
                guest.say(&ClientFrame::Resume { mailbox, epoch, after }, now);
            }),
            Step::Acknowledge { who, mailbox, seq } => self.with(who, |guest, now| {
                let (mailbox, seq) = (guest.mailbox(mailbox), guest.number(seq));
                guest.say(&ClientFrame::Acknowledge { mailbox, seq }, now);
            }),
            Step::MarkRead { who, mailbox, seqs, times } => self.with(who, |guest, now| {
                let mailbox = guest.mailbox(mailbox);
                let seqs = seqs.map(|seq| guest.number(seq)).repeat(usize::from(times) % 500);
                guest.say(&ClientFrame::Read { mailbox, seqs }, now);
            }),
            Step::People { who, after } => self.with(who, |guest, now| {
                let after = after.map(|after| guest.number(after));
                guest.say(&ClientFrame::People { after }, now);
            }),
            Step::Rooms { who, after } => {
                self.with(who, |guest, now| guest.say(&ClientFrame::Rooms { after: after.map(room) }, now));
            }
            Step::Members { who, mailbox, after } => self.with(who, |guest, now| {
                let (mailbox, after) = (guest.mailbox(mailbox), after.map(|after| guest.number(after)));
                guest.say(&ClientFrame::Members { mailbox, after }, now);
            }),
            Step::Enter { who, room: index, create } => {
                self.with(who, |guest, now| guest.say(&ClientFrame::Enter { room: room(index), create }, now));
            }
            Step::Leave { who, room: index } => {
                self.with(who, |guest, now| guest.say(&ClientFrame::Leave { room: room(index) }, now));
            }
            Step::TakeName { who, name } => {
                self.with(who, |guest, now| guest.say(&ClientFrame::TakeName { name: name.map(room) }, now));
            }
            Step::Ping { who, token, times } => self.with(who, |guest, now| {
                (0..times % 2_000).for_each(|_| guest.say(&ClientFrame::Ping { token }, now));
            }),
            Step::Pong { who } => self.with(who, |guest, now| guest.say(&ClientFrame::Pong { token: 0 }, now)),
            ref other => unreachable!("{other:?} is carried out elsewhere"),
        }
    }

    fn index(&self, who: u8) -> Option<usize> {
        (!self.guests.is_empty()).then(|| usize::from(who) % self.guests.len())
    }

    /// Something happens to one of them, and the session says what it wants.
    fn with(&mut self, who: u8, happen: impl FnOnce(&mut Guest, Instant)) {
        let Some(index) = self.index(who) else { return };
        happen(&mut self.guests[index], self.now);
        self.gather(index);
    }

    /// Takes what the session wants of the post office.
    fn gather(&mut self, index: usize) {
        let guest = &mut self.guests[index];
        guest.check_bounds();
        let mut ends = false;
        while let Some(output) = guest.session.poll() {
            match output {
                Output::Ask(request) => {
                    assert!(!guest.has_ended, "{request:?} is asked behind the end");
                    guest.asks(&request);
                    self.queue.push((guest.id, request));
                }
                Output::Close => ends = true,
            }
        }
        if ends {
            // Said once, and nothing behind it.
            assert!(!guest.has_ended);
            guest.has_ended = true;
            guest.read(usize::MAX);
            self.queue.push((guest.id, Request::Gone));
        }
        if self.guests[index].has_ended {
            self.guests.remove(index);
        }
    }

    fn open(&mut self, browser: bool) -> Option<usize> {
        if self.guests.len() >= GUESTS {
            return None;
        }
        self.last_id += 1;
        let door = match browser {
            true => Door::Browser { origin: "http://127.0.0.1:44780".to_owned() },
            false => Door::Program { exporter: [1; 32] },
        };
        let nonce = [self.last_id as u8; 32];
        let session = Session::new(door.clone(), nonce, self.allowances.clone(), self.now);
        self.guests.push(Guest::new(SessionId(self.last_id), session, door, nonce));
        Some(self.guests.len() - 1)
    }

    fn log_in(&mut self, person: u8, device: u8, browser: bool) {
        let Some(index) = self.open(browser) else { return };
        let who = index as u8;
        let key = key(person);
        self.with(who, |guest, now| guest.hello(&key, device_id(device), vec![1], now));
        self.with(who, |guest, now| guest.prove(&key, true, now));
        self.commit();
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.queue);
        let mut submitted: BTreeMap<(SessionId, u64), VecDeque<MessageId>> = BTreeMap::new();
        for (id, request) in &batch {
            if let Request::Submit(submission) = request {
                submitted.entry((*id, submission.counter)).or_default().push_back(submission.message.id);
            }
        }
        // Whatever clients ask, it never makes the store fail.
        let events = self.office.handle(batch, Timestamp(self.wall)).expect("a sound store");
        for (id, event) in events {
            let Some(index) = self.guests.iter().position(|guest| guest.id == id) else { continue };
            if let (Event::Outcomes { counter, outcomes }, Some(number)) = (&event, self.guests[index].person) {
                let message = submitted.get_mut(&(id, *counter)).and_then(VecDeque::pop_front);
                self.accept(outcomes, message.expect("an answer to something"), number);
            }
            self.guests[index].told(event);
            self.gather(index);
        }
    }

    /// The same place is never given to two messages.
    fn accept(&mut self, outcomes: &[Outcome], message: MessageId, author: u64) {
        for outcome in outcomes {
            let Outcome::Accepted { mailbox, seq } = outcome else { continue };
            let told = *self.accepted.entry((*mailbox, *seq)).or_insert((message, author));
            assert_eq!(told, (message, author), "{mailbox:?} {seq} is given twice");
        }
    }

    fn read(&mut self, who: u8, most: usize) {
        let Some(index) = self.index(who) else { return };
        for frame in self.guests[index].read(most) {
            if let ServerFrame::Delivery { mailbox, seq, entry } = frame
                && let Some((id, author)) = self.accepted.get(&(mailbox, seq))
            {
                check_entry(&entry, *id, *author);
            }
        }
        self.gather(index);
    }

    fn message(&mut self, to: To, text: Text) -> Message {
        self.messages += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.messages.to_be_bytes());
        let body = |bytes: usize| Content { subject: String::new(), body: "a".repeat(bytes) };
        let content = match text {
            Text::Empty => Vec::new(),
            Text::Short => codec::encode(&body(5)).expect("a content"),
            Text::Longest => codec::encode(&body(limits::BODY_BYTES)).expect("a content"),
            Text::TooLong => vec![0; limits::CONTENT_BYTES + 1],
        };
        let name = |index: u8| Name::parse(NAMES[usize::from(index) % NAMES.len()]).expect("a name");
        let to = match to {
            To::Given(number) => vec![Address::Person(Name::given(u64::from(number) % 8))],
            To::Chosen(index) => vec![Address::Person(name(index))],
            To::Room(index) => vec![Address::Room(name(index))],
            To::Everybody => vec![Address::Everybody],
            To::Many(count) => (0..u64::from(count)).map(|number| Address::Person(Name::given(number))).collect(),
        };
        Message { id: MessageId(id), to, in_reply_to: None, sent_at: Timestamp(i64::MIN), content }
    }
}

fn read_entry((seq, entry): (Seq, &[u8])) -> (Seq, Entry) {
    (seq, codec::decode(entry).expect("an entry"))
}

/// The entry is this message of this author.
#[track_caller]
fn check_entry(entry: &Entry, id: MessageId, author: u64) {
    match entry {
        Entry::Message { number, message, .. } => assert_eq!((*number, message.id), (Some(author), id)),
        other => panic!("{other:?} where a message was accepted"),
    }
}

/// Keys of so many people at most.
fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person % 4 + 1; 32])
}

fn device_id(device: u8) -> DeviceId {
    DeviceId([device % 3; 16])
}

#[cfg(test)]
mod tests {
    use super::super::script::Number;
    use super::*;

    /// Otherwise the target would hold because nothing ever happens in it.
    #[test]
    fn people_who_mean_well_are_served() {
        let mut table = Table::new();
        let (own, zero) = (Number::Small(1), Number::Small(0));
        table.carry_out(&Step::LogIn { person: 0, device: 0, browser: false });
        table.carry_out(&Step::LogIn { person: 1, device: 0, browser: true });
        for who in 0..2 {
            table.carry_out(&Step::ReadAll { who });
            table.carry_out(&Step::Enter { who, room: 3, create: true });
            table.carry_out(&Step::Resume { who, mailbox: own, is_epoch_right: true, after: zero });
            table.carry_out(&Step::Resume { who, mailbox: zero, is_epoch_right: true, after: zero });
            table.carry_out(&Step::Commit);
            table.carry_out(&Step::ReadAll { who });
        }
        // Long ones to many would take more than somebody may send at once.
        let texts = [Text::Longest, Text::Longest, Text::Short, Text::Short];
        for (to, text) in [To::Given(0), To::Given(1), To::Room(3), To::Everybody].into_iter().zip(texts) {
            for who in 0..2 {
                table.carry_out(&Step::Write { who, to, text });
            }
        }
        (0..8).for_each(|_| {
            (0..2).for_each(|who| {
                table.carry_out(&Step::Commit);
                table.carry_out(&Step::ReadAll { who });
            })
        });
        assert_eq!(table.accepted.len(), 8);
        for guest in &table.guests {
            // Rooms were entered and not resumed; everybody's was.
            assert!(guest.delivered.values().sum::<Seq>() >= 4, "{:?}", guest.delivered);
        }
        table.end();
    }
}
