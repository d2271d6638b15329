//! `malote-cli doctor`: which step it says has failed, and with which status it ends.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

use malote_tests::{Cli, Ended, TestServer, parsed};
use malote_texts::Value;

use super::{LANGUAGES, sentence, watching};

const STEPS: [&str; 6] = ["name", "route", "port", "tls", "version", "key"];

#[test]
fn a_server_that_is_there_passes_every_step_before_and_after_the_first_login() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let steps = check(&ana.run(&["--json", "doctor"]), 0, None);
    assert!(steps[5].contains(server.fingerprint()), "{steps:?}");
    assert!(fs::read_dir(ana.home()).unwrap().next().is_none(), "the doctor made a profile");
    assert_eq!(ana.name(), "Usuario0", "the doctor became somebody");
    let known = sentence(LANGUAGES[0], "doctor-known-key", &[]);
    assert_eq!(check(&ana.run(&["--json", "doctor"]), 0, None)[5], known);
}

#[test]
fn a_profile_in_use_does_not_matter() {
    let server = TestServer::start();
    let ana = Cli::new(&server);
    let _in_use = watching(&ana, &["--profile", "0"]);
    for arguments in [&["doctor"] as &[_], &["--profile", "0", "doctor"]] {
        let known = sentence(LANGUAGES[0], "doctor-known-key", &[]);
        let said = ana.run(arguments).expect_status(0).stdout;
        assert!(said.contains(&known), "{said}");
    }
}

#[test]
fn a_closed_port_is_status_5_and_says_what_to_open() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Cli::at(&closed.to_string());
    check(&nobody.run(&["--json", "doctor"]), 5, Some("port"));
    let port = || [("port", closed.port().to_string().into())];
    for language in LANGUAGES {
        let ended = nobody.run(&["--lang", language.tag(), "doctor"]).expect_status(5);
        let refused = sentence(language, "doctor-refused-here", &port());
        assert!(ended.stdout.contains(&refused), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn something_else_on_the_port_is_status_5() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut stream| {
            // Whoever does not like the answer may leave before it is there.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
    });
    check(&Cli::at(&address).run(&["--json", "doctor"]), 5, Some("tls"));
}

#[test]
fn an_unknown_host_is_status_5() {
    let steps = check(&Cli::at("nobody.invalid").run(&["--json", "doctor"]), 5, Some("name"));
    let host: [(_, Value); 1] = [("host", "nobody.invalid".into())];
    assert_eq!(steps[0], sentence(LANGUAGES[0], "doctor-unknown-host", &host));
}

#[test]
fn a_changed_key_is_status_4() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    ana.name();
    server.stop();
    let other = TestServer::start_at(server.address());
    let steps = check(&ana.run(&["--json", "doctor"]), 4, Some("key"));
    assert!(steps[5].contains(other.fingerprint()), "{steps:?}");
}

/// The steps must stand in their order, with `failed` as the first that did not pass and none behind it reached.
/// Returns their details.
#[track_caller]
fn check(ended: &Ended, status: i32, failed: Option<&str>) -> Vec<String> {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().map(parsed).collect();
    assert!(lines.iter().map(|line| &line["step"]).eq(&STEPS), "{ended:?}");
    let mut expected = "passed";
    for (line, step) in lines.iter().zip(STEPS) {
        if failed == Some(step) {
            assert_eq!(line["result"], "failed", "{ended:?}");
            expected = "not_reached";
        } else {
            assert_eq!(line["result"], expected, "{ended:?}");
        }
    }
    lines.iter().map(|line| line["detail"].as_str().expect("a detail is a text").to_owned()).collect()
}
