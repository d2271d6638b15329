//! The store against a model of it that is too simple to be wrong, over random batches.

use std::collections::BTreeMap;

use malote_common::{
    Address, Entry, MailboxId, MessageId, Name, Outcome, Receipt, Seq, Submission, Timestamp, codec, limits,
};
use proptest::prelude::*;

use super::super::contract::{DEVICE, each, submission};
use super::super::{Answer, Operation, PersonId, Run, Store};
use super::SqliteStore;

const PEOPLE: u8 = 4;
const NAMES: [&str; 4] = ["ana", "Ana", "bia", "Usuario1"];
const ROOMS: [&str; 2] = ["obras", "arte"];
const NOW: Timestamp = Timestamp(1000);

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Step {
    /// A message with the counter that is so much above the last one.
    Submit {
        ahead: u64,
        is_aware: bool,
        to: Vec<usize>,
        bytes: usize,
    },
    /// One of the last submissions once more, perhaps only as a question, or with another message.
    Repeat {
        back: usize,
        is_inquiry: bool,
        is_other: bool,
    },
    Acknowledge(Seq),
    Read(Vec<Seq>),
    TakeName(Option<usize>),
    Enter(usize, bool),
    Leave(usize),
    Login,
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop::collection::vec(0..ADDRESSES, 1..4);
    let bytes = prop_oneof![9 => 0usize..300, 1 => Just(40_000usize)];
    prop_oneof![
        12 => (prop_oneof![8 => Just(1u64), 1 => 2u64..4, 1 => 60u64..70], prop::bool::weighted(0.8), to, bytes)
            .prop_map(|(ahead, is_aware, to, bytes)| Step::Submit { ahead, is_aware, to, bytes }),
        3 => (0usize..70, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(back, is_inquiry, is_other)| Step::Repeat { back, is_inquiry, is_other }),
        4 => (0u64..40).prop_map(Step::Acknowledge),
        2 => prop::collection::vec(0u64..30, 0..6).prop_map(Step::Read),
        1 => prop::option::of(0..NAMES.len()).prop_map(Step::TakeName),
        1 => (0..ROOMS.len(), any::<bool>()).prop_map(|(room, create)| Step::Enter(room, create)),
        1 => (0..ROOMS.len()).prop_map(Step::Leave),
        1 => Just(Step::Login),
    ]
}

/// How many addresses [`address`] knows.
const ADDRESSES: usize = 11;

fn address(index: usize) -> &'static str {
    let all: [&str; ADDRESSES] =
        ["Usuario0", "Usuario1", "usuario1", "Usuario2", "Usuario3", "ana", "ANA", "bia", "#obras", "#arte", "@todos"];
    all[index]
}

/// Makes operations of steps, remembering what was submitted.
#[derive(Default)]
struct Script {
    sent: BTreeMap<u8, Vec<Submission>>,
}

impl Script {
    fn operation(&mut self, person: u8, step: &Step, homes: &[MailboxId]) -> Operation {
        let author = PersonId(person.into());
        let sent = self.sent.entry(person).or_default();
        let submit = |submission| Operation::Submit { author, device: DEVICE, submission };
        match step {
            Step::Submit { ahead, is_aware, to, bytes } => {
                let counter = sent.last().map_or(0, |last| last.counter) + ahead;
                let to: Vec<&str> = to.iter().map(|index| address(*index)).collect();
                let since = if *is_aware { counter } else { 1 };
                let submission = Submission { since, ..submission(counter, &to, &"x".repeat(*bytes)) };
                sent.push(submission.clone());
                submit(submission)
            }
            Step::Repeat { back, is_inquiry, is_other } => {
                let Some(mut again) = sent.iter().rev().nth(*back).cloned() else {
                    return Operation::Acknowledge { mailbox: homes[person as usize], seq: 0 };
                };
                again.since = if *is_inquiry { 0 } else { again.since };
                again.message.id = if *is_other { MessageId([255; 16]) } else { again.message.id };
                submit(again)
            }
            Step::Acknowledge(seq) => Operation::Acknowledge { mailbox: homes[person as usize], seq: *seq },
            Step::Read(seqs) => Operation::Read { mailbox: homes[person as usize], seqs: seqs.clone() },
            Step::TakeName(name) => Operation::TakeName { person: author, name: name.map(|index| parse(NAMES[index])) },
            Step::Enter(room, create) => {
                Operation::Enter { person: author, room: parse(ROOMS[*room]), create: *create }
            }
            Step::Leave(room) => Operation::Leave { person: author, room: parse(ROOMS[*room]) },
            Step::Login => Operation::Login { key: [person; 32], device: DEVICE },
        }
    }
}

fn parse(name: &str) -> Name {
    Name::parse(name).unwrap()
}

/// What is in the mailboxes and what was answered, kept in the plainest way. Names and rooms it takes from the answers.
#[derive(Default)]
struct Model {
    mailboxes: BTreeMap<MailboxId, Vec<Kept>>,
    delivered: BTreeMap<MailboxId, Seq>,
    homes: Vec<MailboxId>,
    shown: BTreeMap<u64, Name>,
    answers: BTreeMap<(u64, u64), (MessageId, Vec<Outcome>)>,
}

/// An entry, who gets receipts for it, and whether it was opened.
struct Kept {
    entry: Entry,
    author: Option<u64>,
    opened: bool,
}

impl Model {
    fn append(&mut self, mailbox: MailboxId, entry: Entry, author: Option<u64>) -> Seq {
        let entries = self.mailboxes.entry(mailbox).or_default();
        entries.push(Kept { entry, author, opened: false });
        entries.len() as Seq
    }

    fn receipt(&mut self, author: u64, receipt: Receipt) {
        self.append(self.homes[author as usize], Entry::Receipt(receipt), None);
    }

    /// Follows an operation, and says what is wrong with its answer.
    fn follow(&mut self, operation: &Operation, answer: &Answer) -> Result<(), TestCaseError> {
        match (operation, answer) {
            (Operation::Submit { author, submission, .. }, Answer::Submitted { outcomes }) => {
                self.submitted(author.0, submission, outcomes)
            }
            (Operation::Acknowledge { mailbox, seq }, Answer::Noted) => {
                let entries = self.mailboxes.entry(*mailbox).or_default();
                let delivered = self.delivered.insert(*mailbox, 0).unwrap_or(0);
                let seq = (*seq).min(entries.len() as Seq).max(delivered);
                self.delivered.insert(*mailbox, seq);
                let news = (1..).zip(entries.iter()).filter(|(at, _)| (delivered + 1..=seq).contains(at));
                let newest: BTreeMap<u64, Seq> = news.filter_map(|(at, kept)| Some((kept.author?, at))).collect();
                for (author, seq) in newest {
                    self.receipt(author, Receipt::Delivered { mailbox: *mailbox, seq, at: NOW });
                }
                Ok(())
            }
            (Operation::Read { mailbox, seqs }, Answer::Noted) => {
                for seq in seqs {
                    let entries = self.mailboxes.entry(*mailbox).or_default();
                    let Some(kept) = (*seq as usize).checked_sub(1).and_then(|at| entries.get_mut(at)) else {
                        continue;
                    };
                    let is_first = !std::mem::replace(&mut kept.opened, true);
                    if let Some(author) = kept.author.filter(|_| is_first) {
                        self.receipt(author, Receipt::Read { mailbox: *mailbox, seq: *seq, at: NOW });
                    }
                }
                Ok(())
            }
            (Operation::TakeName { person, .. }, Answer::Named(name)) => {
                self.shown.insert(person.0, name.clone());
                Ok(())
            }
            (Operation::Login { key, .. }, Answer::LoggedIn(login)) => {
                let last = self.answers.range((key[0].into(), 0)..=(key[0].into(), u64::MAX)).next_back();
                prop_assert_eq!(login.last_counter, last.map_or(0, |((_, counter), _)| *counter));
                prop_assert_eq!(&login.name, &self.shown[&u64::from(key[0])]);
                let length = |mailbox| self.mailboxes.get(&mailbox).map_or(0, Vec::len) as Seq;
                prop_assert_eq!(login.last_seq, length(login.mailbox));
                for room in &login.rooms {
                    prop_assert_eq!(room.last_seq, length(room.mailbox));
                }
                Ok(())
            }
            (Operation::Enter { .. }, Answer::Entered { membership, .. }) => {
                let length = self.mailboxes.get(&membership.mailbox).map_or(0, Vec::len) as Seq;
                prop_assert_eq!(membership.last_seq, length);
                Ok(())
            }
            (_, Answer::NameRefused(_) | Answer::RoomRefused(_) | Answer::Left { .. }) => Ok(()),
            other => Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }

    fn submitted(&mut self, author: u64, submission: &Submission, outcomes: &[Outcome]) -> Result<(), TestCaseError> {
        let (counter, id) = (submission.counter, submission.message.id);
        let all = |outcome| vec![outcome; submission.targets.len()];
        let last = self.answers.range((author, 0)..=(author, u64::MAX)).next_back().map_or(0, |((_, last), _)| *last);
        let is_old = counter + limits::WINDOW <= last;
        match self.answers.get(&(author, counter)) {
            _ if is_old => prop_assert_eq!(outcomes, all(Outcome::Invalid)),
            Some((known, answered)) if *known == id => prop_assert_eq!(outcomes, &answered[..]),
            Some(_) => prop_assert_eq!(outcomes, all(Outcome::Invalid)),
            None if counter < last || submission.is_inquiry() => prop_assert_eq!(outcomes, all(Outcome::OutOfTurn)),
            None if counter > last + 1 && submission.would_overtake(counter - 1) => {
                prop_assert_eq!(outcomes, all(Outcome::OutOfTurn));
            }
            None => {
                self.answers.insert((author, counter), (id, outcomes.to_vec()));
                return self.delivered_to(author, submission, outcomes);
            }
        }
        Ok(())
    }

    fn delivered_to(
        &mut self,
        author: u64,
        submission: &Submission,
        outcomes: &[Outcome],
    ) -> Result<(), TestCaseError> {
        let mut reached = BTreeMap::new();
        prop_assert_eq!(outcomes.len(), submission.targets.len());
        for (address, outcome) in submission.recipients().zip(outcomes) {
            let Outcome::Accepted { mailbox, seq } = outcome else {
                prop_assert!(matches!(outcome, Outcome::UnknownRecipient | Outcome::NotAMember), "{outcome:?}");
                continue;
            };
            let is_home = self.homes.contains(mailbox);
            prop_assert_eq!(is_home, matches!(address, Address::Person(_)));
            if let Address::Person(name) = address
                && let Some(number) = name.given_number()
            {
                prop_assert_eq!(*mailbox, self.homes[number as usize]);
            }
            let entry = Entry::Message {
                from: self.shown[&author].clone(),
                number: Some(author),
                accepted_at: NOW,
                message: submission.message.clone(),
            };
            let expected = match reached.get(mailbox) {
                Some(seq) => *seq,
                None => self.append(*mailbox, entry, is_home.then_some(author)),
            };
            reached.insert(*mailbox, expected);
            prop_assert_eq!(*seq, expected);
        }
        Ok(())
    }
}

/// A store with some people, and their mailboxes.
fn store() -> (SqliteStore, Vec<MailboxId>) {
    let mut store = SqliteStore::in_memory().unwrap();
    let logins: Vec<_> = (0..PEOPLE).map(|key| Operation::Login { key: [key; 32], device: DEVICE }).collect();
    let answers = store.commit(&logins, NOW).unwrap().answers;
    let homes = answers.into_iter().map(|answer| match answer {
        Answer::LoggedIn(login) => login.mailbox,
        other => panic!("{other:?}"),
    });
    let homes = homes.collect();
    (store, homes)
}

/// The answers without what is random in each store.
fn comparable(mut answers: Vec<Answer>) -> Vec<Answer> {
    for answer in &mut answers {
        match answer {
            Answer::LoggedIn(login) => {
                login.epoch.0 = [0; 16];
                login.rooms.iter_mut().for_each(|room| room.epoch.0 = [0; 16]);
            }
            Answer::Entered { membership, .. } => membership.epoch.0 = [0; 16],
            _ => {}
        }
    }
    answers
}

fn read_in_pages(store: &mut SqliteStore, mailbox: MailboxId, max_bytes: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    loop {
        let page = store.entries(mailbox, runs.last().map_or(0, |run| run.last), max_bytes).unwrap();
        if page.is_empty() {
            return runs;
        }
        runs.extend(page);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn however_operations_are_batched_the_store_does_what_the_model_does(
        steps in prop::collection::vec((0..PEOPLE, step()), 1..150),
        cuts in prop::collection::vec(1usize..40, 1..20),
        page in prop_oneof![Just(1usize), 1usize..2000, Just(100_000usize)],
    ) {
        let (mut alone, homes) = store();
        let (mut cut, _) = store();
        let (mut together, _) = store();
        let mut script = Script::default();
        let operations: Vec<_> = steps.iter().map(|(person, step)| script.operation(*person, step, &homes)).collect();

        let shown = (0..PEOPLE).map(|n| (n.into(), Name::given(n.into()))).collect();
        let mut model = Model { homes: homes.clone(), shown, ..Model::default() };
        let mut answers = Vec::new();
        for operation in &operations {
            let committed = alone.commit(std::slice::from_ref(operation), NOW).unwrap();
            model.follow(operation, &committed.answers[0])?;
            answers.extend(committed.answers);
        }
        let answers = comparable(answers);
        prop_assert_eq!(&comparable(together.commit(&operations, NOW).unwrap().answers), &answers);
        let (mut rest, mut sizes, mut answered) = (&operations[..], cuts.iter().cycle(), Vec::new());
        let mut appended: BTreeMap<MailboxId, Vec<_>> = BTreeMap::new();
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            let committed = cut.commit(batch, NOW).unwrap();
            answered.extend(committed.answers);
            for run in committed.appended {
                appended.entry(run.mailbox).or_default().extend(each(&[run]));
            }
            rest = behind;
        }
        prop_assert_eq!(&comparable(answered), &answers);

        for (mailbox, entries) in &model.mailboxes {
            let expected: Vec<_> = entries.iter().map(|kept| codec::encode(&kept.entry).unwrap()).collect();
            for store in [&mut alone, &mut cut, &mut together] {
                let stored = each(&read_in_pages(store, *mailbox, page));
                prop_assert!(stored.iter().map(|stored| stored.seq).eq(1..=expected.len() as Seq));
                prop_assert!(stored.iter().map(|stored| &stored.entry).eq(&expected));
            }
            let told = appended.remove(mailbox).unwrap_or_default();
            prop_assert!(told.iter().map(|stored| &stored.entry).eq(&expected));
        }
        prop_assert!(appended.is_empty());
    }
}
