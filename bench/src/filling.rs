//! Servers' data made in advance, through the store's own interface: people by the million and messages by the ten million
//! would take hours over the wire. They are kept between runs under `target/bench/filled`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use malote_common::{
    Address, Content, DeviceId, MailboxId, Message, MessageId, Name, Outcome, Submission, Timestamp, codec, limits,
};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Operation, PersonId, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::load::{Mark, identity, mark};
use crate::measures::progress;
use crate::peers::Site;
use crate::stage::Stage;
use crate::{bounds, interrupt};

/// Bytes of every body, as in the other measures.
pub const BODY_BYTES: usize = 200;

/// Rooms that one person enters, beside the room of everybody.
pub const ROOMS_EACH: usize = limits::ROOMS_PER_PERSON - 1;

/// People who enter rooms: enough for every room to have somebody in it.
const PEOPLE_IN_ROOMS: u32 = 100;

/// People who write to the same recipient, in turn.
const AUTHORS: u64 = 10;

/// Operations of one commit. With the ten thousand recipients of the large stores, each mailbox gets five messages by one.
const BATCH: usize = 50_000;

/// The same where all write to one: what one author may have unanswered.
const BATCH_TO_ONE: usize = limits::WINDOW as usize;

/// Larger stores are used where they are, and grow by what a run posts; smaller ones are copied first.
const COPIED_BYTES: u64 = 1024 * 1024 * 1024;

/// A store that grew by so much in earlier runs is filled anew.
const GROWN: f64 = 1.25;

/// What a store's file is called in a server's folder.
const STORE: &str = "store.db";

/// What a server has beside it that has served before. Without it, one does not start where there is no key.
const MARK: &str = "store.db-mark";

/// Written last into a folder: what its store holds, and how many bytes that took.
const FILLED: &str = "filled";

/// When everything in a filled store happened: some time in 2024.
const THEN: Timestamp = Timestamp(1_720_000_000_000);

/// What a store is to hold. People have the numbers from 0, and the keys of [`identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    pub people: u32,
    /// Messages of [`BODY_BYTES`], each with a [`Mark`] of its recipient's number and its place in that mailbox, from 0.
    pub messages: u64,
    /// Among how many people the messages are spread: the first ones.
    pub recipients: u32,
    /// Whether the recipients have acknowledged them all.
    pub delivered: bool,
    /// Rooms beside the room of everybody.
    pub rooms: usize,
}

/// A store that is filled, and stays.
pub struct Filled {
    folder: PathBuf,
    /// How large it was when it was filled.
    pub bytes: u64,
}

/// A filled store's place for one run. A copy goes when this is dropped.
pub struct Place {
    folder: PathBuf,
    _copy: Option<TempDir>,
}

impl Contents {
    /// People, and nothing else.
    pub fn of_people(people: u32) -> Contents {
        Contents { people, messages: 0, recipients: 1, delivered: false, rooms: 0 }
    }

    /// The store with these contents, from an earlier run if it is still what a store looks like.
    pub fn filled(self, stage: &Stage) -> Result<Filled> {
        if let Some(kept) = self.kept(stage)? {
            return Ok(kept);
        }
        let Contents { people, messages, rooms, .. } = self;
        let folder = self.folder(stage);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let start = Instant::now();
        self.fill(&folder.join(STORE))?;
        let bytes = fs::metadata(folder.join(STORE))?.len();
        fs::write(folder.join(FILLED), bytes.to_string())?;
        progress(format_args!(
            "filled a store with {people} people, {messages} messages and {rooms} rooms: {} MiB, {:.0} s",
            bytes / 1024 / 1024,
            start.elapsed().as_secs_f64()
        ));
        Ok(Filled { folder, bytes })
    }

    /// The store with these contents from an earlier run, if there is one and it is still what a store looks like.
    pub fn kept(self, stage: &Stage) -> Result<Option<Filled>> {
        let folder = self.folder(stage);
        Ok(usable(&folder)?.map(|bytes| Filled { folder, bytes }))
    }

    fn folder(self, stage: &Stage) -> PathBuf {
        let Contents { people, messages, recipients, delivered, rooms } = self;
        let name = format!("{people}-{messages}-{recipients}-{}-{rooms}", if delivered { "old" } else { "new" });
        stage.folder.join("filled").join(name)
    }

    fn fill(self, path: &Path) -> Result<()> {
        let mut store = SqliteStore::open(path)?;
        let mailboxes = self.fill_people(&mut store)?;
        self.fill_rooms(&mut store)?;
        self.fill_messages(&mut store)?;
        if self.delivered {
            let each = self.messages.div_ceil(u64::from(self.recipients));
            let all = mailboxes.iter().take(self.recipients as usize);
            let acknowledge = |mailbox: &MailboxId| Operation::Acknowledge { mailbox: *mailbox, seq: each };
            commit_all(&mut store, all.map(acknowledge), BATCH, |answer| matches!(answer, Answer::Noted))?;
        }
        Ok(())
    }

    fn fill_people(self, store: &mut SqliteStore) -> Result<Vec<MailboxId>> {
        let logins = (0..self.people).map(|number| {
            let key = identity::key(number).verifying_key().to_bytes();
            Operation::Login { key, device: identity::device() }
        });
        let mut mailboxes = Vec::with_capacity(self.people as usize);
        commit_all(store, logins, BATCH, |answer| match answer {
            Answer::LoggedIn(login) if login.person == PersonId(mailboxes.len() as u64) => {
                mailboxes.push(login.mailbox);
                true
            }
            _ => false,
        })?;
        Ok(mailboxes)
    }

    fn fill_rooms(self, store: &mut SqliteStore) -> Result<()> {
        let names: Result<Vec<Name>, _> = (0..self.rooms).map(|room| Name::parse(&format!("sala{room}"))).collect();
        let names = names?;
        let entries = (0..PEOPLE_IN_ROOMS.min(self.people)).flat_map(|number| {
            let first = number as usize * ROOMS_EACH;
            let rooms = (first..first + ROOMS_EACH.min(names.len())).map(|room| &names[room % names.len()]);
            let person = PersonId(number.into());
            rooms.map(move |room| Operation::Enter { person, room: room.clone(), create: true })
        });
        commit_all(store, entries, BATCH, |answer| matches!(answer, Answer::Entered { .. }))
    }

    fn fill_messages(self, store: &mut SqliteStore) -> Result<()> {
        let (people, recipients) = (u64::from(self.people), u64::from(self.recipients));
        let mut counters = vec![0u64; self.people as usize];
        let mut body = mark::blank(BODY_BYTES);
        let submissions = (0..self.messages).map(|message| {
            let (recipient, index) = (message % recipients, message / recipients);
            let author = (recipient + 1 + index % AUTHORS) % people;
            counters[author as usize] += 1;
            mark::write(&mut body, Mark { author: recipient as u32, index });
            let submission = submission(counters[author as usize], message, recipient, &body);
            Operation::Submit { author: PersonId(author), device: device(), submission }
        });
        let batch = if recipients == 1 { BATCH_TO_ONE } else { BATCH };
        commit_all(
            store,
            submissions,
            batch,
            |answer| matches!(answer, Answer::Submitted { outcomes } if matches!(outcomes[..], [Outcome::Accepted { .. }])),
        )
    }
}

impl Filled {
    /// Where a server of this run may use it.
    pub fn place(&self, stage: &Stage) -> Result<Place> {
        if self.bytes > COPIED_BYTES {
            return Ok(Place { folder: self.folder.clone(), _copy: None });
        }
        let copy = stage.fresh_folder()?;
        let store = copy.path().join(STORE);
        for name in [STORE, MARK] {
            fs::copy(self.folder.join(name), copy.path().join(name)).context("cannot copy a filled store")?;
        }
        // Otherwise the disk would still be busy with it when the server is measured.
        File::open(&store)?.sync_all()?;
        Ok(Place { folder: copy.path().to_owned(), _copy: Some(copy) })
    }
}

impl Place {
    pub fn site(&self) -> Site {
        Site { data: Some(self.folder.clone()), address: None }
    }
}

/// Whether so many messages have room on the disk here, with as much left over as others may need.
pub fn has_room_for_millions(stage: &Stage) -> Result<bool> {
    const NEEDED: u64 = 15 * 1024 * 1024 * 1024;
    Ok(bounds::free_space(&stage.folder)? >= NEEDED)
}

/// How large the store there was when it was filled; nothing where there is none that can be used.
fn usable(folder: &Path) -> Result<Option<u64>> {
    let Ok(filled) = fs::read_to_string(folder.join(FILLED)) else { return Ok(None) };
    let Ok(bytes) = filled.parse::<u64>() else { return Ok(None) };
    let store = folder.join(STORE);
    if fs::metadata(&store)?.len() as f64 > bytes as f64 * GROWN {
        return Ok(None);
    }
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let fresh = scratch.path().join(STORE);
    drop(SqliteStore::open(&fresh)?);
    Ok((tables(&fresh)? == tables(&store)?).then_some(bytes))
}

/// Commits operations, so many at a time, and fails where an answer is not `good`.
fn commit_all(
    store: &mut SqliteStore,
    operations: impl Iterator<Item = Operation>,
    batch: usize,
    mut good: impl FnMut(&Answer) -> bool,
) -> Result<()> {
    let mut operations = operations.peekable();
    while operations.peek().is_some() {
        interrupt::check()?;
        let gathered: Vec<Operation> = operations.by_ref().take(batch).collect();
        let answers = store.commit(&gathered, THEN)?.answers;
        ensure!(answers.len() == gathered.len(), "a store left out answers");
        if let Some(bad) = answers.iter().find(|answer| !good(answer)) {
            bail!("a store cannot be filled: {bad:?}");
        }
    }
    Ok(())
}

/// `message` is its number in the store, from which its identity follows.
fn submission(counter: u64, message: u64, recipient: u64, body: &[u8]) -> Submission {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&message.to_be_bytes());
    let content = Content { subject: String::new(), body: String::from_utf8_lossy(body).into_owned() };
    let message = Message {
        id: MessageId(id),
        to: vec![Address::Person(Name::given(recipient))],
        in_reply_to: None,
        sent_at: THEN,
        content: codec::encode(&content).unwrap_or_default(),
    };
    Submission { counter, since: 1, targets: vec![0], message }
}

fn device() -> DeviceId {
    identity::device()
}

/// All that a store's file says of how it is built.
fn tables(path: &Path) -> Result<Vec<String>> {
    let connection = Connection::open(path)?;
    let mut statement =
        connection.prepare("SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema")?;
    let mut tables = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    tables.push(connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?.to_string());
    tables.sort();
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::Entry;

    #[test]
    fn a_filled_store_holds_what_was_asked_for_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STORE);
        let contents = Contents { people: 5, messages: 30, recipients: 3, delivered: true, rooms: 4 };
        contents.fill(&path).unwrap();
        let mut store = SqliteStore::open(&path).unwrap();
        let key = identity::key(2).verifying_key().to_bytes();
        let answers = store.commit(&[Operation::Login { key, device: device() }], THEN).unwrap().answers;
        let Answer::LoggedIn(login) = &answers[0] else { panic!("{answers:?}") };
        assert_eq!((login.person, login.is_new, login.rooms.len()), (PersonId(2), false, 5));
        let runs = store.entries(login.mailbox, 0, usize::MAX).unwrap();
        let entries = runs.iter().flat_map(|run| run.iter()).map(|(_, entry)| codec::decode(entry).unwrap());
        let marks: Vec<Mark> = entries
            .filter_map(|entry| match entry {
                Entry::Message { message, .. } => Some(codec::decode::<Content>(&message.content).unwrap()),
                Entry::Receipt(_) | Entry::Damaged { .. } => None,
            })
            .map(|content| mark::read(content.body.as_bytes(), BODY_BYTES).unwrap())
            .collect();
        assert_eq!(marks, (0..10).map(|index| Mark { author: 2, index }).collect::<Vec<_>>());
        assert!(login.last_seq > 10, "authors got no receipts");
    }

    #[test]
    fn a_store_is_used_again_only_while_it_is_built_as_stores_are() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::of_people(2);
        assert_eq!(usable(folder.path()).unwrap(), None);
        let path = folder.path().join(STORE);
        contents.fill(&path).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        fs::write(folder.path().join(FILLED), bytes.to_string()).unwrap();
        assert_eq!(usable(folder.path()).unwrap(), Some(bytes));
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (thing TEXT)").unwrap();
        assert_eq!(usable(folder.path()).unwrap(), None);
    }
}
