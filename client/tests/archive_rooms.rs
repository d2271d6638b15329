//! What a profile keeps of rooms and of what is written to everybody.

use malote_client::archive::{Change, KnownRoom, News, Shelf};
use malote_client::{Archive, Command, Reader};
use malote_common::frame::Membership;
use malote_common::{Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Seq, Timestamp, codec};
use tempfile::TempDir;

const SERVER: &str = "127.0.0.1:1";
const OWN: MailboxId = MailboxId(1);
const EVERYBODY: MailboxId = MailboxId(2);
const ROOM: MailboxId = MailboxId(3);
const EPOCH: Epoch = Epoch([1; 16]);

/// Our own number.
const ME: u64 = 0;

struct Fixture {
    directory: TempDir,
    archive: Archive,
}

impl Fixture {
    /// An archive of somebody who is in a room, and in that of everybody.
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&directory.path().join("archive.db"), SERVER).unwrap();
        let mut fixture = Fixture { directory, archive };
        fixture.welcomed(vec![membership(Name::everybody().as_str(), EVERYBODY, 1), membership("obras", ROOM, 1)]);
        fixture
    }

    fn welcomed(&mut self, rooms: Vec<Membership>) -> Vec<News> {
        self.apply(Change::Welcomed { name: Name::given(ME), number: ME, mailbox: OWN, epoch: EPOCH, rooms })
    }

    fn apply(&mut self, change: Change) -> Vec<News> {
        self.archive.apply(&[change]).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.directory.path().join("archive.db"), SERVER).unwrap()
    }

    /// A message of somebody arrives in a mailbox; returns its row if it is new.
    fn receive(&mut self, mailbox: MailboxId, seq: Seq, id: u8, author: u64) -> Option<i64> {
        let entry = Entry::Message {
            from: Name::given(author),
            number: Some(author),
            accepted_at: Timestamp(9),
            message: message(id),
        };
        match self.apply(Change::Received { mailbox, seq, entry })[..] {
            [News::Received(row), ..] => Some(row),
            [] => None,
            ref other => panic!("{other:?}"),
        }
    }

    fn ids(&self, shelf: Shelf) -> Vec<u8> {
        self.reader().letters(shelf).unwrap().iter().map(|letter| letter.id.0[0]).collect()
    }

    fn unread(&self) -> Vec<(String, usize)> {
        let rooms = self.reader().rooms().unwrap();
        rooms.into_iter().map(|KnownRoom { name, unread, .. }| (name.to_string(), unread)).collect()
    }

    /// How far a room is on disk, and whether we are in it.
    fn saved(&self, room: MailboxId) -> (Seq, bool) {
        let saved = &self.archive.load().unwrap().rooms[&room];
        (saved.last_seq, saved.member)
    }

    /// The rows that wait for their authors to be told.
    fn to_tell(&self) -> Vec<Seq> {
        self.archive.load().unwrap().to_tell
    }
}

fn membership(room: &str, mailbox: MailboxId, first: Seq) -> Membership {
    Membership { room: Name::parse(room).unwrap(), mailbox, epoch: EPOCH, first, last_seq: 40 }
}

fn message(id: u8) -> Message {
    let content = Content { subject: format!("assunto {id}"), body: "corpo".into() };
    Message {
        id: MessageId([id; 16]),
        to: vec![Address::parse("#obras").unwrap()],
        in_reply_to: None,
        sent_at: Timestamp(5),
        content: codec::encode(&content).unwrap(),
    }
}

fn unread(everybody: usize, obras: usize) -> Vec<(String, usize)> {
    vec![("todos".to_owned(), everybody), ("obras".to_owned(), obras)]
}

#[test]
fn what_is_said_in_a_room_is_no_mail_and_what_is_said_to_everybody_is() {
    let mut shelf = Fixture::new();
    shelf.receive(OWN, 1, 1, 7);
    shelf.receive(ROOM, 1, 2, 7);
    shelf.receive(EVERYBODY, 1, 3, 7);
    assert_eq!(shelf.ids(Shelf::Inbox), [1, 3]);
    assert_eq!(shelf.ids(Shelf::Room(ROOM)), [2]);
    assert_eq!(shelf.ids(Shelf::Room(EVERYBODY)), [3]);
    assert_eq!(shelf.ids(Shelf::From(7)), [1, 3]);
    assert_eq!(shelf.unread(), unread(1, 1));
    assert_eq!(shelf.reader().unread(Shelf::Inbox).unwrap(), 2);
}

#[test]
fn what_one_wrote_oneself_is_read_and_no_mail() {
    let mut shelf = Fixture::new();
    shelf.receive(ROOM, 1, 1, ME);
    shelf.receive(EVERYBODY, 1, 2, ME);
    let letters = shelf.reader().letters(Shelf::Room(ROOM)).unwrap();
    assert!(letters[0].mine && letters[0].read);
    assert_eq!(shelf.unread(), unread(0, 0));
    assert_eq!(shelf.ids(Shelf::Inbox), [] as [u8; 0]);
    assert_eq!(shelf.ids(Shelf::Room(EVERYBODY)), [2]);
    assert_eq!(shelf.to_tell(), [] as [Seq; 0]);
    // A message to oneself is mail like any other.
    shelf.receive(OWN, 1, 3, ME);
    assert_eq!(shelf.ids(Shelf::Inbox), [3]);
    assert!(!shelf.reader().letters(Shelf::Inbox).unwrap()[0].mine);
}

#[test]
fn a_message_that_comes_again_in_the_same_place_is_there_once() {
    let mut shelf = Fixture::new();
    assert!(shelf.receive(ROOM, 1, 1, 7).is_some());
    // The server was restored from a backup: the mailbox is read again, and numbered anew.
    let epoch = Epoch([2; 16]);
    shelf.apply(Change::Entered(Membership { epoch, ..membership("obras", ROOM, 1) }));
    assert_eq!(shelf.saved(ROOM), (0, true));
    assert!(shelf.receive(ROOM, 1, 2, 7).is_some());
    assert_eq!(shelf.receive(ROOM, 2, 1, 7), None);
    assert_eq!(shelf.ids(Shelf::Room(ROOM)), [1, 2]);
    assert_eq!(shelf.saved(ROOM), (2, true));
}

#[test]
fn a_message_to_us_and_a_room_stands_in_both_and_is_shown_as_mail() {
    let mut shelf = Fixture::new();
    let in_room = shelf.receive(ROOM, 1, 1, 7).unwrap();
    let to_all = shelf.receive(EVERYBODY, 1, 1, 7).unwrap();
    let mail = shelf.receive(OWN, 4, 1, 7).unwrap();
    assert_eq!(shelf.ids(Shelf::Inbox), [1]);
    assert_eq!(shelf.reader().letters(Shelf::Inbox).unwrap()[0].row, mail);
    assert_eq!(shelf.ids(Shelf::Room(ROOM)), [1]);
    let came_before = |row| shelf.reader().came_before(row).unwrap();
    assert_eq!([in_room, to_all, mail].map(came_before), [false, true, true]);
    // Opened in one place it is opened in all, and the author learns it, for it is mail.
    let news = shelf.apply(Change::Opened { row: in_room });
    assert_eq!(news.len(), 3);
    assert_eq!(shelf.unread(), unread(0, 0));
    assert_eq!(shelf.reader().unread(Shelf::Inbox).unwrap(), 0);
    assert_eq!(shelf.to_tell(), [4]);
    assert_eq!(shelf.apply(Change::Opened { row: mail }), []);
    shelf.apply(Change::Told { seqs: vec![4] });
    assert_eq!(shelf.to_tell(), [] as [Seq; 0]);
}

#[test]
fn what_is_opened_in_a_room_is_told_its_author_only_where_it_is_mail() {
    let mut shelf = Fixture::new();
    let only_there = shelf.receive(ROOM, 4, 1, 7).unwrap();
    let in_room = shelf.receive(ROOM, 5, 2, 7).unwrap();
    let mail = shelf.receive(OWN, 9, 2, 7).unwrap();
    let located = |row, mailbox, seq| match shelf.archive.located(Command::Open { row, mailbox, seq }) {
        Command::Open { row, mailbox, seq } => (row, mailbox, seq),
        other => panic!("{other:?}"),
    };
    assert_eq!(located(only_there, ROOM, 4), (only_there, ROOM, 4));
    assert_eq!(located(in_room, ROOM, 5), (in_room, OWN, 9));
    assert_eq!(located(mail, OWN, 9), (mail, OWN, 9));
    shelf.apply(Change::Opened { row: only_there });
    assert_eq!(shelf.to_tell(), [] as [Seq; 0]);
    // Who does not want it told is not told on.
    shelf.apply(Change::TellRead(false));
    shelf.apply(Change::Opened { row: in_room });
    assert_eq!(shelf.to_tell(), [] as [Seq; 0]);
}

#[test]
fn a_rooms_list_is_cleared_and_brought_back_by_itself() {
    let mut shelf = Fixture::new();
    shelf.receive(OWN, 1, 1, 7);
    shelf.receive(ROOM, 1, 2, 7);
    assert_eq!(shelf.apply(Change::Cleared { clearing: 1, room: Some(ROOM) }), [News::InboxChanged]);
    assert_eq!((shelf.ids(Shelf::Room(ROOM)), shelf.ids(Shelf::Inbox)), (vec![], vec![1]));
    assert_eq!(shelf.unread(), unread(0, 0));
    shelf.receive(ROOM, 2, 3, 7);
    assert_eq!(shelf.ids(Shelf::Room(ROOM)), [3]);
    shelf.apply(Change::Cleared { clearing: 2, room: None });
    assert_eq!((shelf.ids(Shelf::Room(ROOM)), shelf.ids(Shelf::Inbox)), (vec![3], vec![]));
    shelf.apply(Change::Restored { clearing: 1 });
    assert_eq!((shelf.ids(Shelf::Room(ROOM)), shelf.ids(Shelf::Inbox)), (vec![2, 3], vec![]));
    shelf.apply(Change::Restored { clearing: 2 });
    assert_eq!(shelf.ids(Shelf::Inbox), [1]);
}

#[test]
fn a_room_goes_on_where_it_ended_or_where_it_may_be_seen() {
    let mut shelf = Fixture::new();
    shelf.receive(ROOM, 1, 1, 7);
    assert_eq!(shelf.apply(Change::Left { mailbox: ROOM }), [News::RoomsChanged]);
    assert_eq!(shelf.saved(ROOM), (1, false));
    assert_eq!(shelf.unread(), [("todos".to_owned(), 0)]);
    // Back soon enough to miss nothing, then after a long time.
    shelf.apply(Change::Entered(membership("obras", ROOM, 1)));
    assert_eq!(shelf.saved(ROOM), (1, true));
    // The server has fewer entries than are here.
    shelf.apply(Change::Entered(Membership { last_seq: 0, ..membership("obras", ROOM, 1) }));
    assert_eq!(shelf.saved(ROOM), (0, true));
    shelf.apply(Change::Left { mailbox: ROOM });
    shelf.apply(Change::Entered(membership("obras", ROOM, 31)));
    assert_eq!(shelf.saved(ROOM), (30, true));
    assert_eq!(shelf.ids(Shelf::Room(ROOM)), [1], "what was there stays there");
}

#[test]
fn the_server_knows_which_rooms_we_are_in() {
    let mut shelf = Fixture::new();
    let news = shelf
        .welcomed(vec![membership(Name::everybody().as_str(), EVERYBODY, 1), membership("cozinha", MailboxId(9), 1)]);
    assert_eq!(news, [News::RoomsChanged]);
    assert_eq!(shelf.unread(), [("todos".to_owned(), 0), ("cozinha".to_owned(), 0)]);
    assert_eq!(shelf.saved(ROOM), (0, false));
}

#[test]
fn a_name_is_kept() {
    let mut shelf = Fixture::new();
    let ana = Name::parse("ana").unwrap();
    shelf.apply(Change::Named(ana.clone()));
    assert_eq!(shelf.archive.load().unwrap().name, Some(ana));
    assert_eq!(shelf.reader().name_at(SERVER).unwrap(), Some("ana".to_owned()));
    // Our own messages are known by our number, whatever we are called.
    shelf.receive(ROOM, 1, 1, ME);
    assert_eq!(shelf.unread(), unread(0, 0));
}

#[test]
fn a_message_of_another_author_is_another_one_whatever_its_identity() {
    let (ana, thief, another) = (7, 8, 9);
    let mut shelf = Fixture::new();
    // Before the real one, in the same mailbox: it does not keep it out.
    shelf.receive(OWN, 1, 1, thief).unwrap();
    let real = shelf.receive(OWN, 2, 1, ana).unwrap();
    // To us, where the real one is to everybody: it does not take it out of the inbox. Nor the other way round.
    shelf.receive(EVERYBODY, 1, 2, ana).unwrap();
    let copy = shelf.receive(OWN, 3, 2, thief).unwrap();
    shelf.receive(EVERYBODY, 2, 1, another).unwrap();
    assert_eq!(shelf.ids(Shelf::Inbox), [1, 1, 2, 2, 1]);
    // Opening it tells nobody but its author.
    shelf.apply(Change::Opened { row: copy });
    assert_eq!(shelf.to_tell(), [3]);
    shelf.apply(Change::Opened { row: real });
    assert_eq!(shelf.to_tell(), [2, 3]);
    let own = Command::Open { row: copy, mailbox: OWN, seq: 3 };
    assert_eq!(format!("{:?}", shelf.archive.located(own.clone())), format!("{own:?}"));
}
