//! Everything that Malote says to people, in Portuguese and English, from the Fluent files beside this crate.

pub mod clap;
mod page;

pub use fluent_bundle::FluentValue as Value;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::borrow::Cow;
use std::str::FromStr;

/// A language that Malote speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    Portuguese,
    English,
}

/// The messages of one language.
pub struct Texts {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

/// The values that a message shows in its places.
pub type Args<'a> = &'a [(&'static str, Value<'a>)];

macro_rules! files {
    ($language:literal) => {
        [
            include_str!(concat!("../", $language, "/common.ftl")),
            include_str!(concat!("../", $language, "/window.ftl")),
            include_str!(concat!("../", $language, "/cli.ftl")),
            include_str!(concat!("../", $language, "/server.ftl")),
            include_str!(concat!("../", $language, "/page.ftl")),
        ]
    };
}

impl Language {
    /// The name by which `--lang` knows it, a BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Portuguese => "pt-BR",
            Language::English => "en",
        }
    }

    fn sources(self) -> [&'static str; 5] {
        match self {
            Language::Portuguese => files!("pt-BR"),
            Language::English => files!("en"),
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(tag: &str) -> Result<Language, String> {
        match tag.to_ascii_lowercase().split(['-', '_', '.']).next() {
            Some("pt") => Ok(Language::Portuguese),
            Some("en") => Ok(Language::English),
            _ => Err("pt-BR | en".to_owned()),
        }
    }
}

impl Texts {
    pub fn new(language: Language) -> Texts {
        let locale: unic_langid::LanguageIdentifier = language.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // Isolation marks are for bidirectional text; what other people wrote is cleared of such characters anyway, and
        // terminals show the marks.
        bundle.set_use_isolating(false);
        for source in language.sources() {
            // The files are part of the program, and a test reads them all.
            let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
            bundle.add_resource_overriding(resource);
        }
        Texts { language, bundle }
    }

    pub fn language(&self) -> Language {
        self.language
    }

    /// The message under this key. A key that does not exist shows itself, so that it is found.
    pub fn get(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The message under this key, with values in its places.
    pub fn with(&self, key: &str, args: Args) -> String {
        self.find(key, args).unwrap_or_else(|| format!("⟨{key}⟩"))
    }

    /// The message under this key, if there is one.
    pub fn find(&self, key: &str, args: Args) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut fluent_args = FluentArgs::new();
        for (name, value) in args {
            fluent_args.set(Cow::Borrowed(*name), value.clone());
        }
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, Some(&fluent_args), &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluent_bundle::FluentResource;
    use std::collections::{BTreeMap, BTreeSet};

    /// Every key with the names of the places in its message.
    fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys = BTreeMap::new();
        for source in language.sources() {
            let resource = FluentResource::try_new(source.to_owned()).expect("a Fluent file does not parse");
            for entry in resource.entries() {
                if let fluent_syntax::ast::Entry::Message(message) = entry {
                    let places = format!("{:?}", message.value)
                        .split("VariableReference { id: Identifier { name: \"")
                        .skip(1)
                        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
                        .collect();
                    let twice = keys.insert(message.id.name.to_owned(), places);
                    assert_eq!(twice, None, "{} stands twice in {}", message.id.name, language.tag());
                }
            }
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_keys_and_places() {
        assert_eq!(keys(Language::Portuguese), keys(Language::English));
        assert!(keys(Language::English).len() > 50);
    }

    #[test]
    fn messages_take_their_values() {
        let texts = Texts::new(Language::Portuguese);
        assert_eq!(texts.with("unknown-recipient", &[("name", "bia".into())]), "Ninguém aqui se chama bia.");
        assert_eq!(texts.get("no-such-key"), "⟨no-such-key⟩");
    }

    #[test]
    fn languages_by_tag() {
        assert_eq!("pt-BR".parse(), Ok(Language::Portuguese));
        assert_eq!("en_US.UTF-8".parse(), Ok(Language::English));
        assert!("xx".parse::<Language>().is_err());
    }
}
