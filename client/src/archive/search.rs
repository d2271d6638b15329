//! Finding messages by how their words begin.
//!
//! What a word is, is decided in this file alone, for the index, for what is typed and for what is emphasised: so these
//! cannot disagree, and nothing that is typed is ever syntax of the index.

use std::collections::HashSet;
use std::ops::Range;

use malote_common::text;
use rusqlite::{Row, params};
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

use super::apply::Batch;
use super::reader::{Reader, SUMMARY_COLUMNS, summary};
use super::{ArchiveError, Sent, Summary};

/// Messages that one search brings: nobody reads more, and one more word finds fewer.
pub const HITS: usize = 200;

/// Words that are looked for at once; what is typed behind them is not looked for.
const QUERY_WORDS: usize = 16;

/// Characters of a word that count. Longer ones are keys and encoded files, of which nobody types more.
const WORD_CHARS: usize = 64;

/// Characters of a body among which the matching word is looked for, to show what stands around it. A list draws ten such
/// in a frame.
const LOOKED_AT: usize = 16 * 1024;

/// Characters shown before the matching word.
const BEFORE: usize = 24;

/// Characters of an excerpt: more than the widest list shows.
const EXCERPT: usize = 120;

/// What somebody looks for: a message is meant where each of these words begins one of its own, whatever the case and the
/// accents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Folded.
    words: Vec<String>,
}

/// A message that was found: its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hit {
    Received(i64),
    Sent(i64),
}

impl Hit {
    /// The row, which is no other message's, received or sent.
    pub fn row(&self) -> i64 {
        match self {
            Hit::Received(row) | Hit::Sent(row) => *row,
        }
    }
}

/// What a search has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Newest first, each message once, at most [`HITS`].
    pub hits: Vec<Hit>,
    /// Whether there are older ones.
    pub more: bool,
}

/// A message that was found, as a list shows it: with what stands around the first matching word in place of its beginning
/// or its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// With the name of the room that it stands in, if it does in one.
    Received {
        summary: Summary,
        room: Option<String>,
    },
    Sent(Sent),
}

impl Query {
    /// What was typed, as words. Everything else in it only separates them.
    pub fn parse(typed: &str) -> Query {
        Query { words: words(typed).map(|(word, _)| word).take(QUERY_WORDS).collect() }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Where the words of a text stand that are looked for, in bytes.
    pub fn marks(&self, text: &str) -> Vec<Range<usize>> {
        words(text).filter(|(word, _)| self.begins(word)).map(|(_, place)| place).collect()
    }

    /// What stands around the first matching word, or the beginning where none is near it: one harmless line.
    pub fn excerpt(&self, text: &str) -> String {
        let Some(found) = words(text).find(|(word, _)| self.begins(word)).map(|(_, place)| place.start) else {
            return text::first_words(text, EXCERPT);
        };
        let (before, from_match) = text.split_at(found);
        let start = before.char_indices().rev().take(BEFORE).last().map_or(found, |(start, _)| start);
        if start == 0 {
            return text::first_words(text, EXCERPT);
        }
        // It begins with a whole word.
        let lead =
            before.get(start..).and_then(|lead| lead.split_once(char::is_whitespace)).map_or("", |(_, rest)| rest);
        format!("… {}", text::first_words(&format!("{lead}{from_match}"), EXCERPT))
    }

    fn begins(&self, word: &str) -> bool {
        self.words.iter().any(|wanted| word.starts_with(wanted.as_str()))
    }

    /// In the language of the index: its words have only letters and digits, and so cannot be anything else there.
    fn expression(&self) -> String {
        self.words.iter().map(|word| format!("\"{word}\"*")).collect::<Vec<_>>().join(" ")
    }
}

/// The words of a text, folded, with where they stand in it in bytes.
fn words(text: &str) -> impl Iterator<Item = (String, Range<usize>)> {
    let mut chars = text.char_indices();
    std::iter::from_fn(move || {
        let (mut word, mut place) = (String::new(), 0..0);
        for (at, c) in chars.by_ref() {
            let length = word.len();
            let separates = fold(c, &mut word);
            if separates && length > 0 {
                break;
            }
            if !word.is_empty() {
                let begins = if length == 0 { at } else { place.start };
                place = begins..at.saturating_add(c.len_utf8());
            }
        }
        let end = word.char_indices().nth(WORD_CHARS).map_or(word.len(), |(end, _)| end);
        word.truncate(end);
        (!word.is_empty()).then_some((word, place))
    })
}

/// Adds what counts of a character to a word; whether it separates words instead.
fn fold(c: char, word: &mut String) -> bool {
    if c.is_ascii() {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        return !c.is_ascii_alphanumeric();
    }
    // Soft hyphens, joiners and variation selectors are there for how a word looks.
    if matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}') || canonical_combining_class(c) != 0 {
        return false;
    }
    let mut separates = true;
    decompose_compatible(c, |part| {
        if canonical_combining_class(part) == 0 && part.is_alphanumeric() {
            separates = false;
            // By way of the capital, since ς and σ have the same; and of the small letter before, since ß has two.
            word.extend(part.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase));
        }
    });
    separates
}

impl Batch<'_> {
    /// Lets a message be found by these texts.
    pub fn index(&self, row: i64, texts: &[&str]) -> rusqlite::Result<()> {
        let mut line = String::new();
        for (word, _) in texts.iter().flat_map(|text| words(text)) {
            line.push_str(&word);
            line.push(' ');
        }
        self.run("INSERT INTO word (rowid, line) VALUES (?, ?)", params![row, line]).map(drop)
    }

    /// Lets the messages not be found any more that a clearing took out of their lists.
    pub fn forget_cleared(&self, clearing: i64) -> rusqlite::Result<()> {
        self.run(
            "DELETE FROM word WHERE rowid IN (SELECT id FROM received WHERE cleared = ? AND cleared <> 0)",
            [clearing],
        )
        .map(drop)
    }

    /// Lets them be found again, before they are brought back.
    pub fn recall_cleared(&self, clearing: i64) -> rusqlite::Result<()> {
        let mut statement = self.tx.prepare_cached(
            "SELECT id, sender, recipients, subject, body FROM received WHERE cleared = ? AND cleared <> 0 ORDER BY id",
        )?;
        let mut rows = statement.query([clearing])?;
        while let Some(row) = rows.next()? {
            let text = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            self.index(row.get(0)?, &[text(1)?, text(2)?, text(3)?, text(4)?])?;
        }
        Ok(())
    }
}

impl Reader {
    /// The newest messages that have all these words in their subject, body, author or recipients; those that were cleared
    /// away are not among them. Nothing where nothing is looked for.
    pub fn search(&self, query: &Query) -> Result<Hits, ArchiveError> {
        if query.is_empty() {
            return Ok(Hits::default());
        }
        let sql = "SELECT word.rowid, sent.id IS NOT NULL, coalesce(sent.message, received.message)
                   FROM word LEFT JOIN sent ON sent.id = word.rowid LEFT JOIN received ON received.id = word.rowid
                   WHERE word MATCH ? ORDER BY word.rowid DESC LIMIT ?";
        let found = self.all(sql, params![query.expression(), (HITS as i64).saturating_add(1)], |row| {
            let at: i64 = row.get(0)?;
            let hit = if row.get(1)? { Hit::Sent(at) } else { Hit::Received(at) };
            Ok((hit, row.get::<_, [u8; 16]>(2)?))
        })?;
        let mut known = HashSet::new();
        let more = found.len() > HITS;
        // A note to oneself was sent and received; what was written to us and to a room came twice.
        let once = found.into_iter().take(HITS).filter(|(_, message)| known.insert(*message));
        Ok(Hits { hits: once.map(|(hit, _)| hit).collect(), more })
    }

    /// A message that was found, with what stands around the first matching word.
    pub fn found(&self, hit: Hit, query: &Query) -> Result<Option<Found>, ArchiveError> {
        let found = match hit {
            Hit::Received(row) => {
                let room =
                    "SELECT name FROM room WHERE room.server = received.server AND room.mailbox = received.mailbox";
                let sql =
                    format!("SELECT {SUMMARY_COLUMNS}, substr(body, 1, ?2), ({room}) FROM received WHERE id = ?1");
                let read = |row: &Row| {
                    let whole = summary(row)?;
                    let beginning = query.excerpt(&whole.beginning);
                    Ok(Found::Received { summary: Summary { beginning, ..whole }, room: row.get(11)? })
                };
                self.all(&sql, params![row, LOOKED_AT as i64], read)?.pop()
            }
            Hit::Sent(row) => {
                let sql = "SELECT id, message, subject, substr(body, 1, ?2), sent_at FROM sent WHERE id = ?1";
                let sent = self.all(sql, params![row, LOOKED_AT as i64], |row| self.sent_message(row))?.pop();
                sent.map(|sent| Found::Sent(Sent { body: query.excerpt(&sent.body), ..sent }))
            }
        };
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_marks(typed: &str, text: &str, expected: &[&str]) {
        let marked: Vec<&str> = Query::parse(typed).marks(text).into_iter().map(|mark| &text[mark]).collect();
        assert_eq!(marked, expected, "{typed} in {text}");
    }

    #[test]
    fn whole_words_are_emphasised_as_they_are_written() {
        check_marks("orca", "O orçamento, o ORÇAMENTO e a porca", &["orçamento", "ORÇAMENTO"]);
        check_marks("re 15", "Reunião às 15h", &["Reunião", "15h"]);
        check_marks("cafe", "um cafe\u{301} ☕", &["cafe\u{301}"]);
        check_marks("", "nada", &[]);
    }

    #[test]
    fn an_excerpt_begins_a_little_before_the_match() {
        let excerpt = |typed: &str, text: &str| Query::parse(typed).excerpt(text);
        assert_eq!(excerpt("dois", "um\ndois\ttrês"), "um dois três");
        assert_eq!(excerpt("zebra", "um dois três"), "um dois três");
        let long = format!("{} quase no fim: a zebra\u{1b}[2J corre {}", "antes ".repeat(100), "depois ".repeat(100));
        let shown = excerpt("zebra", &long);
        assert!(shown.starts_with("… antes quase no fim: a zebra\u{fffd}[2J corre depois"), "{shown}");
        assert!(shown.chars().count() <= EXCERPT + 2);
        let unbroken = format!("{}-zebra", "a".repeat(100));
        assert_eq!(excerpt("zebra", &unbroken), "… zebra");
    }

    #[test]
    fn long_words_count_up_to_a_length() {
        let long = "a".repeat(WORD_CHARS);
        assert_eq!(words(&format!("{long}bc d")).map(|(word, _)| word).collect::<Vec<_>>(), [long, "d".to_owned()]);
        assert_eq!(Query::parse(&"a ".repeat(100)).words.len(), QUERY_WORDS);
    }
}
