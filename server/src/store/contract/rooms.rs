//! Rooms, the one of everybody among them.

use malote_common::frame::{Membership, RoomRefusal};
use malote_common::{Entry, MailboxId, Name, Outcome, codec, limits};

use super::*;

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

fn enter(store: &mut impl Store, person: &Login, room: &str) -> Answer {
    one(store, Operation::Enter { person: person.person, room: name(room), create: true })
}

fn entered(store: &mut impl Store, person: &Login, room: &str) -> Membership {
    match enter(store, person, room) {
        Answer::Entered { membership, .. } => membership,
        other => panic!("{other:?}"),
    }
}

fn leave(store: &mut impl Store, person: &Login, room: &str) -> Answer {
    one(store, Operation::Leave { person: person.person, room: name(room) })
}

fn refused(why: RoomRefusal) -> Answer {
    Answer::RoomRefused(why)
}

pub fn only_members_post_and_one_entry_serves_them_all<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 4);
    let room = entered(&mut store, &ids[0], "obras").mailbox;
    entered(&mut store, &ids[1], "OBRAS");
    entered(&mut store, &ids[2], "obras");
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(1, &["#obras"], "oi"));
    assert_eq!(outcomes, [Outcome::Accepted { mailbox: room, seq: 1 }]);
    assert_eq!(appended.iter().map(|stored| stored.mailbox).collect::<Vec<_>>(), [room]);
    let not_in = submit(&mut store, &ids[3], submission(1, &["#obras", "#nenhuma", "Usuario0"], "oi")).0;
    let accepted = Outcome::Accepted { mailbox: ids[0].mailbox, seq: 1 };
    assert_eq!(not_in, [Outcome::NotAMember, Outcome::UnknownRecipient, accepted]);
    assert_eq!(leave(&mut store, &ids[1], "obras"), Answer::Left { mailbox: room, changed: true });
    assert_eq!(leave(&mut store, &ids[1], "obras"), Answer::Left { mailbox: room, changed: false });
    drop(store);
    let mut store = open();
    assert_eq!(submit(&mut store, &ids[1], submission(1, &["#obras"], "oi")).0, [Outcome::NotAMember]);
    // Receipts would be one for each member: there are none.
    assert_eq!(receipts(&mut store, Operation::Acknowledge { mailbox: room, seq: 1 }), []);
    assert_eq!(receipts(&mut store, Operation::Read { mailbox: room, seqs: vec![1] }), []);
}

pub fn a_member_may_see_what_came_since_and_a_little_before<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    assert_eq!(entered(&mut store, &ids[0], "obras").first, 1);
    let history = limits::ROOM_HISTORY;
    for counter in 1..=history + 7 {
        submit(&mut store, &ids[0], submission(counter, &["#obras"], "oi"));
    }
    let membership = entered(&mut store, &ids[1], "obras");
    assert_eq!((membership.first, membership.last_seq), (8, history + 7));
    // Entering again changes nothing while one is in it.
    submit(&mut store, &ids[0], submission(history + 8, &["#obras"], "oi"));
    assert_eq!(entered(&mut store, &ids[1], "obras").first, 8);
    drop(store);
    let mut store = open();
    let rooms = login(&mut store, 1).rooms;
    assert_eq!(rooms.iter().map(|room| room.room.as_str()).collect::<Vec<_>>(), ["todos", "obras"]);
    assert_eq!((rooms[1].first, rooms[1].last_seq, rooms[1].epoch), (8, history + 8, membership.epoch));
    leave(&mut store, &ids[1], "obras");
    assert_eq!(login(&mut store, 1).rooms.len(), 1);
    assert_eq!(entered(&mut store, &ids[1], "obras").first, 9);
}

pub fn everybody_is_in_the_room_of_everybody<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let room = ids[0].rooms[0].clone();
    assert_eq!((room.room, room.first, room.last_seq), (Name::everybody(), 1, 0));
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(1, &["@todos"], "oi"));
    assert_eq!((outcomes, appended.len()), (vec![Outcome::Accepted { mailbox: room.mailbox, seq: 1 }], 1));
    assert_eq!(leave(&mut store, &ids[0], "Todos"), refused(RoomRefusal::Reserved));
    assert!(matches!(enter(&mut store, &ids[0], "todos"), Answer::Entered { changed: false, created: false, .. }));
    let newcomer = login(&mut store, 7);
    assert_eq!((newcomer.rooms[0].mailbox, newcomer.rooms[0].last_seq), (room.mailbox, 1));
    assert_eq!(store.members(room.mailbox, None, 9).unwrap().len(), 3);
}

pub fn refusals_say_why<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let unknown = Operation::Enter { person: ids[0].person, room: name("obras"), create: false };
    assert_eq!(one(&mut store, unknown), refused(RoomRefusal::Unknown));
    assert_eq!(leave(&mut store, &ids[0], "obras"), refused(RoomRefusal::Unknown));
    entered(&mut store, &ids[0], "obras");
    assert_eq!(enter(&mut store, &ids[1], "0bras"), refused(RoomRefusal::LooksLike(name("obras"))));
    assert_eq!(enter(&mut store, &ids[1], "t0dos"), refused(RoomRefusal::Reserved));
    for n in 2..limits::ROOMS_PER_PERSON {
        entered(&mut store, &ids[0], &format!("sala-{n}-x"));
    }
    assert_eq!(enter(&mut store, &ids[0], "mais-uma"), refused(RoomRefusal::TooManyRooms));
    // Where one is already, one may be, and a room that could not be entered was not made.
    assert!(matches!(enter(&mut store, &ids[0], "obras"), Answer::Entered { changed: false, .. }));
    assert!(store.rooms(None, 1000).unwrap().iter().all(|room| room.name != name("mais-uma")));
}

pub fn lists_come_in_pages<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 5);
    for room in ["Zelo", "arte", "obras"] {
        entered(&mut store, &ids[0], room);
    }
    let obras: Vec<_> = ids.iter().map(|person| entered(&mut store, person, "obras").mailbox).collect();
    let obras = obras[0];
    leave(&mut store, &ids[1], "obras");
    let rooms = |page: Vec<malote_common::frame::Room>| {
        page.into_iter().map(|room| (room.name.to_string(), room.members)).collect::<Vec<_>>()
    };
    let first = rooms(store.rooms(None, 2).unwrap());
    assert_eq!(first, [("arte".into(), 1), ("obras".into(), 4)]);
    assert_eq!(rooms(store.rooms(Some(&name("obras")), 9).unwrap()), [("todos".into(), 5), ("Zelo".into(), 1)]);
    let numbers = |page: Vec<malote_common::frame::Person>| page.iter().map(|p| p.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.members(obras, None, 2).unwrap()), [0, 2]);
    assert_eq!(numbers(store.members(obras, Some(ids[2].person), 9).unwrap()), [3, 4]);
    assert_eq!(numbers(store.members(MailboxId(9999), None, 9).unwrap()), Vec::<u64>::new());
}

pub fn a_room_that_nobody_wrote_in_goes_with_its_last_member<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    one(&mut store, Operation::OpenRoom { room: name("chat") });
    for room in ["obars", "obras", "chat"] {
        entered(&mut store, &ids[0], room);
    }
    entered(&mut store, &ids[1], "obars");
    submit(&mut store, &ids[0], submission(1, &["#obras"], "oi"));
    for room in ["obars", "obras", "chat"] {
        leave(&mut store, &ids[0], room);
    }
    let rooms =
        |store: &mut S| store.rooms(None, 9).unwrap().iter().map(|room| room.name.to_string()).collect::<Vec<_>>();
    assert_eq!(rooms(&mut store), ["chat", "obars", "obras", "todos"]);
    leave(&mut store, &ids[1], "obars");
    assert_eq!(rooms(&mut store), ["chat", "obras", "todos"]);
    assert!(matches!(enter(&mut store, &ids[1], "obars"), Answer::Entered { created: true, .. }));
}

pub fn visitors_post_as_nobody_in_particular<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let opened = one(&mut store, Operation::OpenRoom { room: name("chat") });
    let Answer::Opened { mailbox, last_seq: 0 } = opened else { panic!("{opened:?}") };
    let message = submission(1, &["#chat"], "olá").message;
    let post = Operation::Post { room: mailbox, from: Name::visitor(3), message: message.clone() };
    let (Answer::Noted, appended) = both(&mut store, post) else { panic!() };
    let entry: Entry = codec::decode(&appended[0].entry).unwrap();
    let accepted_at = Timestamp(1000);
    assert_eq!(entry, Entry::Message { from: Name::visitor(3), number: None, accepted_at, message });
    let again = one(&mut store, Operation::OpenRoom { room: name("chat") });
    assert_eq!(again, Answer::Opened { mailbox, last_seq: 1 });
}
