//! Rooms and names, as the engine goes about them: wishes that are asked until they are answered, and lists that come in
//! pages.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, Membership, NameRefusal, Person, Room, RoomRefusal, ServerFrame};
use malote_common::{Address, MailboxId, Name};

use super::outbox::{LONGEST_PAUSE, LONGEST_REST};
use super::{Engine, Event, Now};
use crate::archive::{Change, SavedRoom};

/// Wishes under way at once; a server takes 16.
const ASKED: usize = 8;

/// What the user wants of rooms and names. It survives a lost connection, since asking twice does no harm.
pub struct Wishes {
    /// In the order in which they were uttered.
    open: VecDeque<ClientFrame>,
    /// How many of them the server has been asked.
    asked: usize,
    /// Nothing is asked before.
    held_until: Option<Instant>,
}

impl Wishes {
    /// What the disk says that the server is to give us back.
    pub fn new(saved: &[Address]) -> Wishes {
        Wishes { open: saved.iter().filter_map(wish_for).collect(), asked: 0, held_until: None }
    }

    /// Takes over what was not answered and is not on the disk.
    pub fn inherit(&mut self, other: Wishes) {
        for wish in other.open {
            if !self.open.contains(&wish) {
                self.open.push_back(wish);
            }
        }
    }

    pub fn add(&mut self, wish: ClientFrame) {
        self.open.push_back(wish);
    }

    /// A new connection knows of none of them.
    pub fn connected(&mut self) {
        (self.asked, self.held_until) = (0, None);
    }

    /// When what was refused for now is asked again.
    pub fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Whether that time has come.
    fn is_due(&mut self, now: Instant) -> bool {
        self.held_until.take_if(|until| *until <= now).is_some()
    }

    /// What may be asked now.
    pub fn next(&mut self) -> Option<ClientFrame> {
        if self.asked >= ASKED || self.held_until.is_some() {
            return None;
        }
        let next = self.open.get(self.asked).cloned()?;
        self.asked = self.asked.saturating_add(1);
        Some(next)
    }

    pub fn are_answered(&self) -> bool {
        self.open.is_empty()
    }

    /// The server has answered; gives the wish. What it says may as well come from another device of ours.
    pub fn answered(&mut self, answers: impl Fn(&ClientFrame) -> bool) -> Option<ClientFrame> {
        let index = self.open.iter().take(self.asked).position(answers)?;
        self.asked = self.asked.saturating_sub(1);
        self.open.remove(index)
    }

    /// The server refuses a wish for now.
    fn postpone(&mut self, wish: ClientFrame, until: Instant) {
        self.open.push_back(wish);
        self.held_until = self.held_until.max(Some(until));
    }
}

/// What to ask of a server that is to give us back this room or name.
fn wish_for(address: &Address) -> Option<ClientFrame> {
    match address {
        Address::Room(room) => Some(ClientFrame::Enter { room: room.clone(), create: true }),
        Address::Person(name) => Some(ClientFrame::TakeName { name: Some(name.clone()) }),
        Address::Everybody => None,
    }
}

/// For how long a server is left alone that wants to be.
fn rest(retry_after_ms: u64) -> Duration {
    Duration::from_millis(retry_after_ms).min(LONGEST_REST)
}

/// Lists of which some pages have come.
#[derive(Default)]
pub struct Pages {
    rooms: Vec<Room>,
    members: BTreeMap<MailboxId, Vec<Person>>,
}

impl Engine {
    /// The user wants something of a room or a name.
    pub(super) fn wish(&mut self, wish: ClientFrame) {
        self.wishes.add(wish);
        self.ask_wishes();
    }

    /// The server was brought back from a backup: we want to be in the rooms again that it has forgotten, and to be called as
    /// before. The disk remembers that until it is answered, and nothing is posted before.
    pub(super) fn to_wish_back(&self, name: &Name, rooms: &[Membership]) -> Vec<Address> {
        let is_known = |room: &SavedRoom| rooms.iter().any(|known| known.room.folded() == room.name.folded());
        let forgotten = self.saved.rooms.values().filter(|room| room.member && !is_known(room));
        let chosen = self.saved.name.clone().filter(|own| own != name && own.given_number().is_none());
        forgotten.map(|room| Address::Room(room.name.clone())).chain(chosen.map(Address::Person)).collect()
    }

    /// The server has answered a wish, which the disk need not remember any more.
    fn wish_answered(&mut self, answers: impl Fn(&ClientFrame) -> bool) {
        let Some(answered) = self.wishes.answered(answers) else { return };
        if let Some(index) = self.saved.wishes.iter().position(|wish| wish_for(wish).as_ref() == Some(&answered)) {
            let wish = self.saved.wishes.remove(index);
            self.keep(Change::WishAnswered(wish));
        }
    }

    /// The server refuses a wish. Tells whether that is for the user to know: what a restored server is to give us back is asked
    /// again where it is refused for now, since nobody else would ask for it.
    fn wish_refused(&mut self, wait: Option<Duration>, now: Now, answers: impl Fn(&ClientFrame) -> bool) -> bool {
        let is_ours = |wish: &ClientFrame| self.saved.wishes.iter().any(|saved| wish_for(saved).as_ref() == Some(wish));
        let mut refused = |wait| Some((self.wishes.answered(|wish| answers(wish) && is_ours(wish))?, wait));
        match wait.and_then(&mut refused) {
            Some((wish, wait)) => {
                self.wishes.postpone(wish, now.instant + wait);
                false
            }
            None => {
                self.wish_answered(answers);
                true
            }
        }
    }

    pub(super) fn ask_postponed_wishes(&mut self, now: Now) {
        if self.wishes.is_due(now.instant) {
            self.ask_wishes();
        }
    }

    pub(super) fn ask_wishes(&mut self) {
        while self.is_up()
            && let Some(wish) = self.wishes.next()
        {
            self.send(&wish);
        }
    }

    /// The user wants to know which rooms there are.
    pub(super) fn list_rooms(&mut self) {
        if self.is_up() {
            self.pages.rooms.clear();
            self.send(&ClientFrame::Rooms { after: None });
        }
    }

    /// The user wants to know who is in this room, now and after each reconnection.
    pub(super) fn list_members(&mut self, mailbox: MailboxId) {
        if self.listed_rooms.insert(mailbox) && self.is_up() {
            self.send(&ClientFrame::Members { mailbox, after: None });
        }
    }

    /// Goes on with all rooms where the disk ends. The server has told which they are.
    pub(super) fn resume_rooms(&mut self) {
        let rooms: Vec<(MailboxId, SavedRoom)> =
            self.saved.rooms.iter().filter(|(_, room)| room.member).map(|(id, room)| (*id, room.clone())).collect();
        for (mailbox, room) in rooms {
            self.send(&ClientFrame::Resume { mailbox, epoch: room.epoch, after: room.last_seq });
            if self.listed_rooms.contains(&mailbox) {
                self.send(&ClientFrame::Members { mailbox, after: None });
            }
        }
    }

    /// Takes over the rooms that the server says we are in; tells whether that differs from what was known.
    pub(super) fn take_over_rooms(&mut self, rooms: &[Membership]) -> bool {
        let mut now = self.saved.rooms.clone();
        now.values_mut().for_each(|room| room.member = false);
        for membership in rooms {
            let room = SavedRoom::of(membership, now.get(&membership.mailbox));
            now.insert(membership.mailbox, room);
        }
        let differs = now != self.saved.rooms;
        self.saved.rooms = now;
        differs
    }

    /// Takes in a frame about rooms and names; gives back what is none.
    pub(super) fn room_frame(&mut self, frame: ServerFrame, now: Now) -> Option<ServerFrame> {
        match frame {
            ServerFrame::Rooms { rooms, more } => self.rooms_page(rooms, more),
            ServerFrame::Members { mailbox, people, more } => self.members_page(mailbox, people, more),
            ServerFrame::Member { mailbox, person, entered } => {
                if let Some(list) = self.pages.members.get_mut(&mailbox) {
                    update_page(list, &person, entered);
                }
                self.tell(Event::Member { mailbox, person, entered });
            }
            ServerFrame::Entered { membership, created } => self.entered(&membership, created),
            ServerFrame::Left { room, mailbox } => self.left(room, mailbox),
            ServerFrame::RoomRefused { room, why } => {
                let wait = match why {
                    RoomRefusal::RateLimited { retry_after_ms } => Some(rest(retry_after_ms)),
                    RoomRefusal::ServerFull => Some(LONGEST_PAUSE),
                    _ => None,
                };
                let is_told = self.wish_refused(wait, now, |wish| {
                    matches!(wish, ClientFrame::Enter { room: name, .. }
                    | ClientFrame::Leave { room: name } if *name == room)
                });
                if is_told {
                    self.tell(Event::RoomRefused { room, why });
                }
                self.ask_wishes();
            }
            ServerFrame::Named { name } => {
                self.wish_answered(|wish| matches!(wish, ClientFrame::TakeName { .. }));
                self.saved.name = Some(name.clone());
                self.keep(Change::Named(name.clone()));
                self.tell(Event::Named { name });
                self.ask_wishes();
            }
            ServerFrame::NameRefused { name, why } => {
                let wait = match why {
                    NameRefusal::RateLimited { retry_after_ms } => Some(rest(retry_after_ms)),
                    NameRefusal::ServerFull => Some(LONGEST_PAUSE),
                    _ => None,
                };
                if self.wish_refused(wait, now, |wish| matches!(wish, ClientFrame::TakeName { .. })) {
                    self.tell(Event::NameRefused { name, why });
                }
                self.ask_wishes();
            }
            other => return Some(other),
        }
        None
    }

    fn entered(&mut self, membership: &Membership, created: bool) {
        let mailbox = membership.mailbox;
        let folded = membership.room.folded();
        self.wish_answered(|wish| matches!(wish, ClientFrame::Enter { room: name, .. } if name.folded() == folded));
        let was_in_it = self.saved.rooms.get(&mailbox).is_some_and(|room| room.member);
        if !was_in_it {
            let room = SavedRoom::of(membership, self.saved.rooms.get(&mailbox));
            self.keep(Change::Entered(membership.clone()));
            self.send(&ClientFrame::Resume { mailbox, epoch: room.epoch, after: room.last_seq });
            self.saved.rooms.insert(mailbox, room);
        }
        self.tell(Event::Entered { room: membership.room.clone(), mailbox, created });
        self.check_caught_up();
        self.ask_wishes();
    }

    fn left(&mut self, room: Name, mailbox: MailboxId) {
        let folded = room.folded();
        self.wish_answered(|wish| matches!(wish, ClientFrame::Leave { room: name } if name.folded() == folded));
        self.listed_rooms.remove(&mailbox);
        self.pages.members.remove(&mailbox);
        if let Some(saved) = self.saved.rooms.get_mut(&mailbox)
            && saved.member
        {
            saved.member = false;
            self.keep(Change::Left { mailbox });
        }
        self.tell(Event::Left { room, mailbox });
        // What waited there will never come.
        self.check_caught_up();
        self.ask_wishes();
    }

    fn rooms_page(&mut self, rooms: Vec<Room>, more: bool) {
        self.pages.rooms.extend(rooms);
        match self.pages.rooms.last() {
            Some(last) if more => {
                let after = Some(last.name.clone());
                self.send(&ClientFrame::Rooms { after });
            }
            _ => {
                let rooms = std::mem::take(&mut self.pages.rooms);
                self.tell(Event::Rooms { rooms });
            }
        }
    }

    fn members_page(&mut self, mailbox: MailboxId, people: Vec<Person>, more: bool) {
        if !self.listed_rooms.contains(&mailbox) {
            return;
        }
        let list = self.pages.members.entry(mailbox).or_default();
        // Whoever missed something is told the list again from its beginning.
        if let (Some(last), Some(first)) = (list.last(), people.first())
            && first.number <= last.number
        {
            list.clear();
        }
        list.extend(people);
        match list.last().map(|person| person.number) {
            Some(last) if more => self.send(&ClientFrame::Members { mailbox, after: Some(last) }),
            _ => {
                let people = self.pages.members.remove(&mailbox).unwrap_or_default();
                self.tell(Event::Members { mailbox, people });
            }
        }
    }
}

/// Notes in a list of which more is to come that somebody has entered or left. Who stands behind its end comes with a later
/// page.
fn update_page(list: &mut Vec<Person>, person: &Person, entered: bool) {
    let is_within = list.last().is_some_and(|last| person.number <= last.number);
    list.retain(|other| other.number != person.number);
    if entered && is_within {
        let index = list.partition_point(|other| other.number < person.number);
        list.insert(index, person.clone());
    }
}
