//! Rooms and names, as the engine goes about them: in which order it keeps, asks and tells.

use std::time::Duration;

use malote_client::archive::{Change, Saved, SavedRoom};
use malote_client::engine::Output;
use malote_client::{Command, Event, Problem, Status};
use malote_common::frame::{ClientFrame, Membership, NameRefusal, Person, Room, RoomRefusal, ServerFrame};
use malote_common::{
    Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Seq, Submission, Timestamp,
};

use crate::table::{EPOCH, OWN, Table, frames};

const ROOM: MailboxId = MailboxId(7);

impl Table {
    /// Online, with an own mailbox that was met before.
    fn met_before() -> Table {
        let mut table = Table::new(saved(None));
        table.connect_in(vec![]);
        table
    }

    /// Online and in the room, of which everything up to 9 is here.
    fn in_room() -> Table {
        let mut table = Table::new(saved(Some(9)));
        table.connect_in(vec![membership(1, 9)]);
        table
    }

    /// Makes a connection whose welcome names these rooms.
    fn connect_in(&mut self, rooms: Vec<Membership>) -> Vec<Output> {
        self.welcome.rooms = rooms;
        self.connected()
    }

    fn reconnect_in(&mut self, rooms: Vec<Membership>) -> Vec<Output> {
        self.disconnected();
        self.connect_in(rooms)
    }

    /// What the engine does at a frame.
    fn at(&mut self, frame: ServerFrame) -> Vec<Output> {
        self.hear(&frame);
        self.outputs()
    }

    fn command(&mut self, command: Command) -> Vec<ClientFrame> {
        self.engine.command(command, self.now);
        frames(&self.outputs())
    }
}

fn saved(room_up_to: Option<Seq>) -> Saved {
    let room = |last_seq| SavedRoom { name: name("obras"), epoch: EPOCH, first: 1, last_seq, member: true };
    let rooms = room_up_to.map(|last_seq| (ROOM, room(last_seq))).into_iter().collect();
    Saved { next_counter: 1, tell_read: true, resume: Some((OWN, EPOCH, 0)), rooms, ..Saved::default() }
}

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

fn membership(first: Seq, last_seq: Seq) -> Membership {
    Membership { room: name("obras"), mailbox: ROOM, epoch: EPOCH, first, last_seq }
}

fn entered(first: Seq, last_seq: Seq) -> ServerFrame {
    ServerFrame::Entered { membership: membership(first, last_seq), created: false }
}

fn left() -> ServerFrame {
    ServerFrame::Left { room: name("obras"), mailbox: ROOM }
}

fn delivery(mailbox: MailboxId, seq: Seq) -> ServerFrame {
    let to = vec![Address::Room(name("obras"))];
    let message =
        Message { id: MessageId([seq as u8; 16]), to, in_reply_to: None, sent_at: Timestamp(0), content: vec![] };
    let entry = Entry::Message { from: Name::given(3), number: Some(3), accepted_at: Timestamp(0), message };
    ServerFrame::Delivery { mailbox, seq, entry }
}

fn person(number: u64) -> Person {
    Person { number, name: Name::given(number), connected: true }
}

fn enter(room: &str) -> Command {
    Command::Enter { room: name(room), create: true }
}

/// Where rooms are resumed.
fn resumed(outputs: &[Output]) -> Vec<Seq> {
    let after = |frame| match frame {
        ClientFrame::Resume { mailbox: ROOM, epoch: EPOCH, after } => Some(after),
        _ => None,
    };
    frames(outputs).into_iter().filter_map(after).collect()
}

fn told(outputs: &[Output]) -> Vec<&Event> {
    outputs.iter().filter_map(|output| if let Output::Tell(event) = output { Some(event) } else { None }).collect()
}

fn lost_faith(outputs: &[Output]) -> bool {
    told(outputs).iter().any(|e| matches!(e, Event::Status(Status::Waiting { problem: Problem::NotMalote, .. })))
}

fn kept(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Keep(Change::Received { .. }))).count()
}

#[test]
fn a_room_is_on_disk_before_it_is_resumed() {
    let mut table = Table::met_before();
    assert_eq!(table.command(enter("obras")), [ClientFrame::Enter { room: name("obras"), create: true }]);
    let outputs = table.at(entered(21, 70));
    assert!(matches!(outputs[0], Output::Keep(Change::Entered(_))), "{outputs:?}");
    // What came before is not for us.
    assert_eq!(resumed(&outputs), [20]);
    assert!(matches!(told(&outputs)[0], Event::Entered { created: false, .. }));
    assert_eq!(kept(&table.at(delivery(ROOM, 21))), 1);
}

#[test]
fn a_room_goes_on_where_the_disk_ends() {
    assert_eq!(resumed(&Table::new(saved(Some(9))).connect_in(vec![membership(1, 12)])), [9]);
    // Behind the first entry that we may see now: we left it and are in it again, on another device.
    assert_eq!(resumed(&Table::new(saved(Some(9))).connect_in(vec![membership(31, 80)])), [30]);
    // The server has fewer entries than we do, under the same epoch: it has forgotten some.
    assert_eq!(resumed(&Table::new(saved(Some(9))).connect_in(vec![membership(3, 8)])), [2]);
    let other = Membership { epoch: Epoch([9; 16]), ..membership(1, 12) };
    let outputs = Table::new(saved(Some(9))).connect_in(vec![other.clone()]);
    let again = ClientFrame::Resume { mailbox: ROOM, epoch: other.epoch, after: 0 };
    assert!(frames(&outputs).contains(&again), "a mailbox with another epoch is read from its beginning");
    assert!(outputs.iter().any(|output| matches!(output, Output::Keep(Change::Welcomed { .. }))));
}

#[test]
fn a_room_left_on_another_device_is_left_here() {
    let mut table = Table::in_room();
    let outputs = table.reconnect_in(vec![]);
    assert!(outputs.iter().any(|o| matches!(o, Output::Keep(Change::Welcomed { rooms, .. }) if rooms.is_empty())));
    assert_eq!(resumed(&outputs), [] as [Seq; 0]);
    assert!(lost_faith(&table.at(delivery(ROOM, 10))), "nobody sends what is not for us");
}

#[test]
fn another_device_may_enter_and_leave_for_us() {
    let mut table = Table::met_before();
    assert_eq!(resumed(&table.at(entered(1, 3))), [0]);
    assert_eq!(resumed(&table.at(entered(1, 3))), [] as [Seq; 0], "we are in it already");
    let outputs = table.at(left());
    assert!(outputs.contains(&Output::Keep(Change::Left { mailbox: ROOM })));
    assert!(!table.at(left()).contains(&Output::Keep(Change::Left { mailbox: ROOM })));
}

#[test]
fn what_comes_again_after_coming_back_is_kept_once() {
    let mut table = Table::in_room();
    table.at(delivery(ROOM, 10));
    table.at(left());
    assert_eq!(resumed(&table.at(entered(1, 10))), [10]);
    // The server may not have known yet how far we were when we asked for the first time.
    let outputs = table.at(delivery(ROOM, 10));
    assert!(kept(&outputs) == 0 && !lost_faith(&outputs), "{outputs:?}");
    assert_eq!(kept(&table.at(delivery(ROOM, 11))), 1);
    assert!(lost_faith(&table.at(delivery(ROOM, 13))), "a gap is not to be followed");
}

#[test]
fn nothing_repeats_in_our_own_mailbox() {
    let mut table = Table::met_before();
    table.at(delivery(OWN, 1));
    assert!(lost_faith(&table.at(delivery(OWN, 1))));
}

#[test]
fn rooms_are_not_acknowledged() {
    let mut table = Table::in_room();
    assert_eq!(frames(&table.at(delivery(ROOM, 10))), []);
    assert_eq!(frames(&table.at(delivery(OWN, 1))), [ClientFrame::Acknowledge { mailbox: OWN, seq: 1 }]);
}

#[test]
fn all_is_here_when_all_mailboxes_are_or_were_left() {
    let caught_up = |outputs: &[Output]| told(outputs).contains(&&Event::CaughtUp);
    let mut table = Table::new(saved(Some(9)));
    table.welcome.last_seq = 1;
    assert!(!caught_up(&table.connect_in(vec![membership(1, 11)])));
    assert!(!caught_up(&table.at(delivery(OWN, 1))));
    assert!(!caught_up(&table.at(delivery(ROOM, 10))));
    assert!(caught_up(&table.at(left())), "what waits in a room that was left will never come");

    let mut table = Table::new(saved(Some(9)));
    assert!(!caught_up(&table.connect_in(vec![membership(1, 10)])));
    assert!(caught_up(&table.at(delivery(ROOM, 10))));
}

#[test]
fn wishes_are_asked_until_they_are_answered() {
    let mut table = Table::new(saved(None));
    // Uttered while there is no connection.
    assert_eq!(table.command(enter("obras")), []);
    assert_eq!(table.command(Command::TakeName { name: Some(name("ana")) }), []);
    let wishes = |outputs: &[Output]| -> Vec<ClientFrame> {
        let is_wish = |frame: &ClientFrame| !matches!(frame, ClientFrame::Resume { .. });
        frames(outputs).into_iter().filter(is_wish).collect()
    };
    let both =
        [ClientFrame::Enter { room: name("obras"), create: true }, ClientFrame::TakeName { name: Some(name("ana")) }];
    assert_eq!(wishes(&table.connect_in(vec![])), both);
    assert_eq!(wishes(&table.reconnect_in(vec![])), both, "the answers were lost");
    table.at(entered(1, 0));
    assert_eq!(wishes(&table.reconnect_in(vec![membership(1, 0)])), both[1..]);
    table.at(ServerFrame::NameRefused { name: name("ana"), why: NameRefusal::Taken });
    assert_eq!(wishes(&table.reconnect_in(vec![membership(1, 0)])), []);
}

#[test]
fn few_wishes_are_under_way_at_once() {
    let mut table = Table::met_before();
    let asked: usize = (0..20).map(|n| table.command(enter(&format!("sala-{n}"))).len()).sum();
    assert_eq!(asked, 8);
    let refused = |n: usize| ServerFrame::RoomRefused { room: name(&format!("sala-{n}")), why: RoomRefusal::Unknown };
    assert_eq!(frames(&table.at(refused(0))), [ClientFrame::Enter { room: name("sala-8"), create: true }]);
    (1..20).for_each(|n| drop(table.at(refused(n))));
    assert_eq!(frames(&table.reconnect_in(vec![])).len(), 1, "only our own mailbox is left to be asked for");
}

#[test]
fn a_refusal_is_told_and_changes_nothing() {
    let mut table = Table::in_room();
    table.command(Command::Leave { room: name("obras") });
    let why = RoomRefusal::RateLimited { retry_after_ms: 5 };
    let outputs = table.at(ServerFrame::RoomRefused { room: name("obras"), why: why.clone() });
    assert_eq!(told(&outputs), [&Event::RoomRefused { room: name("obras"), why }]);
    assert_eq!(kept(&table.at(delivery(ROOM, 10))), 1);
}

#[test]
fn a_name_is_on_disk_before_it_is_told() {
    let mut table = Table::met_before();
    table.command(Command::TakeName { name: Some(name("ana")) });
    let outputs = table.at(ServerFrame::Named { name: name("ana") });
    assert_eq!(outputs, [Output::Keep(Change::Named(name("ana"))), Output::Tell(Event::Named { name: name("ana") })]);
}

#[test]
fn the_list_of_rooms_is_told_when_all_its_pages_are_here() {
    let mut table = Table::met_before();
    assert_eq!(table.command(Command::ListRooms), [ClientFrame::Rooms { after: None }]);
    let room = |typed| Room { name: name(typed), mailbox: ROOM, members: 1 };
    let outputs = table.at(ServerFrame::Rooms { rooms: vec![room("avisos")], more: true });
    assert_eq!(frames(&outputs), [ClientFrame::Rooms { after: Some(name("avisos")) }]);
    assert!(told(&outputs).is_empty());
    let outputs = table.at(ServerFrame::Rooms { rooms: vec![room("obras")], more: false });
    assert_eq!(told(&outputs), [&Event::Rooms { rooms: vec![room("avisos"), room("obras")] }]);
}

/// A page of the room's members.
fn page(numbers: &[u64], more: bool) -> ServerFrame {
    ServerFrame::Members { mailbox: ROOM, people: numbers.iter().copied().map(person).collect(), more }
}

/// Who is in the room, if that is told.
fn members(outputs: &[Output]) -> Option<Vec<u64>> {
    told(outputs).into_iter().find_map(|event| match event {
        Event::Members { people, .. } => Some(people.iter().map(|person| person.number).collect()),
        _ => None,
    })
}

#[test]
fn members_are_asked_for_again_on_each_connection() {
    let mut table = Table::in_room();
    let first = ClientFrame::Members { mailbox: ROOM, after: None };
    assert_eq!(table.command(Command::ListMembers { mailbox: ROOM }), std::slice::from_ref(&first));
    assert_eq!(table.command(Command::ListMembers { mailbox: ROOM }), []);
    assert_eq!(members(&table.at(page(&[0, 4], false))), Some(vec![0, 4]));
    assert!(frames(&table.reconnect_in(vec![membership(1, 9)])).contains(&first));
    // A list that nobody asked for replaces what was told before.
    assert_eq!(members(&table.at(page(&[0, 4], false))), Some(vec![0, 4]));
    assert_eq!(members(&table.at(page(&[4], false))), Some(vec![4]));
    table.at(left());
    assert_eq!(members(&table.at(page(&[4], false))), None);
    table.at(entered(1, 9));
    assert_eq!(table.command(Command::ListMembers { mailbox: ROOM }), [first]);
}

#[test]
fn a_list_that_begins_again_replaces_its_earlier_pages() {
    let mut table = Table::in_room();
    table.command(Command::ListMembers { mailbox: ROOM });
    let next = |after| [ClientFrame::Members { mailbox: ROOM, after: Some(after) }];
    assert_eq!(frames(&table.at(page(&[0, 4, 5], true))), next(5));
    assert_eq!(frames(&table.at(page(&[4, 6], true))), next(6));
    assert_eq!(members(&table.at(page(&[7], false))), Some(vec![4, 6, 7]));
}

#[test]
fn who_comes_and_goes_while_a_list_is_on_its_way_is_in_it_or_not() {
    let mut table = Table::in_room();
    table.command(Command::ListMembers { mailbox: ROOM });
    table.at(page(&[0, 4, 8], true));
    for (number, entered) in [(2, true), (4, false), (9, true), (8, false), (8, true), (2, true)] {
        table.at(ServerFrame::Member { mailbox: ROOM, person: person(number), entered });
    }
    // 8 came back behind what is here now, and so comes with the next page, as 9 does.
    assert_eq!(members(&table.at(page(&[8, 9, 11], false))), Some(vec![0, 2, 8, 9, 11]));
}

#[test]
fn what_is_opened_in_a_room_is_nobodys_affair() {
    let mut table = Table::in_room();
    assert_eq!(table.command(Command::Open { row: 1, mailbox: ROOM, seq: 3 }), []);
    let read = ClientFrame::Read { mailbox: OWN, seqs: vec![3] };
    assert_eq!(table.command(Command::Open { row: 2, mailbox: OWN, seq: 3 }), [read]);
}

fn send(table: &mut Table, to: &str) -> Vec<String> {
    let to = Address::parse_list(to).unwrap();
    let content = Content { subject: "s".into(), body: "b".into() };
    recipients(&table.command(Command::Send { token: 1, to, content, in_reply_to: None }))
}

fn recipients(frames: &[ClientFrame]) -> Vec<String> {
    let to = |frame: &ClientFrame| match frame {
        ClientFrame::Submit(Submission { message, .. }) => Some(message.to[0].to_string()),
        _ => None,
    };
    frames.iter().filter_map(to).collect()
}

#[test]
fn nothing_overtakes_what_goes_to_the_same_person_under_another_name() {
    let limited = Outcome::RateLimited { retry_after_ms: 5_000 };
    for (first, second, held) in [
        ("ana", "Usuario1", true),
        ("Usuario1", "ana", true),
        // She may have been called otherwise before.
        ("ana", "bela", true),
        ("Usuario1", "Usuario2", false),
        ("ana", "#obras", false),
        ("#obras", "@todos", false),
        ("#obras", "#OBRAS", true),
    ] {
        let mut table = Table::met_before();
        send(&mut table, first);
        table.at(ServerFrame::Outcomes { counter: 1, outcomes: vec![limited] });
        // On another connection the pause is that of the first one alone.
        table.reconnect_in(vec![]);
        let sent = send(&mut table, second);
        let expected: &[&str] = if held { &[] } else { &[second] };
        assert_eq!(sent, expected, "{second} behind {first}");
    }
}

#[test]
fn a_full_mailbox_keeps_no_mail_from_others_who_chose_their_names() {
    let mut table = Table::met_before();
    send(&mut table, "ana");
    table.at(ServerFrame::Outcomes { counter: 1, outcomes: vec![Outcome::MailboxFull] });
    assert_eq!(send(&mut table, "bia"), ["bia"]);
    assert_eq!(send(&mut table, "ana"), [] as [&str; 0]);
}

/// What the disk is to remember of rooms and names while a server that was brought back from a backup has it not.
fn wished(outputs: &[Output]) -> Vec<Address> {
    let wishes = |output: &Output| match output {
        Output::Keep(Change::ServerRestored { wishes, .. }) => Some(wishes.clone()),
        _ => None,
    };
    outputs.iter().find_map(wishes).unwrap()
}

#[test]
fn what_a_backup_has_forgotten_of_us_is_asked_for_before_anything_is_posted() {
    let epoch = Epoch([9; 16]);
    let mut before = Table::new(Saved { name: Some(name("ana")), ..saved(Some(9)) });
    before.command(enter("cozinha"));
    before.welcome.epoch = epoch;
    let outputs = before.connect_in(vec![]);
    assert_eq!(outputs.last(), Some(&Output::Reload));
    let wishes = wished(&outputs);
    assert_eq!(wishes, Address::parse_list("#obras, ana").unwrap());
    // The driver begins anew with what is on the disk, or the program ends and is started again.
    for has_ended in [false, true] {
        let wishes = wishes.clone();
        let on_disk = Saved { resume: Some((OWN, epoch, 0)), rooms: [].into(), wishes, ..saved(None) };
        let mut table = Table::new(on_disk.clone());
        table.welcome.epoch = epoch;
        if !has_ended {
            // Where an engine takes over from another, everything is asked once nevertheless.
            let mut other = Table::new(on_disk);
            other.command(enter("cozinha"));
            table.engine.inherit(other.engine);
        }
        let to = Address::parse_list("#obras").unwrap();
        let content = Content { subject: String::new(), body: "oi".into() };
        table.command(Command::Send { token: 1, to, content, in_reply_to: None });
        let is_posted =
            |outputs: &[Output]| frames(outputs).iter().any(|frame| matches!(frame, ClientFrame::Submit(_)));
        let outputs = table.connect_in(vec![]);
        let mut asked = vec![
            ClientFrame::Enter { room: name("obras"), create: true },
            ClientFrame::TakeName { name: Some(name("ana")) },
        ];
        asked.extend((!has_ended).then(|| ClientFrame::Enter { room: name("cozinha"), create: true }));
        assert_eq!(frames(&outputs)[1..], asked);
        assert!(!is_posted(&outputs));
        let outputs = table.at(entered(1, 0));
        assert!(outputs.contains(&Output::Keep(Change::WishAnswered(Address::Room(name("obras"))))), "{outputs:?}");
        assert!(!is_posted(&outputs));
        let refused = ServerFrame::RoomRefused { room: name("cozinha"), why: RoomRefusal::Unknown };
        table.at(refused);
        // A refusal is an answer.
        let outputs = table.at(ServerFrame::NameRefused { name: name("ana"), why: NameRefusal::Taken });
        assert!(outputs.contains(&Output::Keep(Change::WishAnswered(Address::Person(name("ana"))))), "{outputs:?}");
        assert!(is_posted(&outputs));
    }
}

#[test]
fn what_a_restored_server_refuses_for_now_is_asked_again() {
    let wishes = Address::parse_list("#obras, ana").unwrap();
    let [enter, take] =
        [ClientFrame::Enter { room: name("obras"), create: true }, ClientFrame::TakeName { name: Some(name("ana")) }];
    let mut table = Table::new(Saved { rooms: [].into(), wishes, ..saved(None) });
    assert_eq!(frames(&table.connect_in(vec![]))[1..], [enter.clone(), take.clone()]);
    let why = RoomRefusal::RateLimited { retry_after_ms: 5_000 };
    let full = ServerFrame::NameRefused { name: name("ana"), why: NameRefusal::ServerFull };
    assert_eq!(table.at(ServerFrame::RoomRefused { room: name("obras"), why }), [], "the user has not asked");
    assert_eq!(table.at(full.clone()), []);
    let mut wait = |seconds| {
        table.wait(Duration::from_secs(seconds));
        let asked = frames(&table.outputs()).into_iter().filter(|frame| !matches!(frame, ClientFrame::Ping { .. }));
        let asked: Vec<ClientFrame> = asked.collect();
        table.at(ServerFrame::Pong { token: 0 });
        asked
    };
    assert_eq!([wait(30), wait(29)].concat(), [], "the server is left alone for as long as the longer of both");
    assert_eq!(wait(1), [enter, take.clone()]);
    assert!(table.at(entered(1, 0)).contains(&Output::Keep(Change::WishAnswered(Address::Room(name("obras"))))));
    table.at(full);
    assert_eq!(
        frames(&table.reconnect_in(vec![membership(1, 0)])).last(),
        Some(&take),
        "a new connection asks at once"
    );
}
