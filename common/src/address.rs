//! Addresses: what a person types as Destinatário.
//!
//! Names come from these parsers only, so a [`Name`] in hand is well-formed, NFC, and free of characters that would
//! do harm where it is shown. Whether somebody bears it is the server's to say.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use unicode_security::GeneralSecurityProfile;

use crate::limits;

/// Names given by the server begin so, followed by a number.
pub const GIVEN_PREFIX: &str = "Usuario";

/// Names of visitors begin so, followed by a number.
pub const VISITOR_PREFIX: &str = "visitante-";

/// The room in which everybody is, without its sign.
pub const EVERYBODY: &str = "todos";

/// One recipient as typed: a person, a room or everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    /// `Usuario7` or a chosen name.
    Person(Name),
    /// `#obras`.
    Room(Name),
    /// `@todos`.
    Everybody,
}

/// A person's or a room's name: 1 to [`limits::NAME_CHARS`] letters, digits, `.`, `_`, `-` of any script, in NFC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no recipient")]
    Empty,
    #[error("a name has at most {max} characters", max = limits::NAME_CHARS)]
    TooLong { typed: String },
    #[error("{character:?} cannot be part of a name")]
    Character { typed: String, character: char },
    #[error("after @ only {EVERYBODY} can follow")]
    NotEverybody { typed: String },
    #[error("at most {max} recipients", max = limits::RECIPIENTS)]
    TooMany,
}

impl Name {
    /// Parses one name, of a person or of a room.
    pub fn parse(typed: &str) -> Result<Name, AddressError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(AddressError::Empty);
        }
        if is_plain(typed) {
            return Ok(Name(typed.to_owned()));
        }
        // Normalising at most four times what is allowed keeps a pasted book from costing anything.
        let name: String = typed.chars().take(4 * limits::NAME_CHARS + 1).nfc().collect();
        if let Some(character) = name.chars().find(|c| !allowed(*c)) {
            return Err(AddressError::Character { typed: shortened(typed), character });
        }
        if name.chars().count() > limits::NAME_CHARS {
            return Err(AddressError::TooLong { typed: shortened(typed) });
        }
        // A name of marks or dots alone would be invisible or look like punctuation.
        if !name.chars().any(char::is_alphanumeric) {
            let character = name.chars().next().unwrap_or('.');
            return Err(AddressError::Character { typed: shortened(typed), character });
        }
        Ok(Name(name))
    }

    /// The name that the server gives to the person with this number.
    pub fn given(number: u64) -> Name {
        Name(format!("{GIVEN_PREFIX}{number}"))
    }

    /// The number in `UsuarioN`, or nothing where the name was chosen. Leading zeros are no such name.
    pub fn given_number(&self) -> Option<u64> {
        let digits = self.folded().strip_prefix(&GIVEN_PREFIX.to_lowercase())?.to_owned();
        let number = digits.parse().ok()?;
        (Name::given(number).folded() == self.folded()).then_some(number)
    }

    /// The name of the room in which everybody is.
    pub fn everybody() -> Name {
        Name(EVERYBODY.to_owned())
    }

    /// The name of the visitor with this number, who speaks through the web listener's `/chat`.
    pub fn visitor(number: u64) -> Name {
        Name(format!("{VISITOR_PREFIX}{number}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which names are compared: two names that differ only in case are the same one.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }

    /// What the name looks like: two names with the same skeleton can be taken for each other (Unicode Technical Standard
    /// 39, 4), also where they differ in case.
    pub fn skeleton(&self) -> String {
        // Letters that look like Latin ones are taken for those first: a Greek capital N is no N any more once it is folded.
        let latin: String = self.0.nfd().map(as_latin).collect();
        // Folded before, since that is how names are compared; after, since the prototypes of `0` and `1` are letters.
        let skeleton = unicode_security::skeleton(&fold(&latin)).collect::<String>().to_lowercase();
        // The dot of an i stays where another one is set above it. A capital i looks like a small L, and is the same as a
        // small i.
        skeleton.replace("i\u{307}", "i").replace("j\u{307}", "j").replace('i', "l").nfc().collect()
    }
}

impl Address {
    /// Parses one address.
    pub fn parse(typed: &str) -> Result<Address, AddressError> {
        let typed = typed.trim();
        if let Some(room) = typed.strip_prefix('#') {
            return Name::parse(room).map(Address::Room);
        }
        match typed.strip_prefix('@').map(Name::parse) {
            None => Name::parse(typed).map(Address::Person),
            Some(Ok(name)) if name.folded() == EVERYBODY => Ok(Address::Everybody),
            Some(_) => Err(AddressError::NotEverybody { typed: shortened(typed) }),
        }
    }

    /// Parses what stands in a Destinatário field: addresses separated by `,` or `;`. Empty places are passed over and
    /// an address that stands there twice counts once, at its first place.
    pub fn parse_list(typed: &str) -> Result<Vec<Address>, AddressError> {
        let mut list: Vec<Address> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for part in typed.split([',', ';']).filter(|part| !part.trim().is_empty()) {
            let address = Address::parse(part)?;
            if seen.insert(address.folded()) {
                list.push(address);
            }
            if list.len() > limits::RECIPIENTS {
                return Err(AddressError::TooMany);
            }
        }
        if list.is_empty() { Err(AddressError::Empty) } else { Ok(list) }
    }

    /// The form under which addresses are compared.
    pub fn folded(&self) -> String {
        match self {
            Address::Person(name) => name.folded(),
            Address::Room(name) => format!("#{}", name.folded()),
            Address::Everybody => format!("@{EVERYBODY}"),
        }
    }
}

/// The form under which texts are compared without regard to case.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Two letters have more than one form in lower case.
    text.to_lowercase().replace('ß', "ss").replace('ς', "σ").nfc().collect()
}

/// The Latin letters that a letter looks like, as it is written or else as a capital; itself where it looks like none.
fn as_latin(c: char) -> String {
    if c.is_ascii() {
        return c.to_string();
    }
    let look = |text: String| unicode_security::skeleton(&text).collect::<String>();
    let (written, capital) = (look(c.to_string()), look(c.to_uppercase().collect()));
    [written, capital].into_iter().find(|look| look.is_ascii()).unwrap_or_else(|| c.to_string())
}

/// Letters and digits, with the combining marks that many scripts need; of them only those that Unicode Technical
/// Standard 39 recommends for identifiers, which leaves out letters that cannot be seen.
fn allowed(c: char) -> bool {
    let letter_like = c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    matches!(c, '.' | '_' | '-') || (letter_like && c.identifier_allowed())
}

/// Whether it is a name as it stands, which nearly all are: seen without looking anything up in Unicode's tables.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= limits::NAME_CHARS
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && bytes.iter().any(u8::is_ascii_alphanumeric)
}

/// As much of what was typed as an explanation needs.
fn shortened(typed: &str) -> String {
    typed.chars().take(2 * limits::NAME_CHARS).collect()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Person(name) => write!(f, "{name}"),
            Address::Room(name) => write!(f, "#{name}"),
            Address::Everybody => write!(f, "@{EVERYBODY}"),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = AddressError;

    /// Accepts exactly what [`Name::parse`] makes: a peer cannot bring in a name in another form.
    fn try_from(text: String) -> Result<Name, AddressError> {
        if is_plain(&text) {
            return Ok(Name(text));
        }
        let name = Name::parse(&text)?;
        match name.0 == text {
            true => Ok(name),
            false => Err(AddressError::Character { character: ' ', typed: shortened(&text) }),
        }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(typed: &str, expect: Result<&str, AddressError>) {
        let parsed =
            Address::parse_list(typed).map(|list| list.iter().map(Address::to_string).collect::<Vec<_>>().join("|"));
        assert_eq!(parsed, expect.map(str::to_owned), "for {typed:?}");
    }

    fn bad(typed: &str, character: char) -> Result<&'static str, AddressError> {
        Err(AddressError::Character { typed: typed.to_owned(), character })
    }

    #[test]
    fn lists() {
        check("Usuario1", Ok("Usuario1"));
        check(" ana , joão;#obras ;; @TODOS,", Ok("ana|joão|#obras|@todos"));
        check("ana, Ana, ANA", Ok("ana"));
        check("", Err(AddressError::Empty));
        check(" ,;  ", Err(AddressError::Empty));
        check("#", Err(AddressError::Empty));
        check("@ana", Err(AddressError::NotEverybody { typed: "@ana".into() }));
        check("ana maria", bad("ana maria", ' '));
        check("a\u{202e}na", bad("a\u{202e}na", '\u{202e}'));
        check("a\u{200b}na", bad("a\u{200b}na", '\u{200b}'));
        check("a\u{3164}na", bad("a\u{3164}na", '\u{3164}'));
        check("...", bad("...", '.'));
        check("a\u{1b}[31m", bad("a\u{1b}[31m", '\u{1b}'));
    }

    #[test]
    fn decomposed_letters_are_composed() {
        check("joa\u{303}o", Ok("jo\u{e3}o"));
    }

    #[test]
    fn bounds() {
        check(&"a".repeat(32), Ok(&"a".repeat(32)));
        check(&"a".repeat(33), Err(AddressError::TooLong { typed: "a".repeat(33) }));
        let list = |n: u64| (0..n).map(|i| Name::given(i).to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(Address::parse_list(&list(100)).map(|l| l.len()), Ok(100));
        assert_eq!(Address::parse_list(&list(101)), Err(AddressError::TooMany));
    }

    #[test]
    fn names_that_look_alike() {
        let alike = |a: &str, b: &str| Name::parse(a).unwrap().skeleton() == Name::parse(b).unwrap().skeleton();
        assert!(alike("ana", "ANA"));
        assert!(alike("ana", "\u{430}n\u{430}"), "Cyrillic");
        // Capitals that look like Latin ones, of letters that do not.
        assert!(alike("ANA", "\u{391}\u{39d}\u{391}"), "Greek");
        assert!(alike("bruno", "\u{412}runo"), "Cyrillic");
        assert!(alike("Beto", "\u{432}\u{435}\u{442}\u{43e}"), "Cyrillic, as it is written with capitals");
        assert!(alike("logo", "l0g0"));
        assert!(alike("lia", "1ia"));
        assert!(alike("Lia", "LlA"), "as in LIA");
        assert!(alike("carina", "cari\u{307}na"), "a dot upon a dot");
        let same = |a: &str, b: &str| Name::parse(a).unwrap().folded() == Name::parse(b).unwrap().folded();
        assert!(same("STRASSE", "stra\u{df}e") && same("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c3}"));
        assert!(alike("marna", "mama"));
        assert!(!alike("ana", "anna"));
        assert!(!alike("jose", "jos\u{e9}"));
    }

    #[test]
    fn given_names() {
        assert_eq!(Name::given(7).given_number(), Some(7));
        assert_eq!(Name::parse("usuario12").unwrap().given_number(), Some(12));
        assert_eq!(Name::parse("Usuario07").unwrap().given_number(), None);
        assert_eq!(Name::parse("Usuario").unwrap().given_number(), None);
        assert_eq!(Name::parse("ana").unwrap().given_number(), None);
    }

    proptest! {
        #[test]
        fn never_panics_and_what_is_accepted_is_stable(typed in "\\PC{0,80}") {
            if let Ok(list) = Address::parse_list(&typed) {
                let shown = list.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
                prop_assert_eq!(Address::parse_list(&shown), Ok(list));
            }
        }

        #[test]
        fn plain_names_need_no_tables(text in "[a-cA-C09._-]{0,34}") {
            let parsed = Name::parse(&text);
            prop_assert_eq!(is_plain(&text), parsed.is_ok());
            if let Ok(name) = parsed {
                prop_assert_eq!(name.folded(), text.to_lowercase().nfc().collect::<String>());
                prop_assert_eq!(Name::try_from(text.clone()).map(String::from), Ok(text));
            }
        }

        #[test]
        fn accepted_names_hold_nothing_invisible(typed in any::<String>()) {
            if let Ok(name) = Name::parse(&typed) {
                prop_assert!(name.as_str().chars().all(|c| !c.is_control() && !c.is_whitespace()));
                prop_assert!(name.as_str().chars().count() <= limits::NAME_CHARS);
                prop_assert_eq!(Name::try_from(name.to_string()), Ok(name));
            }
        }
    }
}
