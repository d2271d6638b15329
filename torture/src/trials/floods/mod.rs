//! One person, or one computer, that asks for far more than its share: it is told, held back or turned away, and nobody else
//! notices.

mod computers;
mod unfinished;
mod web;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, NameRefusal, RoomRefusal, ServerFrame};
use malote_common::{Content, Name, Outcome, Submission, codec, limits};
use malote_server::rate::Rate;
use malote_tests::TestServer;
use rand::rngs::StdRng;
use tokio::time::timeout_at;

use super::Trial;
use crate::bystanders::Bystanders;
pub use computers::{CONNECTIONS, DEVICES, LOGINS};
pub use unfinished::UNFINISHED;
pub use web::{LONG as WEB_LONG, UNFINISHED as WEB_UNFINISHED};

use crate::caller::{Caller, Ear, Mouth, Who, source, submission};
use crate::figures::Figures;
use crate::stock;

pub const MESSAGES: Trial = Trial {
    name: "flood-messages",
    what: "one person sends 10,000 messages a second and never waits as told",
    run: |plan| flood(plan, Stock::Nothing, messages),
};

pub const LONG: Trial = Trial {
    name: "flood-long",
    what: "one person sends the longest messages that there are, at four computers, as fast as they go",
    run: |plan| flood(plan, Stock::Nothing, long),
};

pub const ROOMS: Trial = Trial {
    name: "flood-rooms",
    what: "one person enters a room and leaves it, 10,000 times a second",
    run: |plan| flood(plan, Stock::Nothing, rooms),
};

pub const NAMES: Trial = Trial {
    name: "flood-names",
    what: "one person changes their name 10,000 times a second",
    run: |plan| flood(plan, Stock::Nothing, names),
};

pub const LISTS: Trial = Trial {
    name: "flood-lists",
    what: "one person asks for lists of people, rooms and members without end",
    run: |plan| flood(plan, Stock::People, lists),
};

pub const READS: Trial = Trial {
    name: "flood-reads",
    what: "one person marks the same thousand messages as read without end",
    run: |plan| flood(plan, Stock::Mail, reads),
};

pub const ACKNOWLEDGEMENTS: Trial = Trial {
    name: "flood-acks",
    what: "one person acknowledges the same messages and asks for signs of life without end",
    run: |plan| flood(plan, Stock::Mail, acknowledgements),
};

pub const INQUIRIES: Trial = Trial {
    name: "flood-inquiries",
    what: "one person asks without end what became of a message",
    run: |plan| flood(plan, Stock::Nothing, inquiries),
};

/// How long a flood lasts. It uses up what is allowed at once within that time.
const TIME: Duration = Duration::from_secs(1);

/// For how long the others are watched before that.
const QUIET: Duration = Duration::from_millis(300);

/// What is asked each second where a person floods with messages and wishes …
const PER_SECOND: u64 = 10_000;

/// … and with what costs a server less: more than it could take.
const ENDLESS: u64 = 100_000;

/// Of what is said at once, the server takes what it takes within this; the rest waits with whoever says it.
const SAID: Duration = Duration::from_millis(10);

/// What is said in one breath, at most.
const BREATH: u64 = 500;

/// What a flood may cost in memory.
const MEMORY: u64 = 100 * 1024 * 1024;

/// The others' messages take no longer than this; ten times as much is not for want of a fast computer.
const P99: Duration = Duration::from_millis(100);
const SLACK: u32 = 10;

/// The address of this computer from which the flood comes.
const SOURCE: usize = 1;

/// In the identities of messages that flood.
const AUTHOR: u64 = 99;

/// What a person may ask beside posting: at once, and each second. See docs/PROTOCOL.md, section 16.
const ASKED_AT_ONCE: u64 = 8_000;
const ASKED_PER_SECOND: u64 = 800;

/// What counts as much as so many of it.
const PAGE_COST: u64 = 10;

/// What the server has in its store before.
#[derive(Clone, Copy, PartialEq)]
enum Stock {
    Nothing,
    /// Nothing either, and browsers find it.
    Page,
    /// More people than fit into a page.
    People,
    /// Messages for the person who floods.
    Mail,
}

/// Where a flood happens.
struct Ground<'a> {
    host: &'a TestServer,
    server: SocketAddr,
    /// Who floods.
    who: Who,
    /// Somebody who is there, and does no harm.
    victim: Name,
    plan: &'a mut StdRng,
}

fn flood(plan: &mut StdRng, stock: Stock, attack: impl AsyncFnOnce(&mut Ground) -> Figures) -> Figures {
    let who = Who::new(source(SOURCE), plan);
    let server = match stock {
        Stock::Nothing => TestServer::start(),
        Stock::Page => TestServer::start_with_web(),
        Stock::People => stock::with_mail(&who, 0, 2 * limits::PEOPLE_PER_PAGE, &[], plan),
        Stock::Mail => stock::with_mail(&who, limits::READ_PER_FRAME as u64, 0, &[], plan),
    };
    let bystanders = Bystanders::start(server.address(), plan);
    let quiet = Instant::now();
    // Not waiting for anything: their messages are what is measured.
    thread::sleep(QUIET);
    server.forget_peak();
    let before = server.memory();
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut ground = Ground { host: &server, server: server.address(), who, victim: bystanders.names[0].clone(), plan };
    let figures = runtime.block_on(attack(&mut ground));
    let ended = Instant::now();
    let grown = server.peak_memory().saturating_sub(before);
    let latencies = bystanders.finish();
    let during = latencies.p99(&[begun..ended]);
    assert!(during < P99 * SLACK, "others' messages took {during:?}");
    assert!(grown < MEMORY, "the flood cost {grown} bytes");
    figures
        .longest("others' p99 before", latencies.p99(&[quiet..begun]))
        .longest("during it", during)
        .most("MiB of memory", grown.div_ceil(1024 * 1024))
}

async fn messages(ground: &mut Ground<'_>) -> Figures {
    let caller = ground.caller().await;
    let Rate { burst, per_second } = Rate::default();
    let (mut accepted, mut limited, mut shortest) = (0, 0, u64::MAX);
    // Fewer than may be unanswered: whoever has more is cut off at once.
    let flood = Flood { per_second: PER_SECOND, window: limits::WINDOW - 4, time: TIME };
    let frame = |index| ClientFrame::Submit(submission(AUTHOR, index + 1, index + 1, ground.victim.clone()));
    let flooded = flood.pour(caller, frame, |answer| {
        let ServerFrame::Outcomes { outcomes, .. } = answer else { return false };
        match outcomes[..] {
            [Outcome::Accepted { .. }] => accepted += 1,
            [Outcome::RateLimited { retry_after_ms }] => {
                limited += 1;
                shortest = shortest.min(retry_after_ms);
            }
            _ => panic!("{outcomes:?}"),
        }
        true
    });
    let Flooded { answered, took, .. } = flooded.await;
    assert_eq!(accepted + limited, answered);
    assert!(limited > 0, "a flood of {answered} messages passes");
    assert!(shortest > 0, "who floods is told to come back at once");
    let allowed = f64::from(burst) + f64::from(per_second) * took.as_secs_f64();
    assert!(accepted as f64 <= allowed + 1.0, "{accepted} messages were accepted, and {allowed} are allowed");
    Figures::default().count("messages accepted", accepted).count("rate_limited", limited)
}

async fn long(ground: &mut Ground<'_>) -> Figures {
    let mut callers = Vec::new();
    for _ in 0..4 {
        let who = ground.who.elsewhere(ground.plan);
        callers.push(Caller::log_in(ground.server, &who).await.expect("who floods may log in"));
    }
    let Ok([first, second, third, fourth]) = <[Caller; 4]>::try_from(callers) else { unreachable!("there are four") };
    let frame = |index| ClientFrame::Submit(longest(AUTHOR, index + 1, ground.victim.clone()));
    let (accepted, limited) = (Cell::new(0u64), Cell::new(0u64));
    let is_answer = |answer: &ServerFrame| {
        let ServerFrame::Outcomes { outcomes, .. } = answer else { return false };
        match outcomes[..] {
            [Outcome::Accepted { .. }] => accepted.set(accepted.get() + 1),
            [Outcome::RateLimited { .. }] => limited.set(limited.get() + 1),
            _ => panic!("{outcomes:?}"),
        }
        true
    };
    let flood = Flood { per_second: PER_SECOND, window: limits::WINDOW - 4, time: TIME };
    let pour = |caller| flood.pour(caller, frame, is_answer);
    tokio::join!(pour(first), pour(second), pour(third), pour(fourth));
    let (accepted, limited) = (accepted.get(), limited.get());
    assert!(limited > 0, "a flood of {accepted} long messages passes");
    let mebibytes = accepted * limits::BODY_BYTES as u64 / 1024 / 1024;
    Figures::default()
        .count("messages accepted", accepted)
        .count("MiB of them", mebibytes)
        .count("rate_limited", limited)
}

/// The longest message that there is.
fn longest(author: u64, counter: u64, to: Name) -> Submission {
    let content = Content { subject: String::new(), body: ".".repeat(limits::BODY_BYTES) };
    let mut submission = submission(author, counter, counter, to);
    submission.message.content = codec::encode(&content).expect("a long message");
    submission
}

async fn rooms(ground: &mut Ground<'_>) -> Figures {
    let room = Name::parse("obras").expect("a name");
    let wish = |index| match index % 2 {
        0 => ClientFrame::Enter { room: room.clone(), create: true },
        _ => ClientFrame::Leave { room: room.clone() },
    };
    let mut limited = 0;
    let answered = wishes(ground, wish, |answer| match answer {
        ServerFrame::Entered { .. } | ServerFrame::Left { .. } => true,
        ServerFrame::RoomRefused { why: RoomRefusal::RateLimited { retry_after_ms: 1.. }, .. } => {
            limited += 1;
            true
        }
        // A room goes with its last member, and cannot be left where entering it was refused.
        ServerFrame::RoomRefused { why: RoomRefusal::Unknown, .. } => true,
        ServerFrame::RoomRefused { why, .. } => panic!("{why:?}"),
        _ => false,
    });
    let answered = answered.await;
    assert!(limited > 0, "a flood of {answered} wishes passes");
    Figures::default().count("wishes granted", answered - limited).count("rate_limited", limited)
}

async fn names(ground: &mut Ground<'_>) -> Figures {
    let wish = |index| ClientFrame::TakeName { name: Some(Name::parse(&format!("ana.{index}")).expect("a name")) };
    let mut limited = 0;
    let answered = wishes(ground, wish, |answer| match answer {
        ServerFrame::Named { .. } => true,
        ServerFrame::NameRefused { why: NameRefusal::RateLimited { retry_after_ms: 1.. }, .. } => {
            limited += 1;
            true
        }
        ServerFrame::NameRefused { why, .. } => panic!("{why:?}"),
        _ => false,
    });
    let answered = answered.await;
    assert!(limited > 0, "a flood of {answered} wishes passes");
    Figures::default().count("names taken", answered - limited).count("rate_limited", limited)
}

/// Floods with wishes for rooms and names, and returns how many were answered.
async fn wishes(
    ground: &mut Ground<'_>,
    wish: impl FnMut(u64) -> ClientFrame,
    is_answer: impl FnMut(&ServerFrame) -> bool,
) -> u64 {
    // Half as many as may be unanswered.
    let flood = Flood { per_second: PER_SECOND, window: 8, time: TIME };
    flood.pour(ground.caller().await, wish, is_answer).await.answered
}

async fn lists(ground: &mut Ground<'_>) -> Figures {
    let caller = ground.caller().await;
    let everybody = caller.welcome.rooms.first().expect("everybody is in a room").mailbox;
    let page = |index| match index % 3 {
        0 => ClientFrame::People { after: None },
        1 => ClientFrame::Rooms { after: None },
        _ => ClientFrame::Members { mailbox: everybody, after: None },
    };
    let is_page = |answer: &ServerFrame| {
        matches!(answer, ServerFrame::People { .. } | ServerFrame::Rooms { .. } | ServerFrame::Members { .. })
    };
    let pages = Flood::without_end().pour(caller, page, is_page).await.within_allowance(PAGE_COST);
    Figures::default().count("pages sent", pages)
}

async fn reads(ground: &mut Ground<'_>) -> Figures {
    let caller = ground.caller().await;
    let mailbox = caller.welcome.mailbox;
    let marks = limits::READ_PER_FRAME as u64;
    let read = |_| ClientFrame::Read { mailbox, seqs: (1..=marks).collect() };
    // Whoever has 32 of them unanswered and sends another one is cut off.
    let flood = Flood { window: 31, ..Flood::without_end() };
    let is_noted = |answer: &ServerFrame| matches!(answer, ServerFrame::ReadNoted { .. });
    let frames = flood.pour(caller, read, is_noted).await.within_allowance(marks);
    Figures::default().count("marks noted", frames * marks)
}

async fn acknowledgements(ground: &mut Ground<'_>) -> Figures {
    let mut caller = ground.caller().await;
    let mailbox = caller.welcome.mailbox;
    caller.resume().await.expect("a connection");
    while !matches!(caller.ear.hear().await.expect("mail"), ServerFrame::Delivery { seq: 2.., .. }) {}
    // By the answers to pings we know how much of it was heard.
    let acknowledge = |index| match index % 2 {
        0 => ClientFrame::Ping { token: index },
        _ => ClientFrame::Acknowledge { mailbox, seq: 1 + index / 2 % 2 },
    };
    let is_pong = |answer: &ServerFrame| matches!(answer, ServerFrame::Pong { .. });
    let pongs = Flood::without_end().pour(caller, acknowledge, is_pong).await.within_allowance(2);
    Figures::default().count("acknowledgements heard", pongs).count("pings answered", pongs)
}

async fn inquiries(ground: &mut Ground<'_>) -> Figures {
    let caller = ground.caller().await;
    let inquiry = |index| ClientFrame::Submit(submission(AUTHOR, index % 50 + 1, 0, ground.victim.clone()));
    let flood = Flood { window: limits::WINDOW - 4, ..Flood::without_end() };
    let flooded = flood.pour(caller, inquiry, |answer| {
        let ServerFrame::Outcomes { outcomes, .. } = answer else { return false };
        assert_eq!(outcomes[..], [Outcome::OutOfTurn], "nothing was ever sent");
        true
    });
    Figures::default().count("inquiries answered", flooded.await.within_allowance(1))
}

impl Ground<'_> {
    async fn caller(&self) -> Caller {
        Caller::log_in(self.server, &self.who).await.expect("who floods may log in")
    }
}

/// How somebody floods a server over one connection.
struct Flood {
    per_second: u64,
    /// How many may be unanswered.
    window: u64,
    time: Duration,
}

/// What became of it.
struct Flooded {
    answered: u64,
    took: Duration,
}

impl Flood {
    fn without_end() -> Flood {
        Flood { per_second: ENDLESS, window: u64::MAX, time: TIME }
    }

    /// Says what `frame` makes of its number, and shows `is_answer` all that is heard meanwhile. Whoever floods is not cut
    /// off for it, as long as they keep to the windows.
    async fn pour(
        &self,
        caller: Caller,
        mut frame: impl FnMut(u64) -> ClientFrame,
        mut is_answer: impl FnMut(&ServerFrame) -> bool,
    ) -> Flooded {
        let (said, answered) = (Cell::new(0u64), Cell::new(0u64));
        let Caller { mut ear, mut mouth, .. } = caller;
        let begun = Instant::now();
        let speaking = self.speak(&mut mouth, &said, &answered, &mut frame);
        let hearing = hear(&mut ear, &answered, &mut is_answer);
        let both = async { tokio::try_join!(speaking, hearing) };
        match timeout_at((begun + self.time).into(), both).await {
            Err(_) => Flooded { answered: answered.get(), took: begun.elapsed() },
            Ok(ended) => panic!("who floods is cut off: {ended:?}"),
        }
    }

    async fn speak(
        &self,
        mouth: &mut Mouth,
        said: &Cell<u64>,
        answered: &Cell<u64>,
        frame: &mut impl FnMut(u64) -> ClientFrame,
    ) -> io::Result<()> {
        let begun = Instant::now();
        let mut clock = tokio::time::interval(Duration::from_millis(1));
        loop {
            clock.tick().await;
            let due = (begun.elapsed().as_secs_f64() * self.per_second as f64) as u64;
            let room = self.window.saturating_sub(said.get() - answered.get());
            let count = due.saturating_sub(said.get()).min(room).min(BREATH);
            let frames: Vec<ClientFrame> = (said.get()..said.get() + count).map(&mut *frame).collect();
            said.set(said.get() + count);
            mouth.say_all(&frames).await?;
        }
    }
}

async fn hear(ear: &mut Ear, answered: &Cell<u64>, is_answer: &mut impl FnMut(&ServerFrame) -> bool) -> io::Result<()> {
    loop {
        let frame = ear.hear().await?;
        if let ServerFrame::Closing(why) = frame {
            return Err(io::Error::other(format!("the server closes: {why:?}")));
        }
        answered.set(answered.get() + u64::from(is_answer(&frame)));
    }
}

impl Flooded {
    /// How many were answered, which must be no more than a person may ask if each counts so much.
    fn within_allowance(self, cost: u64) -> u64 {
        let allowed = ASKED_AT_ONCE as f64 + ASKED_PER_SECOND as f64 * self.took.as_secs_f64();
        // The last one may cost more than there was left.
        let most = allowed / cost as f64 + 1.0;
        assert!(self.answered as f64 <= most, "{} were answered, and {most} are allowed", self.answered);
        assert!(self.answered > 0, "nothing was answered at all");
        self.answered
    }
}
