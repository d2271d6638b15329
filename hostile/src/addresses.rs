//! What people type, and what strangers are called: addresses, names, servers' addresses and keys, and texts on a screen.

use std::collections::BTreeSet;

use malote_client::ServerAddress;
use malote_common::address::{AddressError, GIVEN_PREFIX};
use malote_common::fingerprint::Fingerprint;
use malote_common::{Address, Name, limits, text};
use unicode_normalization::is_nfc;

use crate::lawful;

pub fn check(bytes: &[u8]) {
    let typed = &String::from_utf8_lossy(bytes);
    list(typed);
    one(typed);
    name(typed);
    server(typed);
    shown(typed);
    if let Ok(key) = typed.parse::<Fingerprint>() {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let typed = [
        "Usuario1",
        " ana , joão;#obras ;; @TODOS,",
        "joa\u{303}o",
        "a\u{202e}na",
        "a\u{200b}na",
        "a\u{1b}[31m",
        "\u{430}n\u{430}",
        "STRASSE,stra\u{df}e,\u{3a3}\u{391}\u{3a3}",
        "cari\u{307}na I\u{307} \u{130}",
        "...",
        "@ana",
        "#",
        "Usuario18446744073709551616",
        "usuario007",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "127.0.0.1:44765",
        "[fe80::1]:99",
        "host:99999",
        "um\r\ndois\u{2028}três\t\u{feff}",
    ];
    let key = Fingerprint::of(b"key").to_string();
    typed.into_iter().map(str::to_owned).chain([key]).map(String::into_bytes).collect()
}

fn list(typed: &str) {
    match Address::parse_list(typed) {
        Ok(list) => {
            assert!((1..=limits::RECIPIENTS).contains(&list.len()));
            let different: BTreeSet<String> = list.iter().map(Address::folded).collect();
            assert_eq!(different.len(), list.len(), "nobody is written to twice");
            let shown = list.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
            assert_eq!(Address::parse_list(&shown), Ok(list));
        }
        Err(error) => explained(&error),
    }
}

fn one(typed: &str) {
    match Address::parse(typed) {
        Ok(address) => {
            assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(&address));
            assert_eq!(Address::parse_list(typed), Ok(vec![address.clone()]));
            if let Address::Person(name) | Address::Room(name) = &address {
                lawful::name(name);
            }
        }
        Err(error) => explained(&error),
    }
}

fn name(typed: &str) {
    let name = match Name::parse(typed) {
        Ok(name) => name,
        Err(error) => {
            assert!(Name::try_from(typed.to_owned()).is_err(), "nothing else makes a name");
            return explained(&error);
        }
    };
    lawful::name(&name);
    assert!(is_nfc(name.as_str()));
    assert!(name.as_str().chars().any(char::is_alphanumeric), "a name can be seen");
    assert_eq!(Name::try_from(typed.to_owned()).is_ok(), typed == name.as_str(), "a peer brings it in no other form");
    // Names that are the same however they are written look the same.
    if let Ok(folded) = Name::parse(&name.folded()) {
        assert_eq!(folded.folded(), name.folded());
        assert_eq!(folded.skeleton(), name.skeleton());
    }
    if let Some(number) = name.given_number() {
        assert_eq!(Name::given(number).folded(), name.folded());
        assert!(name.folded().starts_with(&GIVEN_PREFIX.to_lowercase()));
    }
}

/// What is said of a mistake is short, however much was typed.
fn explained(error: &AddressError) {
    if let AddressError::TooLong { typed }
    | AddressError::Character { typed, .. }
    | AddressError::NotEverybody { typed } = error
    {
        assert!(typed.chars().count() <= 2 * limits::NAME_CHARS);
    }
}

fn server(typed: &str) {
    if let Ok(address) = typed.parse::<ServerAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address.clone()));
        assert!(address.port > 0 && !address.host.contains(char::is_whitespace));
    }
}

fn shown(typed: &str) {
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    assert!(!text::harmless(typed).contains(acts));
    let line = text::harmless_line(typed);
    assert!(!line.contains(acts) && !line.contains(['\n', '\t']));
    assert!(text::first_words(typed, 20).chars().count() <= 20);
}
