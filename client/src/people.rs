//! Who is known on the server and who is connected, as last heard.

use std::collections::{BTreeMap, HashMap};

use malote_common::frame::Person;
use malote_common::{Address, Name};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The directory, in the order in which people first came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    by_number: BTreeMap<u64, Person>,
    /// How many people have names that sound like this one.
    alike: HashMap<String, usize>,
    /// Whether everybody is in it, so that a name that is missing is a name that nobody has.
    complete: bool,
}

impl People {
    /// Takes in what the server told.
    pub fn update(&mut self, people: impl IntoIterator<Item = Person>) {
        for person in people {
            let count = self.alike.entry(sound(&person.name)).or_insert(0);
            *count = count.saturating_add(1);
            if let Some(before) = self.by_number.insert(person.number, person) {
                self.forget(&sound(&before.name));
            }
        }
    }

    fn forget(&mut self, sound: &str) {
        if let Some(count) = self.alike.get_mut(sound) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.alike.remove(sound);
            }
        }
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

    pub fn get(&self, number: u64) -> Option<&Person> {
        self.by_number.get(&number)
    }

    /// A person's name as lists show it: with the given name beside it where it could be taken for another's.
    pub fn label(&self, number: u64, name: &Name) -> String {
        let sound = sound(name);
        let same = usize::from(self.get(number).is_some_and(|person| self::sound(&person.name) == sound));
        let others = self.alike.get(&sound).copied().unwrap_or(0).saturating_sub(same);
        match others > 0 && name.given_number().is_none() {
            true => format!("{name} ({})", Name::given(number)),
            false => name.to_string(),
        }
    }

    /// People whose chosen or given name begins with what was typed, those connected first; at most `limit`.
    pub fn completions(&self, typed: &str, limit: usize) -> Vec<&Person> {
        let typed = typed.trim().to_lowercase();
        let begins = |person: &&Person| {
            let given = || Name::given(person.number).folded();
            person.name.folded().starts_with(&typed) || (!typed.is_empty() && given().starts_with(&typed))
        };
        let mut found: Vec<&Person> = self.iter().filter(begins).collect();
        found.sort_by_key(|person| (!person.connected, person.number));
        found.truncate(limit);
        found
    }

    /// The person who bears this name, chosen or given.
    pub fn find(&self, name: &Name) -> Option<&Person> {
        match name.given_number() {
            Some(number) => self.get(number),
            None => {
                let folded = name.folded();
                self.iter().find(|person| person.name.folded() == folded)
            }
        }
    }

    /// Whether it is certain that the address leads nowhere.
    pub fn is_unknown(&self, address: &Address) -> bool {
        match address {
            Address::Person(name) => self.complete && self.find(name).is_none(),
            // Which rooms there are is the server's to say.
            Address::Room(_) | Address::Everybody => false,
        }
    }
}

/// A name as it sounds: without regard to case, accents and what joins its parts.
fn sound(name: &Name) -> String {
    let bare = |c: &char| !is_combining_mark(*c) && !matches!(c, '.' | '_' | '-');
    name.folded().nfd().filter(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn names_that_could_be_confused_are_told_apart() {
        let named = |number, name: &str| Person { number, name: Name::parse(name).unwrap(), connected: true };
        let mut people = People::default();
        people.update([named(1, "jos\u{e9}"), named(2, "ana"), named(3, "Jose")]);
        let label = |people: &People, number: u64, name: &str| people.label(number, &Name::parse(name).unwrap());
        assert_eq!(label(&people, 1, "jos\u{e9}"), "jos\u{e9} (Usuario1)");
        assert_eq!(label(&people, 3, "Jose"), "Jose (Usuario3)");
        assert_eq!(label(&people, 2, "ana"), "ana");
        // A name that somebody else has now, on an old message.
        assert_eq!(label(&people, 9, "ana"), "ana (Usuario9)");
        assert_eq!(label(&people, 9, "Usuario9"), "Usuario9");
        people.update([named(3, "pedro")]);
        assert_eq!(label(&people, 1, "jos\u{e9}"), "jos\u{e9}");
    }

    #[test]
    fn both_names_lead_to_a_person() {
        let mut people = People::default();
        people.update([Person { number: 7, name: Name::parse("Ana").unwrap(), connected: false }]);
        people.set_complete();
        let unknown = |typed: &str| people.is_unknown(&Address::parse(typed).unwrap());
        assert!(!unknown("ana") && !unknown("usuario7") && unknown("bia") && unknown("Usuario8"));
        assert!(!unknown("#obras") && !unknown("@todos"));
        assert_eq!(people.completions("usu", 9).len(), 1);
    }
}
