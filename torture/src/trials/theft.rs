//! A person with a key of their own who tries to be another, to read what is not theirs, and to speak in others' names.

use std::io::Write;

use ed25519_dalek::{Signer, SigningKey};
use malote_common::frame::{ClientFrame, Closing, Membership, NameRefusal, RoomRefusal, ServerFrame};
use malote_common::{
    Address, Content, DeviceId, Entry, Epoch, MailboxId, Message, MessageId, Name, Outcome, Submission, Timestamp,
    codec, limits, login,
};
use malote_tests::TestServer;
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::NamedTempFile;

use super::Trial;
use crate::figures::Figures;
use crate::line::{Caller, Line};

pub const THEFT: Trial = Trial {
    name: "theft",
    what: "a person tries others' keys, names, mailboxes, rooms, receipts and messages",
    run: theft,
};

/// How often each thing is tried in a round that takes a connection of its own …
const CONNECTIONS: u64 = 250;

/// … and that takes none.
const TIMES: u64 = 1_000;

/// What the thief must never read. Whatever comes to them is searched for it.
const SECRET: &str = "só para a diretoria";

/// The room that the thief is not in.
const ROOM: &str = "Diretoria";

/// The room that the thief has left.
const LEFT: &str = "corredor";

/// Names that others have chosen.
const NAMES: [&str; 4] = ["ana.paula", "Beto", "presidencia", "MONICA_TEIXEIRA"];

/// Letters that look like the Latin ones, as they are or as capitals.
const LOOKALIKES: [(char, &[&str]); 15] = [
    ('a', &["\u{430}", "\u{410}", "\u{391}", "\u{3b1}"]),
    ('b', &["\u{412}", "\u{392}"]),
    ('c', &["\u{441}", "\u{421}"]),
    ('e', &["\u{435}", "\u{415}", "\u{395}"]),
    ('h', &["\u{41d}", "\u{397}"]),
    ('i', &["\u{456}", "\u{406}", "\u{399}", "1", "l", "\u{131}"]),
    ('k', &["\u{41a}", "\u{39a}"]),
    ('m', &["\u{41c}", "\u{39c}", "rn"]),
    ('n', &["\u{39d}"]),
    ('o', &["\u{43e}", "\u{41e}", "\u{3bf}", "\u{39f}", "0"]),
    ('p', &["\u{440}", "\u{420}", "\u{3a1}"]),
    ('s', &["\u{455}", "\u{405}"]),
    ('t', &["\u{422}", "\u{3a4}"]),
    ('u', &["\u{3c5}"]),
    ('x', &["\u{445}", "\u{425}", "\u{3a7}"]),
];

/// What cannot be seen in a name, or does something there.
const UNSEEN: [char; 12] = [
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{2060}',
    '\u{feff}',
    '\u{ad}',
    '\u{202e}',
    '\u{2067}',
    '\u{3164}',
    '\u{e0041}',
    '\u{1b}',
    '\n',
];

fn theft(plan: &mut StdRng) -> Figures {
    let mut scene = Scene::set(plan);
    let figures = scene.break_in(plan);
    let figures = scene.speak_for_others(plan, figures);
    let figures = scene.read_what_is_not_theirs(plan, figures);
    let figures = scene.take_names(plan, figures);
    scene.check(plan);
    figures
}

struct Scene {
    server: TestServer,
    ana: Caller,
    bia: Caller,
    /// The others who have names, connected for as long as this lives.
    _named: Vec<Caller>,
    thief: Caller,
    /// The first thing that Ana sent, to Bia.
    first: Submission,
    room: Membership,
    left: Membership,
    /// How often the thief was heard in Bia's mailbox.
    heard: u64,
}

impl Scene {
    fn set(plan: &mut StdRng) -> Scene {
        // What is refused here is not to be refused for being too much.
        let mut config = NamedTempFile::new().expect("a file");
        config.write_all(b"[rate]\nburst = 1000000000\nper-second = 1000000000\n").expect("a file");
        let server = TestServer::start_with(&["--config", config.path().to_str().expect("a path")]);
        let named: Vec<Caller> = NAMES.iter().map(|name| named(&server, name, plan)).collect();
        let [mut ana, mut bia, mut thief] = [(); 3].map(|()| Caller::new(server.address(), plan));
        thief.line = thief.line.without(SECRET);
        thief.resume();
        let room = enter(&mut ana, ROOM);
        assert_eq!(enter(&mut bia, ROOM).mailbox, room.mailbox);
        let left = enter(&mut thief, LEFT);
        enter(&mut ana, LEFT);
        thief.line.say(&ClientFrame::Leave { room: name(LEFT) });
        thief.wait_for(|frame| matches!(frame, ServerFrame::Left { .. }).then_some(()));
        // The first counter of a device, which a thief might use as well.
        let message = message(vec![person(&bia)], SECRET, plan);
        let first = ana.submission(message, &[0]);
        check_accepted(&ana.submit(&first));
        for room in [ROOM, LEFT] {
            let message = self::message(vec![Address::Room(name(room))], SECRET, plan);
            let submission = ana.submission(message, &[0]);
            check_accepted(&ana.submit(&submission));
        }
        bia.resume();
        let (from, _) = hear_message(&mut bia);
        assert_eq!(from, ana.welcome.number);
        Scene { server, ana, bia, _named: named, thief, first, room, left, heard: 0 }
    }

    /// Gives those a sign of life who are not attacking just now: the server gives up whoever is silent.
    fn stay(&mut self) {
        for caller in [&mut self.ana, &mut self.bia, &mut self.thief] {
            caller.line.say(&ClientFrame::Pong { token: 0 });
        }
    }

    /// Another line of the thief's, with nothing said on it.
    fn line(&self) -> Line {
        Line::open(self.server.address()).without(SECRET)
    }

    /// Another connection of the thief's, logged in.
    fn connection(&self, device: DeviceId) -> Caller {
        Caller::log_in(self.line(), self.thief.key.clone(), device)
    }

    /// Logging in with Ana's key, which the thief does not have, but all that can be overheard or asked for.
    fn break_in(&mut self, plan: &mut StdRng) -> Figures {
        for _ in 0..CONNECTIONS {
            self.stay();
            let own_key = self.thief.key.clone();
            self.refuse_proof(plan, |_, nonce, exporter, _| signed(&own_key, nonce, exporter));
            self.refuse_proof(plan, |ana, _, _, _| ana.proof.clone());
            // Signed by Ana, for somebody who passes it on: another nonce, or another connection.
            self.refuse_proof(plan, |ana, _, exporter, plan| signed(&ana.key, &plan.random(), exporter));
            self.refuse_proof(plan, |ana, nonce, _, _| signed(&ana.key, nonce, &ana.line.exporter));
            self.refuse_proof(plan, |ana, nonce, exporter, plan| damaged(signed(&ana.key, nonce, exporter), plan));
            self.refuse_weak_key(plan);
            self.refuse_without_login(plan);
        }
        // Nobody has taken her place.
        self.ana.settle();
        Figures::default()
            .count("logins with another's key refused", CONNECTIONS)
            .count("replayed logins refused", CONNECTIONS)
            .count("logins for another nonce refused", CONNECTIONS)
            .count("logins of another connection refused", CONNECTIONS)
            .count("damaged signatures refused", CONNECTIONS)
            .count("keys that anybody can sign for refused", CONNECTIONS)
            .count("requests without a login refused", CONNECTIONS)
    }

    fn refuse_proof(
        &mut self,
        plan: &mut StdRng,
        forge: impl FnOnce(&Caller, &[u8; 32], &[u8; 32], &mut StdRng) -> Vec<u8>,
    ) {
        let mut line = self.line();
        let nonce = line.greet(self.ana.public_key(), self.ana.device);
        let signature = forge(&self.ana, &nonce, &line.exporter, plan);
        line.say(&ClientFrame::Proof { signature });
        check_closed(line, Closing::WrongProof);
    }

    /// Keys of small order, for which some signatures fit every statement (RFC 8032, 5.1.7, and its critics).
    fn refuse_weak_key(&mut self, plan: &mut StdRng) {
        let (mut one, mut zero, mut order_two) = ([0; 32], [0; 32], [0xff; 32]);
        one[0] = 1;
        zero[31] = [0, 0x80][plan.random_range(0..2)];
        (order_two[0], order_two[31]) = (0xec, 0x7f);
        let weak = [one, zero, order_two][plan.random_range(0..3)];
        let mut line = self.line();
        line.greet(weak, DeviceId(plan.random()));
        let signature = [[one, weak][plan.random_range(0..2)], [0; 32]].concat();
        line.say(&ClientFrame::Proof { signature });
        check_closed(line, Closing::WrongProof);
    }

    fn refuse_without_login(&mut self, plan: &mut StdRng) {
        let (mailbox, epoch) = (self.bia.mailbox(), self.bia.welcome.epoch);
        let requests = [
            ClientFrame::Resume { mailbox, epoch, after: 0 },
            ClientFrame::Submit(self.first.clone()),
            ClientFrame::Acknowledge { mailbox, seq: 1 },
            ClientFrame::Read { mailbox, seqs: vec![1] },
            ClientFrame::People { after: None },
            ClientFrame::TakeName { name: None },
        ];
        let mut line = self.line();
        line.greet(self.ana.public_key(), self.ana.device);
        line.say(&requests[plan.random_range(0..requests.len())]);
        check_closed(line, Closing::ProtocolError);
    }

    /// Messages that claim to be Ana's, in every place where something can be claimed; and what was sent once, again.
    fn speak_for_others(&mut self, plan: &mut StdRng, figures: Figures) -> Figures {
        for number in 0..TIMES {
            self.stay();
            let mut message = message(vec![person(&self.ana), person(&self.bia)], "De: ana.paula\nOi!", plan);
            message.in_reply_to = Some(self.first.message.id);
            match number % 4 {
                // Ana's own message, and its identity with other words.
                0 => message = Message { to: message.to, ..self.first.message.clone() },
                1 => message.id = self.first.message.id,
                // What the server passes on unread: an entry as the server writes them.
                2 => message.content = forged_entry(&self.ana, &message),
                _ => {}
            }
            let submission = self.thief.submission(message, &[1]);
            let outcomes = self.thief.submit(&submission);
            check_accepted(&outcomes);
            self.heard += 1;
            assert_eq!(self.thief.submit(&submission), outcomes, "a replay was answered otherwise");
        }
        let thief = self.thief.welcome.number;
        for _ in 0..TIMES {
            let (number, from) = hear_message(&mut self.bia);
            assert_eq!((number, from), (thief, Name::given(thief)), "a message came under another's name");
        }
        // What is too old to be remembered is not carried out again either.
        let late = Submission { counter: 1, since: 1, ..self.first.clone() };
        assert_eq!(self.thief.submit(&late), [Outcome::Invalid]);
        let outcomes: Vec<Vec<Outcome>> = (0..CONNECTIONS)
            .map(|_| {
                self.stay();
                // Ana's device, her counter and her words, under the thief's key.
                let mut other = self.connection(self.ana.device);
                other.submit(&self.first)
            })
            .collect();
        check_accepted(&outcomes[0]);
        assert!(outcomes.iter().all(|again| *again == outcomes[0]), "a replay was answered otherwise");
        let (number, _) = hear_message(&mut self.bia);
        assert_eq!(number, thief);
        self.heard += 1;
        self.ana.settle();
        figures
            .count("messages in another's name stamped with the sender's own", TIMES)
            .count("replayed submissions without effect", TIMES)
            .count("another's submissions and device replayed without effect on them", CONNECTIONS)
    }

    fn read_what_is_not_theirs(&mut self, plan: &mut StdRng, figures: Figures) -> Figures {
        let own = self.thief.mailbox();
        for _ in 0..TIMES {
            self.stay();
            let (mailbox, epoch) = self.foreign_mailbox(plan);
            let after = [0, 1, u64::MAX][plan.random_range(0..3)];
            self.thief.line.say(&ClientFrame::Resume { mailbox, epoch, after });
            self.thief.line.say(&ClientFrame::Members { mailbox, after: None });
            let seqs = vec![1, plan.random(), 0, u64::MAX];
            self.thief.line.say(&ClientFrame::Read { mailbox: own, seqs: seqs.clone() });
            self.thief.wait_for(|frame| match frame {
                ServerFrame::ReadNoted { .. } => Some(()),
                ServerFrame::Presence { .. } | ServerFrame::Member { .. } => None,
                frame => panic!("the thief hears {frame:?}"),
            });
            let message = message(vec![Address::Room(name([ROOM, LEFT][plan.random_range(0..2)]))], "Oi!", plan);
            let submission = self.thief.submission(message, &[0]);
            assert_eq!(self.thief.submit(&submission), [Outcome::NotAMember]);
        }
        for _ in 0..CONNECTIONS {
            self.stay();
            let (mailbox, _) = self.foreign_mailbox(plan);
            let seq = plan.random_range(1..10);
            for theft in [
                ClientFrame::Acknowledge { mailbox, seq },
                ClientFrame::Read { mailbox, seqs: vec![seq] },
                ClientFrame::Acknowledge { mailbox: own, seq: u64::MAX - seq },
            ] {
                let mut other = self.connection(DeviceId(plan.random()));
                other.line.say(&theft);
                check_closed(other.line, Closing::ProtocolError);
            }
        }
        figures
            .count("others' mailboxes and rooms not read", TIMES)
            .count("receipts for what never came without effect", TIMES)
            .count("messages to rooms of others refused", TIMES)
            .count("others' mail not acknowledged", CONNECTIONS)
            .count("receipts in others' names refused", CONNECTIONS)
            .count("acknowledgements of what was never sent refused", CONNECTIONS)
    }

    /// A mailbox that the thief may not read, with its epoch.
    fn foreign_mailbox(&self, plan: &mut StdRng) -> (MailboxId, Epoch) {
        let (ana, bia) = (&self.ana.welcome, &self.bia.welcome);
        [
            (ana.mailbox, ana.epoch),
            (bia.mailbox, bia.epoch),
            (self.room.mailbox, self.room.epoch),
            (self.left.mailbox, self.left.epoch),
            (MailboxId(u64::MAX - plan.random_range(0..10)), Epoch(plan.random())),
        ][plan.random_range(0..5)]
    }

    fn take_names(&mut self, plan: &mut StdRng, figures: Figures) -> Figures {
        for number in 0..TIMES {
            self.stay();
            let original = match number % 3 {
                0 => Name::given(plan.random_range(0..self.thief.welcome.number)).to_string(),
                _ => NAMES[plan.random_range(0..NAMES.len())].to_owned(),
            };
            let alike = lookalike(&original, plan);
            let refusal = self.thief.take_name(&alike).err();
            let is_refused = match &refusal {
                Some(NameRefusal::Taken | NameRefusal::Reserved) => true,
                Some(NameRefusal::LooksLike(name)) => name.as_str() == original,
                _ => false,
            };
            assert!(is_refused, "{alike} for {original}: {refusal:?}");
            let alike = lookalike(ROOM, plan);
            if alike.folded() != name(ROOM).folded() {
                self.thief.line.say(&ClientFrame::Enter { room: alike.clone(), create: true });
                let why = self.thief.wait_for(|frame| match frame {
                    ServerFrame::RoomRefused { why, .. } => Some(Ok(why)),
                    ServerFrame::Entered { membership, .. } => Some(Err(membership)),
                    _ => None,
                });
                assert_eq!(why, Ok(RoomRefusal::LooksLike(name(ROOM))), "{alike}");
            }
        }
        for _ in 0..CONNECTIONS {
            self.stay();
            let mut letters: Vec<char> = NAMES[plan.random_range(0..NAMES.len())].chars().collect();
            letters.insert(plan.random_range(0..=letters.len()), UNSEEN[plan.random_range(0..UNSEEN.len())]);
            let mut other = self.connection(DeviceId(plan.random()));
            other.line.say_body(&name_as_bytes(&letters.into_iter().collect::<String>()));
            check_closed(other.line, Closing::ProtocolError);
        }
        figures
            .count("names that look like others' refused", TIMES)
            .count("names with unseen characters refused", CONNECTIONS)
    }

    /// Nothing has come of all that.
    fn check(mut self, plan: &mut StdRng) {
        for frame in self.thief.settle() {
            assert!(
                matches!(frame, ServerFrame::Presence { .. } | ServerFrame::Member { .. }),
                "the thief hears {frame:?}"
            );
        }
        // Neither a message nor a receipt.
        let seqs = |key: &SigningKey, plan: &mut StdRng| {
            let line = Line::open(self.server.address());
            let welcome = Caller::log_in(line, key.clone(), DeviceId(plan.random())).welcome;
            (welcome.name, welcome.last_seq)
        };
        assert_eq!(seqs(&self.ana.key, plan), (Name::given(self.ana.welcome.number), 0));
        assert_eq!(seqs(&self.bia.key, plan), (Name::given(self.bia.welcome.number), self.heard + 1));
        assert_eq!(seqs(&self.thief.key, plan), (Name::given(self.thief.welcome.number), 0));
        self.bia.line.say(&ClientFrame::People { after: None });
        let people = self.bia.wait_for(|frame| match frame {
            ServerFrame::People { people, .. } => Some(people),
            _ => None,
        });
        let names: Vec<String> = people.iter().map(|person| person.name.to_string()).collect();
        let given = (NAMES.len()..NAMES.len() + 3).map(|number| Name::given(number as u64).to_string());
        assert_eq!(names, NAMES.iter().map(|name| name.to_string()).chain(given).collect::<Vec<_>>());
        self.server.stop();
    }
}

/// Somebody who has chosen this name.
fn named(server: &TestServer, name: &str, plan: &mut StdRng) -> Caller {
    let mut person = Caller::new(server.address(), plan);
    assert_eq!(person.take_name(&self::name(name)), Ok(()));
    person
}

fn enter(person: &mut Caller, room: &str) -> Membership {
    person.line.say(&ClientFrame::Enter { room: name(room), create: true });
    person.wait_for(|frame| match frame {
        ServerFrame::Entered { membership, .. } => Some(membership),
        _ => None,
    })
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn person(caller: &Caller) -> Address {
    Address::Person(Name::given(caller.welcome.number))
}

fn message(to: Vec<Address>, body: &str, plan: &mut StdRng) -> Message {
    let content = Content { subject: String::new(), body: body.to_owned() };
    let content = codec::encode(&content).expect("a content");
    Message { id: MessageId(plan.random()), to, in_reply_to: None, sent_at: Timestamp(0), content }
}

/// An entry as the server stores it, which says that Ana wrote it.
fn forged_entry(ana: &Caller, message: &Message) -> Vec<u8> {
    let (from, number) = (Name::given(ana.welcome.number), Some(ana.welcome.number));
    let entry = Entry::Message { from, number, accepted_at: Timestamp(0), message: message.clone() };
    codec::encode(&entry).expect("an entry")
}

fn signed(key: &SigningKey, nonce: &[u8; 32], exporter: &[u8; 32]) -> Vec<u8> {
    key.sign(&login::statement(nonce, exporter)).to_bytes().to_vec()
}

/// The signature with one bit turned, cut short, or made longer.
fn damaged(mut signature: Vec<u8>, plan: &mut StdRng) -> Vec<u8> {
    match plan.random_range(0..4) {
        0 => signature.truncate(plan.random_range(0..signature.len())),
        1 => signature.push(plan.random()),
        _ => signature[plan.random_range(0..64)] ^= 1 << plan.random_range(0..8),
    }
    signature
}

/// A name that looks like this one: some letters in the other case, some that look alike.
fn lookalike(original: &str, plan: &mut StdRng) -> Name {
    loop {
        let letters = original.chars().map(|letter| {
            let alike = LOOKALIKES.iter().find(|(latin, _)| *latin == letter.to_ascii_lowercase());
            match (alike, plan.random_range(0..3)) {
                (Some((_, alike)), 0) => alike[plan.random_range(0..alike.len())].to_owned(),
                (_, 1) => letter.to_ascii_uppercase().to_string(),
                _ => letter.to_string(),
            }
        });
        let typed: String = letters.collect();
        // Two letters for one may make it too long.
        if typed.chars().count() <= limits::NAME_CHARS {
            return name(&typed);
        }
    }
}

/// A wish for a name that cannot be one, as it would be encoded.
fn name_as_bytes(name: &str) -> Vec<u8> {
    let placeholder = codec::encode(&ClientFrame::TakeName { name: Some(self::name("a")) }).expect("a frame");
    let head = placeholder.strip_suffix(b"\x01a").expect("a text is its length and its bytes");
    [head, &[name.len() as u8], name.as_bytes()].concat()
}

#[track_caller]
fn hear_message(person: &mut Caller) -> (u64, Name) {
    person.wait_for(|frame| match frame {
        ServerFrame::Delivery { entry: Entry::Message { from, number, .. }, .. } => {
            Some((number.expect("a person"), from))
        }
        ServerFrame::Delivery { entry, .. } => panic!("{entry:?}"),
        _ => None,
    })
}

#[track_caller]
fn check_accepted(outcomes: &[Outcome]) {
    assert!(matches!(outcomes, [Outcome::Accepted { .. }]), "{outcomes:?}");
}

/// The server says why it hangs up, and does.
#[track_caller]
fn check_closed(mut line: Line, reason: Closing) {
    let mut last = None;
    while let Some(frame) = line.hear() {
        last = Some(frame);
    }
    assert_eq!(last, Some(ServerFrame::Closing(reason)));
}
