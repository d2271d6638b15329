//! What hostile clients say.

use malote_common::codec::{self, Encoding};
use malote_common::frame::{ClientFrame, Welcome};
use malote_common::{Address, Epoch, MailboxId, Message, MessageId, Name, Submission, Timestamp, limits};
use malote_hostile::{samples, vary};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Submissions in one conversation: they stay within the window even where none is answered.
const SUBMISSIONS: usize = limits::WINDOW as usize - 2;

/// Marks of reading in one conversation, many in each: of more the server would not hear before a while is over.
const READS: usize = 3;

/// Wishes in one conversation, for the same reason as submissions.
const WISHES: usize = 15;

/// What somebody who has logged in goes on saying without being thrown out: unasked-for, senseless, out of turn, and about
/// things that are none of theirs.
pub struct Nuisance {
    welcome: Welcome,
    submissions: usize,
    reads: usize,
    wishes: usize,
}

impl Nuisance {
    pub fn new(welcome: Welcome) -> Nuisance {
        Nuisance { welcome, submissions: 0, reads: 0, wishes: 0 }
    }

    /// To be said first: from behind the end of all mailboxes on, everything can be acknowledged.
    pub fn resume(&self) -> ClientFrame {
        ClientFrame::Resume { mailbox: self.welcome.mailbox, epoch: self.welcome.epoch, after: u64::MAX }
    }

    pub fn next(&mut self, plan: &mut StdRng) -> ClientFrame {
        let own = self.welcome.mailbox;
        match plan.random_range(0..100) {
            0..3 if self.submissions < SUBMISSIONS => {
                self.submissions += 1;
                self.submission(plan)
            }
            3..5 if self.reads < READS => {
                self.reads += 1;
                let count = plan.random_range(0..=limits::READ_PER_FRAME);
                ClientFrame::Read { mailbox: own, seqs: (0..count).map(|_| number(plan)).collect() }
            }
            5..6 if self.wishes < WISHES => {
                self.wishes += 1;
                wish(plan)
            }
            6..20 => ClientFrame::Acknowledge { mailbox: own, seq: number(plan) },
            20..35 => ClientFrame::Resume { mailbox: others(plan), epoch: Epoch([0; 16]), after: number(plan) },
            35..50 => ClientFrame::Members { mailbox: others(plan), after: Some(number(plan)) },
            50..55 => ClientFrame::People { after: Some(number(plan)) },
            55..60 => ClientFrame::Rooms { after: Some(name(plan)) },
            60..80 => ClientFrame::Pong { token: number(plan) },
            _ => ClientFrame::Ping { token: number(plan) },
        }
    }

    /// Some are refused, some go to the one who says them; none is anybody else's to read.
    fn submission(&self, plan: &mut StdRng) -> ClientFrame {
        let recipients = *[1, 2, 100, 101, limits::RECIPIENTS_LOOKED_AT].choose(plan).unwrap_or(&1);
        let nobody = |index| Address::Person(Name::given(1_000_000 + index as u64));
        let mut to: Vec<Address> = (0..recipients).map(nobody).collect();
        to[0] = Address::Person(self.welcome.name.clone());
        let targets = match plan.random_range(0..4) {
            0 => vec![0],
            1 => (0..recipients.min(limits::RECIPIENTS) as u8).collect(),
            2 => vary::noise(100, plan),
            _ => vec![255, 0],
        };
        let content = match plan.random_range(0..10) {
            0 => vec![0; limits::CONTENT_BYTES + 1],
            1 => vec![0xff; limits::CONTENT_BYTES],
            _ => vary::noise(300, plan),
        };
        let message = Message {
            id: MessageId(plan.random()),
            to,
            in_reply_to: Some(MessageId([0; 16])),
            sent_at: Timestamp(plan.random()),
            content,
        };
        ClientFrame::Submit(Submission { counter: number(plan), since: number(plan), targets, message })
    }
}

/// What no conversation survives, each as bytes to be sent as they are, length and all.
pub fn fatal(encoding: Encoding, plan: &mut StdRng) -> Vec<Vec<u8>> {
    match plan.random_range(0..9) {
        // A length that is too large, and one that is just too large.
        0 => vec![u32::MAX.to_be_bytes().to_vec()],
        1 => vec![(limits::FRAME_BYTES as u32 + 1).to_be_bytes().to_vec()],
        2 => vec![framed(&noise(plan))],
        // As many variations as it takes.
        3..6 => (0..50)
            .map(|_| {
                let sample = encoding.encode(&sample(plan)).unwrap_or_default();
                framed(&vary::vary(&sample, plan))
            })
            .chain([framed(&[200])])
            .collect(),
        // Lists that fill a frame, as many as may be under way.
        6 => vec![framed(&crowded(encoding)); SUBMISSIONS],
        // More than anybody may have under way.
        7 => {
            let frame = encoding.encode(&ClientFrame::Submit(inquiry())).unwrap_or_default();
            vec![framed(&frame); 2_000]
        }
        // Out of turn.
        _ => vec![framed(&encoding.encode(&ClientFrame::Proof { signature: vec![0; 64] }).unwrap_or_default())],
    }
}

/// One of all frames. Whatever becomes of it, nobody gets a message by it.
fn sample(plan: &mut StdRng) -> ClientFrame {
    match samples::client_frames().choose(plan).cloned() {
        Some(ClientFrame::Submit(_)) | None => ClientFrame::Submit(inquiry()),
        Some(frame) => frame,
    }
}

/// A submission to nobody, which is not to be carried out.
fn inquiry() -> Submission {
    let nobody = Address::Person(Name::given(1_000_000));
    let message = Message { to: vec![nobody], ..samples::message() };
    Submission { counter: 1, since: 0, targets: vec![0], message }
}

/// As many times the same recipient as a frame holds: a byte each, and much more in memory.
fn crowded(encoding: Encoding) -> Vec<u8> {
    let bytes_each = match encoding {
        Encoding::Binary => 4,
        Encoding::Json => "\"Everybody\",".len(),
    };
    let mut message = samples::message();
    message.to = vec![Address::Everybody; limits::FRAME_BYTES / bytes_each - 200];
    let frame = ClientFrame::Submit(Submission { counter: 1, since: 1, targets: vec![0], message });
    encoding.encode(&frame).expect("it just fits")
}

/// The first thing that a stranger says.
pub fn opening(plan: &mut StdRng) -> Vec<u8> {
    let hello = samples::hello().encode();
    match plan.random_range(0..6) {
        0 => noise(plan),
        1 => framed(&noise(plan)),
        2 => framed(&hello[..plan.random_range(0..hello.len())]),
        3 => [&(limits::HANDSHAKE_FRAME_BYTES as u32 + 1).to_be_bytes()[..], &[0; 4096]].concat(),
        // It may be one that means well, so something follows that does not.
        4 => [framed(&vary::vary(&hello, plan)), framed(&vary::noise(100, plan))].concat(),
        _ => [framed(&hello), framed(&vary::noise(100, plan)), framed(&hello)].concat(),
    }
}

/// A body with its right length before it.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, body);
    wire
}

fn noise(plan: &mut StdRng) -> Vec<u8> {
    // Of the shortest kinds there are so many that one of them may be a frame.
    [vec![0xff; 8], vary::noise(2_000, plan)].concat()
}

fn wish(plan: &mut StdRng) -> ClientFrame {
    match plan.random_range(0..3) {
        0 => ClientFrame::Enter { room: name(plan), create: plan.random() },
        1 => ClientFrame::Leave { room: name(plan) },
        _ => ClientFrame::TakeName { name: Some(name(plan)) },
    }
}

fn name(plan: &mut StdRng) -> Name {
    const NAMES: [&str; 7] = ["todos", "t\u{43e}dos", "Usuario0", "visitante-1", "a", "obras", "\u{43e}bras"];
    Name::parse(NAMES.choose(plan).copied().unwrap_or("a")).expect("a name")
}

/// A mailbox of nobody.
fn others(plan: &mut StdRng) -> MailboxId {
    MailboxId(number(plan).max(1_000_000))
}

fn number(plan: &mut StdRng) -> u64 {
    match plan.random_range(0..6) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => i64::MAX as u64,
        4 => i64::MAX as u64 + 1,
        _ => plan.random(),
    }
}
