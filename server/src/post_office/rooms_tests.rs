//! Rooms with members who come and go, tried with many orders of what everybody asks: also of what no client that follows
//! the rules would ask.

use std::collections::BTreeMap;

use malote_common::limits;
use proptest::prelude::*;

use super::*;
use crate::store::contract::{DEVICE, submission};
use crate::store::sqlite::SqliteStore;

const PEOPLE: u64 = 3;
const ROOMS: [&str; 2] = ["obras", "cozinha"];

/// Entries that each room has from before: more than newcomers may see.
const EARLIER: u64 = limits::ROOM_HISTORY + 10;

/// What somebody asks; rooms by their index.
#[derive(Clone, Debug)]
enum Step {
    Enter(usize),
    Leave(usize),
    Write(usize),
    Resume(usize),
    Fetch(usize, Seq),
    Members(usize),
    /// The connection is lost, and made again.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let room = 0..ROOMS.len();
    prop_oneof![
        2 => room.clone().prop_map(Step::Enter),
        1 => room.clone().prop_map(Step::Leave),
        6 => room.clone().prop_map(Step::Write),
        2 => room.clone().prop_map(Step::Resume),
        2 => (room.clone(), 0..2 * EARLIER).prop_map(|(room, after)| Step::Fetch(room, after)),
        1 => room.prop_map(Step::Members),
        1 => Just(Step::Reconnect),
    ]
}

/// A room as it must be, told by the order of what was asked alone.
#[derive(Default)]
struct Model {
    last_seq: Seq,
    /// For each person the times in the room: the first entry that they may see, and the last one once they have left.
    stays: BTreeMap<u64, Vec<(Seq, Option<Seq>)>>,
}

impl Model {
    fn is_in(&self, person: u64) -> bool {
        self.stays.get(&person).and_then(|stays| stays.last()).is_some_and(|(_, left)| left.is_none())
    }

    fn may_see(&self, person: u64, seq: Seq) -> bool {
        let stays = self.stays.get(&person).into_iter().flatten();
        stays.into_iter().any(|(first, left)| *first <= seq && left.is_none_or(|left| seq <= left))
    }
}

struct World {
    office: PostOffice<SqliteStore>,
    /// The session of each person, and the next one.
    sessions: Vec<u64>,
    next_session: u64,
    /// Whose each session is or was.
    owners: BTreeMap<u64, u64>,
    counters: Vec<u64>,
    mailboxes: Vec<MailboxId>,
    models: Vec<Model>,
}

impl World {
    fn new() -> World {
        let mut office = PostOffice::new(SqliteStore::in_memory().unwrap(), 100);
        let open = ROOMS.map(|room| Operation::OpenRoom { room: Name::parse(room).unwrap() });
        let opened = office.store.commit(&open, Timestamp(0)).unwrap().answers;
        for answer in &opened {
            let Answer::Opened { mailbox, .. } = answer else { panic!("{answer:?}") };
            let message = submission(1, &["#obras"], "antes").message;
            let post = Operation::Post { room: *mailbox, from: Name::visitor(1), message };
            office.store.commit(&vec![post; EARLIER as usize], Timestamp(0)).unwrap();
        }
        let mailbox = |answer: &Answer| match answer {
            Answer::Opened { mailbox, .. } => *mailbox,
            other => panic!("{other:?}"),
        };
        let mut world = World {
            office,
            sessions: vec![0; PEOPLE as usize],
            next_session: 1,
            owners: BTreeMap::new(),
            counters: vec![0; PEOPLE as usize],
            mailboxes: opened.iter().map(mailbox).collect(),
            models: ROOMS.iter().map(|_| Model { last_seq: EARLIER, ..Model::default() }).collect(),
        };
        let logins: Vec<_> = (0..PEOPLE).flat_map(|person| world.requests(person, &Step::Reconnect)).collect();
        world.handle(logins).unwrap();
        world
    }

    /// What a step asks of the post office. The model is told at the same time.
    fn requests(&mut self, person: u64, step: &Step) -> Vec<(SessionId, Request)> {
        let session = SessionId(self.sessions[person as usize]);
        let name = |room: &usize| Name::parse(ROOMS[*room]).unwrap();
        let request = match step {
            Step::Enter(room) => {
                let model = &mut self.models[*room];
                if !model.is_in(person) {
                    let first = model.last_seq.saturating_sub(limits::ROOM_HISTORY) + 1;
                    model.stays.entry(person).or_default().push((first, None));
                }
                Request::Enter { room: name(room), create: false }
            }
            Step::Leave(room) => {
                let model = &mut self.models[*room];
                let last_seq = model.last_seq;
                if let Some(stay) = model.stays.get_mut(&person).and_then(|stays| stays.last_mut()) {
                    stay.1 = stay.1.or(Some(last_seq));
                }
                Request::Leave { room: name(room) }
            }
            Step::Write(room) => {
                let counter = &mut self.counters[person as usize];
                *counter += 1;
                self.models[*room].last_seq += u64::from(self.models[*room].is_in(person));
                Request::Submit(submission(*counter, &[&format!("#{}", ROOMS[*room])], "oi"))
            }
            Step::Resume(room) => Request::Resume { mailbox: self.mailboxes[*room], after: 0 },
            Step::Fetch(room, after) => Request::Fetch { mailbox: self.mailboxes[*room], after: *after },
            Step::Members(room) => Request::Members { mailbox: self.mailboxes[*room], after: None },
            Step::Reconnect => {
                let gone = (session, Request::Gone);
                self.sessions[person as usize] = self.next_session;
                self.owners.insert(self.next_session, person);
                self.next_session += 1;
                let session = SessionId(self.sessions[person as usize]);
                return vec![gone, (session, Request::Login { key: [person as u8; 32], device: DEVICE })];
            }
        };
        vec![(session, request)]
    }

    /// Hands in a batch, and checks everything that somebody is told.
    fn handle(&mut self, batch: Vec<(SessionId, Request)>) -> Result<Vec<(SessionId, Event)>, TestCaseError> {
        let events = self.office.handle(batch, Timestamp(1)).unwrap();
        for (session, event) in &events {
            let entries = match event {
                Event::Entries(run) => std::slice::from_ref(run),
                Event::Page { entries, .. } => entries,
                _ => continue,
            };
            let person = self.owners[&session.0];
            for run in entries {
                let Some(room) = self.mailboxes.iter().position(|known| *known == run.mailbox) else { continue };
                for (seq, _) in run.iter() {
                    prop_assert!(self.models[room].may_see(person, seq), "{person} was told {seq} of {}", ROOMS[room]);
                }
            }
        }
        Ok(events)
    }

    /// Everything that a person can fetch of a room.
    fn all(&mut self, person: u64, room: usize) -> Result<Vec<Seq>, TestCaseError> {
        let mut seqs: Vec<Seq> = Vec::new();
        loop {
            let step = Step::Fetch(room, seqs.last().copied().unwrap_or(0));
            let requests = self.requests(person, &step);
            let events = self.handle(requests)?;
            let [(_, Event::Page { entries, .. })] = &events[..] else { return Ok(seqs) };
            if entries.is_empty() {
                return Ok(seqs);
            }
            seqs.extend(entries.iter().flat_map(Run::iter).map(|(seq, _)| seq));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_told_what_was_written_while_they_were_not_in_the_room(
        batches in prop::collection::vec(prop::collection::vec((0..PEOPLE, step()), 1..30), 1..20)
    ) {
        let mut world = World::new();
        for batch in batches {
            let mut requests = Vec::new();
            for (person, step) in batch {
                requests.extend(world.requests(person, &step));
                // Nobody asks anything before the login is answered.
                if matches!(step, Step::Reconnect) {
                    world.handle(std::mem::take(&mut requests))?;
                }
            }
            world.handle(requests)?;
        }
        for person in 0..PEOPLE {
            for room in 0..ROOMS.len() {
                let model = &world.models[room];
                let first = model.stays.get(&person).and_then(|stays| stays.last()).map_or(1, |stay| stay.0);
                let theirs: Vec<Seq> = if model.is_in(person) { (first..=model.last_seq).collect() } else { vec![] };
                prop_assert_eq!(world.all(person, room)?, theirs);
            }
        }
    }
}
