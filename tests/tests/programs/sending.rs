//! `malote-cli send`: outcomes, statuses, and what happens to what cannot be sent now.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use malote_common::limits;
use malote_tests::{Cli, TestServer, parsed};
use malote_texts::{Language, Value};

use super::{ANY_PORT, LANGUAGES, check_harmless, sentence};

#[test]
fn send_tells_what_became_of_it_for_each_recipient() {
    let server = TestServer::start();
    let people: Vec<Cli> = (0..2).map(|_| Cli::new(&server)).collect();
    people.iter().for_each(|person| drop(person.name()));
    let ended = people[0].run(&["send", "--to", "Usuario1; Usuario0", "--subject", "Reunião", "Às 15h."]);
    assert_eq!(ended.expect_status(0).stdout.lines().count(), 2);
    let outcomes = people[0].json(&["send", "--to", "Usuario1,Usuario0", "Outra."]);
    // The sender's own mailbox has receipts as well, so its numbers run ahead.
    assert_eq!(outcomes[0], serde_json::json!({ "to": "Usuario1", "outcome": "accepted", "seq": 2 }));
    assert_eq!((&outcomes[1]["to"], &outcomes[1]["outcome"]), (&"Usuario0".into(), &"accepted".into()));
    assert_eq!(people[1].bodies(), ["Às 15h.", "Outra."]);
}

#[test]
fn a_refused_recipient_is_status_3() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let ended = ana.run(&["--lang", "en", "send", "--to", "Usuario7", "oi"]).expect_status(3);
    let args = [
        ("to", "Usuario7".into()),
        ("state", sentence(Language::English, "state-refused", &[]).into()),
        ("reason", sentence(Language::English, "refused-unknown_recipient", &[]).into()),
    ];
    assert_eq!(ended.stdout.trim_end(), sentence(Language::English, "cli-state-reason", &args));

    let ended = ana.run(&["--json", "send", "--to", "Usuario7,Usuario0", "oi"]).expect_status(3);
    let outcomes: Vec<_> = ended.stdout.lines().map(parsed).collect();
    assert_eq!(outcomes[0], serde_json::json!({ "to": "Usuario7", "outcome": "unknown_recipient" }));
    assert_eq!(outcomes[1]["outcome"], "accepted");
    assert_eq!(ana.bodies(), ["oi"], "what one recipient is refused, the other one has once");
}

#[test]
fn what_cannot_be_sent_is_status_2_and_not_kept() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let (long, fits) = ("s".repeat(limits::SUBJECT_BYTES + 1), "s".repeat(limits::SUBJECT_BYTES));
    let count = |number: usize| Value::from(number);
    let character = [("typed", "a!b".into()), ("character", "!".into())];
    let subject = [("bytes", count(long.len())), ("max", count(limits::SUBJECT_BYTES))];
    let body = [("bytes", count(limits::BODY_BYTES + 1)), ("max", count(limits::BODY_BYTES))];
    for language in LANGUAGES {
        let check = |arguments: &[&str], input: &str, key, args: &[_]| {
            let arguments = [&["--lang", language.tag(), "send"], arguments].concat();
            let ended = ana.run_with_input(&arguments, input).expect_status(2);
            assert_eq!(ended.only_sentence(), sentence(language, key, args));
        };
        check(&["--to", "", "oi"], "", "recipient-empty", &[]);
        check(&["--to", "a!b", "oi"], "", "recipient-character", &character);
        check(&["--to", "Usuario0", "--subject", &long, "oi"], "", "subject-too-long", &subject);
        check(&["--to", "Usuario0", "-"], &"b".repeat(limits::BODY_BYTES + 1), "body-too-long", &body);
    }
    let most = "b".repeat(limits::BODY_BYTES);
    let ended = ana.run_with_input(&["send", "--to", "Usuario0", "--subject", &fits, "-"], most.clone());
    ended.expect_status(0);
    assert_eq!(ana.bodies(), [most]);
}

#[test]
fn what_was_typed_wrong_does_not_act_on_the_screen() {
    let ended = Cli::at("127.0.0.1:1").run(&["send", "--to", "ana\u{1b}[31m\u{202e}", "oi"]).expect_status(2);
    check_harmless(ended.only_sentence());
}

#[test]
fn a_changed_key_is_status_4_until_it_is_trusted() {
    let mut before = TestServer::start();
    let ana = Cli::new(&before);
    ana.name();
    before.stop();
    let after = TestServer::start_at(before.address());
    let address = after.address().to_string();
    let args = [("server", address.as_str().into()), ("found", after.fingerprint().into())];
    for language in LANGUAGES {
        let changed = sentence(language, "connect-key-changed", &args);
        let ended = ana.run(&["--lang", language.tag(), "send", "--to", "Usuario0", "antes"]).expect_status(4);
        assert_eq!(ended.stderr, format!("{changed}\n{}\n", sentence(language, "cli-kept", &[])));
        let ended = ana.run(&["--lang", language.tag(), "whoami"]).expect_status(4);
        assert_eq!(ended.stderr, format!("{changed}\n"));
    }
    ana.run(&["trust", "SHA256:1234"]).expect_status(1);
    ana.run(&["whoami"]).expect_status(4);
    ana.run(&["trust", after.fingerprint()]).expect_status(0);
    assert_eq!(ana.name(), "Usuario0");
    ana.send("Usuario0", "", "depois");
    assert_eq!(ana.bodies(), ["depois"], "what was written for another server does not go to this one");
}

#[test]
fn a_server_that_is_not_there_is_status_5_and_the_message_goes_out_at_the_next_run() {
    let mut server = TestServer::start();
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    server.stop();
    let address = server.address().to_string();
    let args = [("server", address.as_str().into()), ("port", limits::DEFAULT_PORT.to_string().into())];
    for language in LANGUAGES {
        let tag = language.tag();
        let ended = ana.run(&["--lang", tag, "--timeout", "1", "send", "--to", "Usuario1", tag]).expect_status(5);
        let sentences = [
            sentence(language, "connect-refused", &args),
            sentence(language, "cli-not-reached", &[("seconds", "1".into())]),
            sentence(language, "cli-kept", &[]),
        ];
        assert_eq!(ended.stderr, sentences.join("\n") + "\n");
    }
    ana.run(&["--timeout", "1", "whoami"]).expect_status(5);
    server.restart();
    ana.name();
    ana.name();
    assert_eq!(bia.bodies(), ["pt-BR", "en"]);
}

#[test]
fn something_else_that_listens_is_told_from_a_server() {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    answer_everybody(listener, "220 mail.example.org ESMTP ready\r\n");
    let ana = Cli::at(&address.to_string());
    let args = [("server", address.to_string().into()), ("port", limits::DEFAULT_PORT.to_string().into())];
    for language in LANGUAGES {
        let ended = ana.run(&["--lang", language.tag(), "--timeout", "1", "whoami"]).expect_status(5);
        let sentence = sentence(language, "connect-not-malote", &args);
        assert_eq!(ended.stderr.lines().next(), Some(sentence.as_str()));
    }
}

#[test]
fn a_hyphen_reads_the_body_from_standard_input() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    ana.run_with_input(&["send", "--to", "Usuario0", "-"], "um\ndois\n").expect_status(0);
    assert_eq!(ana.bodies(), ["um\ndois\n"]);
    let ended = ana.run_with_input(&["send", "--to", "Usuario0", "-"], [0xff, 0xfe]).expect_status(1);
    assert_eq!(ended.only_sentence(), sentence(Language::Portuguese, "cli-body-unreadable", &[]));
}

#[test]
fn a_message_to_oneself_arrives_like_any_other() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    ana.send("Usuario0", "Lembrete", "Comprar pão.");
    let letters = ana.json(&["inbox"]);
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0]["from"], &letters[0]["to"][0]), (&"Usuario0".into(), &"Usuario0".into()));
}

fn answer_everybody(listener: TcpListener, text: &'static str) {
    thread::spawn(move || {
        // Connections stay open: whoever is on the other side decides what to do with the answer.
        let mut connections = Vec::new();
        for mut connection in listener.incoming().flatten() {
            let _ = connection.write_all(text.as_bytes());
            connections.push(connection);
        }
    });
}
