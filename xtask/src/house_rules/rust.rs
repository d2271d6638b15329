//! Rust as far as the rules need it: what is code, what is a literal and what is test code. A parser would know more, but
//! costs every newcomer its compilation.

use std::ops::Range;

/// One file.
pub struct Rust {
    /// The text with comments and the contents of literals blanked. Every byte stands where it stood.
    code: String,
    pub literals: Vec<Literal>,
    /// The byte ranges of items that exist in tests only.
    tests: Vec<Range<usize>>,
    /// The modules in other files that exist in tests only.
    pub test_modules: Vec<String>,
}

/// A string or a character.
pub struct Literal {
    /// Where it begins, in bytes.
    start: usize,
    /// As it is written, without the quotes.
    pub text: String,
    pub line: usize,
}

impl Rust {
    pub fn read(text: &str) -> Rust {
        let (code, literals) = Lexer::run(text);
        let mut tests = Vec::new();
        let mut test_modules = Vec::new();
        for attribute in ["#[cfg(test)]", "#[test]"] {
            for (start, _) in code.match_indices(attribute) {
                let item = item_after(&code, start);
                let words: Vec<&str> = code[item.clone()].split_whitespace().collect();
                if let Some(name) = words.iter().skip_while(|word| **word != "mod").nth(1)
                    && let Some(name) = name.strip_suffix(';')
                {
                    test_modules.push(name.to_owned());
                }
                tests.push(item);
            }
        }
        Rust { code, literals, tests, test_modules }
    }

    /// The lines of all code, with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines of code that are no test, with their numbers.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut start = 0;
        self.code.split_inclusive('\n').enumerate().filter_map(move |(index, line)| {
            let here = start;
            start += line.len();
            (!self.is_test_at(here + line.len() - line.trim_start().len())).then_some((index + 1, line.trim_end()))
        })
    }

    /// The literals that are no test.
    pub fn product_literals(&self) -> impl Iterator<Item = &Literal> {
        self.literals.iter().filter(|literal| !self.is_test_at(literal.start))
    }

    /// The code before a literal.
    pub fn before(&self, literal: &Literal) -> &str {
        self.code[..literal.start].trim_end()
    }

    fn is_test_at(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }
}

/// Whether a word stands in the code that begins with these letters, as `egui_extras` begins with `egui`.
pub fn has_word_beginning(code: &str, letters: &str) -> bool {
    code.match_indices(letters).any(|(at, _)| !code[..at].ends_with(is_word))
}

/// Whether this word stands in the code.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The item to which an attribute belongs, from the attribute to the closing brace or the semicolon.
fn item_after(code: &str, start: usize) -> Range<usize> {
    let mut depth = 0;
    for (offset, letter) in code[start..].char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(letter, '}' | ';') {
            return start..start + offset + 1;
        }
    }
    start..code.len()
}

/// Goes through a text once and separates code from comments and literals.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
    code: String,
    literals: Vec<Literal>,
}

impl Lexer<'_> {
    fn run(text: &str) -> (String, Vec<Literal>) {
        let mut lexer = Lexer { text, at: 0, code: String::with_capacity(text.len()), literals: Vec::new() };
        while lexer.at < text.len() {
            lexer.step();
        }
        (lexer.code, lexer.literals)
    }

    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some(hashes) = self.raw_string() {
            self.keep(hashes + 1);
            let end = format!("\"{}", "#".repeat(hashes));
            self.literal(|rest| rest.find(&end).unwrap_or(rest.len()));
            self.keep(hashes);
        } else if rest.starts_with('"') {
            self.literal(|rest| end_of_quoted(rest, '"'));
        } else if rest.starts_with('\'') && is_character(rest) {
            self.literal(|rest| end_of_quoted(rest, '\''));
        } else {
            self.keep(rest.chars().next().map_or(1, char::len_utf8));
        }
    }

    /// The number of `#` where a raw string begins.
    fn raw_string(&self) -> Option<usize> {
        let after = self.text[self.at..].strip_prefix('r')?;
        // The `r` of `br` and `cr` begins a raw string too; the `r` at the end of a name does not.
        let before = self.text[..self.at].trim_end_matches(['b', 'c']);
        let hashes = after.len() - after.trim_start_matches('#').len();
        (after[hashes..].starts_with('"') && !before.ends_with(is_word)).then_some(hashes)
    }

    /// Takes a literal, from one quote to the other. `length` tells where the second quote is, seen from after the first.
    fn literal(&mut self, length: impl Fn(&str) -> usize) {
        let start = self.at;
        self.keep(1);
        let rest = &self.text[self.at..];
        let length = length(rest);
        let line = self.text[..start].matches('\n').count() + 1;
        self.literals.push(Literal { start, text: rest[..length].to_owned(), line });
        self.blank(length);
        self.keep(1);
    }

    fn keep(&mut self, length: usize) {
        let end = self.text.len().min(self.at + length);
        self.code.push_str(&self.text[self.at..end]);
        self.at = end;
    }

    fn blank(&mut self, length: usize) {
        let blanked = self.text[self.at..self.at + length].bytes();
        self.code.extend(blanked.map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        self.at += length;
    }
}

/// The length of a block comment. They can stand inside each other.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Where the closing quote is.
fn end_of_quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether a single quote begins a character and no lifetime.
fn is_character(text: &str) -> bool {
    let mut letters = text.chars().skip(1);
    match letters.next() {
        Some('\\') => true,
        Some(_) => letters.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<String> {
        Rust::read(text).literals.into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        let text = "let a = \"é // x\"; // \"no\"\nlet b = 'c'; /* a /* b */ c */ let d: &'static str;";
        let rust = Rust::read(text);
        assert_eq!(rust.code.len(), text.len());
        assert_eq!(rust.code.lines().next().map(str::trim_end), Some("let a = \"       \";"));
        assert!(rust.code.ends_with("let d: &'static str;"));
        assert_eq!(literals(text), ["é // x", "c"]);
        assert_eq!(rust.literals[1].line, 2);
    }

    #[test]
    fn strings_of_every_kind() {
        assert_eq!(
            literals(r###"(r#"a"b"#, br"c", b"d\"e", '\'', '"', "f")"###),
            ["a\"b", "c", "d\\\"e", "\\'", "\"", "f"]
        );
        assert_eq!(literals("let bar = bar\"x\";"), ["x"]);
        assert_eq!(literals("\"without an end"), ["without an end"]);
    }

    #[test]
    fn items_of_tests_are_known() {
        let rust = Rust::read("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"x\" }\n}\nfn c() { \"y\" }");
        let numbers: Vec<usize> = rust.product_lines().map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 6]);
        let texts: Vec<&str> = rust.product_literals().map(|literal| literal.text.as_str()).collect();
        assert_eq!(texts, ["y"]);
    }

    #[test]
    fn modules_of_tests_in_other_files_are_known() {
        assert_eq!(Rust::read("#[cfg(test)]\npub(crate) mod suite;\nmod product;").test_modules, ["suite"]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use egui::Ui;", "egui") && !has_word("use egui_extras;", "egui"));
        assert!(has_word_beginning("use egui_extras;", "egui") && !has_word_beginning("no_egui", "egui"));
    }
}
