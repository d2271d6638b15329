//! The rule that everything that people read is in the translations. No program can tell a text for people from any other
//! string, so it looks for what gives one away.

use super::Finding;
use super::rust::{Literal, Rust};
use super::tree::Tree;

/// Whoever reads English in a Portuguese window, or the other way round, has found a text that is not in `texts/`.
pub fn in_the_translations_only(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in ["gui-client/src", "cli/src", "client/src", "server/src"] {
        let shows = matches!(folder, "gui-client/src" | "cli/src");
        for (file, rust) in tree.rust_files(&[folder]).filter(|(file, _)| !file.is_test) {
            for literal in rust.product_literals() {
                if has_foreign_letter(&literal.text) || shows && is_shown(rust, literal) {
                    let advice = "What people read is in texts/: put it there, in every language, and ask for its key.";
                    findings.push(Finding::new(&file.path, literal.line, advice));
                }
            }
        }
    }
    findings
}

/// What stands before a text that is shown in a window, where one word is enough.
const WIDGETS: &[&str] = &[
    ".button(",
    ".checkbox(",
    ".heading(",
    ".hint_text(",
    ".label(",
    ".link(",
    ".menu_button(",
    ".monospace(",
    ".on_disabled_hover_text(",
    ".on_hover_text(",
    ".small(",
    ".small_button(",
    ".strong(",
    ".weak(",
    ".with_title(",
    "Button::new(",
    "Label::new(",
    "RichText::new(",
];

/// What stands before a text that is printed or reported. One word can be a part of a format that programs read.
const PRINTERS: &[&str] =
    &["println!(", "print!(", "bail!(", "anyhow!(", ".context(", "about =", "help =", "long_help ="];

fn is_shown(rust: &Rust, literal: &Literal) -> bool {
    let before = rust.before(literal);
    let before = before.strip_suffix('&').unwrap_or(before);
    let is_after = |calls: &[&str]| calls.iter().any(|call| before.ends_with(call));
    is_after(WIDGETS) && words(&literal.text) > 0 || is_after(PRINTERS) && words(&literal.text) > 1
}

/// Letters beyond English: the code is in English, so they belong to a translation.
fn has_foreign_letter(text: &str) -> bool {
    text.chars().any(|letter| !letter.is_ascii() && letter.is_alphabetic())
}

/// The product is called the same in every language.
const PRODUCT: &str = "Malote";

/// How many words there are outside of the places for values.
fn words(format: &str) -> usize {
    let mut depth = 0_usize;
    let mut visible = String::new();
    for letter in format.replace("{{", "").replace("}}", "").replace("\\n", " ").replace("\\t", " ").chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => visible.push(letter),
            _ => {}
        }
    }
    let is_word = |word: &&str| *word != PRODUCT && word.chars().filter(|letter| letter.is_alphabetic()).count() >= 2;
    visible.split_whitespace().filter(is_word).count()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    #[test]
    fn foreign_letters_give_a_text_away() {
        let text =
            "let a = \"não\";\n// não\nlet b = \"no … —\";\n#[cfg(test)]\nmod tests { const C: &str = \"ção\"; }";
        check(in_the_translations_only, &[("client/src/a.rs", text), ("texts/src/a.rs", text)], &["client/src/a.rs:1"]);
    }

    #[test]
    fn texts_of_widgets_are_found() {
        let text = "ui.label(\"Inbox\");\nui.label(texts.get(\"inbox\"));\nui.label(\"• Malote\");\nui.add(Button::new(\n\"Send\"));\n\
                    ui.label(RichText::new(\"New\").strong());";
        let expected = ["gui-client/src/a.rs:1", "gui-client/src/a.rs:5", "gui-client/src/a.rs:6"];
        check(in_the_translations_only, &[("gui-client/src/a.rs", text), ("server/src/a.rs", text)], &expected);
    }

    #[test]
    fn printed_sentences_are_found_and_formats_are_not() {
        let text = "println!(\"no such profile {name}\");\nprintln!(\"{to}\\t{outcome}\");\nprintln!(\"ok {seq}\");\n\
                    bail!(\"cannot read it\");";
        check(in_the_translations_only, &[("cli/src/a.rs", text)], &["cli/src/a.rs:1", "cli/src/a.rs:4"]);
    }
}
