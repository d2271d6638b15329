//! `malote-cli rooms`, `join`, `leave`, `members`, and messages to rooms and to everybody.

use malote_tests::{Cli, TestServer, parsed, wait_for};
use malote_texts::{Language, Value};
use serde_json::json;

use super::{LANGUAGES, sentence, watching};

#[test]
fn the_life_of_a_room() {
    let mut server = TestServer::start();
    let [ana, bia, caio] = people(&server);
    assert_eq!(ana.json(&["join", "obras"]), [json!({ "room": "#obras", "outcome": "created" })]);
    ana.send("#obras", "Obra", "ninguém ouve");
    // It is entered under any spelling, and keeps its own.
    assert_eq!(bia.json(&["join", "#OBRAS"]), [json!({ "room": "#obras", "outcome": "entered" })]);
    ana.send("#Obras", "Obra", "bia ouve");
    assert_eq!(written(&bia, "obras"), ["ninguém ouve", "bia ouve"], "a little of what came before is shown");
    refused(&caio, &["send", "--to", "#obras", "de fora"], "not_a_member");
    refused(&caio, &["send", "--to", "#outra", "a ninguém"], "unknown_recipient");

    server.kill();
    server.restart();
    assert_eq!(listed(&bia), [("@todos", 3, true), ("#obras", 2, true)].map(room));
    assert_eq!(listed(&caio), [("@todos", 3, true), ("#obras", 2, false)].map(room));
    assert_eq!(bia.json(&["leave", "#obras"]), [json!({ "room": "#obras", "outcome": "left" })]);
    ana.send("#obras", "", "bia não ouve");
    refused(&bia, &["send", "--to", "#obras", "de fora"], "not_a_member");
    assert_eq!(bia.run(&["inbox", "--room", "obras"]).status, Some(3));
    assert_eq!(written(&ana, "obras"), ["ninguém ouve", "bia ouve", "bia não ouve"]);
    // Who comes back sees what was said last, as anybody who comes does.
    bia.run(&["join", "obras"]).expect_status(0);
    assert_eq!(written(&bia, "obras"), ["ninguém ouve", "bia ouve", "bia não ouve"]);
    assert_eq!(bia.bodies(), [] as [&str; 0], "what is said in a room is no mail");
}

#[test]
fn one_entry_is_stored_for_each_message_to_a_room() {
    let server = TestServer::start();
    let everyone = people(&server);
    everyone.iter().for_each(|person| drop(person.run(&["join", "obras"]).expect_status(0)));
    let outcome = |to: &str| everyone[0].json(&["send", "--to", to, "oi"]).remove(0);
    assert_eq!(outcome("#obras"), json!({ "to": "#obras", "outcome": "accepted", "seq": 1 }));
    assert_eq!(outcome("#obras"), json!({ "to": "#obras", "outcome": "accepted", "seq": 2 }));
    assert_eq!(outcome("@todos"), json!({ "to": "@todos", "outcome": "accepted", "seq": 1 }));
}

#[test]
fn a_message_has_its_room_and_its_place_in_it_for_programs() {
    let server = TestServer::start();
    let [ana, bia, _] = people(&server);
    ana.run(&["join", "obras"]).expect_status(0);
    bia.run(&["join", "obras"]).expect_status(0);
    ana.send("#obras,@todos,Usuario1", "Obra", "oi");
    let mailbox = |name: &str| {
        let rooms = bia.json(&["rooms"]);
        rooms.iter().find(|room| room["room"] == name).unwrap()["mailbox"].clone()
    };
    let [in_room] = &bia.json(&["inbox", "--room", "obras"])[..] else { panic!("one message was sent") };
    assert_eq!(
        (&in_room["mailbox"], &in_room["seq"], &in_room["from"]),
        (&mailbox("#obras"), &1.into(), &"Usuario0".into())
    );
    assert_eq!(in_room["to"], json!(["#obras", "@todos", "Usuario1"]));
    let [in_inbox] = &bia.json(&["inbox"])[..] else { panic!("it is shown once, as written to bia") };
    assert_eq!((&in_inbox["id"], &in_inbox["to"]), (&in_room["id"], &in_room["to"]));
    assert!(![mailbox("#obras"), mailbox("@todos")].contains(&in_inbox["mailbox"]));
}

#[test]
fn everybody_is_reached_connected_or_not() {
    let mut server = TestServer::start();
    let [ana, bia, caio] = people(&server);
    let mut watch = watching(&bia, &["--json", "--profile", "0"]);
    ana.send("@todos", "Aviso", "um");
    ana.send("@TODOS, Usuario1", "Aviso", "dois");
    ana.send("Usuario1", "", "três");
    for body in ["um", "dois", "três"] {
        assert_eq!(parsed(&watch.next_line())["body"], body);
    }
    drop(watch);
    server.stop();
    server.restart();
    assert_eq!(caio.bodies(), ["um", "dois"]);
    assert_eq!(bia.bodies(), ["um", "dois", "três"]);
    assert_eq!(ana.bodies(), [] as [&str; 0], "what one wrote oneself is no mail");
    assert_eq!(written(&ana, "@todos"), ["um", "dois"]);
    let newcomer = Cli::new(&server);
    newcomer.name();
    assert_eq!(newcomer.bodies(), ["um", "dois"], "who comes later sees what was said last");
}

#[test]
fn watch_prints_what_others_write_wherever_they_write_it() {
    let server = TestServer::start();
    let [ana, bia, _] = people(&server);
    ana.run(&["join", "obras"]).expect_status(0);
    bia.run(&["join", "obras"]).expect_status(0);
    bia.send("#obras", "", "de bia");
    let mut watch = watching(&bia, &["--json", "--profile", "0"]);
    ana.send("#obras", "", "na sala");
    ana.send("#obras, Usuario1, @todos", "", "em toda parte");
    ana.send("Usuario1", "", "só para bia");
    for (body, to) in [
        ("na sala", json!(["#obras"])),
        ("em toda parte", json!(["#obras", "Usuario1", "@todos"])),
        ("só para bia", json!(["Usuario1"])),
    ] {
        let letter = parsed(&watch.next_line());
        assert_eq!((&letter["body"], &letter["to"]), (&body.into(), &to));
    }
}

#[test]
fn who_is_in_a_room_and_who_is_connected() {
    let server = TestServer::start();
    let [ana, bia, caio] = people(&server);
    bia.run(&["name", "bia"]).expect_status(0);
    [&ana, &bia].iter().for_each(|person| drop(person.run(&["join", "obras"]).expect_status(0)));
    let mut connected = watching(&bia, &["--profile", "0"]);
    let member =
        |name: &str, number: u64, connected: bool| json!({ "name": name, "number": number, "connected": connected });
    wait_for("bia's connection", || {
        (ana.json(&["members", "obras"]) == [member("Usuario0", 0, true), member("bia", 1, true)]).then_some(())
    });
    let words = |key| sentence(Language::English, key, &[]);
    let printed = ana.run(&["--lang", "en", "members", "obras"]).expect_status(0).stdout;
    let expected = format!("Usuario0  {}\nbia (Usuario1)  {}\n", words("cli-you"), words("cli-connected"));
    assert_eq!(printed, expected);
    // A program that is killed says no goodbye.
    connected.kill();
    wait_for("the loss of a killed member", || {
        (ana.json(&["members", "obras"])[1]["connected"] == false).then_some(())
    });
    bia.run(&["leave", "obras"]).expect_status(0);
    assert_eq!(ana.json(&["members", "#obras"]), [member("Usuario0", 0, true)]);
    let args = [("room", Value::from("#obras"))];
    for language in LANGUAGES {
        let ended = caio.run(&["--lang", language.tag(), "members", "obras"]).expect_status(3);
        assert_eq!(ended.only_sentence(), sentence(language, "cli-not-in-room", &args));
    }
    assert_eq!(caio.json(&["members", "@todos"]).len(), 3);
}

#[test]
fn refusals_say_why() {
    let server = TestServer::start();
    let [ana, bia, _] = people(&server);
    ana.run(&["join", "obras"]).expect_status(0);
    let check = |arguments: [&str; 2], code: &str, key: &str, args: &[(&'static str, Value)]| {
        for language in LANGUAGES {
            let ended = bia.run(&[&["--lang", language.tag()], &arguments[..]].concat()).expect_status(3);
            assert_eq!(ended.only_sentence(), sentence(language, key, args));
        }
        let ended = bia.run(&[&["--json"], &arguments[..]].concat()).expect_status(3);
        assert_eq!(parsed(ended.stdout.trim_end())["outcome"], code);
    };
    let alike = [("room", "0bras".into()), ("other", "obras".into())];
    check(["join", "0bras"], "looks_like", "room-refused-looks-like", &alike);
    check(["join", "t0dos"], "reserved", "room-refused-reserved", &[("room", "t0dos".into())]);
    check(["leave", "@todos"], "reserved", "room-refused-reserved", &[("room", "todos".into())]);
    check(["leave", "#outra"], "unknown_room", "room-refused-unknown", &[("room", "outra".into())]);
    let words = [
        ("to", "#obras".into()),
        ("state", sentence(Language::English, "state-refused", &[]).into()),
        ("reason", sentence(Language::English, "refused-not_a_member", &[]).into()),
    ];
    let ended = bia.run(&["--lang", "en", "send", "--to", "#obras", "oi"]).expect_status(3);
    assert_eq!(ended.stdout.trim_end(), sentence(Language::English, "cli-state-reason", &words));
}

#[test]
fn what_cannot_be_a_room_is_status_2() {
    let nobody = Cli::at("127.0.0.1:1");
    for command in [&["join"][..], &["leave"], &["members"], &["inbox", "--room"]] {
        let ended = nobody.run(&[&["--lang", "en"], command, &["#a!b"]].concat()).expect_status(2);
        assert_eq!(ended.only_sentence(), sentence(Language::English, "name-character", &[("character", "!".into())]));
        nobody.run(&[command, &["#"]].concat()).expect_status(2);
    }
}

#[test]
fn people_are_told_in_their_language_what_came_of_it() {
    let server = TestServer::start();
    let [ana, bia, _] = people(&server);
    let args = [("room", Value::from("#obras"))];
    for (person, command, key) in
        [(&ana, "join", "cli-created"), (&bia, "join", "cli-entered"), (&bia, "leave", "cli-left")]
    {
        let ended = person.run(&["--lang", "en", command, "#obras"]).expect_status(0);
        assert_eq!(ended.stdout.trim_end(), sentence(Language::English, key, &args));
    }
    let line = |key, room: &str, count: usize| {
        sentence(Language::Portuguese, key, &[("room", room.into()), ("count", count.into())])
    };
    let printed = bia.run(&["rooms"]).expect_status(0).stdout;
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        [line("cli-room", "#obras", 1), line("cli-room-member", "@todos", 3)]
    );
}

#[test]
fn a_room_can_be_read_without_the_server() {
    let mut server = TestServer::start();
    let [ana, ..] = people(&server);
    ana.run(&["join", "obras"]).expect_status(0);
    ana.send("#obras", "", "um");
    assert_eq!(written(&ana, "obras"), ["um"]);
    server.stop();
    let ended = ana.run(&["--json", "--timeout", "1", "inbox", "--room", "obras"]).expect_status(5);
    assert_eq!(parsed(ended.stdout.trim_end())["body"], "um");
}

#[test]
fn a_full_server_says_so_and_lets_in_who_waits() {
    let server = TestServer::start_with(&["--max-clients", "1"]);
    let (ana, bia) = (Cli::new(&server), Cli::new(&server));
    let inside = watching(&ana, &[]);
    let address = server.address().to_string();
    let args = [("server", address.as_str().into()), ("port", "44765".into())];
    for language in LANGUAGES {
        let ended = bia.run(&["--lang", language.tag(), "--timeout", "1", "whoami"]).expect_status(5);
        assert_eq!(ended.stderr.lines().next(), Some(sentence(language, "connect-full", &args).as_str()));
    }
    let outside = bia.start(&["send", "--to", "Usuario0", "com paciência"]);
    let mut waiting = bia.start(&["--lang", "en", "watch"]);
    wait_for("a clear refusal", || {
        waiting.stderr().contains(&sentence(Language::English, "connect-full", &args)).then_some(())
    });
    waiting.kill();
    drop(inside);
    outside.wait().expect_status(0);
    assert_eq!(ana.bodies(), ["com paciência"]);
}

/// `Usuario0`, `Usuario1` and `Usuario2`.
fn people(server: &TestServer) -> [Cli; 3] {
    let people = [(); 3].map(|()| Cli::new(server));
    assert_eq!(people.each_ref().map(Cli::name), ["Usuario0", "Usuario1", "Usuario2"]);
    people
}

/// The bodies of what was written in a room, as this person has it.
#[track_caller]
fn written(person: &Cli, room: &str) -> Vec<String> {
    let letters = person.json(&["inbox", "--room", room]);
    letters.iter().map(|letter| letter["body"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn refused(person: &Cli, arguments: &[&str], outcome: &str) {
    let ended = person.run(&[&["--json"], arguments].concat()).expect_status(3);
    assert_eq!(parsed(ended.stdout.trim_end())["outcome"], outcome);
}

/// The rooms with their members and whether this person is in them, without the numbers of their mailboxes.
#[track_caller]
fn listed(person: &Cli) -> Vec<(String, u64, bool)> {
    let rooms = person.json(&["rooms"]);
    let mut rooms: Vec<_> = rooms
        .iter()
        .map(|room| {
            (room["room"].as_str().unwrap().to_owned(), room["members"].as_u64().unwrap(), room["member"] == true)
        })
        .collect();
    rooms.sort_by_key(|(room, ..)| room != "@todos");
    rooms
}

fn room((room, members, member): (&str, u64, bool)) -> (String, u64, bool) {
    (room.to_owned(), members, member)
}
