//! Who somebody is at a server, and where that is kept.

use std::fs;

use malote_common::limits;
use malote_tests::{Cli, Running, TestServer};
use malote_texts::Language;

use super::{LANGUAGES, below_a_file, check_private, sentence, text, watching, why_not_made};

#[test]
fn names_are_sequential_and_outlive_both_sides() {
    let mut server = TestServer::start();
    let people: Vec<Cli> = (0..3).map(|_| Cli::new(&server)).collect();
    let names = || people.iter().map(Cli::name).collect::<Vec<_>>();
    assert_eq!(names(), ["Usuario0", "Usuario1", "Usuario2"]);
    server.stop();
    server.restart();
    assert_eq!(names(), ["Usuario0", "Usuario1", "Usuario2"]);
    server.kill();
    server.restart();
    assert_eq!(names(), ["Usuario0", "Usuario1", "Usuario2"]);
    assert_eq!(Cli::new(&server).name(), "Usuario3");
}

#[test]
fn whoami_has_fields_for_programs() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let address = server.address().to_string();
    let who = serde_json::json!({ "name": "Usuario0", "server": address, "fingerprint": server.fingerprint() });
    assert_eq!(ana.json(&["whoami"]), [who]);
}

#[test]
fn a_profile_in_use_is_refused_and_another_one_taken_where_none_is_named() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let _in_use = watching(&ana, &["--profile", "0"]);
    let args = [("profile", "0".into())];
    for language in LANGUAGES {
        let ended = ana.run(&["--lang", language.tag(), "--profile", "0", "whoami"]).expect_status(1);
        assert_eq!(ended.only_sentence(), sentence(language, "profile-in-use", &args));
    }
    assert_eq!(ana.name(), "Usuario1");
    assert!(ana.home().join("1").is_dir());
}

#[test]
fn a_home_that_cannot_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let home = below_a_file(directory.path());
    let ana = Cli::at("127.0.0.1:1");
    let profile = home.join("0");
    let args = [("path", text(&profile).into()), ("reason", why_not_made(&profile).into())];
    for language in LANGUAGES {
        let mut command = ana.command(&["--lang", language.tag(), "whoami"]);
        let ended = Running::start(command.env("MALOTE_HOME", &home)).wait().expect_status(1);
        assert_eq!(ended.only_sentence(), sentence(language, "profile-unwritable", &args));
    }
}

#[test]
fn an_archive_that_is_something_else_is_refused_and_left_alone() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    ana.name();
    let (archive, other) = (ana.profile().join("archive.db"), "Lembrar de comprar pão. ".repeat(1000));
    fs::write(&archive, &other).unwrap();
    let ended = ana.run(&["send", "--to", "Usuario0", "oi"]).expect_status(1);
    let (why, kept) = ended.stderr.trim_end().split_once('\n').expect("two lines");
    assert!(why.contains(text(&archive)), "{ended:?}");
    assert_eq!(kept, sentence(Language::Portuguese, "cli-not-kept", &[]));
    assert_eq!(fs::read_to_string(&archive).unwrap(), other);
}

#[test]
fn what_a_profile_keeps_is_private() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let _connected = watching(&ana, &[]);
    let files = check_private(ana.home());
    for file in ["0", "0/key", "0/device", "0/archive.db", "0/archive.db-wal", "0/archive.db-shm"] {
        assert!(files.contains(&ana.home().join(file)), "{file} is not in {files:?}");
    }
}

#[test]
fn what_is_no_address_of_a_server_is_status_2() {
    let args = [("server", "no address".into()), ("port", limits::DEFAULT_PORT.to_string().into())];
    for language in LANGUAGES {
        let ended = Cli::at("no address").run(&["--lang", language.tag(), "whoami"]).expect_status(2);
        assert_eq!(ended.only_sentence(), sentence(language, "server-address", &args));
    }
}
