//! What a profile keeps, and what it makes of news in any order.

use std::time::Duration;

use malote_client::archive::{Change, Draft, Identified, News, Shelf, State};
use malote_client::{Archive, Reader};
use malote_common::fingerprint::Fingerprint;
use malote_common::frame::Membership;
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
    let mut shelf = shelf.reopened(SERVER);
    let saved = shelf.archive.load().unwrap();
    assert_eq!(saved.next_counter, 8);
    assert_eq!((saved.outbox[0].counter, &saved.outbox[0].targets[..]), (Some(7), &[0, 1][..]));
    assert_eq!(saved.outbox[0].message, message(1, "Usuario1, Usuario2").0);
    assert_eq!(saved.resume, Some((OWN, Epoch([1; 16]), 0)));
    assert_eq!((saved.outbox[0].tried_for, saved.outbox[0].noted_at), (Duration::ZERO, Timestamp(5)));
    let tried = Change::Tried { messages: vec![(id, Duration::from_millis(1_500))], at: Timestamp(-3) };
    shelf.archive.apply(&[tried]).unwrap();
    let saved = shelf.reopened(SERVER).archive.load().unwrap();
    assert_eq!((saved.outbox[0].tried_for, saved.outbox[0].noted_at), (Duration::from_millis(1_500), Timestamp(-3)));
}

#[test]
fn a_lock_that_somebody_holds_for_a_moment_is_waited_for() {
    let mut shelf = Fixture::new();
    let id = shelf.compose(1, "Usuario1");
    let other = rusqlite::Connection::open(shelf.directory.path().join("archive.db")).unwrap();
    // As whoever looks at the archive does, where they happen to look while something is written.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.execute_batch("ROLLBACK").unwrap();
    });
    // It reads before it writes.
    let tried = Change::Tried { messages: vec![(id, Duration::from_secs(1))], at: Timestamp(0) };
    shelf.archive.apply(&[tried]).unwrap();
    letting_go.join().unwrap();
}

#[test]
fn a_recipient_whose_address_is_damaged_is_refused_and_nobody_else_gets_it_in_their_place() {
    let mut shelf = Fixture::new();
    let (one, two) = (shelf.compose(1, "Usuario1, Usuario2, Usuario3"), shelf.compose(2, "Usuario2"));
    shelf.archive.apply(&[Change::Attempted { message: one, counter: 3 }]).unwrap();
    let disk = rusqlite::Connection::open(shelf.directory.path().join("archive.db")).unwrap();
    disk.execute("UPDATE recipient SET address = 'Us rio2' WHERE address = 'Usuario2'", []).unwrap();
    let outbox = shelf.archive.load().unwrap().outbox;
    assert_eq!(outbox.len(), 1, "the other had nobody else");
    assert_eq!((&outbox[0].targets[..], outbox[0].counter), (&[0, 2][..], None));
    assert_eq!(
        outbox[0].message.to,
        Address::parse_list("Usuario1, Usuario3")
            .map(|to| { vec![to[0].clone(), to[0].clone(), to[1].clone()] })
            .unwrap()
    );
    let (queued, refused) = (State::Queued { waiting: None }, State::Refused { reason: "damaged".into() });
    assert_eq!(shelf.states(one), [queued.clone(), refused.clone(), queued]);
    assert_eq!(shelf.states(two), [refused]);
    assert_eq!(shelf.archive.load().unwrap().outbox, outbox);
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

#[test]
fn what_the_servers_disk_has_damaged_is_shown_as_lost_and_its_author_can_send_it_again() {
    let mut shelf = Fixture::new();
    assert_eq!(shelf.receive(1, Entry::Damaged { number: Some(7) }).len(), 1);
    shelf.receive(2, Entry::Damaged { number: None });
    let letters = shelf.reader().letters(Shelf::Inbox).unwrap();
    let shown: Vec<_> = letters.iter().map(|letter| (letter.from.as_str(), letter.number, letter.damaged)).collect();
    assert_eq!(shown, [("Usuario7", Some(7), true), ("?", None, true)]);
    assert!(shelf.reader().summaries(Shelf::Inbox).unwrap().iter().all(|summary| summary.damaged && !summary.read));
    assert_eq!(shelf.receive(3, Entry::Damaged { number: None }).len(), 1);

    let (one, two, three) = (shelf.compose(1, "Usuario1"), shelf.compose(2, "Usuario1"), shelf.compose(3, "Usuario1"));
    let damaged = |seq| Entry::Receipt(Receipt::Damaged { mailbox: OTHERS, seq, at: Timestamp(9) });
    let lost = State::Refused { reason: "damaged".into() };
    shelf.answer(one, &[accepted(4)]);
    shelf.receive(4, damaged(4));
    assert_eq!(shelf.states(one), std::slice::from_ref(&lost));
    shelf.receive(5, damaged(5));
    shelf.answer(two, &[accepted(5)]);
    assert_eq!(shelf.states(two), [lost], "also where it is heard of before the answer");
    shelf.answer(three, &[accepted(6)]);
    shelf.receive(6, delivered(6, 100));
    shelf.receive(7, damaged(6));
    assert!(matches!(shelf.states(three)[0], State::Delivered { .. }), "what has arrived is not lost");
    let four = shelf.compose(4, "Usuario1");
    shelf.receive(8, damaged(7));
    shelf.receive(9, delivered(8, 100));
    shelf.answer(four, &[accepted(7)]);
    assert_eq!(shelf.states(four), [State::Refused { reason: "damaged".into() }], "something else was delivered");
}

/// What [`Fixture::answer`] does, for an attempt with this counter.
fn attempt(shelf: &mut Fixture, message: MessageId, counter: u64, seq: u64) {
    shelf.archive.apply(&[Change::Attempted { message, counter }]).unwrap();
    shelf.answer(message, &[accepted(seq)]);
}

#[test]
fn what_a_backup_has_not_and_nobody_is_known_to_have_is_sent_again() {
    let mut shelf = Fixture::new();
    let ids: Vec<MessageId> = (1..=4).map(|id| shelf.compose(id, "Usuario1")).collect();
    for (counter, id) in (1..).zip(&ids[..3]) {
        attempt(&mut shelf, *id, counter, counter + 10);
    }
    shelf.receive(1, letter(50));
    shelf.receive(2, delivered(12, 100));
    shelf.archive.apply(&[Change::Opened { row: shelf.reader().rows(Shelf::Inbox, 0).unwrap()[0] }]).unwrap();
    assert_eq!(shelf.archive.load().unwrap().to_tell, [1]);

    // The backup knows the first submission only.
    let (epoch, rooms) = (Epoch([2; 16]), vec![]);
    shelf
        .archive
        .apply(&[
            Change::ServerRestored { last_counter: 1, wishes: vec![] },
            Change::Welcomed { name: Name::given(0), number: 0, mailbox: OWN, epoch, rooms },
        ])
        .unwrap();
    let saved = shelf.archive.load().unwrap();
    let open: Vec<MessageId> = saved.outbox.iter().map(|open| open.message.id).collect();
    assert_eq!(open, [ids[2], ids[3]], "in the order of writing");
    assert!(saved.outbox.iter().all(|open| open.counter.is_none() && open.targets == [0] && open.restored));
    assert!(saved.to_tell.is_empty(), "the place of what was opened is somebody else's now");
    assert_eq!(shelf.states(ids[0]), [State::Delivered { seq: 11, at: Timestamp(100) }], "which the backup has");
    assert!(matches!(shelf.states(ids[1])[0], State::Delivered { .. }), "it has arrived");
    assert_eq!(shelf.states(ids[2]), [State::Queued { waiting: None }]);

    // Another message has the place now that the second had; news of it are not news of the second.
    shelf.receive(1, read(12, 300));
    assert!(matches!(shelf.states(ids[1])[0], State::Delivered { .. }));
    // Its recipient may come back later than we do.
    shelf.archive.apply(&[Change::Attempted { message: ids[2], counter: 4 }]).unwrap();
    let outcomes = vec![(0, Outcome::UnknownRecipient)];
    let answered = Change::Answered { message: ids[2], outcomes, open: vec![0], not_before: Timestamp(0) };
    shelf.archive.apply(&[answered]).unwrap();
    assert_eq!(shelf.states(ids[2]), [State::Queued { waiting: Some("unknown_recipient".into()) }]);
    attempt(&mut shelf, ids[2], 5, 12);
    assert_eq!(shelf.states(ids[2]), [State::Read { seq: 12, at: Timestamp(300) }]);
    // What comes again is known, and has its new place.
    shelf.receive(2, letter(50));
    assert_eq!(shelf.reader().letters(Shelf::Inbox).unwrap().len(), 1);
    assert_eq!(shelf.archive.load().unwrap().to_tell, [2]);
}

#[test]
fn everything_is_read_again_from_a_server_that_has_gone_back_under_the_same_epoch() {
    let mut shelf = Fixture::new();
    let epoch = Epoch([1; 16]);
    let room = Membership { room: Name::parse("obras").unwrap(), mailbox: OTHERS, epoch, first: 3, last_seq: 9 };
    let entry = Change::Received { mailbox: OTHERS, seq: 4, entry: letter(2) };
    shelf.archive.apply(&[Change::Entered(room.clone()), entry]).unwrap();
    shelf.receive(1, letter(1));
    shelf
        .archive
        .apply(&[
            Change::ServerRestored { last_counter: 0, wishes: vec![] },
            Change::Welcomed { name: Name::given(0), number: 0, mailbox: OWN, epoch, rooms: vec![room] },
        ])
        .unwrap();
    let saved = shelf.archive.load().unwrap();
    assert_eq!(saved.resume, Some((OWN, epoch, 0)));
    assert_eq!(saved.rooms[&OTHERS].last_seq, 2);
}

#[test]
fn what_a_backup_has_not_is_sent_again_to_those_alone_who_may_not_have_it() {
    let mut shelf = Fixture::new();
    let id = shelf.compose(1, "Usuario1, Usuario2, Usuario3");
    shelf.archive.apply(&[Change::Attempted { message: id, counter: 9 }]).unwrap();
    let outcomes = vec![(0, accepted(1)), (1, Outcome::Accepted { mailbox: MailboxId(3), seq: 1 })];
    let answered = Change::Answered {
        message: id,
        outcomes: [outcomes, vec![(2, Outcome::MailboxFull)]].concat(),
        open: vec![2],
        not_before: Timestamp(0),
    };
    shelf.archive.apply(&[answered]).unwrap();
    shelf.receive(1, delivered(1, 100));
    shelf.archive.apply(&[Change::ServerRestored { last_counter: 8, wishes: vec![] }]).unwrap();
    let saved = shelf.archive.load().unwrap();
    assert_eq!(saved.outbox[0].targets, [1, 2]);
}

#[test]
fn what_a_server_is_to_give_back_is_remembered_until_it_is_answered() {
    let wish = |typed| Address::parse(typed).unwrap();
    let mut shelf = Fixture::new();
    let restored =
        |wishes: &str| Change::ServerRestored { last_counter: 0, wishes: Address::parse_list(wishes).unwrap() };
    shelf.archive.apply(&[restored("#Obras, ana")]).unwrap();
    // Once more, before everything was answered: there is one name to take.
    shelf.archive.apply(&[restored("#cozinha, #Obras, bia")]).unwrap();
    let mut shelf = shelf.reopened(SERVER);
    let wishes = shelf.archive.load().unwrap().wishes;
    assert_eq!(wishes, [wish("#Obras"), wish("#cozinha"), wish("bia")]);
    shelf.archive.apply(&[Change::WishAnswered(wish("#Obras")), Change::WishAnswered(wish("bia"))]).unwrap();
    assert_eq!(shelf.archive.load().unwrap().wishes, [wish("#cozinha")]);
    // They are wishes to one server.
    assert_eq!(shelf.reopened("10.0.0.1:1").archive.load().unwrap().wishes, []);
}
