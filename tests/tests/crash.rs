//! The real server is killed again and again while several people write to each other, and so are people's programs.
//! Whatever was accepted must be there afterwards, once, in order.
//!
//! `MALOTE_SEED=17` repeats a run's plan; what the operating system makes of it differs from run to run.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;
use malote_client::archive::{Sent, Shelf, State};
use malote_client::{Client, Command, Event, Options, Profile, Reader, Status};
use malote_common::{Address, Content, DeviceId, Entry, MessageId, Seq, Timestamp, codec};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Operation, Run, Store};
use malote_tests::{Cli, Running, TestServer, wait_for};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// People who write to each other.
const PEOPLE: usize = 6;

/// How often the server is killed.
const SERVER_KILLS: usize = 25;

/// How often a program that sends is killed.
const CLIENT_KILLS: usize = 40;

/// Messages that one person writes at once, at most: more than a client may have unanswered now and then.
const BURST: usize = 40;

#[test]
fn a_server_killed_under_load_loses_nothing_and_doubles_nothing() {
    let seed = seed();
    println!("MALOTE_SEED={seed}");
    let mut plan = StdRng::seed_from_u64(seed);
    let mut server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let mut people: Vec<Person> = (0..PEOPLE).map(|_| Person::start(&server, home.path())).collect();
    let mut interrupted = 0;
    for _ in 0..SERVER_KILLS {
        write_for_a_while(&mut people, &mut plan, 100..500);
        // Into the middle of everybody's writing.
        (0..PEOPLE).for_each(|author| write_some(&mut people, author, &mut plan));
        thread::sleep(Duration::from_millis(plan.random_range(0..20)));
        server.kill();
        interrupted += usize::from(people.iter().any(Person::has_something_to_send));
        write_for_a_while(&mut people, &mut plan, 1..50);
        server.restart();
        people.iter().for_each(|person| person.client.command(Command::ConnectNow));
    }
    wait_for("everything's delivery", || people.iter_mut().all(Person::is_at_rest).then_some(()));
    wait_for("everything's arrival", || {
        let arrived = |person: &Person| {
            person.reader.summaries(Shelf::Inbox).unwrap().len() >= expected(&people, &person.name).len()
        };
        people.iter().all(arrived).then_some(())
    });
    server.stop();

    people.iter().for_each(check_what_became_of_it);
    people.iter().for_each(|person| check_archive(person, &people));
    let store = server.data().join("store.db");
    check_store(SqliteStore::open(&store).unwrap(), &people);
    let written: usize = people.iter().map(|person| person.written.len()).sum();
    println!("{written} messages; {interrupted} of {SERVER_KILLS} kills left something unanswered");
    assert!(interrupted > SERVER_KILLS / 2, "the server was hardly ever killed at work: {interrupted} times");
}

#[test]
fn a_killed_program_keeps_what_it_has_and_it_goes_out_once() {
    let seed = seed();
    println!("MALOTE_SEED={seed}");
    let mut plan = StdRng::seed_from_u64(seed);
    let server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    let start = Instant::now();
    ana.send("Usuario1", "", "whole");
    let whole = start.elapsed();
    for number in 0..CLIENT_KILLS {
        let body = number.to_string();
        let mut sending = Running::start(&mut ana.command(&["send", "--to", "Usuario1,Usuario0", &body]));
        // Not waiting for anything: the moment of death is the point.
        thread::sleep(whole.mul_f64(plan.random_range(0.0..1.0)));
        sending.kill();
    }
    // Only now it is clear what the killed programs have left behind.
    ana.name();
    let archive = Reader::open(&ana.profile().join("archive.db"), &server.address().to_string()).unwrap();
    assert!(archive.is_outbox_empty().unwrap());
    let kept: Vec<String> = all_sent(&archive).into_iter().map(|sent| sent.body).collect();
    println!("{} of {CLIENT_KILLS} messages were kept before the program was killed", kept.len() - 1);
    assert!(kept.len() > 1, "every program was killed before it could keep anything");
    assert_eq!(bia.bodies(), kept);
    assert_eq!(ana.bodies(), kept[1..], "the first message was for Usuario1 alone");
}

/// A client in this process, with a profile of its own.
struct Person {
    name: String,
    client: Client,
    events: Receiver<Event>,
    reader: Reader,
    key: [u8; 32],
    device: DeviceId,
    /// Everything that was written, in order: to whom, and what.
    written: Vec<(Vec<String>, String)>,
    /// Identities of what was written, in the same order, as far as they are known.
    ids: Vec<MessageId>,
}

impl Person {
    fn start(server: &TestServer, home: &Path) -> Person {
        let profile = Profile::open_in(home, None).unwrap();
        let (key, device) = (profile.key.verifying_key().to_bytes(), profile.device);
        let archive = profile.archive();
        let options = Options { server: server.address().to_string().parse().unwrap(), wants_people: true };
        let (client, events) = Client::start(profile, options, || {}).unwrap();
        let reader = Reader::open(&archive, &server.address().to_string()).unwrap();
        let name = wait_for("the server's greeting", || match events.try_recv() {
            Ok(Event::Status(Status::Online { name, .. })) => Some(name.to_string()),
            _ => None,
        });
        Person { name, client, events, reader, key, device, written: Vec::new(), ids: Vec::new() }
    }

    fn write(&mut self, to: &[&str]) {
        let body = format!("{} {}", self.name, self.written.len());
        let addresses: Vec<Address> = to.iter().map(|name| Address::parse(name).unwrap()).collect();
        let content = Content { subject: String::new(), body: body.clone() };
        let token = self.written.len() as u64;
        self.client.command(Command::Send { token, to: addresses, content, in_reply_to: None });
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
                Event::NotKept(error) => panic!("{} cannot write to the disk: {error}", self.name),
                _ => {}
            }
        }
    }

    fn has_something_to_send(&self) -> bool {
        !self.reader.is_outbox_empty().unwrap()
    }

    /// Whether everything that was written has reached everybody.
    fn is_at_rest(&mut self) -> bool {
        self.listen();
        let has_arrived = |sent: &Sent| sent.recipients.iter().all(|to| matches!(to.state, State::Delivered { .. }));
        self.ids.len() == self.written.len()
            && !self.has_something_to_send()
            && all_sent(&self.reader).iter().all(has_arrived)
    }
}

/// People write at random, for a random number of milliseconds.
fn write_for_a_while(people: &mut [Person], plan: &mut StdRng, milliseconds: std::ops::Range<u64>) {
    let end = Instant::now() + Duration::from_millis(plan.random_range(milliseconds));
    while Instant::now() < end {
        write_some(people, plan.random_range(0..people.len()), plan);
        people.iter_mut().for_each(Person::listen);
        thread::sleep(Duration::from_millis(plan.random_range(5..50)));
    }
}

/// One person writes a burst of messages to one or several others.
fn write_some(people: &mut [Person], author: usize, plan: &mut StdRng) {
    let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
    for _ in 0..plan.random_range(1..=BURST) {
        // A stretch of the circle of people, with the author in it or not.
        let (first, count) = (plan.random_range(0..names.len()), plan.random_range(1..=3));
        let to: Vec<&str> = names.iter().cycle().skip(first).take(count).map(String::as_str).collect();
        people[author].write(&to);
    }
}

/// The bodies that this person must have, by author, in the order in which each author wrote.
fn expected<'a>(people: &'a [Person], name: &str) -> Vec<(&'a str, &'a str)> {
    let for_them = |person: &'a Person| {
        let written = person.written.iter().filter(|(to, _)| to.iter().any(|to| to == name));
        written.map(|(_, body)| (person.name.as_str(), body.as_str()))
    };
    people.iter().flat_map(for_them).collect()
}

/// Everything that was written was queued under the identity that was told, and accepted for everybody.
fn check_what_became_of_it(person: &Person) {
    let sent = all_sent(&person.reader);
    assert_eq!(sent.len(), person.written.len());
    for ((sent, id), (to, body)) in sent.iter().zip(&person.ids).zip(&person.written) {
        assert_eq!((sent.id, &sent.body), (*id, body));
        let reached: Vec<&String> = sent.recipients.iter().map(|recipient| &recipient.address).collect();
        assert_eq!(reached, to.iter().collect::<Vec<_>>());
    }
}

/// Everything that was for this person is in their archive, once, and each author's messages in order.
fn check_archive(person: &Person, people: &[Person]) {
    let letters = person.reader.letters(Shelf::Inbox).unwrap();
    let arrived = letters.iter().map(|letter| (letter.from.as_str(), letter.body.as_str()));
    check_same(&format!("the archive of {}", person.name), arrived, expected(people, &person.name));
}

/// The same holds for the mailboxes in the server's store, whose entries are numbered without gaps.
fn check_store(mut store: SqliteStore, people: &[Person]) {
    for person in people {
        let login = Operation::Login { key: person.key, device: person.device };
        let committed = store.commit(&[login], Timestamp(0)).unwrap();
        let [Answer::LoggedIn(login)] = &committed.answers[..] else { panic!("{committed:?}") };
        assert_eq!((login.name.as_str(), login.is_new), (person.name.as_str(), false));
        let entries = store.entries(login.mailbox, 0, usize::MAX).unwrap();
        let entries: Vec<(Seq, &[u8])> = entries.iter().flat_map(Run::iter).collect();
        assert!(entries.iter().map(|(seq, _)| *seq).eq(1..=login.last_seq), "{} has gaps", person.name);
        let messages: Vec<(String, String)> = entries.iter().filter_map(|(_, entry)| author_and_body(entry)).collect();
        let stored = messages.iter().map(|(from, body)| (from.as_str(), body.as_str()));
        check_same(&format!("the mailbox of {}", person.name), stored, expected(people, &person.name));
    }
}

/// What an entry of a mailbox says, if it is a message.
fn author_and_body(entry: &[u8]) -> Option<(String, String)> {
    match codec::decode(entry).unwrap() {
        Entry::Message { from, message, .. } => {
            let content: Content = codec::decode(&message.content).unwrap();
            Some((from.to_string(), content.body))
        }
        Entry::Receipt(_) => None,
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

/// Everything that was sent, oldest first.
fn all_sent(reader: &Reader) -> Vec<Sent> {
    let rows = reader.sent_rows().unwrap();
    rows.into_iter().rev().filter_map(|row| reader.sent_message_at(row).unwrap()).collect()
}

/// The one that was asked for, or another one every time.
fn seed() -> u64 {
    match std::env::var("MALOTE_SEED") {
        Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("MALOTE_SEED is a number, not {seed}")),
        Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.subsec_nanos().into()),
    }
}
