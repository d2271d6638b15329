//! One of every frame, as programs that mean well send them.

use malote_common::frame::{
    ClientFrame, Closing, Limits, Membership, NameRefusal, Person, Room, RoomRefusal, ServerFrame, Welcome,
};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Receipt, Submission,
    Timestamp, codec,
};

const OWN: MailboxId = MailboxId(2);
const ROOM: MailboxId = MailboxId(9);
const EPOCH: Epoch = Epoch([0x66; 16]);

pub fn hello() -> Hello {
    Hello { versions: vec![VERSION], key: [0x11; 32], device: DeviceId([0x22; 16]) }
}

pub fn challenges() -> [Challenge; 2] {
    [Challenge::Accepted { version: VERSION, nonce: [0x33; 32] }, Challenge::Refused { versions: vec![2, 3] }]
}

pub fn message() -> Message {
    let content = Content { subject: "Almoço".to_owned(), body: "Às 12h?".to_owned() };
    Message {
        id: MessageId([0xa1; 16]),
        to: vec![Address::Person(Name::given(1)), Address::Room(room()), Address::Everybody],
        in_reply_to: Some(MessageId([0xb2; 16])),
        sent_at: Timestamp(1_700_000_000_000),
        content: codec::encode(&content).expect("a content within the limits"),
    }
}

pub fn client_frames() -> Vec<ClientFrame> {
    vec![
        ClientFrame::Proof { signature: vec![0x44; 64] },
        ClientFrame::Resume { mailbox: OWN, epoch: EPOCH, after: 300 },
        ClientFrame::Submit(Submission { counter: 9, since: 4, targets: vec![0, 2], message: message() }),
        ClientFrame::Acknowledge { mailbox: OWN, seq: 70_000 },
        ClientFrame::Read { mailbox: OWN, seqs: vec![1, 2] },
        ClientFrame::People { after: None },
        ClientFrame::People { after: Some(499) },
        ClientFrame::Ping { token: 7 },
        ClientFrame::Pong { token: 7 },
        ClientFrame::Rooms { after: Some(room()) },
        ClientFrame::Enter { room: room(), create: true },
        ClientFrame::Leave { room: room() },
        ClientFrame::Members { mailbox: ROOM, after: Some(1) },
        ClientFrame::TakeName { name: Some(Name::parse("ana").expect("a name")) },
        ClientFrame::TakeName { name: None },
    ]
}

pub fn server_frames() -> Vec<ServerFrame> {
    let at = Timestamp(1_700_000_000_123);
    let entry = |number| Entry::Message { from: Name::given(0), number, accepted_at: at, message: message() };
    let receipt = |receipt| ServerFrame::Delivery { mailbox: OWN, seq: 14, entry: Entry::Receipt(receipt) };
    let person = Person { number: 1, name: Name::given(1), connected: true };
    let refusals = [
        RoomRefusal::Unknown,
        RoomRefusal::LooksLike(room()),
        RoomRefusal::RateLimited { retry_after_ms: 9 },
        RoomRefusal::ServerFull,
    ];
    let names = [NameRefusal::Taken, NameRefusal::GivenUp, NameRefusal::LooksLike(room()), NameRefusal::Reserved];
    let mut frames = vec![
        ServerFrame::Welcome(welcome()),
        ServerFrame::Outcomes {
            counter: 9,
            outcomes: vec![
                Outcome::Accepted { mailbox: OWN, seq: 13 },
                Outcome::UnknownRecipient,
                Outcome::RateLimited { retry_after_ms: 250 },
                Outcome::OutOfTurn,
            ],
        },
        ServerFrame::Delivery { mailbox: OWN, seq: 13, entry: entry(Some(0)) },
        ServerFrame::Delivery { mailbox: ROOM, seq: 1, entry: entry(None) },
        receipt(Receipt::Delivered { mailbox: MailboxId(4), seq: 6, at }),
        receipt(Receipt::Read { mailbox: MailboxId(4), seq: 6, at }),
        ServerFrame::People { people: vec![person.clone()], more: true },
        ServerFrame::Presence { people: vec![person.clone()] },
        ServerFrame::Ping { token: 7 },
        ServerFrame::Pong { token: 7 },
        ServerFrame::ReadNoted { mailbox: OWN, seqs: vec![13] },
        ServerFrame::Rooms { rooms: vec![Room { name: room(), mailbox: ROOM, members: 3 }], more: false },
        ServerFrame::Entered { membership: membership(), created: true },
        ServerFrame::Left { room: room(), mailbox: ROOM },
        ServerFrame::Members { mailbox: ROOM, people: vec![person.clone()], more: false },
        ServerFrame::Member { mailbox: ROOM, person, entered: true },
        ServerFrame::Named { name: room() },
        ServerFrame::Closing(Closing::Superseded),
    ];
    frames.extend(refusals.map(|why| ServerFrame::RoomRefused { room: room(), why }));
    frames.extend(names.map(|why| ServerFrame::NameRefused { name: room(), why }));
    frames
}

pub fn welcome() -> Welcome {
    Welcome {
        name: Name::given(1),
        number: 1,
        mailbox: OWN,
        epoch: EPOCH,
        last_seq: 12,
        last_counter: 3,
        limits: Limits::default(),
        rooms: vec![membership()],
    }
}

fn membership() -> Membership {
    Membership { room: room(), mailbox: ROOM, epoch: EPOCH, first: 40, last_seq: 42 }
}

fn room() -> Name {
    Name::parse("obras").expect("a name")
}
