//! A disk that changes what was written: never a changed message, never a silent loss, and no panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use malote_common::{
    Address, Content, DeviceId, Entry, MailboxId, Message, MessageId, Outcome, Receipt, Seq, Submission, Timestamp,
    codec,
};
use malote_server::maintenance;
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Login, Operation, Run, Store};
use malote_tests::{Ended, Running, TestServer};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::figures::Figures;

pub const FLIPS: Trial = Trial {
    name: "damage",
    what: "bits flipped, sectors zeroed, files cut short or deleted: store, log, mark, key and certificate",
    run: flips,
};

const PEOPLE: u8 = 6;

/// Commits in the store that is damaged.
const COMMITS: u64 = 60;

/// Damages in a round; each is looked at by the store.
const DAMAGES: usize = 300;

/// So many of them are looked at by the real server as well.
const STARTS: usize = 20;

/// How many of the people write.
const AUTHORS: usize = 3;

/// Who has what was written up to the entry [`COMMITS`].
const READER: usize = 4;

const DEVICE: DeviceId = DeviceId([7; 16]);

/// What was written, by mailbox and in order: encoded entries.
type Mailboxes = BTreeMap<MailboxId, Vec<Vec<u8>>>;

/// A data directory as it was left, and what is in it.
struct Scene {
    files: BTreeMap<String, Vec<u8>>,
    people: Vec<Login>,
    written: Mailboxes,
}

fn flips(plan: &mut StdRng) -> Figures {
    // One that ended well, and one that was killed: its log holds everything.
    let scenes = [Scene::new(plan, true), Scene::new(plan, false)];
    let (mut refused, mut unharmed, mut told, mut damaged, mut starts) = (0, 0, 0, 0, 0);
    for number in 0..DAMAGES {
        let scene = &scenes[number % scenes.len()];
        let folder = tempfile::tempdir().expect("a folder");
        scene.leave_in(folder.path());
        let what = harm(folder.path(), plan);
        if number < STARTS {
            starts += 1;
            start(folder.path(), &what);
            scene.leave_in(folder.path());
            continue;
        }
        match scene.look(folder.path(), &what) {
            None => refused += 1,
            Some(0) => unharmed += 1,
            Some(entries) => {
                told += 1;
                damaged += entries;
            }
        }
    }
    assert!(refused > 0 && told > 0, "hardly anything was harmed: {refused} refused, {told} told of");
    Figures::default()
        .count("damages", DAMAGES as u64)
        .count("started with the real server", starts)
        .count("stores refused", refused)
        .count("of no consequence", unharmed)
        .count("in messages", told)
        .count("messages set aside, recipients and authors told", damaged)
}

impl Scene {
    /// People write to each other, to a room and to everybody, some have what was written, and some have read it.
    fn new(plan: &mut StdRng, ends_well: bool) -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = run_server(folder.path());
        assert!(server.line().is_some(), "{}", server.stderr());
        server.signal("TERM");
        server.wait().expect_status(0);
        let path = folder.path().join("store.db");
        let mut store = SqliteStore::open(&path).expect("a store");
        let people: Vec<Login> = (0..PEOPLE).map(|key| log_in(&mut store, key)).collect();
        let mut written = Mailboxes::new();
        let mut commit = |store: &mut SqliteStore, operations: &[Operation]| {
            let committed = store.commit(operations, Timestamp(1)).expect("a commit");
            for run in &committed.appended {
                let entries = run.iter().map(|(_, entry)| entry.to_vec());
                written.entry(run.mailbox).or_default().extend(entries);
            }
            committed.answers
        };
        let name = |name: &str| malote_common::Name::parse(name).expect("a name");
        for person in &people[..AUTHORS] {
            let room = name("obras");
            commit(&mut store, &[Operation::Enter { person: person.person, room, create: true }]);
        }
        for counter in 1..=COMMITS {
            let operations: Vec<Operation> = people[..3].iter().map(|author| submit(author, counter, plan)).collect();
            for answer in commit(&mut store, &operations) {
                let Answer::Submitted { outcomes } = answer else { panic!("{answer:?}") };
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted { .. })), "{outcomes:?}");
            }
            if counter % 10 == 0 {
                let mailbox = people[READER].mailbox;
                commit(&mut store, &[Operation::Acknowledge { mailbox, seq: counter }]);
                commit(&mut store, &[Operation::Read { mailbox, seqs: vec![counter / 2] }]);
            }
        }
        if ends_well {
            drop(store);
            return Scene { files: files(folder.path()), people, written };
        }
        let files = files(folder.path());
        drop(store);
        Scene { files, people, written }
    }

    fn leave_in(&self, folder: &Path) {
        for name in files(folder).keys() {
            fs::remove_file(folder.join(name)).expect("a file");
        }
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes).expect("a file");
        }
    }

    /// Opens the store in a harmed folder, and reads all of it. Nothing where it is refused, or how many messages are gone: each
    /// in its place, and its author told.
    fn look(&self, folder: &Path, what: &str) -> Option<u64> {
        let is_sound = maintenance::check(folder).map(|found| found.damaged.len() as u64);
        let opened = SqliteStore::open(&folder.join("store.db"));
        let Ok(mut store) = opened else {
            assert!(is_sound.is_err(), "{what}: refused, but not when it was checked");
            return None;
        };
        let Ok(expected) = is_sound else {
            // Keys are not the store's affair.
            assert!(what.contains("server."), "{what}: {:?}, and opened all the same", is_sound.err());
            return None;
        };
        let mut gone: BTreeMap<(MailboxId, Seq), Option<u64>> = BTreeMap::new();
        let mut receipts = Vec::new();
        for (key, before) in (0..).zip(&self.people) {
            let now = log_in(&mut store, key);
            let who = |login: &Login| (login.person, login.name.clone(), login.mailbox, login.epoch);
            assert_eq!(who(&now), who(before), "{what}");
            let counter = if usize::from(key) < AUTHORS { COMMITS } else { 0 };
            assert_eq!(now.last_counter, counter, "{what}");
        }
        for (mailbox, written) in &self.written {
            let runs = store.entries(*mailbox, 0, usize::MAX).unwrap_or_else(|error| panic!("{what}: {error}"));
            let entries: Vec<Vec<u8>> = runs.iter().flat_map(Run::iter).map(|(_, entry)| entry.to_vec()).collect();
            assert!(entries.len() >= written.len(), "{what}: entries of mailbox {} are gone", mailbox.0);
            for (seq, (entry, before)) in (1..).zip(entries.iter().zip(written)) {
                match codec::decode(entry).expect("an entry") {
                    Entry::Damaged { number } => drop(gone.insert((*mailbox, seq), number)),
                    _ => assert!(entry == before, "{what}: entry {seq} of mailbox {} has changed", mailbox.0),
                }
            }
            for entry in &entries[written.len()..] {
                match codec::decode(entry).expect("an entry") {
                    Entry::Receipt(Receipt::Damaged { mailbox: place, seq, .. }) => {
                        receipts.push((*mailbox, place, seq))
                    }
                    other => panic!("{what}: {other:?} was never written"),
                }
            }
        }
        assert_eq!(gone.len() as u64, expected, "{what}: as it was checked before");
        for ((mailbox, seq), number) in &gone {
            let Some(author) = number.and_then(|number| self.people.get(number as usize)) else { continue };
            let was_delivered = self.people[READER].mailbox == *mailbox && *seq <= COMMITS;
            let is_told = receipts.contains(&(author.mailbox, *mailbox, *seq));
            assert!(
                is_told || was_delivered,
                "{what}: the author of entry {seq} of mailbox {} was not told",
                mailbox.0
            );
        }
        Some(gone.len() as u64)
    }
}

/// Harms one file in a folder, and says how.
fn harm(folder: &Path, plan: &mut StdRng) -> String {
    let files = files(folder);
    // The store is where most can go wrong.
    let names: Vec<&String> = files.keys().filter(|name| name.starts_with("store.db")).chain(files.keys()).collect();
    let name = names[plan.random_range(0..names.len())];
    let (path, mut bytes) = (folder.join(name), files[name].clone());
    if bytes.is_empty() || plan.random_bool(0.05) {
        fs::remove_file(path).expect("a file");
        return format!("{name} deleted");
    }
    let at = plan.random_range(0..bytes.len());
    let how = match plan.random_range(0..10) {
        0 => {
            bytes.truncate(at);
            "cut short"
        }
        1 => {
            let sector = at / 512 * 512;
            let end = bytes.len().min(sector + 512);
            bytes[sector..end].fill(0);
            "has a sector of zeros"
        }
        2 => {
            let end = bytes.len().min(at + plan.random_range(1..200));
            bytes[at..end].iter_mut().for_each(|byte| *byte = plan.random());
            "has some wild bytes"
        }
        _ => {
            bytes[at] ^= 1 << plan.random_range(0..8);
            "has a flipped bit"
        }
    };
    let is_same = bytes == files[name];
    fs::write(path, bytes).expect("a file");
    let so = if is_same { " and is as it was" } else { "" };
    format!("{name} {how} at {at}{so}")
}

/// Starts the real server in a harmed folder: it serves, or says what to do.
fn start(folder: &Path, what: &str) {
    let mut server = run_server(folder);
    let ready = server.line();
    if ready.is_some() {
        server.signal("TERM");
    }
    let Ended { status, stderr, .. } = server.wait();
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    match ready {
        Some(_) => assert_eq!(status, Some(0), "{what}: {stderr}"),
        None => assert!(
            status == Some(1) && (stderr.contains("restore") || stderr.contains("server.key")),
            "{what}: {stderr}"
        ),
    }
}

fn run_server(folder: &Path) -> Running {
    let mut command = TestServer::command(&["--listen", "127.0.0.1:0", "--web", "off", "--data"]);
    Running::start(command.arg(folder))
}

fn log_in(store: &mut SqliteStore, key: u8) -> Login {
    let login = Operation::Login { key: [key; 32], device: DEVICE };
    match store.commit(&[login], Timestamp(1)).expect("a commit").answers.pop() {
        Some(Answer::LoggedIn(login)) => login,
        other => panic!("{other:?}"),
    }
}

fn submit(author: &Login, counter: u64, plan: &mut StdRng) -> Operation {
    let mut id = [0; 16];
    plan.fill(&mut id);
    let mut to = vec!["Usuario4", "Usuario5"];
    to.extend(["#obras", "@todos", "Usuario3"].into_iter().filter(|_| plan.random_bool(0.3)));
    let body = "x".repeat(plan.random_range(0..3_000));
    let content = codec::encode(&Content { subject: counter.to_string(), body }).expect("a content");
    let to: Vec<Address> = to.into_iter().map(|to| Address::parse(to).expect("an address")).collect();
    let targets = (0..to.len() as u8).collect();
    let message = Message { id: MessageId(id), to, in_reply_to: None, sent_at: Timestamp(0), content };
    let submission = Submission { counter, since: counter, targets, message };
    Operation::Submit { author: author.person, device: DEVICE, submission }
}

/// Everything in a folder that outlasts the process.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        if name != "lock" && !name.ends_with("-shm") {
            files.insert(name.clone(), fs::read(folder.join(&name)).expect("a file"));
        }
    }
    files
}
