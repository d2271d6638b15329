//! Programs that were not written here: Python's `websockets`, by the script `tests/python/web.py`.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use malote_common::frame::ServerFrame;
use malote_common::{Address, Content, Entry, Name, codec, limits};
use malote_tests::{Cli, PATIENCE, Running, TestServer, python, wait_for};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

use crate::browser::Browser;
use crate::host;

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
fn the_command_line_and_visitors_hear_each_other() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.run(&["join", "#chat"]).expect_status(0);
    let mut visitor = start(&server, &["visit", "bom dia"]);
    assert_eq!(visitor.next_line(), "here");
    bia.send("#chat", "", "oi, visitante");
    assert_eq!(visitor.next_line(), "Usuario0: oi, visitante");
    let said: Vec<Value> = bia.json(&["inbox", "--room", "chat"]).iter().map(|letter| letter["from"].clone()).collect();
    assert_eq!(said.first(), Some(&Value::from("visitante-0")), "{said:?}");
}

#[test]
fn no_visitor_gets_the_name_of_one_before_also_after_a_restart() {
    let mut server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.run(&["join", "#chat"]).expect_status(0);
    for said in ["um", "dois"] {
        let mut visitor = start(&server, &["visit", said]);
        assert_eq!(visitor.next_line(), "here");
        let heard = || bia.run(&["inbox", "--room", "chat"]).stdout.contains(said);
        wait_for("the visitor's words in the room", || heard().then_some(()));
        visitor.kill();
        server.stop();
        server.restart();
    }
    let from = |letter: &Value| letter["from"].as_str().map(str::to_owned);
    let speakers: Vec<_> = bia.json(&["inbox", "--room", "chat"]).iter().filter_map(from).collect();
    assert_eq!(speakers, ["visitante-0", "visitante-1"]);
}

#[test]
fn logs_tell_who_comes_speaks_and_goes_and_never_what_is_said() {
    let server = TestServer::start_with_web_and_log("trace");
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
    // Nor as bytes.
    let digits: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(![secret, &digits, "só meu"].into_iter().any(|said| log.contains(said)), "{log}");
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

#[test]
fn a_certificate_of_its_own_is_used_for_browsers_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["web.crt", "web.key"].map(|file| folder.path().join(file));
    let made = rcgen::generate_simple_self_signed(["malote".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = [&certificate, &key].map(|file| file.to_str().unwrap());
    let options = ["--web", "127.0.0.1:0", "--web-cert", files[0], "--web-key", files[1]];
    let server = TestServer::start_as(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &options);
    let url = server.web().strip_prefix("https://").expect("with a certificate, it speaks HTTPS on loopback as well");
    let mut script = python("web.py");
    script.args([&format!("wss://{url}"), "outside", "visitors"]).env("CERTIFICATE", &certificate);
    Running::start(&mut script).wait().expect_status(0);
    assert_eq!(Cli::new(&server).name(), "Usuario0");
}

#[test]
fn whoever_falls_silent_is_given_up_and_whoever_lives_is_not() {
    let server = TestServer::start_with_web();
    let [silent, mut living] = ["/chat", "/echo"].map(|path| {
        let stream = TcpStream::connect(host(&server)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        tungstenite::client(format!("ws://{}{path}", host(&server)), stream).unwrap().0
    });
    let given_up = format!("WebSocket disconnected peer={} ", silent.get_ref().local_addr().unwrap());
    // Reading a ping answers it. There are two by the time in which whoever answers none is given up.
    for _ in 0..2 {
        assert!(living.read().unwrap().is_ping());
        living.flush().unwrap();
    }
    wait_for("giving up the silent visitor", || server.log().contains(&given_up).then_some(()));
    living.send(tungstenite::Message::text("oi")).unwrap();
    assert_eq!(living.read().unwrap(), tungstenite::Message::text("oi"));
}

#[test]
fn whoever_pings_without_end_is_answered_at_a_measured_pace() {
    let server = TestServer::start_with_web();
    for path in ["/chat", "/echo"] {
        let stream = TcpStream::connect(host(&server)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut caller = tungstenite::client(format!("ws://{}{path}", host(&server)), stream).unwrap().0;
        let begun = Instant::now();
        for number in 0..100u8 {
            caller.write(tungstenite::Message::Ping(vec![number].into())).unwrap();
        }
        caller.send(tungstenite::Message::text("oi")).unwrap();
        while caller.read().unwrap() != tungstenite::Message::text("oi") {}
        // Fifty at once, and fifty a second: what comes behind them waits, and is not lost.
        assert!(begun.elapsed() >= Duration::from_millis(900), "{path}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_visitor_who_does_not_read_is_sent_away_and_the_others_hear_everything() {
    let server = TestServer::start_with_web();
    let open = || {
        let stream = TcpStream::connect(host(&server)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        tungstenite::client(format!("ws://{}/chat", host(&server)), stream).unwrap().0
    };
    let (slow, mut quick) = (open(), open());
    let sent_away = format!("WebSocket disconnected peer={} ", slow.get_ref().local_addr().unwrap());
    // Sockets hold some megabytes before anybody has to wait. Each speaker says no more than they may at once.
    let spoken = (0..100).take_while(|number| {
        let text = format!("{number} {}", "x".repeat(limits::BODY_BYTES - 10));
        let mut speaker = open();
        for _ in 0..3 {
            speaker.send(tungstenite::Message::text(text.as_str())).unwrap();
            for listener in [&mut speaker, &mut quick] {
                assert!(listener.read().unwrap().into_text().unwrap() == text.as_str(), "another text arrived");
            }
        }
        !server.log().contains(&sent_away)
    });
    let spoken = spoken.count();
    wait_for("the slow visitor's leaving", || server.log().contains(&sent_away).then_some(()));
    assert!(spoken > 0, "sent away for nothing");
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
