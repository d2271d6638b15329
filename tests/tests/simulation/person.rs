//! A person: somebody who writes, reads, enters rooms and changes names at random, and the computer they do it on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use malote_client::archive::{Letter, Shelf};
use malote_client::engine::Status;
use malote_client::{Command, Event, People, Problem, Profile, Reader};
use malote_common::frame::Closing;
use malote_common::{Address, Content, MailboxId, Name, Seq};

use crate::model::{Account, Received, Sent, Target, Wrote};
use crate::network::ConnectionId;
use crate::program::{Killed, Program, SERVER};
use crate::rooms::InRoom;
use crate::scene::{Happening, Scene};

/// How long a program that was killed stays away: often it is started again at once.
const AWAY_MS: [RangeInclusive<u64>; 2] = [0..=100, 0..=8_000];

/// How people write.
#[derive(Clone, Debug)]
pub struct Habits {
    /// How many people there are.
    pub people: u64,
    /// The time between two things that a person does.
    pub pause_ms: RangeInclusive<u64>,
    /// Messages written in one go at most …
    pub burst: u64,
    /// … and in all, by one person.
    pub messages: usize,
    /// Bytes of a body at most.
    pub body: u64,
    /// The rooms that people know of.
    pub rooms: Vec<&'static str>,
    /// How likely a message is to go to one of them.
    pub talks: f64,
}

/// Names that people like to have. Some are the same, or look alike, or are reserved.
const NAMES: [&str; 9] = ["ana", "Ana", "bia", "b1a", "caio.lima", "jos\u{e9}", "Usuario7", "obras", "\u{430}na"];

/// Names of rooms that people think of, in the same way.
pub const ROOMS: [&str; 7] = ["obras", "Obras", "cozinha", "0bras", "turma-2", "avisos", "t0dos"];

pub struct Person {
    number: usize,
    profile: Profile,
    program: Option<Program>,
    /// How wrong this computer's clock is.
    wrong_by_ms: i64,
    tells_read: bool,
    /// The number in the given name, once the server has told it.
    at_server: Option<u64>,
    /// Every name that the server told.
    told: BTreeSet<String>,
    /// Wishes for rooms and names that this program was told and has not heard the answer of.
    wishes: usize,
    /// Who is in the rooms of which this program was asked that.
    members: BTreeMap<MailboxId, BTreeSet<u64>>,
    /// What was written, by token, in the order of writing.
    wrote: BTreeMap<u64, Wrote>,
    clearings: i64,
    /// What the program last showed.
    is_online: bool,
    is_caught_up: bool,
    people: People,
}

impl Person {
    pub fn new(number: usize, home: &Path, scene: &mut Scene) -> Person {
        Person {
            number,
            profile: Profile::open_in(home, Some(&number.to_string())).unwrap(),
            program: None,
            wrong_by_ms: scene.pick(0..=7_200_000) as i64 - 3_600_000,
            tells_read: scene.chance(0.8),
            at_server: None,
            told: BTreeSet::new(),
            wishes: 0,
            members: BTreeMap::new(),
            wrote: BTreeMap::new(),
            clearings: 0,
            is_online: false,
            is_caught_up: false,
            people: People::default(),
        }
    }

    pub fn connection(&self) -> Option<ConnectionId> {
        self.program.as_ref().and_then(Program::connection)
    }

    pub fn is_dialling(&self, attempt: u64) -> bool {
        self.program.as_ref().is_some_and(|program| program.is_dialling(attempt))
    }

    pub fn deadline(&self, scene: &Scene) -> Option<Duration> {
        self.program.as_ref()?.deadline(scene)
    }

    pub fn start_program(&mut self, scene: &mut Scene) {
        if self.program.is_none() {
            self.program = Some(Program::start(self.number, &self.profile, self.wrong_by_ms, scene));
            let tells_read = self.tells_read;
            self.drive(scene, |program, scene| program.command(Command::TellRead(tells_read), scene));
        }
    }

    /// The program ends this instant; it is started again some time later.
    pub fn kill_program(&mut self, scene: &mut Scene) {
        if let Some(mut program) = self.program.take() {
            scene.tell(|| format!("{}: killed", self.number));
            program.hang_up(scene);
            self.is_online = false;
            self.wishes = 0;
            self.members.clear();
            let away_ms = scene.choose(&AWAY_MS);
            scene.later(away_ms, Happening::StartProgram { person: self.number });
        }
    }

    /// The program ends after some more moments of its work.
    pub fn kill_program_after(&mut self, moments: u32) {
        if let Some(program) = &mut self.program {
            program.kill_after(moments);
        }
    }

    pub fn spare_program(&mut self) {
        if let Some(program) = &mut self.program {
            program.spare();
        }
    }

    pub fn set_clock(&mut self, wrong_by_ms: i64) {
        self.wrong_by_ms = wrong_by_ms;
        if let Some(program) = &mut self.program {
            program.set_clock(wrong_by_ms);
        }
    }

    pub fn tick(&mut self, scene: &mut Scene) {
        self.drive(scene, Program::tick);
    }

    pub fn dialled(&mut self, result: Result<(ConnectionId, [u8; 32]), Problem>, scene: &mut Scene) {
        self.drive(scene, |program, scene| program.dialled(result, scene));
    }

    /// Whether anything was written to or read from the connection.
    pub fn pump(&mut self, scene: &mut Scene) -> bool {
        self.drive(scene, Program::pump).unwrap_or(false)
    }

    /// Does something; `existing` are the names that somebody bears.
    pub fn act(&mut self, habits: &Habits, existing: &BTreeSet<String>, scene: &mut Scene) {
        match scene.pick(0..=19) {
            0..=8 => {
                for _ in 0..scene.pick(1..=habits.burst) {
                    self.write(habits, existing, scene);
                }
            }
            9..=12 => self.open(scene),
            13 => {
                self.clearings += 1;
                let room = self.some_room(scene).filter(|_| scene.chance(0.5));
                self.command(Command::Clear { clearing: self.clearings, room }, scene);
            }
            14..=15 => {
                let (room, create) = (scene.choose(&habits.rooms), scene.chance(0.8));
                self.wish(Command::Enter { room: name(room), create }, scene);
            }
            16 => {
                let room = scene.choose(&habits.rooms);
                self.wish(Command::Leave { room: name(room) }, scene);
            }
            17 => {
                let name = scene.chance(0.8).then(|| name(scene.choose(&NAMES)));
                self.wish(Command::TakeName { name }, scene);
            }
            18 => {
                if let Some(mailbox) = self.some_room(scene) {
                    self.command(Command::ListMembers { mailbox }, scene);
                }
            }
            _ => self.command(Command::ListRooms, scene),
        }
        scene.later(habits.pause_ms.clone(), Happening::Act { person: self.number });
    }

    /// Takes back that the inbox was ever cleared.
    pub fn restore_all(&mut self, scene: &mut Scene) {
        for clearing in 1..=self.clearings {
            self.command(Command::Restore { clearing }, scene);
        }
    }

    /// What keeps this person from being done, if anything.
    pub fn unfinished(&self) -> Option<&'static str> {
        match &self.program {
            None => Some("is not running"),
            Some(_) if !self.is_online => Some("is not online"),
            Some(_) if !self.is_caught_up => Some("has not caught up"),
            Some(program) if !program.is_done() => Some("has something to send"),
            Some(_) if self.wishes > 0 => Some("was not told what came of a wish"),
            Some(_) => None,
        }
    }

    /// How many people this person sees as connected.
    pub fn sees_connected(&self) -> usize {
        self.people.connected()
    }

    pub fn mailbox(&self) -> Option<MailboxId> {
        let saved = self.program.as_ref()?.archive().load().unwrap();
        saved.resume.map(|(mailbox, ..)| mailbox)
    }

    /// All that this person's computer knows, also of these rooms; what the server has is missing.
    pub fn account(&self, rooms: &[MailboxId]) -> Account {
        let reader = self.reader();
        let own = self.mailbox();
        let letters = reader.letters(Shelf::Inbox).unwrap().into_iter();
        let mail = letters.filter(|letter| Some(letter.mailbox) == own).map(|letter| received(letter).1);
        let is_in: BTreeSet<MailboxId> = reader.rooms().unwrap().iter().map(|room| room.mailbox).collect();
        let in_room = |room: &MailboxId| InRoom {
            has: reader.letters(Shelf::Room(*room)).unwrap().into_iter().map(received).collect(),
            is_in: is_in.contains(room),
            members: self.members.get(room).cloned(),
        };
        let rows = reader.sent_rows().unwrap().into_iter().rev();
        let sent = rows.filter_map(|row| reader.sent_message_at(row).unwrap()).map(|sent| Sent {
            id: sent.id,
            subject: sent.subject,
            body: sent.body,
            recipients: sent.recipients.into_iter().map(|recipient| (recipient.address, recipient.state)).collect(),
        });
        Account {
            told: self.told.clone(),
            tells_read: self.tells_read,
            wrote: self.wrote.values().cloned().collect(),
            sent: sent.collect(),
            archive: mail.collect(),
            rooms: rooms.iter().map(in_room).collect(),
            ..Account::of(self.at_server.unwrap_or(u64::MAX))
        }
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.profile.archive(), SERVER).unwrap()
    }

    fn command(&mut self, command: Command, scene: &mut Scene) {
        self.drive(scene, |program, scene| program.command(command, scene));
    }

    /// Tells the program what it is to ask the server, if it is running.
    fn wish(&mut self, wish: Command, scene: &mut Scene) {
        if self.program.is_some() {
            self.wishes += 1;
            self.command(wish, scene);
        }
    }

    /// A room that the person is in, as the archive has it.
    fn some_room(&self, scene: &mut Scene) -> Option<MailboxId> {
        self.program.as_ref()?;
        let rooms = self.reader().rooms().unwrap();
        (!rooms.is_empty()).then(|| scene.choose(&rooms).mailbox)
    }

    fn write(&mut self, habits: &Habits, existing: &BTreeSet<String>, scene: &mut Scene) {
        if self.program.is_none() || self.wrote.len() >= habits.messages {
            return;
        }
        let typed: Vec<String> =
            (0..scene.pick(1..=3).min(scene.pick(1..=3))).map(|_| address(habits, scene)).collect();
        let to = Address::parse_list(&typed.join(", ")).unwrap();
        let token = scene.unique();
        let content = Content {
            subject: format!("assunto {token}"),
            body: format!("carta {token} de {}{}", self.number, ".".repeat(scene.pick(0..=habits.body) as usize)),
        };
        let target = |to: &Address| Target { address: to.to_string(), existed: existing.contains(&to.folded()) };
        let wrote = Wrote {
            subject: content.subject.clone(),
            body: content.body.clone(),
            to: to.iter().map(target).collect(),
            queued: false,
        };
        self.wrote.insert(token, wrote);
        self.command(Command::Send { token, to, content, in_reply_to: None }, scene);
    }

    /// Opens some message of the inbox or a room, perhaps not for the first time.
    fn open(&mut self, scene: &mut Scene) {
        if self.program.is_none() {
            return;
        }
        let room = self.some_room(scene).filter(|_| scene.chance(0.3));
        let letters = self.reader().letters(room.map_or(Shelf::Inbox, Shelf::Room)).unwrap();
        if !letters.is_empty() {
            let letter = &letters[scene.pick(0..=letters.len() as u64 - 1) as usize];
            self.command(Command::Open { row: letter.row, mailbox: letter.mailbox, seq: letter.seq }, scene);
        }
    }

    /// Lets the program do something and takes in what it tells; where it is killed, what it had not told is lost.
    fn drive<T>(
        &mut self,
        scene: &mut Scene,
        what: impl FnOnce(&mut Program, &mut Scene) -> Result<T, Killed>,
    ) -> Option<T> {
        let program = self.program.as_mut()?;
        let result = what(program, scene);
        for event in program.take_told() {
            self.take_in(event, scene);
        }
        match result {
            Ok(value) => Some(value),
            Err(Killed) => {
                self.kill_program(scene);
                None
            }
        }
    }

    fn take_in(&mut self, event: Event, scene: &Scene) {
        scene.tell(|| format!("{}: {event:?}", self.number));
        match event {
            Event::Status(Status::Online { name, number }) => {
                self.told.insert(name.to_string());
                let before = self.at_server.replace(number);
                assert!(before.is_none_or(|before| before == number), "{before:?} became {number}");
                (self.is_online, self.is_caught_up) = (true, false);
            }
            Event::Status(status) => {
                ensure_nobody_misbehaved(&status);
                self.is_online = false;
                self.people.disconnected();
            }
            Event::People { people, .. } | Event::Presence { people } => self.people.update(people),
            Event::Queued { token, .. } => {
                if let Some(wrote) = self.wrote.get_mut(&token) {
                    wrote.queued = true;
                }
            }
            Event::CaughtUp => self.is_caught_up = true,
            Event::News(_) => {}
            Event::Rooms { .. } => {}
            Event::Members { mailbox, people } => {
                self.members.insert(mailbox, people.iter().map(|person| person.number).collect());
            }
            Event::Member { mailbox, person, entered } => {
                if let Some(members) = self.members.get_mut(&mailbox) {
                    let changed = if entered { members.insert(person.number) } else { members.remove(&person.number) };
                    scene.tell(|| format!("{}: that changes something: {changed}", self.number));
                }
            }
            Event::Left { mailbox, .. } => {
                self.members.remove(&mailbox);
                self.is_answered();
            }
            Event::Named { name } => {
                self.told.insert(name.to_string());
                self.is_answered();
            }
            Event::Entered { .. } | Event::RoomRefused { .. } | Event::NameRefused { .. } => self.is_answered(),
            Event::NotQueued { token } => panic!("the disk never fails here, but message {token} was not written"),
            Event::NotKept(error) => panic!("the disk never fails here: {error}"),
            Event::KeptAgain => panic!("the disk has never failed here"),
        }
    }

    /// The server has answered a wish. There is one device of each person here, so no other asks.
    fn is_answered(&mut self) {
        self.wishes = self.wishes.checked_sub(1).expect("a wish was uttered for each answer");
    }
}

fn received(letter: Letter) -> (Seq, Received) {
    let Letter { id, seq, from, number, subject, body, read, .. } = letter;
    (seq, Received { id, from, number: number.unwrap_or(u64::MAX), subject, body, opened: read })
}

/// Connections may end in many ways here, but not because one side does not understand the other.
fn ensure_nobody_misbehaved(status: &Status) {
    match status {
        Status::Connecting | Status::Online { .. } => {}
        Status::Waiting { problem, .. } => match problem {
            Problem::Refused | Problem::Unreachable | Problem::Lost | Problem::Silent => {}
            Problem::Closed(Closing::Silent | Closing::ServerFull | Closing::ShuttingDown) => {}
            other => panic!("a connection ended with {other:?}"),
        },
        Status::Stopped { problem } => panic!("a program gave up: {problem:?}"),
    }
}

/// An address as people type it: a person's, a room's or everybody's, in any case, and now and then nobody's.
fn address(habits: &Habits, scene: &mut Scene) -> String {
    let name = Name::given(scene.pick(0..=habits.people - 1)).to_string();
    if scene.chance(habits.talks) {
        return format!("#{}", scene.choose(&habits.rooms));
    }
    match scene.pick(0..=14) {
        0 => "ninguem".to_owned(),
        1..=2 => name.to_uppercase(),
        3..=4 => name.to_lowercase(),
        5 => "@todos".to_owned(),
        6..=7 => scene.choose(&NAMES).to_owned(),
        _ => name,
    }
}

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}
