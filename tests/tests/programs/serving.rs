//! `malote-server`: how it starts, refuses to start, and ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use malote_client::Reader;
use malote_tests::{Cli, Ended, Running, TestServer, wait_for};
use malote_texts::{Language, Value};

use super::{ANY_PORT, LANGUAGES, below_a_file, check_private, mode, sentence, text, watching, why_not_made};

#[test]
fn the_ready_line_has_the_bound_address_and_the_fingerprint() {
    let mut server = TestServer::start();
    assert_ne!(server.address().port(), 0);
    let digits = server.fingerprint().strip_prefix("SHA256:").expect("the fingerprint names its hash");
    assert!(digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{digits}");
    let ready = format!("malote-server ready {} {}\n", server.address(), server.fingerprint());
    assert_eq!(server.stop_with("TERM").stdout, ready);
}

#[test]
fn sigterm_and_sigint_end_the_server_with_status_0() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    let _connected = watching(&ana, &[]);
    server.stop_with("INT").expect_status(0);
    server.restart();
    server.stop_with("TERM").expect_status(0);
}

#[test]
fn an_address_in_use_is_refused() {
    let server = TestServer::start();
    let (address, data) = (server.address().to_string(), tempfile::tempdir().unwrap());
    let arguments = ["--listen", &address, "--data", text(data.path())];
    let args = [("option", "--listen".into()), ("address", address.as_str().into())];
    refused_in_both_languages(&arguments, "server-address-in-use", &args);
}

#[test]
fn an_address_in_use_is_refused_for_browsers_where_it_was_asked_for() {
    let server = TestServer::start();
    let (address, data) = (server.address().to_string(), tempfile::tempdir().unwrap());
    let arguments = ["--listen", ANY_PORT, "--web", &address, "--data", text(data.path())];
    let args = [("option", "--web".into()), ("address", address.as_str().into())];
    refused_in_both_languages(&arguments, "server-address-in-use", &args);
}

#[test]
fn a_certificate_for_browsers_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (file, data) = (directory.path().join("web.pem"), directory.path().join("data"));
    let common = ["--listen", ANY_PORT, "--web", ANY_PORT, "--data", text(&data), "--web-cert", text(&file)];
    refused_in_both_languages(&common, "server-web-certificate-halved", &[]);
    fs::write(&file, "nonsense").unwrap();
    for language in LANGUAGES {
        let arguments = [&common[..], &["--web-key", text(&file), "--lang", language.tag()]].concat();
        let expected = sentence(language, "server-web-certificate-refused", &[("reason", "⟨reason⟩".into())]);
        let (start, end) = expected.split_once("⟨reason⟩").unwrap();
        let ended = run_server(&arguments).expect_status(1);
        let said = ended.only_sentence();
        assert!(said.starts_with(start) && said.ends_with(end) && said.contains(text(&file)), "{said}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = below_a_file(directory.path());
    let args = [("path", text(&data).into()), ("reason", why_not_made(&data).into())];
    refused_in_both_languages(&["--listen", ANY_PORT, "--data", text(&data)], "server-data-unwritable", &args);
}

#[test]
fn a_data_directory_in_use_by_another_server_is_refused() {
    let server = TestServer::start();
    let data = text(server.data());
    let args = [("path", data.into())];
    refused_in_both_languages(&["--listen", ANY_PORT, "--data", data], "server-data-locked", &args);
}

#[test]
fn a_configuration_file_that_is_not_there_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("malote.toml");
    let reason = fs::read(&file).unwrap_err().to_string();
    let args = [("path", text(&file).into()), ("reason", reason.into())];
    refused_in_both_languages(&["--config", text(&file)], "server-config-unreadable", &args);
}

#[test]
fn nobody_on_another_computer_is_served_without_encryption() {
    let data = tempfile::tempdir().unwrap();
    for (flags, address) in [(&["--listen", "0.0.0.0:0"] as &[_], "0.0.0.0:0"), (&["--lan"], "0.0.0.0:44765")] {
        let arguments = [flags, &["--plaintext", "--data", text(data.path())]].concat();
        refused_in_both_languages(&arguments, "server-plaintext-refused", &[("address", address.into())]);
    }
}

#[test]
fn wrong_usage_is_status_2() {
    run_server(&["--no-such-flag"]).expect_status(2);
    run_server(&["--listen", "nowhere"]).expect_status(2);
    run_server(&["--web", "nowhere"]).expect_status(2);
    run_server(&["--max-clients", "0"]).expect_status(2);
    let nobody = Cli::at("127.0.0.1:1");
    nobody.run(&["--no-such-flag"]).expect_status(2);
    nobody.run(&[]).expect_status(2);
    nobody.run(&["send", "no recipient"]).expect_status(2);
}

#[test]
fn a_store_that_is_something_else_is_refused_and_left_alone() {
    check_damaged_store(|store| fs::write(store, "Lembrar de comprar pão. ".repeat(1000)).unwrap());
}

#[test]
fn a_store_that_lost_its_end_is_refused_and_left_alone() {
    check_damaged_store(|store| {
        let bytes = fs::read(store).unwrap();
        fs::write(store, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_store_with_a_page_overwritten_is_refused_and_left_alone() {
    check_damaged_store(|store| {
        let mut bytes = fs::read(store).unwrap();
        // The first page stays: it says that this is a store of ours.
        for page in bytes.chunks_exact_mut(4096).skip(1) {
            page[..1024].fill(0xa5);
        }
        fs::write(store, bytes).unwrap();
    });
}

#[test]
fn a_server_that_cannot_write_any_more_stops_and_keeps_what_it_accepted() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    ana.name();
    server.stop();
    let mut limited = Running::start(&mut with_small_files(&server));
    limited.next_line();
    let large = |number: usize| format!("{number} {}", "x".repeat(200_000));
    let send =
        |number: usize| ana.run_with_input(&["--timeout", "2", "send", "--to", "Usuario0", "-"], large(number)).status;
    let accepted = (0..200).take_while(|number| send(*number) == Some(0)).count();
    let ended = limited.wait().expect_status(1);
    let reason = sentence(Language::Portuguese, "server-store-failed", &[("reason", "⟨reason⟩".into())]);
    let (start, end) = reason.split_once("⟨reason⟩").unwrap();
    assert!(ended.stderr.lines().any(|line| line.starts_with(start) && line.ends_with(end)), "{}", ended.stderr);
    assert!((1..200).contains(&accepted), "{accepted} were accepted");
    server.restart();
    ana.name();
    assert!(ana.bodies().into_iter().eq((0..=accepted).map(large)));
}

#[test]
fn one_client_too_many_is_told_and_tries_again() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--listen", ANY_PORT, "--data", text(data.path()), "--max-clients", "1"];
    let mut server = Running::start(&mut TestServer::command(&arguments));
    let ready = server.next_line();
    let address = ready.split(' ').nth(2).expect("the ready line has an address");
    let (ana, rui) = (Cli::at(address), Cli::at(address));
    let mut first = watching(&ana, &[]);
    let full = sentence(Language::Portuguese, "connect-full", &[("server", address.into())]);
    let ended = rui.run(&["--timeout", "2", "whoami"]).expect_status(5);
    assert_eq!(ended.stderr.lines().next(), Some(full.as_str()));
    let second = rui.start(&["watch"]);
    wait_for("the refusal", || second.stderr().contains(&full).then_some(()));
    first.kill();
    wait_for("a place", || Reader::open(&rui.profile().join("archive.db"), address).ok()?.name_at(address).ok()?);
    // It was told once, however often it was tried.
    assert_eq!(second.stderr().matches(&full).count(), 1);
}

#[test]
fn what_the_server_keeps_is_private() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    ana.send("Usuario0", "", "segredo");
    let files = check_private(server.data());
    for file in ["server.key", "server.crt", "store.db", "store.db-wal", "store.db-shm"] {
        assert!(files.iter().any(|path| path.ends_with(file)), "{file} is not in {files:?}");
    }
}

#[test]
fn a_data_directory_is_made_private() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new/data");
    let mut server = Running::start(&mut TestServer::command(&["--listen", ANY_PORT, "--data", text(&data)]));
    server.next_line();
    assert_eq!(mode(&data), 0o700);
}

/// The same server in a process that may not make large files, which is the nearest thing to a broken disk that can be
/// had without being root.
fn with_small_files(server: &TestServer) -> Command {
    let address = server.address().to_string();
    let unlimited = TestServer::command(&["--listen", &address, "--data", text(server.data())]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""]);
    command.arg(unlimited.get_program()).args(unlimited.get_args()).env_remove("MALOTE_LANG");
    command
}

fn run_server(arguments: &[&str]) -> Ended {
    Running::start(&mut TestServer::command(arguments)).wait()
}

/// A server started like this must end with status 1 and this sentence.
#[track_caller]
fn refused_in_both_languages(arguments: &[&str], key: &str, args: &[(&'static str, Value)]) {
    let expected = sentence(Language::Portuguese, key, args);
    assert_eq!(run_server(arguments).expect_status(1).only_sentence(), expected);
    let expected = sentence(Language::English, key, args);
    assert_eq!(run_server(&[arguments, &["--lang", "en"]].concat()).expect_status(1).only_sentence(), expected);
}

/// Damages the store of a server that was killed and has messages in the file and in the write-ahead log. It must not
/// start, say where the damage is, and leave both as they are.
#[track_caller]
fn check_damaged_store(damage: impl FnOnce(&Path)) {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    (0..20).for_each(|_| ana.send("Usuario0", "Atas", &"Estavam todos presentes. ".repeat(500)));
    // A clean end carries over what is in the log.
    server.stop();
    server.restart();
    ana.send("Usuario0", "", "no registro");
    server.kill();
    let store = server.data().join("store.db");
    damage(&store);
    let files = || ["store.db", "store.db-wal"].map(|file| fs::read(server.data().join(file)).unwrap());
    let before = files();
    for language in LANGUAGES {
        let arguments = ["--lang", language.tag(), "--listen", ANY_PORT, "--data", text(server.data())];
        let ended = run_server(&arguments).expect_status(1);
        let args = [("path", text(server.data()).into()), ("reason", "⟨reason⟩".into())];
        let expected = sentence(language, "server-store-refused", &args);
        let (start, end) = expected.split_once("⟨reason⟩").unwrap();
        let said = ended.only_sentence();
        assert!(said.starts_with(start) && said.ends_with(end), "{said}");
        assert!(files() == before, "the damaged store was written to");
    }
}
