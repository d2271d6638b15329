use super::*;
use crate::store::contract::{DEVICE, submission};
use crate::store::sqlite::SqliteStore;
use malote_common::Submission;
use malote_common::frame::Room;

const NOW: Timestamp = Timestamp(5);

fn office(max_clients: usize) -> PostOffice<SqliteStore> {
    PostOffice::new(SqliteStore::in_memory().unwrap(), max_clients)
}

fn login(key: u8) -> Request {
    Request::Login { key: [key; 32], device: DEVICE }
}

fn ask(office: &mut PostOffice<SqliteStore>, session: u64, request: Request) -> Vec<(u64, Event)> {
    let events = office.handle(vec![(SessionId(session), request)], NOW).unwrap();
    events.into_iter().map(|(session, event)| (session.0, event)).collect()
}

fn mailbox(events: &[(u64, Event)]) -> MailboxId {
    match events {
        [(_, Event::LoggedIn(login)), ..] => login.mailbox,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_client_too_many_is_refused_until_another_leaves() {
    let mut office = office(1);
    mailbox(&ask(&mut office, 1, login(1)));
    assert!(matches!(ask(&mut office, 2, login(2))[..], [(2, Event::Full)]));
    ask(&mut office, 1, Request::Gone);
    mailbox(&ask(&mut office, 3, login(2)));
}

#[test]
fn a_device_that_comes_again_takes_its_own_place() {
    let mut office = office(1);
    mailbox(&ask(&mut office, 1, login(1)));
    let events = ask(&mut office, 2, login(1));
    assert!(matches!(events[..], [(1, Event::Superseded), (2, Event::LoggedIn(_))]), "{events:?}");
    // The older connection's end changes nothing any more.
    assert!(ask(&mut office, 1, Request::Gone).is_empty());
    assert_eq!(office.presence.count(), 1);
}

#[test]
fn a_login_that_comes_late_does_not_take_a_newer_connections_place() {
    let mut office = office(1);
    mailbox(&ask(&mut office, 2, login(1)));
    assert!(matches!(ask(&mut office, 1, login(1))[..], [(1, Event::Superseded)]));
    assert!(ask(&mut office, 1, Request::Gone).is_empty());
    assert!(office.presence.get(SessionId(2)).is_some());
}

#[test]
fn what_finds_no_space_is_overtaken_by_nothing_of_its_author() {
    let mut office = PostOffice::new(Tight(SqliteStore::in_memory().unwrap()), 9);
    let mut handle = |batch| office.handle(batch, NOW).unwrap();
    handle(vec![(SessionId(1), login(1)), (SessionId(2), login(2))]);
    let small = |counter, since| Submission { since, ..submission(counter, &["Usuario0"], "oi") };
    let large = submission(1, &["Usuario0"], &"x".repeat(TIGHT));
    let batch = [(1, large), (1, small(2, 1)), (2, small(1, 1)), (1, small(3, 3))];
    let batch = batch.map(|(session, submission)| (SessionId(session), Request::Submit(submission)));
    let outcomes = handle(batch.into()).into_iter().map(|(session, event)| match event {
        Event::Outcomes { counter, outcomes } => (session.0, counter, outcomes[0].code()),
        other => panic!("{other:?}"),
    });
    let expected = [(1, 1, "server_full"), (1, 2, "out_of_turn"), (2, 1, "accepted"), (1, 3, "accepted")];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
}

/// A store that has no space for a message of so many bytes.
struct Tight(SqliteStore);
const TIGHT: usize = 1000;

impl Store for Tight {
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Vec<Answer>, StoreError> {
        let is_large = |operation: &Operation| match operation {
            Operation::Submit { submission, .. } => submission.message.content.len() > TIGHT,
            _ => false,
        };
        if batch.iter().any(is_large) { Err(StoreError::Full) } else { self.0.commit(batch, now) }
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Stored>, StoreError> {
        self.0.entries(mailbox, after, max_bytes)
    }

    fn people(&mut self, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.0.people(after, limit)
    }

    fn rooms(&mut self, after: Option<&Name>, limit: usize) -> Result<Vec<Room>, StoreError> {
        self.0.rooms(after, limit)
    }

    fn members(&mut self, room: MailboxId, after: Option<PersonId>, limit: usize) -> Result<Vec<Person>, StoreError> {
        self.0.members(room, after, limit)
    }
}

#[test]
fn nobody_reads_or_acknowledges_anothers_mailbox() {
    let mut office = office(9);
    mailbox(&ask(&mut office, 1, login(1)));
    let others = mailbox(&ask(&mut office, 2, login(2)));
    ask(&mut office, 1, Request::Submit(submission(1, &["Usuario1"], "segredo")));
    assert!(ask(&mut office, 1, Request::Fetch { mailbox: others, after: 0 }).is_empty());
    assert!(ask(&mut office, 1, Request::Acknowledge { mailbox: others, seq: 1 }).is_empty());
    assert!(ask(&mut office, 1, Request::Read { mailbox: others, seqs: vec![1] }).is_empty());
    let events = ask(&mut office, 2, Request::Fetch { mailbox: others, after: 0 });
    assert!(matches!(&events[..], [(2, Event::Page { entries, .. })] if entries.len() == 1));
}

#[test]
fn strangers_are_told_nothing() {
    let mut office = office(9);
    for request in [
        Request::Submit(submission(1, &["Usuario0"], "oi")),
        Request::Resume { mailbox: MailboxId(1), after: 3 },
        Request::Fetch { mailbox: MailboxId(1), after: 0 },
        Request::People { after: None },
        Request::Gone,
    ] {
        let events = ask(&mut office, 1, request);
        assert!(events.is_empty(), "{events:?}");
    }
}

#[test]
fn watchers_learn_who_comes_and_goes() {
    let mut office = office(9);
    ask(&mut office, 1, login(1));
    let events = ask(&mut office, 1, Request::People { after: None });
    assert!(matches!(&events[..], [(1, Event::People { people, more: false })] if people[0].connected));
    let presence = |events: Vec<(u64, Event)>| match events.last() {
        Some((1, Event::Presence(people))) => (people[0].number, people[0].connected),
        other => panic!("{other:?}"),
    };
    assert_eq!(presence(ask(&mut office, 2, login(2))), (1, true));
    assert_eq!(presence(ask(&mut office, 2, Request::Gone)), (1, false));
}
