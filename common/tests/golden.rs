//! The bytes of every frame. A change here is a change of the protocol: it needs a new version.
//!
//! `docs/PROTOCOL.md` explains these same bytes.

use malote_common::codec::Encoding;
use malote_common::frame::{
    ClientFrame, Closing, Limits, Membership, NameRefusal, Person, Room, RoomRefusal, ServerFrame, Welcome,
    append_delivery,
};
use malote_common::hello::{Challenge, Hello};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Receipt, Submission,
    Timestamp, codec,
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, expect: &str) {
    let bytes = codec::encode(&value).unwrap();
    assert_eq!(hex(&bytes), expect, "{value:?}");
    assert_eq!(codec::decode::<T>(&bytes).unwrap(), value);
    for cut in 0..bytes.len() {
        assert!(codec::decode::<T>(&bytes[..cut]).is_err(), "{value:?} cut at {cut}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn content() -> Content {
    Content { subject: "Almoço".into(), body: "Às 12h?".into() }
}

fn message() -> Message {
    Message {
        id: MessageId([0xa1; 16]),
        to: vec![Address::Person(Name::given(1)), Address::Room(Name::parse("obras").unwrap()), Address::Everybody],
        in_reply_to: Some(MessageId([0xb2; 16])),
        sent_at: Timestamp(1_700_000_000_000),
        content: codec::encode(&content()).unwrap(),
    }
}

/// [`message`] as it stands in frames and in the store.
const MESSAGE: &str = concat!(
    "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",   // id
    "03",                                 // three recipients:
    "00085573756172696f31",               // person, 8 bytes, "Usuario1"
    "01056f62726173",                     // room, 5 bytes, "obras"
    "02",                                 // everybody
    "01b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2", // in reply to
    "fd00d0ca9f17030000",                 // 2023-11-14T22:13:20Z, zigzag
    "11",                                 // content of 17 bytes:
    "07416c6d6fc3a76f",                   // "Almoço"
    "08c38073203132683f",                 // "Às 12h?"
);

#[test]
fn openings() {
    let hello = Hello { versions: vec![1], key: [0x11; 32], device: DeviceId([0x22; 16]) };
    assert_eq!(hex(&hello.encode()), format!("6d616c6f7465{}{}{}", "010001", "11".repeat(32), "22".repeat(16)));
    let challenge = Challenge::Accepted { version: 1, nonce: [0x33; 32] };
    assert_eq!(hex(&challenge.encode()), format!("6d616c6f7465{}{}", "0001", "33".repeat(32)));
    let refused = Challenge::Refused { versions: vec![1, 2] };
    assert_eq!(hex(&refused.encode()), "6d616c6f746500000200010002");
}

#[test]
fn contents() {
    check(content(), "07416c6d6fc3a76f08c38073203132683f".replace(' ', "").as_str());
}

#[test]
fn client_frames() {
    check(ClientFrame::Proof { signature: vec![0x44; 64] }, &format!("0040{}", "44".repeat(64)));
    check(
        ClientFrame::Resume { mailbox: MailboxId(5), epoch: Epoch([0x55; 16]), after: 300 },
        &format!("0105{}fb2c01", "55".repeat(16)),
    );
    check(
        ClientFrame::Submit(Submission { counter: 9, since: 4, targets: vec![0, 2], message: message() }),
        &format!("020904020002{MESSAGE}"),
    );
    check(ClientFrame::Acknowledge { mailbox: MailboxId(5), seq: 70_000 }, "0305fc70110100");
    check(ClientFrame::Read { mailbox: MailboxId(5), seqs: vec![1, 2] }, "0405020102");
    check(ClientFrame::People { after: None }, "0500");
    check(ClientFrame::People { after: Some(499) }, "0501fbf301");
    check(ClientFrame::Ping { token: 7 }, "0607");
    check(ClientFrame::Pong { token: 7 }, "0707");
    let obras = || Name::parse("obras").unwrap();
    check(ClientFrame::Rooms { after: None }, "0800");
    check(ClientFrame::Rooms { after: Some(obras()) }, "0801056f62726173");
    check(ClientFrame::Enter { room: obras(), create: true }, "09056f6272617301");
    check(ClientFrame::Leave { room: obras() }, "0a056f62726173");
    check(ClientFrame::Members { mailbox: MailboxId(5), after: Some(1) }, "0b050101");
    check(ClientFrame::TakeName { name: Some(Name::parse("ana").unwrap()) }, "0c0103616e61");
    check(ClientFrame::TakeName { name: None }, "0c00");
}

#[test]
fn server_frames() {
    let welcome = Welcome {
        name: Name::parse("ana").unwrap(),
        number: 1,
        mailbox: MailboxId(2),
        epoch: Epoch([0x66; 16]),
        last_seq: 12,
        last_counter: 3,
        limits: Limits::default(),
        rooms: vec![membership()],
    };
    check(
        ServerFrame::Welcome(welcome),
        &format!(
            "0003616e610102{}0c03fbe603fc0000040064fc000008004001056f6272617309{}282a",
            "66".repeat(16),
            "77".repeat(16)
        ),
    );
    let outcomes = vec![
        Outcome::Accepted { mailbox: MailboxId(2), seq: 13 },
        Outcome::UnknownRecipient,
        Outcome::NotAMember,
        Outcome::TooLarge,
        Outcome::Invalid,
        Outcome::MailboxFull,
        Outcome::ServerFull,
        Outcome::RateLimited { retry_after_ms: 250 },
        Outcome::OutOfTurn,
    ];
    check(ServerFrame::Outcomes { counter: 9, outcomes }, "01090900020d01020304050607fa08");
    let accepted_at = Timestamp(1_700_000_000_123);
    let entry = Entry::Message { from: Name::given(0), number: Some(0), accepted_at, message: message() };
    check(
        ServerFrame::Delivery { mailbox: MailboxId(2), seq: 13, entry: entry.clone() },
        &format!("02020d00085573756172696f300100fdf6d0ca9f17030000{MESSAGE}"),
    );
    let visitor = Entry::Message { from: Name::visitor(3), number: None, accepted_at, message: message() };
    check(
        ServerFrame::Delivery { mailbox: MailboxId(9), seq: 1, entry: visitor },
        &format!("020901000b7669736974616e74652d3300fdf6d0ca9f17030000{MESSAGE}"),
    );
    let stored = codec::encode(&entry).unwrap();
    let (mut whole, mut put_together) = (Vec::new(), Vec::new());
    let delivery = ServerFrame::Delivery { mailbox: MailboxId(2), seq: 13, entry };
    Encoding::Binary.append(&mut whole, &delivery).unwrap();
    append_delivery(&mut put_together, MailboxId(2), 13, &stored).unwrap();
    assert_eq!(put_together, whole);
    let delivered = Receipt::Delivered { mailbox: MailboxId(4), seq: 6, at: Timestamp(1) };
    let read = Receipt::Read { mailbox: MailboxId(4), seq: 6, at: Timestamp(1) };
    let receipt = |receipt| ServerFrame::Delivery { mailbox: MailboxId(2), seq: 14, entry: Entry::Receipt(receipt) };
    check(receipt(delivered), "02020e0100040602");
    check(receipt(read), "02020e0101040602");
    check(receipt(Receipt::Damaged { mailbox: MailboxId(4), seq: 6, at: Timestamp(1) }), "02020e0102040602");
    let damaged = |number| ServerFrame::Delivery { mailbox: MailboxId(2), seq: 15, entry: Entry::Damaged { number } };
    check(damaged(Some(3)), "02020f020103");
    check(damaged(None), "02020f0200");
    assert_eq!(
        codec::encode(&malote_common::EntryRef::Damaged { number: Some(3) }),
        codec::encode(&Entry::Damaged { number: Some(3) })
    );
    let person = Person { number: 1, name: Name::given(1), connected: true };
    check(ServerFrame::People { people: vec![person.clone()], more: true }, "030101085573756172696f310101");
    check(ServerFrame::Presence { people: vec![person.clone()] }, "040101085573756172696f3101");
    check(ServerFrame::Ping { token: 7 }, "0507");
    check(ServerFrame::Pong { token: 7 }, "0607");
    check(ServerFrame::ReadNoted { mailbox: MailboxId(2), seqs: vec![13] }, "0802010d");
    let obras = || Name::parse("obras").unwrap();
    let room = Room { name: obras(), mailbox: MailboxId(9), members: 3 };
    check(ServerFrame::Rooms { rooms: vec![room], more: false }, "0901056f62726173090300");
    check(
        ServerFrame::Entered { membership: membership(), created: true },
        &format!("0a056f6272617309{}282a01", "77".repeat(16)),
    );
    check(ServerFrame::Left { room: obras(), mailbox: MailboxId(9) }, "0b056f6272617309");
    let refusals = [
        RoomRefusal::Unknown,
        RoomRefusal::LooksLike(obras()),
        RoomRefusal::Reserved,
        RoomRefusal::TooManyRooms,
        RoomRefusal::RateLimited { retry_after_ms: 9 },
        RoomRefusal::ServerFull,
    ];
    for (why, bytes) in refusals.into_iter().zip(["00", "01056f62726173", "02", "03", "0409", "05"]) {
        check(ServerFrame::RoomRefused { room: obras(), why }, &format!("0c056f62726173{bytes}"));
    }
    check(
        ServerFrame::Members { mailbox: MailboxId(9), people: vec![person.clone()], more: false },
        "0d090101085573756172696f310100",
    );
    check(ServerFrame::Member { mailbox: MailboxId(9), person, entered: true }, "0e0901085573756172696f310101");
    let ana = || Name::parse("ana").unwrap();
    check(ServerFrame::Named { name: ana() }, "0f03616e61");
    let refusals = [
        NameRefusal::Taken,
        NameRefusal::LooksLike(obras()),
        NameRefusal::Reserved,
        NameRefusal::GivenUp,
        NameRefusal::RateLimited { retry_after_ms: 9 },
        NameRefusal::ServerFull,
    ];
    for (why, bytes) in refusals.into_iter().zip(["00", "01056f62726173", "02", "03", "0409", "05"]) {
        check(ServerFrame::NameRefused { name: ana(), why }, &format!("1003616e61{bytes}"));
    }
    let closings = [
        Closing::ProtocolError,
        Closing::WrongProof,
        Closing::ServerFull,
        Closing::Superseded,
        Closing::ShuttingDown,
        Closing::Silent,
        Closing::StoreFailed,
    ];
    for (variant, closing) in closings.into_iter().enumerate() {
        check(ServerFrame::Closing(closing), &format!("07{variant:02x}"));
    }
}

fn membership() -> Membership {
    let room = Name::parse("obras").unwrap();
    Membership { room, mailbox: MailboxId(9), epoch: Epoch([0x77; 16]), first: 40, last_seq: 42 }
}

#[track_caller]
fn check_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, expect: &str) {
    let json = Encoding::Json.encode(&value).unwrap();
    assert_eq!(std::str::from_utf8(&json).unwrap(), expect);
    assert_eq!(Encoding::Json.decode::<T>(&json).unwrap(), value);
}

#[test]
fn frames_of_browsers() {
    let hello = Hello { versions: vec![1], key: [0x11; 32], device: DeviceId([0x22; 16]) };
    let (key, device) = ("11".repeat(32), "22".repeat(16));
    check_json(hello, &format!(r#"{{"versions":[1],"key":"{key}","device":"{device}"}}"#));
    let nonce = "33".repeat(32);
    check_json(
        Challenge::Accepted { version: 1, nonce: [0x33; 32] },
        &format!(r#"{{"Accepted":{{"version":1,"nonce":"{nonce}"}}}}"#),
    );
    check_json(ClientFrame::Proof { signature: vec![1, 2, 255] }, r#"{"Proof":{"signature":"AQL/"}}"#);
    let submission = Submission { counter: 9, since: 4, targets: vec![0, 2], message: message() };
    let (id, reply) = ("a1".repeat(16), "b2".repeat(16));
    let message = format!(
        r#"{{"id":"{id}","to":[{{"Person":"Usuario1"}},{{"Room":"obras"}},"Everybody"],"in_reply_to":"{reply}","sent_at":1700000000000,"content":"B0FsbW/Dp28Iw4BzIDEyaD8="}}"#
    );
    check_json(
        ClientFrame::Submit(submission),
        &format!(r#"{{"Submit":{{"counter":9,"since":4,"targets":[0,2],"message":{message}}}}}"#),
    );
    check_json(ClientFrame::TakeName { name: None }, r#"{"TakeName":{"name":null}}"#);
    let outcomes = vec![Outcome::Accepted { mailbox: MailboxId(2), seq: 13 }, Outcome::NotAMember];
    check_json(
        ServerFrame::Outcomes { counter: 9, outcomes },
        r#"{"Outcomes":{"counter":9,"outcomes":[{"Accepted":{"mailbox":2,"seq":13}},"NotAMember"]}}"#,
    );
    check_json(ServerFrame::Closing(Closing::ServerFull), r#"{"Closing":"ServerFull"}"#);
    for bad in ["", "{", "{}", r#"{"Ping":{"token":1}}x"#, r#"{"Ping":{"token":-1}}"#, r#""Ping""#] {
        assert!(Encoding::Json.decode::<ClientFrame>(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(Encoding::Json.decode::<MessageId>(b"\"a1\"").is_err());
    assert!(Encoding::Json.decode::<Name>(b"\"a b\"").is_err());
}

#[test]
fn a_name_in_another_form_is_refused() {
    for name in ["", "a b", "joa\u{303}o", "#ana", "a\u{202e}b"] {
        let bytes = codec::encode(&name.to_owned()).unwrap();
        assert!(codec::decode::<Name>(&bytes).is_err(), "{name:?}");
    }
}
