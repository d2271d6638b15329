//! The texts of the page for browsers, which fills in their places itself.

use fluent_bundle::FluentResource;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use crate::Language;

impl Language {
    fn page_source(self) -> &'static str {
        match self {
            Language::Portuguese => include_str!("../pt-BR/page.ftl"),
            Language::English => include_str!("../en/page.ftl"),
        }
    }

    /// Every text of the page with its key, the places in it as `{ $name }`. What is not as plain as that is left out,
    /// which a test prevents.
    pub fn page_texts(self) -> Vec<(String, String)> {
        // The file is part of the program, and a test reads it.
        let resource = FluentResource::try_new(self.page_source().to_owned()).unwrap_or_else(|(resource, _)| resource);
        let messages = resource.entries().filter_map(|entry| match entry {
            Entry::Message(message) => Some((message.id.name.to_owned(), plain(message.value.as_ref()?)?)),
            _ => None,
        });
        messages.collect()
    }
}

fn plain(pattern: &Pattern<&str>) -> Option<String> {
    let part = |element: &PatternElement<&str>| match element {
        PatternElement::TextElement { value } => Some((*value).to_owned()),
        PatternElement::Placeable { expression: Expression::Inline(InlineExpression::VariableReference { id }) } => {
            Some(format!("{{ ${} }}", id.name))
        }
        PatternElement::Placeable { .. } => None,
    };
    pattern.elements.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_plain_texts_only() {
        for language in [Language::Portuguese, Language::English] {
            let resource = FluentResource::try_new(language.page_source().to_owned()).expect("page.ftl parses");
            let messages =
                resource.entries().filter(|entry| !matches!(entry, Entry::Comment(_) | Entry::GroupComment(_)));
            assert_eq!(language.page_texts().len(), messages.count(), "{}", language.tag());
            assert!(language.page_texts().iter().any(|(key, text)| key == "page-title" && text == "Malote"));
        }
    }

    #[test]
    fn places_stay_and_choices_are_not_plain() {
        let read = |text: &str| {
            let resource = FluentResource::try_new(text.to_owned()).unwrap();
            let Some(Entry::Message(message)) = resource.get_entry(0) else { panic!("no message") };
            plain(message.value.as_ref().unwrap())
        };
        assert_eq!(read("a = Para {$name}: { $text }!"), Some("Para { $name }: { $text }!".to_owned()));
        assert_eq!(read("a = um\n    dois"), Some("um\ndois".to_owned()));
        assert_eq!(read("a = { $n ->\n   [one] um\n  *[other] muitos\n }"), None);
    }
}
