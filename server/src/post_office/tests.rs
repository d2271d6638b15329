use std::sync::mpsc;

use super::acknowledgements::Acknowledgements;
use super::thread::Letter;
use super::*;
use crate::store::Committed;
use crate::store::contract::{DEVICE, submission};
use crate::store::sqlite::SqliteStore;
use malote_common::Submission;
use malote_common::frame::{Membership, Room, ServerFrame};

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
    let mut office = PostOffice::new(Watched(SqliteStore::in_memory().unwrap(), tight), 9);
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

/// Bytes of a message for which [`tight`] has no space.
const TIGHT: usize = 1000;

fn tight(batch: &[Operation]) -> Result<(), StoreError> {
    let is_large = |operation: &Operation| match operation {
        Operation::Submit { submission, .. } => submission.message.content.len() > TIGHT,
        Operation::Acknowledge { seq, .. } => *seq == Seq::MAX,
        _ => false,
    };
    if batch.iter().any(is_large) { Err(StoreError::Full) } else { Ok(()) }
}

/// A store before which somebody looks at each batch.
struct Watched<F>(SqliteStore, F);

impl<F: FnMut(&[Operation]) -> Result<(), StoreError> + Send> Store for Watched<F> {
    fn commit(&mut self, batch: &[Operation], now: Timestamp) -> Result<Committed, StoreError> {
        (self.1)(batch)?;
        self.0.commit(batch, now)
    }

    fn entries(&mut self, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Result<Vec<Run>, StoreError> {
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

/// Of such requests, of which that many come while a commit is under way, how many the commits behind it take.
fn commits(count: usize, request: impl Fn(MailboxId) -> Request) -> Vec<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let (report, reported) = mpsc::channel();
    let (go_on, gone_on) = mpsc::channel::<()>();
    let watch = move |batch: &[Operation]| {
        report.send(batch.len()).map_err(|_| StoreError::Full)?;
        // Fails when nobody wants it to wait any more.
        let _ = gone_on.recv();
        Ok(())
    };
    let mut office = PostOffice::new(Watched(SqliteStore::in_memory().unwrap(), watch), 9);
    go_on.send(()).unwrap();
    let events = office.handle(vec![(SessionId(1), login(1))], NOW).unwrap();
    let [(_, Event::LoggedIn(ref login)), ..] = events[..] else { panic!("{events:?}") };
    let (counter, thread) = thread::start(office).unwrap();
    let hand_in = |request| counter.try_send(Letter::Requests(SessionId(1), vec![request])).unwrap();
    hand_in(Request::TakeName { name: None });
    assert_eq!(reported.iter().take(2).collect::<Vec<_>>(), [1, 1], "the login, and what is under way");
    (0..count).for_each(|_| hand_in(request(login.mailbox)));
    drop((go_on, counter));
    thread.join().unwrap().unwrap();
    reported.iter().collect()
}

#[test]
fn a_commit_takes_so_many_lookups_and_so_many_bytes() {
    let marks = |count: u64| commits(5, move |mailbox| Request::Read { mailbox, seqs: (1..=count).collect() });
    assert_eq!(marks(1), [5]);
    assert_eq!(marks(1_000), [3, 2], "2,048 look-ups, and the rest of the request that brings more");
    let long = |targets: &[&str]| {
        let submission = submission(1, targets, &"a".repeat(limits::BODY_BYTES));
        commits(33, move |_| Request::Submit(submission.clone()))
    };
    assert_eq!(long(&["ana"]), [33]);
    assert_eq!(long(&["ana", "bia", "caio", "duda"]), [16, 16, 1], "each recipient's counts");
}

#[test]
fn an_acknowledgement_that_finds_no_space_is_handed_in_again() {
    let mut office = PostOffice::new(Watched(SqliteStore::in_memory().unwrap(), tight), 9);
    let events = office.handle(vec![(SessionId(1), login(1))], NOW).unwrap();
    let [(_, Event::LoggedIn(ref login)), ..] = events[..] else { panic!("{events:?}") };
    let (mailbox, others) = (login.mailbox, MailboxId(login.mailbox.0 + 1));
    let acknowledge = |mailbox, seq| (SessionId(1), Request::Acknowledge { mailbox, seq });
    // What was written, and what nobody may ask, is not.
    office.handle(vec![acknowledge(mailbox, 1), acknowledge(others, Seq::MAX)], NOW).unwrap();
    assert!(office.take_unwritten().is_empty());
    office.handle(vec![acknowledge(mailbox, Seq::MAX)], NOW).unwrap();
    let unwritten = office.take_unwritten();
    assert!(matches!(unwritten[..], [(SessionId(1), Request::Acknowledge { seq: Seq::MAX, .. })]), "{unwritten:?}");
    let mut late = Acknowledgements::default();
    late.keep_for_later(unwritten);
    assert_eq!(late.take_all().count(), 1);
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
        Some((1, Event::News(news))) => match &news.frames[..] {
            [ServerFrame::Presence { people }] => (people[0].number, people[0].connected),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(presence(ask(&mut office, 2, login(2))), (1, true));
    assert_eq!(presence(ask(&mut office, 2, Request::Gone)), (1, false));
}

/// Enters a room, and wants to hear what is said there.
fn enter(office: &mut PostOffice<SqliteStore>, session: u64, typed: &str) -> Membership {
    let room = Name::parse(typed).unwrap();
    let events = ask(office, session, Request::Enter { room, create: true });
    let entered = events.into_iter().find_map(|(to, event)| match event {
        Event::Entered { membership, asked: true, .. } if to == session => Some(membership),
        _ => None,
    });
    let membership = entered.expect("anybody may enter");
    ask(office, session, Request::Resume { mailbox: membership.mailbox, after: 0 });
    membership
}

fn leave(typed: &str) -> Request {
    Request::Leave { room: Name::parse(typed).unwrap() }
}

fn write(counter: u64, to: &str) -> Request {
    Request::Submit(submission(counter, &[to], "oi"))
}

/// The sessions that are told of a new entry.
fn hear(events: &[(u64, Event)]) -> Vec<u64> {
    events.iter().filter(|(_, event)| matches!(event, Event::Entries(_))).map(|(session, _)| *session).collect()
}

/// An office in which 1, 2 and 3 are logged in.
fn with_three() -> PostOffice<SqliteStore> {
    let mut office = office(9);
    (1..=3).for_each(|n| drop(ask(&mut office, n, login(n as u8))));
    office
}

#[test]
fn a_room_is_heard_by_those_who_are_in_it_and_listen() {
    let mut office = with_three();
    (1..=2).for_each(|n| drop(enter(&mut office, n, "obras")));
    assert_eq!(hear(&ask(&mut office, 1, write(1, "#obras"))), [1, 2]);
    assert_eq!(hear(&ask(&mut office, 3, write(1, "#obras"))), [] as [u64; 0]);
    ask(&mut office, 2, leave("obras"));
    assert_eq!(hear(&ask(&mut office, 1, write(2, "#obras"))), [1]);
    let everybody = hear(&ask(&mut office, 3, write(2, "@todos")));
    assert_eq!(everybody, [] as [u64; 0], "nobody has asked for it yet");
}

#[test]
fn nobody_hears_fetches_or_lists_a_room_they_are_not_in() {
    let mut office = with_three();
    let Membership { mailbox, .. } = enter(&mut office, 1, "obras");
    ask(&mut office, 1, write(1, "#obras"));
    for request in [
        Request::Resume { mailbox, after: 0 },
        Request::Fetch { mailbox, after: 0 },
        Request::Members { mailbox, after: None },
        Request::Acknowledge { mailbox, seq: 1 },
        Request::Read { mailbox, seqs: vec![1] },
    ] {
        let events = ask(&mut office, 2, request);
        assert!(events.is_empty(), "{events:?}");
    }
    assert_eq!(hear(&ask(&mut office, 1, write(2, "#obras"))), [1]);
}

#[test]
fn whoever_leaves_does_not_fetch_what_came_behind_them_in_the_same_batch() {
    let mut office = with_three();
    (1..=2).for_each(|n| drop(enter(&mut office, n, "obras")));
    let Membership { mailbox, .. } = enter(&mut office, 1, "obras");
    let batch = [(1, Request::Fetch { mailbox, after: 0 }), (1, leave("obras")), (2, write(1, "#obras"))];
    let events = office.handle(batch.map(|(session, request)| (SessionId(session), request)).into(), NOW).unwrap();
    let told: Vec<_> = events.iter().filter(|(session, _)| session.0 == 1).map(|(_, event)| event).collect();
    assert!(matches!(told[..], [Event::Left { asked: true, .. }]), "{told:?}");
}

/// Who has entered a room (`true`) or left it, as far as this event tells.
fn moves(event: &Event) -> Vec<(u64, bool)> {
    let Event::News(news) = event else { return Vec::new() };
    let moves = news.frames.iter().filter_map(|frame| match frame {
        ServerFrame::Member { person, entered, .. } => Some((person.number, *entered)),
        _ => None,
    });
    moves.collect()
}

#[test]
fn those_in_a_room_learn_once_who_comes_and_goes() {
    let mut office = with_three();
    (1..=2).for_each(|n| drop(enter(&mut office, n, "obras")));
    let members = |events: Vec<(u64, Event)>| -> Vec<(u64, u64, bool)> {
        events
            .iter()
            .flat_map(|(session, event)| moves(event).into_iter().map(|(who, entered)| (*session, who, entered)))
            .collect()
    };
    let enter = || Request::Enter { room: Name::parse("obras").unwrap(), create: false };
    assert_eq!(members(ask(&mut office, 3, enter())), [(1, 2, true), (2, 2, true)]);
    assert_eq!(members(ask(&mut office, 3, enter())), [], "they are in it already");
    assert_eq!(members(ask(&mut office, 3, leave("obras"))), [(1, 2, false), (2, 2, false)]);
    assert_eq!(members(ask(&mut office, 3, leave("obras"))), []);
}

#[test]
fn all_devices_of_a_person_are_in_the_same_rooms_and_have_the_same_name() {
    let mut office = office(9);
    let device = |n| Request::Login { key: [1; 32], device: DeviceId([n; 16]) };
    ask(&mut office, 1, device(1));
    ask(&mut office, 2, device(2));
    let asked = |events: &[(u64, Event)]| -> Vec<(u64, bool)> {
        let of = |(session, event): &(u64, Event)| match event {
            Event::Entered { asked, .. } | Event::Left { asked, .. } | Event::Named { asked, .. } => {
                Some((*session, *asked))
            }
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    let room = || Name::parse("obras").unwrap();
    let events = ask(&mut office, 1, Request::Enter { room: room(), create: true });
    assert_eq!(asked(&events), [(1, true), (2, false)]);
    let mailbox = events.iter().find_map(|(_, event)| match event {
        Event::Entered { membership, .. } => Some(membership.mailbox),
        _ => None,
    });
    let mailbox = mailbox.unwrap();
    (1..=2).for_each(|n| drop(ask(&mut office, n, Request::Resume { mailbox, after: 0 })));
    assert_eq!(hear(&ask(&mut office, 2, write(1, "#obras"))), [1, 2]);
    assert_eq!(asked(&ask(&mut office, 1, Request::TakeName { name: Some(room()) })), [(1, true), (2, false)]);
    assert_eq!(asked(&ask(&mut office, 2, leave("obras"))), [(1, false), (2, true)]);
    assert!(ask(&mut office, 1, Request::Fetch { mailbox, after: 0 }).is_empty());
}

#[test]
fn members_are_shown_with_who_of_them_is_connected() {
    let mut office = with_three();
    (1..=3).for_each(|n| drop(enter(&mut office, n, "obras")));
    let Membership { mailbox, .. } = enter(&mut office, 1, "obras");
    ask(&mut office, 3, Request::Gone);
    let events = ask(&mut office, 1, Request::Members { mailbox, after: None });
    let [(1, Event::Members { people, more: false, .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(people.iter().map(|p| (p.number, p.connected)).collect::<Vec<_>>(), [(0, true), (1, true), (2, false)]);
}

#[test]
fn whoever_comes_back_hears_nothing_before_they_ask_for_it() {
    let mut office = with_three();
    (1..=2).for_each(|n| drop(enter(&mut office, n, "obras")));
    ask(&mut office, 2, Request::Gone);
    assert_eq!(hear(&ask(&mut office, 1, write(1, "#obras"))), [1]);
    ask(&mut office, 4, login(2));
    assert_eq!(hear(&ask(&mut office, 1, write(2, "#obras"))), [1]);
    let Membership { mailbox, .. } = enter(&mut office, 1, "obras");
    ask(&mut office, 4, Request::Resume { mailbox, after: 0 });
    assert_eq!(hear(&ask(&mut office, 1, write(3, "#obras"))), [1, 4]);
}

#[test]
fn what_a_connection_wished_for_holds_for_the_one_that_takes_its_place() {
    let mut office = with_three();
    let Membership { mailbox, .. } = enter(&mut office, 1, "obras");
    enter(&mut office, 2, "obras");
    // The same device comes again, and what it said before is carried out in the same batch.
    let name = Name::parse("ana").unwrap();
    let batch = [
        (4, login(1)),
        (1, leave("obras")),
        (1, Request::Enter { room: Name::parse("cozinha").unwrap(), create: true }),
        (1, Request::TakeName { name: Some(name.clone()) }),
    ];
    let events = office.handle(batch.map(|(session, request)| (SessionId(session), request)).into(), NOW).unwrap();
    let told: Vec<_> = events.iter().filter(|(session, _)| session.0 == 4).map(|(_, event)| event).collect();
    let [
        Event::LoggedIn(_),
        Event::Left { asked: false, .. },
        Event::Entered { asked: false, .. },
        Event::Named { name: named, asked: false },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*named, name);
    assert!(events.iter().any(|(to, event)| to.0 == 2 && moves(event).iter().any(|(_, entered)| !entered)));
    ask(&mut office, 4, Request::Resume { mailbox, after: 0 });
    assert!(ask(&mut office, 4, Request::Fetch { mailbox, after: 0 }).is_empty());
    assert_eq!(hear(&ask(&mut office, 2, write(1, "#obras"))), [2]);
}

#[test]
fn those_who_listen_to_everybody_learn_who_is_new() {
    let mut office = with_three();
    let todos = || Name::everybody();
    let events = ask(&mut office, 1, Request::Enter { room: todos(), create: false });
    let mailbox = events.iter().find_map(|(_, event)| match event {
        Event::Entered { membership, .. } => Some(membership.mailbox),
        _ => None,
    });
    ask(&mut office, 1, Request::Resume { mailbox: mailbox.unwrap(), after: 0 });
    let told = |events: Vec<(u64, Event)>| {
        events.iter().filter(|(session, _)| *session == 1).map(|(_, event)| moves(event).len()).sum::<usize>()
    };
    assert_eq!(told(ask(&mut office, 4, login(4))), 1);
    assert_eq!(told(ask(&mut office, 5, login(4))), 0, "they come again");
}

#[test]
fn a_person_is_connected_at_so_many_devices_and_no_more() {
    let mut office = PostOffice::new(SqliteStore::in_memory().unwrap(), 1000);
    let at = |device: u8| Request::Login { key: [1; 32], device: DeviceId([device; 16]) };
    let devices = limits::DEVICES_CONNECTED as u8;
    for device in 1..=devices {
        let events = ask(&mut office, device.into(), at(device));
        assert!(matches!(events[..], [(_, Event::LoggedIn(_)), ..]), "{events:?}");
    }
    assert!(matches!(ask(&mut office, 100, at(100))[..], [(100, Event::Full)]));
    // One that comes again takes its own place.
    let events = ask(&mut office, 101, at(devices));
    assert!(matches!(events[..], [(_, Event::Superseded), (101, Event::LoggedIn(_)), ..]), "{events:?}");
    assert!(matches!(ask(&mut office, 102, login(2))[..], [(102, Event::LoggedIn(_)), ..]));
}
