//! Who is in a room, and what there is to notice about their coming and going.

use std::collections::{BTreeMap, VecDeque};

use malote_client::People;
use malote_common::Timestamp;
use malote_common::frame::Person;

/// Notices kept for a room: older ones interest nobody.
const NOTICES: usize = 20;

/// The people in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    members: BTreeMap<u64, Person>,
    notices: VecDeque<Notice>,
}

/// Somebody came or went. Notices are not messages: they are shown beside the room's list, and gone with the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub who: Person,
    pub what: Movement,
    pub at: Timestamp,
}

/// Ways of coming and going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    Entered,
    Left,
    Connected,
    Disconnected,
}

impl Company {
    /// The server told everybody who is in the room.
    pub fn replace(&mut self, members: Vec<Person>) {
        self.members = members.into_iter().map(|person| (person.number, person)).collect();
    }

    /// Nobody can be known to be connected while we are not.
    pub fn disconnected(&mut self) {
        self.members.values_mut().for_each(|person| person.connected = false);
    }

    /// Somebody entered or left.
    pub fn moved(&mut self, person: Person, entered: bool, at: Timestamp) {
        let what = if entered { Movement::Entered } else { Movement::Left };
        match entered {
            true => self.members.insert(person.number, person.clone()),
            false => self.members.remove(&person.number),
        };
        self.note(person, what, at);
    }

    /// Somebody came, went or changed their name; it is noticed where they are in this room.
    pub fn present(&mut self, person: &Person, at: Timestamp) {
        let Some(member) = self.members.get_mut(&person.number) else { return };
        let was_connected = std::mem::replace(member, person.clone()).connected;
        if was_connected != person.connected {
            let what = if person.connected { Movement::Connected } else { Movement::Disconnected };
            self.note(person.clone(), what, at);
        }
    }

    /// Who is in the room, as last told: those connected first, then by name.
    pub fn roster(&self) -> Vec<Person> {
        let mut roster: Vec<Person> = self.members.values().cloned().collect();
        sort(&mut roster);
        roster
    }

    pub fn count(&self) -> usize {
        self.members.len()
    }

    pub fn connected(&self) -> usize {
        self.members.values().filter(|person| person.connected).count()
    }

    /// The last notices, the newest last.
    pub fn notices(&self, count: usize) -> impl Iterator<Item = &Notice> {
        self.notices.iter().skip(self.notices.len().saturating_sub(count))
    }

    fn note(&mut self, who: Person, what: Movement, at: Timestamp) {
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(Notice { who, what, at });
    }
}

/// Everybody but oneself: those connected first, then by name.
pub fn roster(people: &People, own: Option<u64>) -> Vec<Person> {
    let mut roster: Vec<Person> = people.iter().filter(|person| Some(person.number) != own).cloned().collect();
    sort(&mut roster);
    roster
}

fn sort(people: &mut [Person]) {
    // UsuarioN by their numbers, which is how people look for them.
    people.sort_by_cached_key(|person| {
        (!person.connected, person.name.given_number(), person.name.folded(), person.number)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::Name;

    fn person(number: u64, name: &str, connected: bool) -> Person {
        Person { number, name: Name::parse(name).unwrap(), connected }
    }

    #[test]
    fn comings_and_goings_are_noticed_once() {
        let at = Timestamp(7);
        let mut company = Company::default();
        company.replace(vec![person(1, "ana", true), person(2, "Usuario2", true)]);
        company.present(&person(2, "bia", true), at);
        company.present(&person(2, "bia", false), at);
        company.present(&person(9, "estranho", false), at);
        company.moved(person(3, "rui", true), true, at);
        company.moved(person(1, "ana", true), false, at);
        let noticed: Vec<_> = company.notices(9).map(|notice| (notice.who.number, notice.what)).collect();
        assert_eq!(noticed, [(2, Movement::Disconnected), (3, Movement::Entered), (1, Movement::Left)]);
        assert_eq!(company.notices(1).count(), 1);
        assert_eq!((company.count(), company.connected()), (2, 1));
    }

    #[test]
    fn rosters_begin_with_those_who_are_here() {
        let mut people = People::default();
        people.update([
            person(0, "eu", true),
            person(1, "Zeca", true),
            person(2, "ana", false),
            person(3, "Bia", true),
        ]);
        let names: Vec<_> = roster(&people, Some(0)).iter().map(|person| person.name.to_string()).collect();
        assert_eq!(names, ["Bia", "Zeca", "ana"]);
    }
}
