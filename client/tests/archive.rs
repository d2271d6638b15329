//! What a profile keeps, and what it makes of news in any order.

use malote_client::archive::{Change, Draft, Identified, News, Shelf, State};
use malote_client::{Archive, Reader};
use malote_common::fingerprint::Fingerprint;
use malote_common::{
    Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Receipt, Timestamp, codec,
};
use tempfile::TempDir;

const SERVER: &str = "127.0.0.1:1";
const OWN: MailboxId = MailboxId(1);
const OTHERS: MailboxId = MailboxId(2);

struct Fixture {
    directory: TempDir,
    archive: Archive,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(&directory.path().join("archive.db"), SERVER).unwrap();
        let epoch = Epoch([1; 16]);
        archive
            .apply(&[Change::Welcomed { name: Name::given(0), number: 0, mailbox: OWN, epoch, rooms: vec![] }])
            .unwrap();
        Fixture { directory, archive }
    }

    fn reopened(self, address: &str) -> Fixture {
        let Fixture { directory, archive } = self;
        drop(archive);
        let archive = Archive::open(&directory.path().join("archive.db"), address).unwrap();
        Fixture { directory, archive }
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.directory.path().join("archive.db"), SERVER).unwrap()
    }

    fn compose(&mut self, id: u8, to: &str) -> MessageId {
        let (message, content) = message(id, to);
        let id = message.id;
        self.archive.apply(&[Change::Composed { message, content }]).unwrap();
        id
    }

    fn answer(&mut self, message: MessageId, outcomes: &[Outcome]) {
        let outcomes = (0..).zip(outcomes.iter().copied()).collect();
        let answered = Change::Answered { message, outcomes, open: vec![], not_before: Timestamp(0) };
        self.archive.apply(&[answered]).unwrap();
    }

    fn receive(&mut self, seq: u64, entry: Entry) -> Vec<News> {
        self.archive.apply(&[Change::Received { mailbox: OWN, seq, entry }]).unwrap()
    }

    fn states(&self, id: MessageId) -> Vec<State> {
        let sent = self.reader().sent_by_id(id).unwrap().unwrap();
        sent.recipients.into_iter().map(|recipient| recipient.state).collect()
    }
}

fn message(id: u8, to: &str) -> (Message, Content) {
    let content = Content { subject: format!("assunto {id}"), body: "corpo".into() };
    let message = Message {
        id: MessageId([id; 16]),
        to: Address::parse_list(to).unwrap(),
        in_reply_to: None,
        sent_at: Timestamp(5),
        content: codec::encode(&content).unwrap(),
    };
    (message, content)
}

fn letter(id: u8) -> Entry {
    Entry::Message {
        from: Name::given(7),
        number: Some(7),
        accepted_at: Timestamp(9),
        message: message(id, "Usuario0").0,
    }
}

fn delivered(seq: u64, at: i64) -> Entry {
    Entry::Receipt(Receipt::Delivered { mailbox: OTHERS, seq, at: Timestamp(at) })
}

fn read(seq: u64, at: i64) -> Entry {
    Entry::Receipt(Receipt::Read { mailbox: OTHERS, seq, at: Timestamp(at) })
}

fn accepted(seq: u64) -> Outcome {
    Outcome::Accepted { mailbox: OTHERS, seq }
}

#[test]
fn a_sent_message_goes_from_queued_to_read() {
    let mut shelf = Fixture::new();
    let id = shelf.compose(1, "Usuario1, bia");
    assert_eq!(shelf.states(id), vec![State::Queued { waiting: None }; 2]);
    shelf.answer(id, &[accepted(4), Outcome::UnknownRecipient]);
    let refused = State::Refused { reason: "unknown_recipient".into() };
    assert_eq!(shelf.states(id), [State::Accepted { seq: 4 }, refused.clone()]);
    shelf.receive(1, delivered(5, 100));
    assert_eq!(shelf.states(id), [State::Delivered { seq: 4, at: Timestamp(100) }, refused.clone()]);
    assert_eq!(shelf.receive(2, read(4, 200)), [News::SentChanged]);
    assert_eq!(shelf.states(id), [State::Read { seq: 4, at: Timestamp(200) }, refused]);
    // Later news of less does not take it back.
    shelf.receive(3, delivered(9, 300));
    assert!(matches!(shelf.states(id)[0], State::Read { .. }));
}

#[test]
fn receipts_may_come_before_the_answer_that_they_are_about() {
    let mut shelf = Fixture::new();
    let (one, two, three) = (shelf.compose(1, "Usuario1"), shelf.compose(2, "Usuario1"), shelf.compose(3, "Usuario1"));
    shelf.receive(1, delivered(2, 100));
    shelf.receive(2, read(1, 200));
    shelf.answer(one, &[accepted(1)]);
    shelf.answer(two, &[accepted(2)]);
    shelf.answer(three, &[accepted(3)]);
    assert_eq!(shelf.states(one), [State::Read { seq: 1, at: Timestamp(200) }]);
    assert_eq!(shelf.states(two), [State::Delivered { seq: 2, at: Timestamp(100) }]);
    assert_eq!(shelf.states(three), [State::Accepted { seq: 3 }]);
}

#[test]
fn what_is_open_is_there_after_a_restart() {
    let mut shelf = Fixture::new();
    let id = shelf.compose(1, "Usuario1, Usuario2");
    shelf.archive.apply(&[Change::Attempted { message: id, counter: 7 }]).unwrap();
    let saved = shelf.reopened(SERVER).archive.load().unwrap();
    assert_eq!(saved.next_counter, 8);
    assert_eq!((saved.outbox[0].counter, &saved.outbox[0].targets[..]), (Some(7), &[0, 1][..]));
    assert_eq!(saved.outbox[0].message, message(1, "Usuario1, Usuario2").0);
    assert_eq!(saved.resume, Some((OWN, Epoch([1; 16]), 0)));
}

#[test]
fn a_passing_refusal_stays_open_and_says_why() {
    let mut shelf = Fixture::new();
    let id = shelf.compose(1, "Usuario1, Usuario2");
    let outcomes = vec![(0, accepted(1)), (1, Outcome::MailboxFull)];
    let change = Change::Answered { message: id, outcomes, open: vec![1], not_before: Timestamp(50) };
    shelf.archive.apply(&[change]).unwrap();
    let waiting = State::Queued { waiting: Some("mailbox_full".into()) };
    assert_eq!(shelf.states(id), [State::Accepted { seq: 1 }, waiting]);
    let open = &shelf.archive.load().unwrap().outbox[0];
    assert_eq!((open.counter, &open.targets[..], open.not_before), (None, &[1][..], Timestamp(50)));
    shelf.archive.apply(&[Change::Expired { message: id, open: vec![1] }]).unwrap();
    assert_eq!(shelf.states(id)[1], State::Refused { reason: "expired".into() });
    assert!(shelf.reader().is_outbox_empty().unwrap());
}

#[test]
fn a_message_is_shown_once_however_often_it_comes() {
    let mut shelf = Fixture::new();
    assert_eq!(shelf.receive(1, letter(1)).len(), 1);
    // A server that was restored from a backup begins anew, in another epoch.
    let epoch = Epoch([2; 16]);
    shelf
        .archive
        .apply(&[Change::Welcomed { name: Name::given(0), number: 0, mailbox: OWN, epoch, rooms: vec![] }])
        .unwrap();
    assert_eq!(shelf.archive.load().unwrap().resume, Some((OWN, epoch, 0)));
    assert_eq!(shelf.receive(1, letter(1)), []);
    assert_eq!(shelf.receive(2, letter(2)).len(), 1);
    assert_eq!(shelf.reader().summaries(Shelf::Inbox).unwrap().len(), 2);
    assert_eq!(shelf.archive.load().unwrap().resume, Some((OWN, epoch, 2)));
}

#[test]
fn a_cleared_inbox_stays_clear_until_it_is_restored() {
    let mut shelf = Fixture::new();
    shelf.receive(1, letter(1));
    shelf.archive.apply(&[Change::Cleared { clearing: 10, room: None }]).unwrap();
    shelf.receive(2, letter(2));
    shelf.archive.apply(&[Change::Cleared { clearing: 20, room: None }]).unwrap();
    let mut shelf = shelf.reopened(SERVER);
    assert_eq!(shelf.reader().summaries(Shelf::Inbox).unwrap(), []);
    shelf.archive.apply(&[Change::Restored { clearing: 20 }]).unwrap();
    let subjects: Vec<_> =
        shelf.reader().summaries(Shelf::Inbox).unwrap().into_iter().map(|summary| summary.subject).collect();
    assert_eq!(subjects, ["assunto 2"]);
}

#[test]
fn opening_is_told_unless_it_is_turned_off() {
    let mut shelf = Fixture::new();
    shelf.receive(1, letter(1));
    shelf.receive(2, letter(2));
    let row = |shelf: &Fixture, subject: &str| {
        shelf
            .reader()
            .summaries(Shelf::Inbox)
            .unwrap()
            .into_iter()
            .find(|summary| summary.subject == subject)
            .unwrap()
            .row
    };
    let (one, two) = (row(&shelf, "assunto 1"), row(&shelf, "assunto 2"));
    assert_eq!(shelf.archive.apply(&[Change::Opened { row: one }]).unwrap(), [News::Changed(one)]);
    assert_eq!(shelf.archive.apply(&[Change::Opened { row: one }]).unwrap(), []);
    shelf.archive.apply(&[Change::TellRead(false), Change::Opened { row: two }]).unwrap();
    assert_eq!(shelf.archive.load().unwrap().to_tell, [1]);
    assert!(shelf.reader().summaries(Shelf::Inbox).unwrap().iter().all(|summary| summary.read));
    shelf.archive.apply(&[Change::Told { seqs: vec![1] }]).unwrap();
    assert!(shelf.archive.load().unwrap().to_tell.is_empty());
    assert!(!shelf.reader().tells_read().unwrap());
}

#[test]
fn a_draft_lasts_until_it_is_sent() {
    let mut shelf = Fixture::new();
    let draft = Draft { to: "Usuario1".into(), body: "meio".into(), ..Draft::default() };
    shelf.archive.apply(&[Change::Draft(draft.clone())]).unwrap();
    let mut shelf = shelf.reopened(SERVER);
    assert_eq!(shelf.reader().draft().unwrap(), draft);
    shelf.compose(1, "Usuario1");
    assert_eq!(shelf.reader().draft().unwrap(), Draft::default());
}

#[test]
fn a_server_is_its_key_and_not_its_address() {
    let (first, second) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    let mut shelf = Fixture::new();
    assert_eq!(shelf.archive.pinned().unwrap(), None);
    assert_eq!(shelf.archive.identify(first).unwrap(), Identified::Same);
    assert_eq!(shelf.archive.identify(second).unwrap(), Identified::Changed { expected: first });
    assert_eq!(shelf.archive.pinned().unwrap(), Some(first));
    // The same server at another address: what was written for that address goes to it.
    let mut shelf = shelf.reopened("10.0.0.1:1");
    assert_eq!(shelf.archive.pinned().unwrap(), None);
    shelf.compose(1, "Usuario1");
    assert_eq!(shelf.archive.identify(first).unwrap(), Identified::Moved);
    let saved = shelf.archive.load().unwrap();
    assert_eq!((saved.outbox.len(), saved.name), (1, Some(Name::given(0))));
}

#[test]
fn a_new_key_is_trusted_only_on_request_and_gets_no_old_mail() {
    let (first, second) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    let mut shelf = Fixture::new();
    shelf.archive.identify(first).unwrap();
    let id = shelf.compose(1, "Usuario1");
    shelf.archive.trust(SERVER, second).unwrap();
    assert_eq!(shelf.archive.pinned().unwrap(), Some(second));
    assert_eq!(shelf.states(id), [State::Refused { reason: "server_replaced".into() }]);
    let saved = shelf.archive.load().unwrap();
    assert_eq!((saved.outbox.len(), saved.resume), (0, None));
}

#[test]
fn an_archive_of_a_newer_program_is_left_alone() {
    let shelf = Fixture::new();
    let path = shelf.directory.path().join("archive.db");
    drop(shelf.archive);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(Archive::open(&path, SERVER).is_err());
}

#[test]
fn another_programs_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipe (name TEXT)").unwrap();
    assert!(Archive::open(&path, SERVER).is_err());
    let sql = "SELECT group_concat(name) FROM sqlite_schema";
    let tables = rusqlite::Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0));
    assert_eq!(tables, Ok("recipe".to_owned()));
}
