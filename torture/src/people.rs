//! People who write to each other with the real client, each with a profile of their own in this process, and who remember
//! what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use ed25519_dalek::SigningKey;
use malote_client::archive::{Sent, Shelf, State};
use malote_client::{Client, Command, Event, Options, Profile, Reader, Status};
use malote_common::{Address, Content, DeviceId, Entry, MessageId, Seq, Timestamp, codec};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Login, Operation, Run, Store, StoreError};
use malote_tests::{TestServer, wait_for};
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::TempDir;

use crate::caller::{Who, source};

/// How often we look whether everything has arrived: it means to look through all archives.
const LOOK: Duration = Duration::from_millis(100);

/// A client in this process, with a profile of its own.
pub struct Person {
    pub name: String,
    /// There is always one, but in the moment in which it is replaced.
    client: Option<Client>,
    events: Receiver<Event>,
    reader: Reader,
    /// As the client said last.
    is_online: bool,
    /// Who is connected, as the server said last.
    sees: BTreeSet<String>,
    key: SigningKey,
    device: DeviceId,
    /// Everything that was written, in order: to whom, and what.
    written: Vec<(Vec<String>, String)>,
    /// Identities of what was written, in the same order, as far as they are known.
    ids: Vec<MessageId>,
}

/// What is gone that must not be.
#[derive(Debug, PartialEq)]
pub enum Lost {
    /// The store cannot be read.
    Store(String),
    Message(String),
}

/// A mailbox's encoded entries with their numbers.
type Entries = Vec<(Seq, Vec<u8>)>;

/// Several people and where their profiles are.
pub struct People {
    people: Vec<Person>,
    /// Bytes of the longest message, beside what tells it from others.
    longest: usize,
    home: TempDir,
}

impl People {
    /// So many people whom the server does not know yet, connected to it.
    pub fn start(server: &TestServer, count: usize) -> People {
        let mut people = People::none();
        let address = server.address().to_string();
        (0..count).for_each(|_| people.admit(&address));
        people
    }

    /// Nobody yet.
    pub fn none() -> People {
        People { people: Vec::new(), longest: 0, home: tempfile::tempdir().expect("a folder for profiles") }
    }

    /// One more, whom the server does not know yet, connected to it by this address.
    pub fn admit(&mut self, address: &str) {
        let profile = Profile::open_in(self.home.path(), None).expect("a profile");
        self.people.push(Person::start(profile, address));
    }

    /// These people, by their places, go to the server at another address from now on.
    pub fn move_to(&mut self, address: &str, places: impl IntoIterator<Item = usize>) {
        for place in places {
            self.people[place].move_to(address);
        }
    }

    /// Messages have up to so many bytes from now on.
    pub fn write_up_to(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Someone writes a burst of up to `burst` messages, each to one or several others.
    pub fn write_some(&mut self, plan: &mut StdRng, burst: usize) {
        let author = plan.random_range(0..self.people.len());
        self.write_as(author, plan, burst);
    }

    /// Everybody writes a burst.
    pub fn all_write(&mut self, plan: &mut StdRng, burst: usize) {
        (0..self.people.len()).for_each(|author| self.write_as(author, plan, burst));
    }

    fn write_as(&mut self, author: usize, plan: &mut StdRng, burst: usize) {
        let names: Vec<String> = self.people.iter().map(|person| person.name.clone()).collect();
        for _ in 0..plan.random_range(1..=burst) {
            // A stretch of the circle of people, with the author in it or not.
            let (first, count) = (plan.random_range(0..names.len()), plan.random_range(1..=3));
            let to: Vec<&str> = names.iter().cycle().skip(first).take(count).map(String::as_str).collect();
            let padding = plan.random_range(0..=self.longest);
            self.people[author].write(&to, padding);
        }
        self.people[author].listen();
    }

    /// Somebody writes so many messages to somebody else.
    pub fn write_to(&mut self, author: usize, recipient: usize, count: usize) {
        let to = self.people[recipient].name.clone();
        (0..count).for_each(|_| self.people[author].write(&[&to], 0));
    }

    /// Somebody opens all that they have.
    pub fn open_everything(&self, reader: usize) {
        let person = &self.people[reader];
        for letter in person.reader.letters(Shelf::Inbox).expect("an archive") {
            person.command(Command::Open { row: letter.row, mailbox: letter.mailbox, seq: letter.seq });
        }
    }

    /// Waits until somebody knows of all that they wrote that it was read.
    pub fn wait_until_all_is_read(&self, author: usize) {
        let is_read = |sent: &Sent| sent.recipients.iter().all(|to| matches!(to.state, State::Read { .. }));
        wait_for("everything's being read", || self.people[author].sent().iter().all(is_read).then_some(()));
    }

    /// Somebody, at another computer and with no client of ours.
    pub fn as_caller(&self, person: usize, plan: &mut StdRng) -> Who {
        Who { key: self.people[person].key.clone(), ..Who::new(source(0), plan) }
    }

    /// How many submissions somebody has made, by a store whose server has ended: each has a number.
    pub fn attempts(&self, author: usize, path: &Path) -> u64 {
        let mut store = SqliteStore::open(path).expect("a sound store");
        self.people[author].mailbox(&mut store).expect("a sound store").0.last_counter
    }

    /// Everybody tries at once to reach the server again.
    pub fn connect_now(&self) {
        self.people.iter().for_each(|person| person.command(Command::ConnectNow));
    }

    /// Whether this person has the server, as far as they were told.
    pub fn is_online(&mut self, place: usize) -> bool {
        self.people[place].listen();
        self.people[place].is_online
    }

    /// Whether one person sees that another is connected.
    pub fn sees(&mut self, watcher: usize, other: usize) -> bool {
        let name = self.people[other].name.clone();
        self.people[watcher].listen();
        self.people[watcher].sees.contains(&name)
    }

    /// How many have something that the server has not answered.
    pub fn unanswered(&self) -> usize {
        self.people.iter().filter(|person| !person.reader.is_outbox_empty().expect("an archive")).count()
    }

    /// How many messages wait because they were refused for this passing reason.
    pub fn waiting_for(&self, reason: &str) -> u64 {
        let waits = |sent: &Sent| {
            let is_reason = |state: &State| matches!(state, State::Queued { waiting: Some(code) } if code == reason);
            sent.recipients.iter().any(|to| is_reason(&to.state))
        };
        self.people.iter().map(|person| person.sent().iter().filter(|sent| waits(sent)).count() as u64).sum()
    }

    /// Whether nobody has lost the server, as far as they were told.
    pub fn are_online(&mut self) -> bool {
        (0..self.people.len()).all(|place| self.is_online(place))
    }

    /// How many messages were written.
    pub fn written(&self) -> u64 {
        self.people.iter().map(|person| person.written.len() as u64).sum()
    }

    /// Waits until everything has arrived and everybody knows it.
    pub fn settle(&mut self) {
        wait_for("everything's acceptance", || self.people.iter_mut().all(Person::has_sent_everything).then_some(()));
        let mut next = Instant::now();
        wait_for("everything's delivery", || {
            if Instant::now() < next {
                return None;
            }
            next = Instant::now() + LOOK;
            let has_arrived = |person: &Person| {
                let there = person.reader.summaries(Shelf::Inbox).expect("an archive").len();
                there >= expected(&self.people, &person.name).len() && person.is_all_delivered()
            };
            self.people.iter().all(has_arrived).then_some(())
        });
    }

    /// Panics unless each message is where it was written to, once, in order, and its author knows.
    pub fn check(&self) {
        for person in &self.people {
            person.check_what_became_of_it();
            let letters = person.reader.letters(Shelf::Inbox).expect("an archive");
            let arrived = letters.iter().map(|letter| (letter.from.as_str(), letter.body.as_str()));
            check_same(&format!("the archive of {}", person.name), arrived, expected(&self.people, &person.name));
        }
    }

    /// What somebody knows to be accepted, or has received, and the store in this folder does not have: that of a server which
    /// has ended. The folder stays as it is.
    pub fn lost(&self, folder: &Path) -> Option<Lost> {
        let copy = tempfile::tempdir().expect("a folder for a copy");
        for name in ["store.db", "store.db-wal"] {
            let file = folder.join(name);
            if file.exists() {
                fs::copy(&file, copy.path().join(name)).expect("a copy");
            }
        }
        let mut store = match SqliteStore::open(&copy.path().join("store.db")) {
            Ok(store) => store,
            Err(error) => return Some(Lost::Store(error.to_string())),
        };
        let mut stored: BTreeMap<&str, BTreeMap<Seq, (String, String)>> = BTreeMap::new();
        for person in &self.people {
            let entries = match person.mailbox(&mut store) {
                Ok((_, entries)) => entries,
                Err(error) => return Some(Lost::Store(error.to_string())),
            };
            let messages = entries.iter().filter_map(|(seq, entry)| Some((*seq, author_and_body(entry)?)));
            stored.insert(&person.name, messages.collect());
        }
        self.people.iter().find_map(|person| person.lost(&stored))
    }

    /// The same for the mailboxes of the server's store, whose entries are numbered without gaps. The server must have ended.
    pub fn check_store(&self, path: &Path) {
        let mut store = SqliteStore::open(path).expect("a sound store");
        for person in &self.people {
            let (login, entries) = person.mailbox(&mut store).expect("a sound store");
            assert_eq!((login.name.as_str(), login.is_new), (person.name.as_str(), false));
            assert!(entries.iter().map(|(seq, _)| *seq).eq(1..=login.last_seq), "{} has gaps", person.name);
            let messages: Vec<(String, String)> =
                entries.iter().filter_map(|(_, entry)| author_and_body(entry)).collect();
            let stored = messages.iter().map(|(from, body)| (from.as_str(), body.as_str()));
            check_same(&format!("the mailbox of {}", person.name), stored, expected(&self.people, &person.name));
        }
    }
}

impl Person {
    fn start(profile: Profile, address: &str) -> Person {
        let (key, device) = (profile.key.clone(), profile.device);
        let (client, events, reader) = connect(profile, address);
        let name = wait_for("the server's greeting", || match events.try_recv() {
            Ok(Event::Status(Status::Online { name, .. })) => Some(name.to_string()),
            _ => None,
        });
        Person {
            name,
            client: Some(client),
            events,
            reader,
            is_online: true,
            sees: BTreeSet::new(),
            key,
            device,
            written: Vec::new(),
            ids: Vec::new(),
        }
    }

    fn move_to(&mut self, address: &str) {
        // What was commanded is done first.
        wait_for("the queueing of everything", || {
            self.listen();
            (self.ids.len() == self.written.len()).then_some(())
        });
        let profile = self.client.take().and_then(Client::stop).expect("the client has not panicked");
        let (client, events, reader) = connect(profile, address);
        (self.client, self.events, self.reader, self.is_online) = (Some(client), events, reader, false);
    }

    fn command(&self, command: Command) {
        self.client.as_ref().expect("there is always a client").command(command);
    }

    fn write(&mut self, to: &[&str], padding: usize) {
        let body = format!("{} {}{}", self.name, self.written.len(), ".".repeat(padding));
        let addresses = to.iter().map(|name| Address::parse(name).expect("an address")).collect();
        let content = Content { subject: String::new(), body: body.clone() };
        let token = self.written.len() as u64;
        self.command(Command::Send { token, to: addresses, content, in_reply_to: None });
        self.written.push((to.iter().map(|&name| name.to_owned()).collect(), body));
    }

    /// Takes note of what the client tells; it waits for those who do not listen.
    fn listen(&mut self) {
        for event in self.events.try_iter() {
            match event {
                Event::Queued { token, id } => {
                    assert_eq!(token, self.ids.len() as u64, "{}'s messages are queued out of order", self.name);
                    self.ids.push(id);
                }
                // Nothing that is done to the programs is a reason to wait for somebody's help.
                Event::Status(Status::Stopped { problem }) => panic!("{} has stopped: {problem:?}", self.name),
                Event::Status(status) => self.is_online = matches!(status, Status::Online { .. }),
                Event::People { people, .. } | Event::Presence { people } => {
                    for person in people {
                        match person.connected {
                            true => self.sees.insert(person.name.to_string()),
                            false => self.sees.remove(person.name.as_str()),
                        };
                    }
                }
                Event::NotKept(error) => panic!("{} cannot write to the disk: {error}", self.name),
                _ => {}
            }
        }
    }

    fn has_sent_everything(&mut self) -> bool {
        self.listen();
        self.ids.len() == self.written.len() && self.reader.is_outbox_empty().expect("an archive")
    }

    /// This person's mailbox in a store: who they are there, and the entries with their numbers.
    fn mailbox(&self, store: &mut SqliteStore) -> Result<(Login, Entries), StoreError> {
        let login = Operation::Login { key: self.key.verifying_key().to_bytes(), device: self.device };
        let answer = store.commit(&[login], Timestamp(0))?.answers.pop();
        let Some(Answer::LoggedIn(login)) = answer else { panic!("{answer:?}") };
        let runs = store.entries(login.mailbox, 0, usize::MAX)?;
        let entries = runs.iter().flat_map(Run::iter).map(|(seq, entry)| (seq, entry.to_vec()));
        Ok((login, entries.collect()))
    }

    /// See [`People::lost`]; `stored` has each person's messages, by name and number.
    fn lost(&self, stored: &BTreeMap<&str, BTreeMap<Seq, (String, String)>>) -> Option<Lost> {
        for sent in self.sent() {
            for to in &sent.recipients {
                let (State::Accepted { seq } | State::Delivered { seq, .. } | State::Read { seq, .. }) = &to.state
                else {
                    continue;
                };
                let is_there = stored[to.address.as_str()].get(seq);
                if is_there.is_none_or(|(from, body)| (from, body) != (&self.name, &sent.body)) {
                    return Some(Lost::Message(format!("{:?}, accepted for {} as {seq}", sent.body, to.address)));
                }
            }
        }
        let own: BTreeSet<&str> = stored[self.name.as_str()].values().map(|(_, body)| body.as_str()).collect();
        let letters = self.reader.letters(Shelf::Inbox).expect("an archive");
        let gone = letters.iter().find(|letter| !own.contains(letter.body.as_str()))?;
        Some(Lost::Message(format!("{:?}, which {} has received", gone.body, self.name)))
    }

    fn is_all_delivered(&self) -> bool {
        let has_arrived = |sent: &Sent| sent.recipients.iter().all(|to| matches!(to.state, State::Delivered { .. }));
        self.sent().iter().all(has_arrived)
    }

    /// Everything was queued under the identity that was told.
    fn check_what_became_of_it(&self) {
        let sent = self.sent();
        assert_eq!(sent.len(), self.written.len());
        for ((sent, id), (to, body)) in sent.iter().zip(&self.ids).zip(&self.written) {
            assert_eq!((sent.id, &sent.body), (*id, body));
            assert!(sent.recipients.iter().map(|recipient| &recipient.address).eq(to));
        }
    }

    /// Everything that was sent, oldest first.
    fn sent(&self) -> Vec<Sent> {
        let rows = self.reader.sent_rows().expect("an archive");
        rows.into_iter().rev().filter_map(|row| self.reader.sent_message_at(row).expect("an archive")).collect()
    }
}

fn connect(profile: Profile, address: &str) -> (Client, Receiver<Event>, Reader) {
    let archive = profile.archive();
    let options = Options { server: address.parse().expect("an address"), wants_people: true };
    let (client, events) = Client::start(profile, options, || {}).expect("a client");
    let reader = Reader::open(&archive, address).expect("an archive");
    (client, events, reader)
}

/// The bodies that this person must have, by author, in the order in which each author wrote.
fn expected<'a>(people: &'a [Person], name: &str) -> Vec<(&'a str, &'a str)> {
    let for_them = |person: &'a Person| {
        let written = person.written.iter().filter(|(to, _)| to.iter().any(|to| to == name));
        written.map(|(_, body)| (person.name.as_str(), body.as_str()))
    };
    people.iter().flat_map(for_them).collect()
}

/// What an entry of a mailbox says, if it is a message.
fn author_and_body(entry: &[u8]) -> Option<(String, String)> {
    match codec::decode(entry).expect("an entry") {
        Entry::Message { from, message, .. } => {
            let content: Content = codec::decode(&message.content).expect("a message's content");
            Some((from.to_string(), content.body))
        }
        Entry::Receipt(_) | Entry::Damaged { .. } => None,
    }
}

/// Two lists of authors and bodies must have the same bodies of each author in the same order.
#[track_caller]
fn check_same<'a>(
    place: &str,
    found: impl IntoIterator<Item = (&'a str, &'a str)>,
    expected: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let (found, expected) = (by_author(found), by_author(expected));
    assert!(found.keys().eq(expected.keys()), "{place} has messages of {:?}", found.keys());
    for (author, expected) in expected {
        let found = &found[author];
        let same = found.iter().zip(&expected).take_while(|(found, expected)| found == expected).count();
        let is_whole = same == expected.len() && same == found.len();
        assert!(is_whole, "{place} has {:?} instead of {:?}", found.get(same), expected.get(same));
    }
}

fn by_author<'a>(messages: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut authors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (author, body) in messages {
        authors.entry(author).or_default().push(body);
    }
    authors
}
