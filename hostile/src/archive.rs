//! A profile that somebody has meddled with: an archive with other numbers, other texts or other bytes in it, and a damaged
//! key. There is no import of archives, so opening one's own is the way by which a file of a stranger's making gets in.
//!
//! It may be refused. It may not end the program, which would keep its owner from everything else.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use arbitrary::{Arbitrary, Unstructured};
use ed25519_dalek::SigningKey;
use malote_client::archive::{Change, Draft, Query, Shelf};
use malote_client::engine::{Engine, Now, Output};
use malote_client::{Archive, ArchiveError, Command, Profile, Reader};
use malote_common::frame::{Membership, ServerFrame};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, MessageId, Name, Outcome, Receipt, Timestamp, codec,
};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::samples;

/// Where the archive's server is.
const ADDRESS: &str = "127.0.0.1:44765";

/// Meddlings with one archive.
const CHANGES: usize = 12;

/// The tables of an archive that hold rows, and their columns.
const COLUMNS: &[(&str, &[&str])] = &[
    ("server", &["fingerprint", "name", "number", "mailbox", "epoch", "last_seq", "next_counter"]),
    ("address", &["address", "server"]),
    ("room", &["mailbox", "name", "epoch", "first", "last_seq", "member"]),
    (
        "received",
        &[
            "message",
            "mailbox",
            "seq",
            "place",
            "sender",
            "number",
            "mine",
            "recipients",
            "subject",
            "body",
            "in_reply_to",
            "sent_at",
            "accepted_at",
            "read",
            "cleared",
            "inbox",
        ],
    ),
    ("sent", &["message", "recipients", "subject", "body", "in_reply_to", "sent_at"]),
    ("recipient", &["position", "address", "state", "reason", "mailbox", "seq", "at"]),
    ("outbox", &["targets", "counter", "not_before"]),
    ("delivered", &["mailbox", "seq", "at"]),
    ("was_read", &["mailbox", "seq", "at"]),
    ("draft", &["recipients", "subject", "body", "in_reply_to"]),
    ("setting", &["name", "value"]),
];

/// Something that is done to the file.
#[derive(Arbitrary, Clone, Debug)]
enum Meddling {
    /// Everything in a column becomes this.
    Column {
        table: u8,
        column: u8,
        value: Cell,
    },
    /// A table's rows are gone.
    Rows {
        table: u8,
    },
    /// What is said of the file as a whole.
    Version(i32),
    Application(i32),
    /// A byte, counted in 65,536ths of the file.
    Byte {
        at: u16,
        becomes: u8,
    },
    /// A number in a page's header, where pages are 4,096 bytes.
    Page {
        page: u8,
        at: u8,
        becomes: [u8; 4],
    },
    Cut {
        at: u16,
    },
    /// The log beside the file.
    Log(Vec<u8>),
    /// The key, and the device's identity.
    Secret {
        is_key: bool,
        bytes: Vec<u8>,
    },
    /// The file of the chosen server.
    Server(Vec<u8>),
}

#[derive(Arbitrary, Clone, Debug)]
enum Cell {
    Null,
    Small(u8),
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Id(u8),
}

pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let home = folder_in_memory();
    let folder = home.path().join("0");
    fs::create_dir(&folder).expect("a folder for a profile");
    let file = folder.join("archive.db");
    fs::write(&file, sound_archive()).expect("an archive");
    for _ in 0..CHANGES {
        if bytes.is_empty() {
            break;
        }
        let Ok(meddling) = Meddling::arbitrary(&mut bytes) else { break };
        meddle(&folder, meddling);
    }
    if let Ok(profile) = Profile::open_in(home.path(), Some("0")) {
        let _ = profile.chosen_server();
    }
    // What cannot be used is told; what comes of it is not our business here.
    let _ = write(&file);
    let _ = look(&file);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let kinds: [fn(&Meddling) -> bool; 6] = [
        |meddling| matches!(meddling, Meddling::Column { value: Cell::Small(_), .. }),
        |meddling| matches!(meddling, Meddling::Column { value: Cell::Null, .. }),
        |meddling| matches!(meddling, Meddling::Rows { .. }),
        |meddling| matches!(meddling, Meddling::Byte { .. }),
        |meddling| matches!(meddling, Meddling::Page { .. }),
        |meddling| matches!(meddling, Meddling::Cut { .. }),
    ];
    let find = |(filler, is_wanted): (u8, fn(&Meddling) -> bool)| crate::bytes_of(filler, is_wanted);
    [0x40, 0, 1, 1, 1, 1].into_iter().zip(kinds).map(find).collect()
}

/// Where there is a file system in memory, nothing waits for a disk.
fn folder_in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder for a profile")
}

/// An archive with something in each of its tables.
fn sound_archive() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = folder_in_memory();
        let file = folder.path().join("archive.db");
        let mut archive = Archive::open(&file, ADDRESS).expect("a new archive");
        archive.apply(&changes()).expect("changes as they come");
        drop(archive);
        fs::read(file).expect("the archive's file")
    })
}

fn changes() -> Vec<Change> {
    let welcome = samples::welcome();
    let place = |mailbox, room| Membership {
        room: Name::parse(room).expect("a name"),
        mailbox: MailboxId(mailbox),
        epoch: Epoch([8; 16]),
        first: 1,
        last_seq: 3,
    };
    let mut changes = vec![Change::Welcomed {
        name: welcome.name,
        number: welcome.number,
        mailbox: welcome.mailbox,
        epoch: welcome.epoch,
        rooms: vec![place(1, "todos"), place(9, "obras")],
    }];
    let at = Timestamp(1_700_000_000_000);
    for (seq, mailbox) in [(1, 2), (2, 2), (1, 9), (1, 1)] {
        let mut message = samples::message();
        message.id = MessageId([seq as u8 + 16 * mailbox as u8; 16]);
        let entry = Entry::Message { from: Name::given(3), number: Some(3), accepted_at: at, message };
        changes.push(Change::Received { mailbox: MailboxId(mailbox), seq, entry });
    }
    for number in 1..=3u8 {
        let content = Content { subject: "Obra".to_owned(), body: format!("mensagem {number}") };
        let mut message = samples::message();
        message.id = MessageId([100 + number; 16]);
        message.sent_at = at;
        message.content = codec::encode(&content).expect("a content");
        message.to = vec![Address::Person(Name::given(3)), Address::Everybody];
        let id = message.id;
        changes.push(Change::Composed { message, content });
        changes.push(Change::Attempted { message: id, counter: number.into() });
    }
    let accepted = Outcome::Accepted { mailbox: MailboxId(4), seq: 7 };
    changes.push(Change::Answered {
        message: MessageId([101; 16]),
        outcomes: vec![(0, accepted), (1, Outcome::ServerFull)],
        open: vec![1],
        not_before: at,
    });
    let receipts =
        [Receipt::Delivered { mailbox: MailboxId(4), seq: 7, at }, Receipt::Read { mailbox: MailboxId(4), seq: 7, at }];
    for (receipt, seq) in receipts.into_iter().zip(3..) {
        changes.push(Change::Received { mailbox: MailboxId(2), seq, entry: Entry::Receipt(receipt) });
    }
    changes.push(Change::Opened { row: 1 });
    changes.push(Change::Draft(Draft { to: "ana".to_owned(), body: "meio".to_owned(), ..Draft::default() }));
    changes.push(Change::TellRead(false));
    changes
}

fn meddle(folder: &Path, meddling: Meddling) {
    let file = folder.join("archive.db");
    let scaled = |at: u16, length: usize| length * usize::from(at) / (usize::from(u16::MAX) + 1);
    match meddling {
        Meddling::Column { table, column, value } => {
            let (table, columns) = COLUMNS[usize::from(table) % COLUMNS.len()];
            let column = columns[usize::from(column) % columns.len()];
            let sql = format!("UPDATE OR IGNORE {table} SET {column} = ?");
            run(&file, |connection| connection.execute(&sql, [value.value()]).map(drop));
        }
        Meddling::Rows { table } => {
            let (table, _) = COLUMNS[usize::from(table) % COLUMNS.len()];
            run(&file, |connection| connection.execute(&format!("DELETE FROM {table}"), []).map(drop));
        }
        Meddling::Version(version) => run(&file, |connection| connection.pragma_update(None, "user_version", version)),
        Meddling::Application(id) => run(&file, |connection| connection.pragma_update(None, "application_id", id)),
        Meddling::Byte { at, becomes } => rewrite(&file, |bytes| {
            let at = scaled(at, bytes.len());
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = becomes);
        }),
        Meddling::Page { page, at, becomes } => rewrite(&file, |bytes| {
            let at = 4096 * usize::from(page) + usize::from(at);
            bytes.get_mut(at..at + becomes.len()).into_iter().for_each(|place| place.copy_from_slice(&becomes));
        }),
        Meddling::Cut { at } => rewrite(&file, |bytes| bytes.truncate(scaled(at, bytes.len()))),
        Meddling::Log(bytes) => fs::write(folder.join("archive.db-wal"), bytes).expect("a file"),
        Meddling::Secret { is_key, bytes } => {
            fs::write(folder.join(if is_key { "key" } else { "device" }), bytes).expect("a file");
        }
        Meddling::Server(bytes) => fs::write(folder.join("server"), bytes).expect("a file"),
    }
}

/// SQLite itself may find that the file is none any more.
fn run(file: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) {
    if let Ok(connection) = Connection::open(file) {
        let _ = work(&connection);
    }
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("the archive's file");
    change(&mut bytes);
    fs::write(file, bytes).expect("the archive's file");
}

impl Cell {
    fn value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Small(number) => Value::Integer(number.into()),
            Cell::Number(number) => Value::Integer(number),
            Cell::Text(text) => Value::Text(text),
            Cell::Bytes(bytes) => Value::Blob(bytes),
            Cell::Id(byte) => Value::Blob(vec![byte; 16]),
        }
    }
}

/// What the client's thread does with an archive: a program goes on with it, and a server greets it.
fn write(file: &Path) -> Result<(), ArchiveError> {
    let mut archive = Archive::open(file, ADDRESS)?;
    let _ = archive.pinned();
    let saved = archive.load()?;
    let now = Now { instant: Instant::now(), wall: Timestamp(1_700_000_100_000) };
    let mut engine = Engine::new(SigningKey::from_bytes(&[5; 32]), DeviceId([6; 16]), saved, true, [7; 32], now);
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, &samples::challenges()[0].encode());
    let entry =
        Entry::Message { from: Name::given(3), number: Some(3), accepted_at: now.wall, message: samples::message() };
    let frames = [
        ServerFrame::Welcome(samples::welcome()),
        ServerFrame::Outcomes { counter: 2, outcomes: vec![Outcome::NotAMember, Outcome::ServerFull] },
        ServerFrame::Delivery { mailbox: samples::welcome().mailbox, seq: 1, entry },
    ];
    for frame in frames {
        codec::write_frame(&mut wire, &codec::encode(&frame).expect("a frame"));
    }
    engine.tick(now);
    engine.connected([1; 32], now);
    engine.receive(&wire, now);
    engine.command(archive.located(Command::Open { row: 1, mailbox: MailboxId(2), seq: 1 }), now);
    let content = Content { subject: String::new(), body: "oi".to_owned() };
    engine.command(Command::Send { token: 1, to: vec![Address::Everybody], content, in_reply_to: None }, now);
    let _ = engine.deadline(now);
    while let Some(output) = engine.poll() {
        if let Output::Keep(change) = output {
            archive.apply(&[change])?;
        }
    }
    archive.apply(&[Change::Cleared { clearing: 1, room: None }, Change::Restored { clearing: 1 }])?;
    Ok(())
}

/// What a window does with it.
fn look(file: &Path) -> Result<(), ArchiveError> {
    let reader = Reader::open(file, ADDRESS)?;
    let query = Query::parse("obra men");
    for shelf in [Shelf::Inbox, Shelf::Room(MailboxId(9)), Shelf::From(3)] {
        let _ = reader.unread(shelf);
        let _ = reader.summaries(shelf);
        for letter in reader.letters(shelf).unwrap_or_default() {
            query.marks(&letter.body);
            query.excerpt(&letter.body);
            let _ = reader.came_before(letter.row);
            let _ = reader.is_from_here(letter.row);
        }
    }
    for row in reader.sent_rows().unwrap_or_default() {
        let _ = reader.sent_message_at(row);
    }
    let _ = (reader.rooms(), reader.draft(), reader.tells_read(), reader.asked_name(), reader.is_outbox_empty());
    let _ = (reader.name_at(ADDRESS), reader.fingerprint_at(ADDRESS));
    for hit in reader.search(&query)?.hits {
        let _ = reader.found(hit, &query);
    }
    Ok(())
}
