//! The page's functions that have no effects, each with the cases of the Rust code that they mirror.

use malote_common::{Address, Content, Name, codec, text};
use malote_tests::TestServer;
use serde_json::{Value, json};

use crate::webdriver::{Browser, Screen};

fn on_the_page(run: impl Fn(&dyn Fn(&str, &str, Value) -> Value)) {
    let server = TestServer::start_with_web();
    let page = Browser::open(server.web(), "pt-BR", Screen::Desktop);
    // A function of a module, called with these arguments; what it throws is told under `error`.
    let call = |module: &str, function: &str, arguments: Value| {
        page.run_async(
            "const [module, name, values, done] = arguments; \
             import(module).then((m) => { try { done(m[name](...values)); } catch (e) { done({ error: e.why ?? e.name }); } });",
            json!([module, function, arguments]),
        )
    };
    run(&call);
}

#[test]
fn texts_are_made_harmless_as_everywhere() {
    on_the_page(|call| {
        for sample in [
            "Olá, ção 🎉\n\tfim",
            "a\u{1b}[31mb\u{7}\u{202e}c\r\u{2067}d\u{200f}\u{61c}\u{feff}\u{2028}",
            "um\r\ndois",
            "a\u{200b}b\u{2060}c\u{3164}d\u{e0041}e👩\u{200d}🚀 می\u{200c}روم ❤\u{fe0f}\u{fffa}\u{1d173}",
            "  um\n dois\t três \u{a0}quatro\u{3000}\u{feff}cinco ",
            "",
        ] {
            assert_eq!(call("/text.js", "harmless", json!([sample])), text::harmless(sample), "{sample:?}");
            assert_eq!(call("/text.js", "harmlessLine", json!([sample])), text::harmless_line(sample), "{sample:?}");
            assert_eq!(call("/text.js", "firstWords", json!([sample, 7])), text::first_words(sample, 7), "{sample:?}");
        }
    });
}

#[test]
fn recipients_are_understood_as_everywhere() {
    on_the_page(|call| {
        let long = "a".repeat(33);
        let list = |n: u64| (0..n).map(|i| format!("Usuario{i}")).collect::<Vec<_>>().join(",");
        for typed in [
            "Usuario1",
            " ana , joão;#obras ;; @TODOS,",
            "ana, Ana, ANA",
            "",
            " ,;  ",
            "#",
            "@ana",
            "ana maria",
            "a\u{202e}na",
            "a\u{200b}na",
            "a\u{3164}na",
            "...",
            "a\u{1b}[31m",
            "joa\u{303}o",
            "Σίσυφος",
            "東京",
            "ⅷ",
            "①",
            "ﬁm",
            "\u{16a0}",
            "\u{10400}",
            "a-b_c.d",
            &long,
            &long[..32],
            &list(100),
            &list(101),
        ] {
            let expected = Address::parse_list(typed);
            let told = call("/address.js", "parseList", json!([typed]));
            match &expected {
                Ok(list) => assert_eq!(told, json!(list), "{typed:?}"),
                Err(_) => assert!(told["error"].is_string(), "{typed:?}: {told}"),
            }
        }
    });
}

#[test]
fn the_same_letters_can_be_in_names() {
    // Behind a letter with which nothing composes. What changes in NFC never gets so far.
    let is_allowed =
        |letter: &char| Name::parse(&format!("q{letter}")).is_ok_and(|name| name.as_str().contains(*letter));
    let allowed: Vec<char> = (' '..=char::MAX).filter(is_allowed).collect();
    on_the_page(|call| {
        for block in (' '..=char::MAX).collect::<Vec<_>>().chunks(0x8000) {
            let told = call("/address.js", "allowedAmong", json!([block.iter().collect::<String>()]));
            let told: Vec<char> = told.as_str().unwrap_or_default().chars().collect();
            let of_block = |letter: &&char| block.first() <= Some(letter) && Some(letter) <= block.last().as_ref();
            let expected: Vec<char> = allowed.iter().filter(of_block).copied().collect();
            assert!(told == expected, "the table in name-letters.js should be:\n{}", table(&allowed));
        }
    });
}

/// The letters as name-letters.js has them: ranges of hexadecimal numbers.
fn table(letters: &[char]) -> String {
    let ranges = letters.chunk_by(|a, b| *b as u32 == *a as u32 + 1);
    let range = |range: &[char]| match range {
        [only] => format!("{:x}", *only as u32),
        [first, .., last] => format!("{:x}-{:x}", *first as u32, *last as u32),
        [] => String::new(),
    };
    ranges.map(range).collect::<Vec<_>>().join(" ")
}

#[test]
fn contents_are_encoded_as_everywhere() {
    on_the_page(|call| {
        for length in [0, 1, 250, 251, 300, 65_535, 65_536, 262_144] {
            let content = Content { subject: "Almoço".into(), body: "x".repeat(length) };
            let bytes = codec::encode(&content).unwrap();
            let as_object =
                |bytes: Value| bytes.as_object().map(|bytes| bytes.values().filter_map(Value::as_u64).collect());
            let encoded = call("/content.js", "encodeContent", json!([content]));
            let told: Vec<u64> = encoded.as_array().map_or_else(
                || as_object(encoded.clone()).unwrap_or_default(),
                |bytes| bytes.iter().filter_map(Value::as_u64).collect(),
            );
            assert!(told.iter().map(|byte| *byte as u8).eq(bytes.iter().copied()), "{length}");
        }
    });
}

#[test]
fn an_outbox_lets_nothing_overtake() {
    on_the_page(|call| {
        let message = |to: &str, not_before: u64| {
            let recipient = json!({ "state": "waiting", "why": null });
            json!({ "to": [{ "Person": to }], "recipients": [recipient], "notBefore": not_before, "id": format!("{to}{not_before}") })
        };
        let next = |open: &[Value]| call("/outbox.js", "next", json!([open, 1_000]));
        let first = next(&[message("ana", 0), message("ana", 0)]);
        assert_eq!(first["message"]["id"], "ana0");
        let other = next(&[message("ana", 3_000), message("Ana", 0), message("bia", 0)]);
        assert_eq!(other["message"]["id"], "bia0", "whom nobody waits for goes first");
        let none = next(&[message("ana", 3_000), message("ana", 0)]);
        assert_eq!((&none["message"], &none["wait"]), (&Value::Null, &json!(2_000)));
        let back = next(&[message("ana", 99_000_000)]);
        assert_eq!(back["message"]["id"], "ana99000000", "a clock that was set back holds nothing up");
    });
}

#[test]
fn a_message_of_another_author_is_another_one_whatever_its_identity() {
    const SCRIPT: &str = r#"
        const [done] = arguments;
        (async () => {
          const { openStore } = await import("/store.js");
          const { OWN, TODOS, keepMailboxes, listLetters, markRead, receive, untold } = await import("/letters.js");
          const db = await openStore();
          await keepMailboxes(db, [OWN, TODOS].map((place) => ({ place, room: null, mailbox: 1, epoch: "", last: 0 })));
          const entry = (number) => ({ Message: { from: `Usuario${number}`, number, accepted_at: 0,
            message: { id: "00", to: [], content: "" } } });
          const came = async (place, seq, number) => {
            const { letters } = await receive(db, place, [{ seq, entry: entry(number) }], 0);
            return letters[0]?.row;
          };
          // Before the real one, and of a third to everybody; and the real one once more, as from a backup.
          await came(OWN, 1, 8);
          const real = await came(OWN, 2, 7);
          await came(TODOS, 1, 9);
          const again = await came(OWN, 3, 7);
          const inbox = await listLetters(db, { kind: "inbox" }, Infinity, 10);
          await markRead(db, real);
          done([inbox.map(({ number }) => number), again ?? null, await untold(db, 10)]);
        })().catch((error) => done(String(error)));
    "#;
    let server = TestServer::start_with_web();
    let page = Browser::open(&format!("{}/look.css", server.web()), "pt-BR", Screen::Desktop);
    assert_eq!(page.run_async(SCRIPT, json!([])), json!([[9, 7, 8], null, [3]]));
}

#[test]
fn a_clock_that_jumps_makes_no_message_older_than_a_day() {
    on_the_page(|call| {
        const HOUR: i64 = 60 * 60 * 1000;
        let tried_for = |message: Value, now: i64| call("/outbox.js", "triedFor", json!([message, now]));
        assert_eq!(tried_for(json!({ "sentAt": 5 * HOUR }), 6 * HOUR), HOUR);
        assert_eq!(tried_for(json!({ "sentAt": 0, "tried": HOUR, "notedAt": 5 * HOUR }), 7 * HOUR), 3 * HOUR);
        assert_eq!(tried_for(json!({ "sentAt": 0, "tried": HOUR, "notedAt": 0 }), 87_600 * HOUR), 25 * HOUR);
        assert_eq!(tried_for(json!({ "sentAt": 87_600 * HOUR, "tried": HOUR }), 0), HOUR);
    });
}
