//! Programs that were not written here: Python's `websockets`, by the script `tests/python/web.py`.

use std::path::Path;
use std::process::Command;

use malote_common::frame::ServerFrame;
use malote_common::{Address, Content, Entry, Name, codec};
use malote_tests::{Running, TestServer, python, wait_for};

use crate::browser::Browser;

/// Runs one check of the script against a server of its own.
#[track_caller]
fn check(name: &str) {
    let server = TestServer::start_with_web();
    start(&server, &[name]).wait().expect_status(0);
}

fn start(server: &TestServer, arguments: &[&str]) -> Running {
    let url = server.web().replacen("http", "ws", 1);
    Running::start(python("web.py").arg(url).args(arguments))
}

#[test]
fn echo_sends_every_message_back() {
    check("echo");
}

#[test]
fn chat_passes_every_text_to_everybody_there() {
    check("chat");
}

#[test]
fn other_paths_are_closed_with_a_reason() {
    check("paths");
}

#[test]
fn pages_and_names_of_others_are_refused() {
    check("origins");
}

#[test]
fn what_is_too_large_is_closed_with_its_code() {
    check("too_large");
}

#[test]
fn those_who_listen_are_told_that_the_server_stops() {
    let mut server = TestServer::start_with_web();
    let mut stay = start(&server, &["stay"]);
    assert_eq!(stay.next_line(), "here");
    server.stop();
    stay.wait().expect_status(0);
}

#[test]
fn visitors_and_members_of_the_room_hear_each_other() {
    let server = TestServer::start_with_web();
    let mut ana = Browser::log_in(&server);
    let room = ana.enter("chat");
    let mut first = start(&server, &["visit", "bom dia"]);
    assert_eq!(first.next_line(), "here");
    let mut second = start(&server, &["visit", "alguém aí?"]);
    assert_eq!(second.next_line(), "here");
    assert_eq!(first.next_line(), "alguém aí?");

    for (visitor, text) in [(0, "bom dia"), (1, "alguém aí?")] {
        let ServerFrame::Delivery { mailbox, entry: Entry::Message { from, number, message, .. }, .. } = ana.hear()
        else {
            panic!("no message of a visitor");
        };
        assert_eq!((mailbox, from, number), (room, Name::visitor(visitor), None));
        let content: Content = codec::decode(&message.content).unwrap();
        assert_eq!((content.subject.as_str(), content.body.as_str()), ("", text));
    }
    ana.send(Address::parse("#chat").unwrap(), "", "oi, visitantes");
    ana.send(Address::parse("#chat").unwrap(), "Almoço", "ao meio-dia\n");
    for visitor in [&mut first, &mut second] {
        // What visitors said came once, as it was said; nothing of it comes again by way of the room.
        assert_eq!(visitor.next_line(), "Usuario0: oi, visitantes");
        assert_eq!(visitor.next_line(), "Usuario0: Almoço — ao meio-dia");
    }
}

#[test]
fn logs_tell_who_comes_speaks_and_goes_and_never_what_is_said() {
    let server = TestServer::start_with_web();
    let mut ana = Browser::log_in(&server);
    ana.enter("chat");
    let secret = "abracadabra";
    let mut visitor = start(&server, &["visit", secret]);
    assert_eq!(visitor.next_line(), "here");
    ana.send(Address::parse("#chat").unwrap(), secret, secret);
    assert!(visitor.next_line().contains(secret));
    visitor.kill();
    start(&server, &["echo"]).wait().expect_status(0);
    let log = wait_for("the visitor's leaving", || {
        Some(server.log()).filter(|log| log.lines().any(|line| is_about(line, "disconnected", "/chat")))
    });
    for (what, path) in [("connected", "/chat"), ("message", "/chat"), ("connected", "/echo"), ("message", "/echo")] {
        assert!(log.lines().any(|line| is_about(line, what, path)), "no {what} on {path} in {log}");
    }
    assert!(!log.contains(secret) && !log.contains("só meu"), "{log}");
}

/// Whether a line tells this of a path, with the peer's address and port.
fn is_about(line: &str, what: &str, path: &str) -> bool {
    let has_peer =
        line.split("peer=127.0.0.1:").nth(1).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    has_peer && line.contains(&format!("WebSocket {what} ")) && line.contains(path)
}

/// The address that is not loopback, in a network of its own.
const OUTSIDE: &str = "10.77.0.1";

#[test]
fn outside_loopback_everything_is_encrypted_and_visitors_need_leave() {
    for visitors in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let Some(mut server) = start_outside(data.path(), visitors) else { return };
        let ready = server.next_line();
        let (_, url) = ready.split_once(" web ").expect("the ready line names the web listener");
        assert!(url.starts_with(&format!("https://{OUTSIDE}:")), "{url}");
        let script = python("web.py");
        let mut client = Command::new("nsenter");
        client.args(["--preserve-credentials", "--user", "--net", "--target", &server.id().to_string()]);
        client.arg(script.get_program()).args(script.get_args()).env("CERTIFICATE", data.path().join("server.crt"));
        client.args([url.replacen("http", "ws", 1).as_str(), "outside", if visitors { "visitors" } else { "nobody" }]);
        Running::start(&mut client).wait().expect_status(0);
        server.signal("TERM");
        server.wait().expect_status(0);
    }
}

/// A server in a network of its own. Where the system does not let us have one, it says so, and returns nothing.
fn start_outside(data: &Path, visitors: bool) -> Option<Running> {
    let own_network = |command: &mut Command| {
        command.args(["--user", "--map-root-user", "--net"]);
    };
    let mut attempt = Command::new("unshare");
    own_network(&mut attempt);
    let attempt = attempt.args(["ip", "link", "set", "lo", "up"]).output();
    if !attempt.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped, since no network of its own may be made here: {attempt:?}");
        return None;
    }
    let web = format!("{OUTSIDE}:0");
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--web", &web];
    arguments.extend(visitors.then_some("--web-visitors"));
    let server = TestServer::command(&arguments);
    let mut command = Command::new("unshare");
    own_network(&mut command);
    let script = format!("ip link set lo up && ip addr add {OUTSIDE}/32 dev lo && exec \"$0\" \"$@\"");
    command.args(["sh", "-c", &script]).arg(server.get_program()).args(server.get_args()).arg("--data").arg(data);
    command.env_remove("MALOTE_LANG").env_remove("MALOTE_LOG");
    Some(Running::start(&mut command))
}
