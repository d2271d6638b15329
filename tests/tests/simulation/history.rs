//! What the store was asked and what it answered: who was called what, and who was in which room from which entry to which.
//!
//! It is kept beside the store, from its answers as they are committed, and finds answers that contradict earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use malote_common::frame::{Membership, RoomRefusal};
use malote_common::{Address, MailboxId, Name, Outcome, Seq, limits};
use malote_server::store::{Answer, Login, Operation, Run};

#[derive(Clone, Debug, Default)]
pub struct History {
    people: BTreeMap<u64, Known>,
    /// By folded name.
    rooms: BTreeMap<String, MailboxId>,
    /// The newest entry of each mailbox, as far as the answers tell: a batch's receipts are in none.
    last_seqs: BTreeMap<MailboxId, Seq>,
    /// The same, from the entries themselves.
    ends: BTreeMap<MailboxId, Seq>,
    stays: BTreeMap<(MailboxId, u64), Vec<Stay>>,
    /// The first answer that contradicts what was answered before.
    contradiction: Option<String>,
}

/// What is known of a person.
#[derive(Clone, Debug)]
struct Known {
    mailbox: MailboxId,
    /// The name in use.
    name: Name,
    /// All names that were ever in use.
    names: BTreeSet<String>,
}

/// Somebody's time in a room, in entries of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The first entry that they may see.
    pub first: Seq,
    /// The last one before they entered.
    pub entered_behind: Seq,
    /// The last one before they left; nothing where they did not.
    pub left_behind: Option<Seq>,
}

impl Stay {
    pub fn may_see(&self, seq: Seq) -> bool {
        self.first <= seq && self.left_behind.is_none_or(|last| seq <= last)
    }

    /// Whether they were in the room when it was written.
    pub fn was_there(&self, seq: Seq) -> bool {
        self.entered_behind < seq && self.may_see(seq)
    }
}

impl History {
    /// Given names of all who exist, in the form in which names are compared.
    pub fn given_names(&self) -> BTreeSet<String> {
        self.people.keys().map(|number| Name::given(*number).folded()).collect()
    }

    /// All names under which a person was ever known.
    pub fn names_of(&self, number: u64) -> BTreeSet<String> {
        self.people.get(&number).map(|known| known.names.clone()).unwrap_or_default()
    }

    /// All rooms, by folded name.
    pub fn rooms(&self) -> &BTreeMap<String, MailboxId> {
        &self.rooms
    }

    pub fn stays(&self, room: MailboxId, number: u64) -> &[Stay] {
        self.stays.get(&(room, number)).map_or(&[], Vec::as_slice)
    }

    pub fn is_in(&self, room: MailboxId, number: u64) -> bool {
        self.stays(room, number).last().is_some_and(|stay| stay.left_behind.is_none())
    }

    /// What is wrong with the answers, if anything.
    pub fn contradiction(&self) -> Option<&str> {
        self.contradiction.as_deref()
    }

    /// Takes in an answer; `again` where it only repeats one that was given before.
    pub fn note(&mut self, operation: &Operation, answer: &Answer, again: bool) {
        let is_right = match (operation, answer) {
            (Operation::Login { .. }, Answer::LoggedIn(login)) => self.logged_in(login),
            (Operation::Submit { author, submission, .. }, Answer::Submitted { outcomes }) => {
                let expected = submission.recipients().map(|to| self.expected(author.0, to));
                let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::OutOfTurn | Outcome::Invalid);
                let are_right = expected
                    .zip(outcomes)
                    .all(|(expected, outcome)| again || is_refused(outcome) || expected == without_seq(*outcome));
                (again || self.number(outcomes)) && are_right
            }
            (Operation::TakeName { person, .. }, Answer::Named(name)) => self.named(person.0, name),
            (Operation::Enter { person, room, create }, Answer::Entered { membership, created, changed }) => {
                let existed = self.rooms.insert(room.folded(), membership.mailbox).is_some();
                let was_in_it = self.is_in(membership.mailbox, person.0);
                let is_admitted = was_in_it || self.admit(person.0, membership);
                is_admitted && *changed != was_in_it && *created != existed && (existed || *create)
            }
            (Operation::Enter { room, create, .. }, Answer::RoomRefused(RoomRefusal::Unknown)) => {
                !*create && !self.rooms.contains_key(&room.folded())
            }
            (Operation::Leave { person, room }, Answer::Left { mailbox, changed }) => {
                let was_in_it = self.is_in(*mailbox, person.0);
                let last = self.last_seq(*mailbox);
                if let Some(stay) = self.stays.get_mut(&(*mailbox, person.0)).and_then(|stays| stays.last_mut()) {
                    stay.left_behind = stay.left_behind.or(Some(last));
                }
                let is_right = *changed == was_in_it && self.rooms.get(&room.folded()) == Some(mailbox);
                // A room in which nobody ever wrote goes with its last member.
                let is_left = |((of, _), stays): (&(MailboxId, u64), &Vec<Stay>)| {
                    of != mailbox || stays.last().is_none_or(|stay| stay.left_behind.is_some())
                };
                if last == 0 && self.stays.iter().all(is_left) {
                    self.rooms.remove(&room.folded());
                }
                is_right
            }
            (Operation::Leave { room, .. }, Answer::RoomRefused(RoomRefusal::Unknown)) => {
                !self.rooms.contains_key(&room.folded())
            }
            _ => true,
        };
        if !is_right && self.contradiction.is_none() {
            self.contradiction = Some(format!("{operation:?} was answered {answer:?}, after {self:?}"));
        }
    }

    fn logged_in(&mut self, login: &Login) -> bool {
        let number = login.person.0;
        if login.is_new {
            let (name, mailbox) = (login.name.clone(), login.mailbox);
            let known = Known { mailbox, names: BTreeSet::from([name.to_string()]), name };
            let [everybody] = &login.rooms[..] else { return false };
            let first_of_all = self.people.insert(number, known).is_none();
            self.rooms.insert(everybody.room.folded(), everybody.mailbox);
            return first_of_all && everybody.room == Name::everybody() && self.admit(number, everybody);
        }
        let rooms: BTreeSet<MailboxId> = login.rooms.iter().map(|room| room.mailbox).collect();
        let expected = self.rooms.values().copied().filter(|room| self.is_in(*room, number));
        let are_right = |room: &Membership| {
            room.last_seq == self.last_seq(room.mailbox)
                && self.stays(room.mailbox, number).last().is_some_and(|stay| stay.first == room.first)
        };
        self.people.get(&number).is_some_and(|known| known.name == login.name)
            && rooms == expected.collect::<BTreeSet<_>>()
            && login.rooms.iter().all(are_right)
    }

    fn admit(&mut self, number: u64, membership: &Membership) -> bool {
        let Membership { mailbox, first, .. } = *membership;
        let last = self.last_seq(mailbox);
        let stay = Stay { first, entered_behind: last, left_behind: None };
        self.stays.entry((mailbox, number)).or_default().push(stay);
        membership.last_seq == last && first == last.saturating_sub(limits::ROOM_HISTORY) + 1
    }

    fn named(&mut self, number: u64, name: &Name) -> bool {
        let is_free = self.people.iter().all(|(other, known)| {
            *other == number || known.names.iter().all(|taken| taken.to_lowercase() != name.folded())
        });
        let Some(known) = self.people.get_mut(&number) else { return false };
        known.name = name.clone();
        known.names.insert(name.to_string());
        is_free
    }

    /// Takes in what an answer tells of new entries: those of a room follow each other, those of a person come after the
    /// ones before.
    fn number(&mut self, outcomes: &[Outcome]) -> bool {
        let rooms: BTreeSet<MailboxId> = self.rooms.values().copied().collect();
        let accepted = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Accepted { mailbox, seq } => Some((*mailbox, *seq)),
            _ => None,
        });
        let mut follows = |(mailbox, seq): (MailboxId, Seq)| {
            let last = self.last_seqs.insert(mailbox, seq).unwrap_or_default();
            if rooms.contains(&mailbox) { seq == last + 1 } else { seq > last }
        };
        // Two of a message's targets may be the same mailbox.
        accepted.collect::<BTreeSet<_>>().into_iter().all(&mut follows)
    }

    /// Takes in a batch's new entries: without a gap behind those before, and with all that the answers told of.
    pub fn append(&mut self, appended: &[Run]) {
        for run in appended {
            let end = self.ends.entry(run.mailbox).or_default();
            let follows = run.first == *end + 1 && run.iter().count() as u64 == run.last - *end;
            *end = run.last;
            if !follows && self.contradiction.is_none() {
                self.contradiction = Some(format!("{run:?} does not follow, after {self:?}"));
            }
        }
        let is_covered = self.last_seqs.iter().all(|(mailbox, last)| *last <= self.end(*mailbox));
        if !is_covered && self.contradiction.is_none() {
            self.contradiction = Some(format!("some entries are missing, after {self:?}"));
        }
        self.last_seqs.clone_from(&self.ends);
    }

    fn end(&self, mailbox: MailboxId) -> Seq {
        self.ends.get(&mailbox).copied().unwrap_or_default()
    }

    /// What must come of something for this address now.
    fn expected(&self, author: u64, to: &Address) -> Outcome {
        let room = match to {
            Address::Person(name) => {
                let bears = |(number, known): (&u64, &Known)| {
                    let is_theirs =
                        Name::given(*number).folded() == name.folded() || known.name.folded() == name.folded();
                    is_theirs.then_some(known.mailbox)
                };
                let found = self.people.iter().find_map(bears);
                return found.map_or(Outcome::UnknownRecipient, |mailbox| Outcome::Accepted { mailbox, seq: 0 });
            }
            Address::Room(room) => room.folded(),
            Address::Everybody => Name::everybody().folded(),
        };
        match self.rooms.get(&room) {
            None => Outcome::UnknownRecipient,
            Some(mailbox) if self.is_in(*mailbox, author) => Outcome::Accepted { mailbox: *mailbox, seq: 0 },
            Some(_) => Outcome::NotAMember,
        }
    }

    fn last_seq(&self, mailbox: MailboxId) -> Seq {
        self.last_seqs.get(&mailbox).copied().unwrap_or(0)
    }
}

fn without_seq(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Accepted { mailbox, .. } => Outcome::Accepted { mailbox, seq: 0 },
        other => other,
    }
}
