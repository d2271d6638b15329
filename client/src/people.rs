//! Who is known on the server and who is connected, as last heard.

use std::collections::BTreeMap;

use malote_common::Address;
use malote_common::frame::Person;

/// The directory, in the order in which people first came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    by_number: BTreeMap<u64, Person>,
    /// Whether everybody is in it, so that a name that is missing is a name that nobody has.
    complete: bool,
}

impl People {
    /// Takes in what the server told.
    pub fn update(&mut self, people: impl IntoIterator<Item = Person>) {
        self.by_number.extend(people.into_iter().map(|person| (person.number, person)));
    }

    /// The last page has come.
    pub fn set_complete(&mut self) {
        self.complete = true;
    }

    /// Nobody can be known to be connected while we are not.
    pub fn disconnected(&mut self) {
        self.by_number.values_mut().for_each(|person| person.connected = false);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.by_number.values()
    }

    pub fn connected(&self) -> usize {
        self.iter().filter(|person| person.connected).count()
    }

    /// People whose name begins with what was typed, those connected first; at most `limit`.
    pub fn completions(&self, typed: &str, limit: usize) -> Vec<&Person> {
        let typed = typed.trim().to_lowercase();
        let mut found: Vec<&Person> = self.iter().filter(|person| person.name.folded().starts_with(&typed)).collect();
        found.sort_by_key(|person| (!person.connected, person.number));
        found.truncate(limit);
        found
    }

    /// Whether it is certain that the address leads nowhere.
    pub fn is_unknown(&self, address: &Address) -> bool {
        match address {
            Address::Person(name) => {
                let folded = name.folded();
                self.complete && !self.iter().any(|person| person.name.folded() == folded)
            }
            Address::Room(_) | Address::Everybody => self.complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::Name;

    fn person(number: u64, connected: bool) -> Person {
        Person { number, name: Name::given(number), connected }
    }

    #[test]
    fn completes_and_knows_what_it_does_not_know() {
        let mut people = People::default();
        people.update([person(1, false), person(10, true), person(2, true)]);
        let names = |typed| people.completions(typed, 9).iter().map(|p| p.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names("usuario1"), ["Usuario10", "Usuario1"]);
        assert_eq!(names("x"), Vec::<String>::new());
        let address = Address::parse("Usuario7").unwrap();
        assert!(!people.is_unknown(&address));
        people.set_complete();
        assert!(people.is_unknown(&address));
        assert!(!people.is_unknown(&Address::parse("USUARIO1").unwrap()));
        people.disconnected();
        assert_eq!(people.connected(), 0);
    }
}
