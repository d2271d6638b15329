//! `malote-cli name`: chosen names from the first one to the last.

use malote_tests::{Cli, Ended, TestServer, wait_for};
use malote_texts::{Language, Value};
use serde_json::json;

use super::{LANGUAGES, check_harmless, sentence, watching};

#[test]
fn both_names_reach_the_same_mailbox_also_after_a_restart_of_the_server() {
    let mut server = TestServer::start();
    let [ana, bia] = people(&server);
    let ended = ana.run(&["--lang", "en", "name", "Ana.Souza"]).expect_status(0);
    assert_eq!(ended.stdout.trim_end(), sentence(Language::English, "cli-named", &[("name", "Ana.Souza".into())]));
    bia.send("ana.souza", "", "um");
    bia.send("Usuario0", "", "dois");
    server.kill();
    server.restart();
    assert_eq!(ana.name(), "Ana.Souza");
    bia.send("ANA.SOUZA", "", "três");
    bia.send("Ana.Souza, usuario0", "", "quatro");
    assert_eq!(ana.bodies(), ["um", "dois", "três", "quatro"], "one message to both names is one message");
    ana.send("Usuario1", "", "oi");
    assert_eq!(bia.json(&["inbox"])[0]["from"], "Ana.Souza");
}

#[test]
fn people_are_listed_with_both_names() {
    let server = TestServer::start();
    let [ana, bia] = people(&server);
    ana.run(&["name", "ana"]).expect_status(0);
    let _connected = watching(&ana, &["--profile", "0"]);
    let expected = json!({ "name": "ana", "number": 0, "connected": true });
    wait_for("ana's connection", || (bia.json(&["people"])[0] == expected).then_some(()));
    let listed = bia.run(&["--lang", "en", "people"]).expect_status(0).stdout;
    let words = |key| sentence(Language::English, key, &[]);
    assert_eq!(listed, format!("ana (Usuario0)  {}\nUsuario1  {}\n", words("cli-connected"), words("cli-you")));
}

#[test]
fn refusals_say_why() {
    let server = TestServer::start();
    let [ana, bia] = people(&server);
    ana.run(&["name", "ana"]).expect_status(0);
    let check = |typed: &str, code: &str, key: &str, args: &[(&'static str, Value)]| {
        for language in LANGUAGES {
            let ended = bia.run(&["--lang", language.tag(), "name", typed]).expect_status(3);
            assert_eq!(ended.only_sentence(), sentence(language, key, args));
        }
        let Ended { stdout, .. } = bia.run(&["--json", "name", typed]).expect_status(3);
        assert_eq!(malote_tests::parsed(stdout.trim_end()), json!({ "name": typed, "outcome": code }));
    };
    check("ANA", "taken", "name-refused-taken", &[("name", "ANA".into())]);
    // With a Cyrillic letter.
    let alike = [("name", "аna".into()), ("other", "ana".into())];
    check("аna", "looks_like", "name-refused-looks-like", &alike);
    for reserved in ["todos", "Usuario0", "usuario77", "visitante-1"] {
        check(reserved, "reserved", "name-refused-reserved", &[("name", reserved.into())]);
    }
    ana.run(&["name", "bela"]).expect_status(0);
    check("ana", "given_up", "name-refused-given-up", &[("name", "ana".into())]);
    assert_eq!(bia.name(), "Usuario1");
}

#[test]
fn what_cannot_be_a_name_is_status_2() {
    let nobody = Cli::at("127.0.0.1:1");
    let check = |typed: &str, key: &str, args: &[(&'static str, Value)]| {
        for language in LANGUAGES {
            let ended = nobody.run(&["--lang", language.tag(), "name", typed]).expect_status(2);
            assert_eq!(ended.only_sentence(), sentence(language, key, args));
        }
    };
    check("", "name-empty", &[]);
    check("a!b", "name-character", &[("character", "!".into())]);
    check("ana souza", "name-space", &[("typed", "ana souza".into()), ("joined", "ana.souza".into())]);
    let long = "a".repeat(33);
    check(&long, "name-too-long", &[("typed", long.as_str().into()), ("max", 32.into())]);
    check_harmless(nobody.run(&["name", "a\u{1b}[31m\u{202e}"]).expect_status(2).only_sentence());
}

#[test]
fn a_name_that_was_given_up_leads_nowhere_and_can_be_taken_back() {
    let mut server = TestServer::start();
    let [ana, bia] = people(&server);
    assert_eq!(ana.json(&["name", "ana"]), [json!({ "name": "ana", "outcome": "named" })]);
    assert_eq!(ana.json(&["name"]), [json!({ "name": "Usuario0", "outcome": "named" })]);
    assert_eq!(ana.name(), "Usuario0");
    bia.run(&["send", "--to", "ana", "para ninguém"]).expect_status(3);
    server.stop();
    server.restart();
    bia.run(&["name", "ana"]).expect_status(3);
    ana.run(&["name", "ana"]).expect_status(0);
    bia.send("ana", "", "de volta");
    assert_eq!(ana.bodies(), ["de volta"]);
}

#[test]
fn a_name_cannot_be_taken_without_the_server() {
    let mut server = TestServer::start();
    let [ana, _] = people(&server);
    server.stop();
    ana.run(&["--timeout", "1", "name", "ana"]).expect_status(5);
    server.restart();
    assert_eq!(ana.name(), "Usuario0", "what was told to have failed is not done later");
}

/// `Usuario0` and `Usuario1`.
fn people(server: &TestServer) -> [Cli; 2] {
    let people = [Cli::new(server), Cli::new(server)];
    assert_eq!(people.each_ref().map(Cli::name), ["Usuario0", "Usuario1"]);
    people
}
