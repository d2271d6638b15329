//! `malote-cli inbox`, `clear`, `watch` and `people`.

use malote_tests::{Cli, TestServer, parsed, wait_for};
use malote_texts::Language;

use super::{check_harmless, sentence, watching};

#[test]
fn a_message_has_all_its_fields_for_programs() {
    let server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    ana.send("Usuario1,Usuario0", "Reunião", "Às 15h.\nNa sala 2.");
    let letters = bia.json(&["inbox"]);
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let keys: Vec<&str> = letter.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["id", "mailbox", "seq", "from", "to", "subject", "body", "sent_at", "accepted_at"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(letter["id"].as_str().unwrap().len(), 32);
    assert_eq!(letter["seq"], 1);
    assert_eq!(letter["from"], "Usuario0");
    assert_eq!(letter["to"], serde_json::json!(["Usuario1", "Usuario0"]));
    assert_eq!(letter["subject"], "Reunião");
    assert_eq!(letter["body"], "Às 15h.\nNa sala 2.");
    check_is_recent(letter["sent_at"].as_str().unwrap());
    check_is_recent(letter["accepted_at"].as_str().unwrap());
}

#[test]
fn an_empty_subject_has_a_name_for_people_and_stays_empty_for_programs() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    ana.send("Usuario0", "", "oi");
    assert_eq!(ana.json(&["inbox"])[0]["subject"], "");
    assert!(ana.run(&["inbox"]).expect_status(0).stdout.contains("Sem Assunto"));
    assert!(ana.run(&["--lang", "en", "inbox"]).expect_status(0).stdout.contains("No subject"));
}

#[test]
fn what_others_wrote_does_not_act_on_the_screen() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let subject = "a\u{1b}[31m\u{202e}b\u{9b}2J\u{200b}";
    let body = "\u{7}um\r\u{1b}]0;x\u{7}\n\u{2067}dois\u{2028}\u{7f}\u{1b}]8;;http://x\u{1b}\\\u{e0041}";
    let mut watch = watching(&ana, &[]);
    let other = Cli::new(&server);
    other.send("Usuario0", subject, body);
    let printed: String = (0..4).map(|_| watch.next_line()).collect();
    check_harmless(&printed);
    drop(watch);
    let printed = ana.run(&["inbox"]).expect_status(0).stdout;
    check_harmless(&printed);
    assert!(printed.contains("dois"), "{printed}");
    check_harmless(&ana.run(&["--json", "inbox"]).expect_status(0).stdout);
    check_harmless(&ana.run(&["search", "dois"]).expect_status(0).stdout);
    let letters = ana.json(&["inbox"]);
    assert_eq!((&letters[0]["subject"], &letters[0]["body"]), (&subject.into(), &body.into()));
}

#[test]
fn a_cleared_inbox_stays_clear() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    ana.send("Usuario0", "", "um");
    ana.send("Usuario0", "", "dois");
    let ended = ana.run(&["--lang", "en", "clear"]).expect_status(0);
    assert_eq!(ended.stdout.trim_end(), sentence(Language::English, "cli-cleared", &[("count", 2.into())]));
    assert_eq!(ana.json(&["inbox"]), [] as [serde_json::Value; 0]);
    server.kill();
    server.restart();
    assert_eq!(ana.bodies(), [] as [&str; 0]);
    ana.send("Usuario0", "", "três");
    assert_eq!(ana.bodies(), ["três"]);
    assert_eq!(ana.run(&["inbox"]).expect_status(0).stdout.matches("três").count(), 1);
}

#[test]
fn an_inbox_can_be_read_without_the_server() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    ana.send("Usuario0", "", "um");
    assert_eq!(ana.bodies(), ["um"]);
    server.stop();
    let ended = ana.run(&["--json", "--timeout", "1", "inbox"]).expect_status(5);
    assert_eq!(parsed(ended.stdout.trim_end())["body"], "um");
}

#[test]
fn watch_prints_what_comes_also_over_restarts_of_the_server() {
    let mut server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    bia.send("Usuario0", "", "antes");
    let mut watch = ana.start(&["--json", "watch"]);
    let mut expect = |body: &str| assert_eq!(parsed(&watch.next_line())["body"], body);
    expect("antes");
    bia.send("Usuario0", "", "enquanto");
    expect("enquanto");
    server.kill();
    bia.run(&["--timeout", "1", "send", "--to", "Usuario0", "sem servidor"]).expect_status(5);
    server.restart();
    bia.name();
    expect("sem servidor");
    server.stop();
    server.restart();
    bia.send("Usuario0", "", "depois");
    expect("depois");
}

#[test]
fn people_lists_everybody_and_who_is_connected() {
    let server = TestServer::start();
    let (ana, bia, caio) = (Cli::new(&server), Cli::new(&server), Cli::new(&server));
    ana.name();
    let _connected = watching(&bia, &[]);
    caio.name();
    let person = |number: u64, connected| serde_json::json!({ "name": format!("Usuario{number}"), "number": number, "connected": connected });
    // That somebody has left is known a moment later.
    wait_for("the others' leaving", || (ana.json(&["people"])[2]["connected"] == false).then_some(()));
    assert_eq!(ana.json(&["people"]), [person(0, true), person(1, true), person(2, false)]);
    let words = |key| sentence(Language::English, key, &[]);
    let expected = ["cli-you", "cli-connected", "cli-away"].map(words);
    let printed = ana.run(&["--lang", "en", "people"]).expect_status(0).stdout;
    let states: Vec<&str> = printed.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(states, expected);
}

#[test]
fn search_finds_what_was_received_and_sent_newest_first() {
    let mut server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    bia.send("Usuario0", "Orçamento", "A ponte fica pronta em março.");
    assert_eq!(ana.bodies().len(), 1);
    ana.send("Usuario1", "", "O orçamento está caro.");
    bia.send("Usuario0", "Almoço", "Às 12h?");
    // What waits is fetched first, and one may type anything.
    assert_eq!(ana.json(&["search", "alm", "?"])[0]["subject"], "Almoço");
    let found = ana.json(&["search", "ORCA", "\"*:"]);
    let bodies: Vec<&str> = found.iter().map(|letter| letter["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["O orçamento está caro.", "A ponte fica pronta em março."]);
    let sent = &found[0];
    assert_eq!((&sent["from"], &sent["to"]), (&"Usuario0".into(), &serde_json::json!(["Usuario1"])));
    assert_eq!(["mailbox", "seq", "accepted_at"].map(|key| sent[key].is_null()), [true; 3]);
    assert_eq!(found[1], ana.json(&["inbox"])[0]);
    let printed = ana.run(&["--lang", "en", "search", "ponte", "pron"]).expect_status(0).stdout;
    assert!(printed.contains("Orçamento") && !printed.contains("12h"), "{printed}");
    let printed = ana.run(&["--lang", "en", "search", "--", "-xilofone"]).expect_status(0).stdout;
    assert_eq!(printed.trim_end(), sentence(Language::English, "cli-nothing-found", &[]));
    ana.run(&["search"]).expect_status(2);
    server.stop();
    let ended = ana.run(&["--json", "--timeout", "1", "search", "almoco"]).expect_status(5);
    assert_eq!(parsed(ended.stdout.trim_end())["body"], "Às 12h?");
}

/// An RFC 3339 time, within the time that a test takes.
#[track_caller]
fn check_is_recent(time: &str) {
    let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
    let age = jiff::Timestamp::now().duration_since(time);
    assert!((0..300).contains(&age.as_secs()), "{time} is not now");
}
