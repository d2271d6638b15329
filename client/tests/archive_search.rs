//! What is found by words, compared with looking at every message.

use malote_client::archive::{Change, Found, HITS, Hit, Query, Shelf};
use malote_client::{Archive, Reader};
use malote_common::frame::Membership;
use malote_common::{Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Timestamp, codec};
use proptest::prelude::*;
use tempfile::TempDir;

const SERVER: &str = "127.0.0.1:1";
const OWN: MailboxId = MailboxId(1);
const EVERYBODY: MailboxId = MailboxId(2);
const ROOM: MailboxId = MailboxId(3);
const EPOCH: Epoch = Epoch([1; 16]);

struct Fixture {
    directory: TempDir,
    archive: Archive,
    /// Of the last message.
    id: u32,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&directory.path().join("archive.db"), SERVER).unwrap();
        let mut fixture = Fixture { directory, archive, id: 0 };
        let room = |name, mailbox| Membership { room: name, mailbox, epoch: EPOCH, first: 1, last_seq: 0 };
        let rooms = vec![room(Name::everybody(), EVERYBODY), room(Name::parse("obras").unwrap(), ROOM)];
        fixture.apply(Change::Welcomed { name: Name::given(0), number: 0, mailbox: OWN, epoch: EPOCH, rooms });
        fixture
    }

    fn apply(&mut self, change: Change) {
        self.archive.apply(&[change]).unwrap();
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.directory.path().join("archive.db"), SERVER).unwrap()
    }

    fn message(&mut self, to: &str, subject: &str, body: &str) -> (Message, Content) {
        self.id += 1;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.id.to_be_bytes());
        let content = Content { subject: subject.into(), body: body.into() };
        let encoded = codec::encode(&content).unwrap();
        let to = Address::parse_list(to).unwrap();
        (Message { id: MessageId(id), to, in_reply_to: None, sent_at: Timestamp(0), content: encoded }, content)
    }

    fn arrive(&mut self, mailbox: MailboxId, message: Message) {
        let entry = Entry::Message { from: Name::given(7), number: Some(7), accepted_at: Timestamp(0), message };
        self.apply(Change::Received { mailbox, seq: u64::from(self.id), entry });
    }

    fn receive(&mut self, subject: &str, body: &str) {
        let (message, _) = self.message("Usuario0", subject, body);
        self.arrive(OWN, message);
    }

    fn send(&mut self, to: &str, subject: &str, body: &str) {
        let (message, content) = self.message(to, subject, body);
        self.apply(Change::Composed { message, content });
    }

    /// The subjects of what is found.
    #[track_caller]
    fn search(&self, typed: &str) -> Vec<String> {
        let (reader, query) = (self.reader(), Query::parse(typed));
        let found =
            reader.search(&query).unwrap().hits.into_iter().map(|hit| reader.found(hit, &query).unwrap().unwrap());
        found.map(subject).collect()
    }
}

fn subject(found: Found) -> String {
    match found {
        Found::Received { summary, .. } => summary.subject,
        Found::Sent(sent) => sent.subject,
    }
}

#[test]
fn words_are_found_by_their_beginnings_whatever_case_and_accents() {
    let mut shelf = Fixture::new();
    shelf.receive("Orçamento", "A reunião é às 15h.");
    shelf.send("bia, #obras", "Pedreiro", "ÓLEO e coração");
    for typed in ["orça", "ORCAMENTO", "o", "reuniao", "às 15", "15h orc", "orc\u{327}a", "usuario7 orç"] {
        assert!(shelf.search(typed).contains(&"Orçamento".to_owned()), "{typed}");
    }
    for typed in ["oleo", "CORACAO", "bi", "#obras", "o ped", "cora\u{ad}ção"] {
        assert!(shelf.search(typed).contains(&"Pedreiro".to_owned()), "{typed}");
    }
    for typed in ["amento", "orcament0", "reuniao pedreiro", "15h 16h", "usuario8", "", " -“”… ", "çaõ"] {
        assert_eq!(shelf.search(typed), [] as [&str; 0], "{typed}");
    }
    assert_eq!(shelf.search("o"), ["Pedreiro", "Orçamento"], "newest first, wherever they are");
}

#[test]
fn nothing_that_is_typed_is_syntax() {
    let mut shelf = Fixture::new();
    shelf.receive("alto", "NEAR and OR not");
    for typed in
        ["\"", "alto\"", "\"alto", "alto*", "*", "^alto", "line:alto", "alto + alto", "{line}: alto", "(alto", "-alto"]
    {
        let expected: &[&str] = if typed.contains("line") || !typed.contains("alto") { &[] } else { &["alto"] };
        assert_eq!(shelf.search(typed), expected, "{typed}");
    }
    for typed in ["alto AND near", "alto OR", "NOT alto", "NEAR(alto near, 1)", "alto\0", "'; DROP TABLE word; --"] {
        let found = shelf.search(typed);
        assert_eq!(found.is_empty(), typed.contains('1') || typed.contains("DROP"), "{typed}");
    }
    shelf.search(&"a ".repeat(100_000));
    shelf.search(&"a".repeat(100_000));
}

#[test]
fn what_was_cleared_is_not_found_until_it_is_back() {
    let mut shelf = Fixture::new();
    shelf.receive("carta um", "");
    shelf.receive("carta dois", "");
    shelf.send("bia", "carta três", "");
    let row = shelf.reader().rows(Shelf::Inbox, 0).unwrap()[0];
    shelf.apply(Change::Opened { row });
    assert_eq!(shelf.search("carta"), ["carta três", "carta dois", "carta um"]);
    shelf.apply(Change::Cleared { clearing: 5, room: None });
    assert_eq!(shelf.search("carta"), ["carta três"]);
    shelf.receive("carta quatro", "");
    shelf.apply(Change::Cleared { clearing: 6, room: None });
    shelf.apply(Change::Restored { clearing: 5 });
    assert_eq!(shelf.search("carta"), ["carta três", "carta dois", "carta um"]);
    shelf.apply(Change::Restored { clearing: 5 });
    shelf.apply(Change::Restored { clearing: 6 });
    assert_eq!(shelf.search("carta"), ["carta quatro", "carta três", "carta dois", "carta um"]);
}

#[test]
fn a_message_that_came_in_several_ways_is_found_once_and_says_where_it_stands() {
    let mut shelf = Fixture::new();
    let (message, content) = shelf.message("Usuario0, #obras", "em toda parte", "");
    shelf.apply(Change::Composed { message: message.clone(), content });
    shelf.arrive(OWN, message.clone());
    shelf.arrive(ROOM, message);
    let (reader, query) = (shelf.reader(), Query::parse("toda"));
    let hits = reader.search(&query).unwrap().hits;
    let [hit] = hits[..] else { panic!("{hits:?}") };
    match reader.found(hit, &query).unwrap().unwrap() {
        Found::Received { room, .. } => assert_eq!(room.as_deref(), Some("obras")),
        other => panic!("{other:?}"),
    }
    // Cleared in one place, it is found in the other.
    shelf.apply(Change::Cleared { clearing: 1, room: Some(ROOM) });
    match reader.search(&query).unwrap().hits[..] {
        [Hit::Received(row)] => assert_eq!(reader.rows(Shelf::Inbox, 0).unwrap(), [row]),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_search_brings_no_more_than_can_be_read() {
    let mut shelf = Fixture::new();
    for number in 0..=HITS {
        shelf.receive(&format!("carta {number}"), "");
    }
    let hits = shelf.reader().search(&Query::parse("carta")).unwrap();
    assert_eq!((hits.hits.len(), hits.more), (HITS, true));
    let hits = shelf.reader().search(&Query::parse("carta 20")).unwrap();
    assert_eq!((hits.hits.len(), hits.more), (2, false), "20 and 200");
}

#[test]
fn a_message_to_us_takes_the_place_of_the_same_to_everybody() {
    let mut shelf = Fixture::new();
    let (message, _) = shelf.message("@todos, Usuario0", "aviso", "");
    shelf.arrive(EVERYBODY, message.clone());
    let to_all = shelf.reader().rows(Shelf::Inbox, 0).unwrap();
    shelf.arrive(OWN, message);
    let to_us = shelf.reader().rows(Shelf::Inbox, 0).unwrap();
    assert_eq!((to_all.len(), to_us.len()), (1, 1));
    assert!(to_us[0] > to_all[0]);
    assert_eq!(shelf.reader().rows(Shelf::Inbox, to_all[0]).unwrap(), to_us);
    assert_eq!(shelf.reader().rows(Shelf::Inbox, to_us[0]).unwrap(), [] as [i64; 0]);
}

/// A letter, and what is left of it in an index.
const LETTERS: [(char, &str); 16] = [
    ('a', "a"),
    ('á', "a"),
    ('Ã', "a"),
    ('b', "b"),
    ('B', "b"),
    ('ç', "c"),
    ('C', "c"),
    ('\u{301}', ""),
    ('ß', "ss"),
    ('Σ', "σ"),
    ('ς', "σ"),
    ('ﬁ', "fi"),
    ('7', "7"),
    ('你', "你"),
    ('Ж', "ж"),
    ('ж', "ж"),
];

fn folded(text: &str) -> Vec<String> {
    let known = |c: char| LETTERS.iter().find(|(letter, _)| *letter == c).map(|(_, folded)| *folded);
    let spaced: String = text.chars().map(|c| known(c).unwrap_or(" ")).collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let letter = prop::sample::select(LETTERS.map(|(letter, _)| letter).to_vec());
    let other = prop::sample::select(" \n\"'*-.😀".chars().collect::<Vec<_>>());
    prop::collection::vec(prop_oneof![3 => letter, 1 => other], length).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_found_is_what_looking_at_every_message_finds(
        letters in prop::collection::vec((text(0..12), text(0..40), any::<bool>()), 1..20),
        searches in prop::collection::vec(text(0..8), 20),
    ) {
        let mut shelf = Fixture::new();
        // A subject that tells them apart, in letters that no search has.
        let subject = |index: usize, subject: &str| format!("{}; {subject}", "x".repeat(index + 1));
        for (index, (title, body, sent)) in letters.iter().enumerate() {
            match sent {
                true => shelf.send("zoe", &subject(index, title), body),
                false => shelf.receive(&subject(index, title), body),
            }
        }
        for typed in &searches {
            let wanted = folded(typed);
            let has_all = |(title, body, _): &(String, String, bool)| {
                let words = [folded(title), folded(body)].concat();
                wanted.iter().all(|wanted| words.iter().any(|word| word.starts_with(wanted)))
            };
            let found = letters.iter().enumerate().rev().filter(|(_, letter)| !wanted.is_empty() && has_all(letter));
            // Those who wrote and read these messages are called Usuario and zoe, without a digit that stands alone.
            let expected: Vec<String> = found.map(|(index, letter)| subject(index, &letter.0)).collect();
            prop_assert_eq!(shelf.search(typed), expected, "{:?}", typed);
        }
    }

    #[test]
    fn no_text_is_too_strange_to_be_kept_and_emphasised(text in any::<String>(), typed in any::<String>()) {
        let query = Query::parse(&typed);
        for mark in query.marks(&text) {
            prop_assert!(text.get(mark.clone()).is_some_and(|word| !word.is_empty()), "{:?}", mark);
        }
        query.excerpt(&text);
        let mut shelf = Fixture::new();
        shelf.receive("", &text);
        let beginning: String = text.chars().take(20).collect();
        prop_assert_eq!(shelf.search(&beginning).len(), usize::from(!Query::parse(&beginning).is_empty()));
    }
}
