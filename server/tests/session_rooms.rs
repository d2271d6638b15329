//! Rooms and names in a session spoken to by hand.

mod table;

use malote_common::frame::{ClientFrame, Closing, Membership, NameRefusal, Person, Room, RoomRefusal, ServerFrame};
use malote_common::{Entry, Epoch, MailboxId, Name, Seq, Timestamp, codec, limits};
use malote_server::post_office::{Event, News, Request};
use malote_server::rate::Rate;
use malote_server::store::Run;
use std::sync::Arc;
use table::{EPOCH, OWN, Table, submission};

const ROOM: MailboxId = MailboxId(7);

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

fn membership(mailbox: MailboxId, first: Seq, last_seq: Seq) -> Membership {
    Membership { room: name(&format!("sala-{}", mailbox.0)), mailbox, epoch: EPOCH, first, last_seq }
}

fn person(number: u64) -> Person {
    Person { number, name: Name::given(number), connected: true }
}

fn run(mailbox: MailboxId, seq: Seq, bytes: usize) -> Run {
    let mut message = submission(1, 1).message;
    message.content = vec![0; bytes];
    let entry = Entry::Message { from: Name::given(1), number: Some(1), accepted_at: Timestamp(0), message };
    Run::of_one(mailbox, seq, &codec::encode(&entry).unwrap())
}

fn resume(after: Seq) -> ClientFrame {
    ClientFrame::Resume { mailbox: ROOM, epoch: EPOCH, after }
}

fn enter(room: &str) -> ClientFrame {
    ClientFrame::Enter { room: name(room), create: true }
}

/// In the room, which this client has resumed behind `after`.
fn in_room(first: Seq, last_seq: Seq, after: Seq) -> Table {
    let mut table = Table::in_rooms(vec![membership(ROOM, first, last_seq)]);
    table.say(&resume(after));
    table
}

/// The pages that are asked for: of which mailbox, behind which entry.
fn fetched(table: &mut Table) -> Vec<(MailboxId, Seq)> {
    let of = |request| match request {
        Request::Fetch { mailbox, after } => Some((mailbox, after)),
        _ => None,
    };
    table.asked().into_iter().filter_map(of).collect()
}

fn delivered(table: &mut Table) -> Vec<(MailboxId, Seq)> {
    let of = |frame| match frame {
        ServerFrame::Delivery { mailbox, seq, .. } => Some((mailbox, seq)),
        _ => None,
    };
    table.read().into_iter().filter_map(of).collect()
}

fn page(mailbox: MailboxId, seqs: impl IntoIterator<Item = Seq>) -> Event {
    Event::Page { mailbox, entries: seqs.into_iter().map(|seq| run(mailbox, seq, 10)).collect() }
}

#[test]
fn a_room_begins_with_the_first_entry_that_one_may_see() {
    let mut table = in_room(21, 70, 0);
    assert_eq!(fetched(&mut table), [(ROOM, 20)]);
    table.session.event(page(ROOM, 21..=23));
    assert_eq!(delivered(&mut table), [(ROOM, 21), (ROOM, 22), (ROOM, 23)]);
    assert_eq!(fetched(&mut in_room(21, 70, 60)), [(ROOM, 60)]);
}

#[test]
fn a_room_that_was_not_resumed_is_silent() {
    let mut table = Table::in_rooms(vec![membership(ROOM, 1, 0)]);
    table.session.event(Event::Entries(run(ROOM, 1, 10)));
    assert_eq!(delivered(&mut table), []);
}

#[test]
fn another_epoch_breaks_the_rules() {
    let mut table = Table::in_rooms(vec![membership(ROOM, 1, 0)]);
    table.say(&ClientFrame::Resume { mailbox: ROOM, epoch: Epoch([9; 16]), after: 0 });
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn a_room_that_one_is_not_in_is_not_asked_about() {
    for frame in [resume(0), ClientFrame::Members { mailbox: ROOM, after: None }] {
        let mut table = Table::logged_in();
        table.say(&frame);
        assert!(table.asked().is_empty());
        assert!(table.is_open(), "another device may have left it at this moment");
    }
    for frame in
        [ClientFrame::Acknowledge { mailbox: ROOM, seq: 0 }, ClientFrame::Read { mailbox: ROOM, seqs: vec![1] }]
    {
        let mut table = in_room(1, 5, 5);
        table.asked();
        table.say(&frame);
        assert!(table.asked().is_empty());
        let mut table = in_room(1, 5, 5);
        table.say(&frame);
        table.is_closed(Closing::ProtocolError);
    }
}

#[test]
fn nothing_of_a_room_follows_the_leaving() {
    let mut table = in_room(1, 5, 0);
    table.say(&ClientFrame::Members { mailbox: ROOM, after: None });
    table.asked();
    table.session.event(Event::Left { room: name("sala-7"), mailbox: ROOM, asked: false });
    assert!(matches!(table.read()[..], [ServerFrame::Left { .. }]));
    // What was on its way.
    table.session.event(page(ROOM, 1..=5));
    table.session.event(Event::Entries(run(ROOM, 6, 10)));
    table.say(&resume(0));
    assert_eq!(table.read(), []);
    assert!(table.asked().is_empty());
    // The page and the list that will never come keep nothing else from coming.
    table.session.missed_events();
    table.say(&ClientFrame::Rooms { after: None });
    let asked = table.asked();
    assert!(matches!(asked[..], [Request::Fetch { mailbox: OWN, .. }, Request::Rooms { .. }]), "{asked:?}");
}

#[test]
fn a_page_for_a_room_that_was_entered_again_asks_for_no_further_one() {
    let mut table = in_room(1, 5, 0);
    table.asked();
    // Other devices of this person leave and enter while a page is on its way.
    table.session.event(Event::Left { room: name("sala-7"), mailbox: ROOM, asked: false });
    table.session.event(Event::Entered { membership: membership(ROOM, 1, 5), created: false, asked: false });
    table.session.event(page(ROOM, 1..=5));
    assert!(table.asked().is_empty(), "nobody has resumed it");
    assert_eq!(delivered(&mut table), []);
}

#[test]
fn a_room_that_is_left_and_entered_again_may_be_resumed_twice() {
    let mut table = Table::logged_in();
    let entered = |first| Event::Entered { membership: membership(ROOM, first, 9), created: false, asked: false };
    table.session.event(entered(1));
    table.session.event(Event::Left { room: name("sala-7"), mailbox: ROOM, asked: false });
    table.session.event(entered(1));
    table.read();
    // The client answers the first entering, and then the second one.
    table.say(&resume(4));
    assert_eq!(fetched(&mut table), [(ROOM, 4)]);
    table.say(&resume(6));
    table.session.event(page(ROOM, 5..=9));
    assert_eq!(delivered(&mut table), [(ROOM, 7), (ROOM, 8), (ROOM, 9)]);
    assert!(table.is_open());
}

#[test]
fn one_page_at_a_time_is_fetched_for_all_rooms_in_turn() {
    const ROOMS: u64 = limits::ROOMS_PER_PERSON as u64;
    let ids = || (100..100 + ROOMS).map(MailboxId);
    let mut table = Table::in_rooms(ids().map(|room| membership(room, 1, 1_000)).collect());
    for mailbox in ids() {
        table.say(&ClientFrame::Resume { mailbox, epoch: EPOCH, after: 0 });
    }
    let (mut most, mut order) = (0, Vec::new());
    let mut under_way = fetched(&mut table);
    while order.len() < 2 * ROOMS as usize {
        let [(mailbox, after)] = under_way[..] else { panic!("{} pages are under way", under_way.len()) };
        order.push(mailbox);
        let entries = (after + 1..=after + 10).map(|seq| run(mailbox, seq, 10_000)).collect();
        table.session.event(Event::Page { mailbox, entries });
        most = most.max(table.session.transmit().len());
        under_way = fetched(&mut table);
        if under_way.is_empty() {
            table.read();
            under_way = fetched(&mut table);
        }
    }
    assert!(most < 512 * 1024, "{most} bytes wait");
    assert_eq!(order[..ROOMS as usize], ids().collect::<Vec<_>>());
    assert_eq!(order[ROOMS as usize..], ids().collect::<Vec<_>>(), "no room waits for another to be read to its end");
}

#[test]
fn who_comes_and_goes_costs_a_slow_reader_little_memory_and_is_told_in_the_end() {
    let mut table = in_room(1, 0, 0);
    table.say(&ClientFrame::Members { mailbox: ROOM, after: None });
    table.say(&ClientFrame::People { after: None });
    table.asked();
    table.session.event(page(ROOM, []));
    table.session.event(Event::Members { mailbox: ROOM, people: vec![], more: false });
    table.session.event(Event::People { people: vec![], more: false });
    table.asked();
    for number in 0..100_000 {
        table.session.event(Event::News(Arc::new(News::of_room(ROOM, vec![(person(number), true)]))));
        table.session.event(Event::News(Arc::new(News::of_people(&[person(number)]))));
    }
    let most = table.session.transmit().len();
    assert!(most < 256 * 1024, "{most} bytes wait");
    assert!(table.asked().is_empty(), "there is no room for a list either");
    table.read();
    let asked = table.asked();
    let is_told = |list: fn(&Request) -> bool| asked.iter().any(list);
    assert!(is_told(|request| matches!(request, Request::People { after: None })), "{asked:?}");
    table.session.event(Event::People { people: vec![], more: false });
    assert!(matches!(table.asked()[..], [Request::Members { mailbox: ROOM, after: None }]));
}

#[test]
fn lists_of_members_are_told_again_after_missed_events() {
    let rooms = [MailboxId(7), MailboxId(8)];
    let mut table = Table::in_rooms(rooms.iter().map(|room| membership(*room, 1, 0)).collect());
    table.say(&ClientFrame::Members { mailbox: ROOM, after: None });
    table.asked();
    table.session.event(Event::Members { mailbox: ROOM, people: vec![person(0)], more: true });
    table.session.missed_events();
    // The client asks for the next page of what it is about to be told again.
    table.say(&ClientFrame::Members { mailbox: ROOM, after: Some(0) });
    let asked = table.asked();
    let is_list = |request: &&Request| matches!(request, Request::Members { .. });
    let lists: Vec<&Request> = asked.iter().filter(is_list).collect();
    assert!(matches!(lists[..], [Request::Members { mailbox: ROOM, after: None }]), "{asked:?}");
    table.session.event(Event::Members { mailbox: ROOM, people: vec![person(0)], more: true });
    assert!(matches!(table.asked()[..], [Request::Members { mailbox: ROOM, after: Some(0) }]));
}

#[test]
fn wishes_are_asked_one_at_a_time_and_answered_in_order() {
    // Three wishes and a half.
    let mut table = Table::with_rate(Rate { burst: 35, per_second: 1 }).log_in();
    for room in ["a", "b", "c", "d"] {
        table.say(&enter(room));
    }
    table.say(&ClientFrame::TakeName { name: Some(name("ana")) });
    for room in ["a", "b", "c"] {
        let asked = table.asked();
        assert!(matches!(&asked[..], [Request::Enter { room: wished, .. }] if *wished == name(room)), "{asked:?}");
        assert_eq!(table.read(), [], "the refusal of a later one does not come before");
        table.session.event(Event::RoomRefused { room: name(room), why: RoomRefusal::Unknown });
        let answered = table.read();
        assert!(matches!(&answered[0], ServerFrame::RoomRefused { room: of, .. } if *of == name(room)));
        if room == "c" {
            let [_, ServerFrame::RoomRefused { room, why }, ServerFrame::NameRefused { name: wish, why: no }] =
                &answered[..]
            else {
                panic!("{answered:?}")
            };
            assert_eq!((room, wish), (&name("d"), &name("ana")));
            assert!(matches!(why, RoomRefusal::RateLimited { retry_after_ms: 5_000 }), "{why:?}");
            assert!(matches!(no, NameRefusal::RateLimited { .. }));
        }
    }
    assert!(table.asked().is_empty());
}

#[test]
fn what_another_device_does_answers_no_wish() {
    let mut table = Table::logged_in();
    table.say(&enter("sala-7"));
    table.say(&ClientFrame::TakeName { name: None });
    assert_eq!(table.asked().len(), 1);
    let entered = |asked| Event::Entered { membership: membership(ROOM, 1, 0), created: false, asked };
    table.session.event(entered(false));
    table.session.event(Event::Named { name: name("ana"), asked: false });
    assert!(table.asked().is_empty());
    table.session.event(entered(true));
    assert!(matches!(table.asked()[..], [Request::TakeName { name: None }]));
    assert_eq!(table.read().len(), 3);
}

#[test]
fn many_wishes_at_once_break_the_rules() {
    let mut table = Table::logged_in();
    for n in 0..16 {
        table.say(&enter(&format!("sala-{n}")));
    }
    assert!(table.is_open());
    table.say(&ClientFrame::Leave { room: name("sala-1") });
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn wishes_cost_as_much_as_several_messages() {
    let mut table = Table::with_rate(Rate { burst: 15, per_second: 1 }).log_in();
    table.say(&enter("a"));
    for counter in 1..=6 {
        table.say(&ClientFrame::Submit(submission(counter, 1)));
    }
    let submitted = table.asked().iter().filter(|request| matches!(request, Request::Submit(_))).count();
    assert_eq!(submitted, 5);
}

#[test]
fn lists_come_one_page_after_the_other() {
    let mut table = in_room(1, 0, 0);
    table.asked();
    table.say(&ClientFrame::Rooms { after: None });
    table.say(&ClientFrame::Members { mailbox: ROOM, after: None });
    table.say(&ClientFrame::Rooms { after: Some(name("b")) });
    assert!(matches!(table.asked()[..], [Request::Rooms { after: None }]));
    let room = Room { name: name("obras"), mailbox: ROOM, members: 1 };
    table.session.event(Event::Rooms { rooms: vec![room.clone()], more: true });
    assert_eq!(table.read(), [ServerFrame::Rooms { rooms: vec![room], more: true }]);
    assert!(matches!(table.asked()[..], [Request::Members { .. }]));
    table.session.event(Event::Members { mailbox: ROOM, people: vec![], more: false });
    assert!(matches!(table.asked()[..], [Request::Rooms { after: Some(_) }]));
}
