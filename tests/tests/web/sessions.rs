//! `/ws`: logging in, posting and reading as the page does, and what becomes of those who break the rules.

use std::net::{Ipv4Addr, SocketAddr};

use ed25519_dalek::SigningKey;
use malote_common::frame::{ClientFrame, Closing, ServerFrame};
use malote_common::{Address, DeviceId, Name, limits, login};
use malote_tests::{Cli, TestServer, wait_for};
use rand::random;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::browser::{Browser, Line};

#[test]
fn a_browser_and_a_program_write_to_each_other() {
    let server = TestServer::start_with_web();
    let (mut ana, bia) = (Browser::log_in(&server), Cli::new(&server));
    assert_eq!((ana.name(), bia.name()), (Name::given(0), "Usuario1".to_owned()));
    ana.resume(0);
    bia.send("Usuario0", "Olá", "da linha de comando");
    let (seq, from, content) = ana.hear_message();
    assert_eq!((seq, from), (1, Name::given(1)));
    assert_eq!((content.subject.as_str(), content.body.as_str()), ("Olá", "da linha de comando"));
    ana.send(Address::Person(Name::given(1)), "Re: Olá", "do navegador");
    assert_eq!(bia.bodies(), ["do navegador"]);
}

#[test]
fn a_browser_that_comes_again_is_the_same_person_and_takes_its_own_place() {
    let server = TestServer::start_with_web();
    let mut ana = Browser::log_in(&server);
    ana.send(Address::Person(ana.name()), "", "para mim");
    let mut again = Browser::log_in_as(&server, ana.key.clone(), ana.device);
    ana.line.expect_end(Closing::Superseded);
    assert_eq!(again.welcome.name, Name::given(0));
    assert_eq!(again.welcome.last_counter, 1);
    again.resume(0);
    assert_eq!(again.hear_message().2.body, "para mim");
}

#[test]
fn browsers_are_told_that_the_server_stops() {
    let mut server = TestServer::start_with_web();
    let ana = Browser::log_in(&server);
    server.stop();
    ana.line.expect_end(Closing::ShuttingDown);
}

#[test]
fn browsers_count_among_the_clients_that_are_allowed() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = TestServer::start_as(address, &["--web", "127.0.0.1:0", "--max-clients", "1"]);
    let ana = Browser::log_in(&server);
    let mut line = Line::open(&server);
    let key = SigningKey::from_bytes(&random());
    let nonce = line.greet(&key, DeviceId(random()));
    line.prove(&key, &login::web_statement(&nonce, server.web()));
    line.expect_end(Closing::ServerFull);
    drop(ana);
}

#[test]
fn only_our_own_page_gets_a_session() {
    let server = TestServer::start_with_web();
    for foreign in ["http://malote.example", "null", "https://127.0.0.1", &format!("{}0", server.web())] {
        assert_eq!(Line::open_from(&server, foreign).err(), Some(StatusCode::FORBIDDEN), "{foreign}");
    }
}

#[test]
fn a_proof_for_another_origin_another_login_or_another_key_is_none() {
    let server = TestServer::start_with_web();
    let key = SigningKey::from_bytes(&random());
    let other_port = format!("{}0", server.web());
    let refused = |statement: &dyn Fn(&[u8; 32]) -> Vec<u8>, signer: &SigningKey| {
        let mut line = Line::open(&server);
        let nonce = line.greet(&key, DeviceId(random()));
        line.prove(signer, &statement(&nonce));
        line.expect_end(Closing::WrongProof);
    };
    refused(&|nonce| login::web_statement(nonce, &other_port), &key);
    refused(&|nonce| login::web_statement(nonce, "http://malote.example"), &key);
    refused(&|_| login::web_statement(&[0; 32], server.web()), &key);
    refused(&|nonce| login::statement(nonce, &[0; 32]), &key);
    refused(&|nonce| login::web_statement(nonce, server.web()), &SigningKey::from_bytes(&random()));
}

#[test]
fn what_is_no_frame_ends_the_session() {
    let server = TestServer::start_with_web();
    let spoiled: [Message; 4] = [
        Message::binary(r#"{"Ping":{"token":1}}"#),
        Message::text("oi"),
        Message::text(r#"{"Ping":{"token":1}}x"#),
        // Longer than any frame.
        Message::text(" ".repeat(limits::FRAME_BYTES + 1)),
    ];
    for message in spoiled {
        let mut ana = Browser::log_in(&server);
        ana.line.say(&ClientFrame::Ping { token: 1 });
        assert_eq!(ana.hear(), ServerFrame::Pong { token: 1 });
        ana.line.send(message);
        ana.line.expect_end(Closing::ProtocolError);
    }
    // The longest frame there is does no harm.
    let mut ana = Browser::log_in(&server);
    let ping = r#"{"Ping":{"token":1}}"#;
    ana.line.send(Message::text(format!("{ping}{}", " ".repeat(limits::FRAME_BYTES - ping.len()))));
    assert_eq!(ana.hear(), ServerFrame::Pong { token: 1 });
}

#[test]
fn strangers_may_say_little() {
    let server = TestServer::start_with_web();
    for message in [" ".repeat(limits::HANDSHAKE_FRAME_BYTES + 1), "{}".to_owned(), "oi".to_owned()] {
        let mut line = Line::open(&server);
        line.send(Message::text(message));
        line.expect_end(Closing::ProtocolError);
    }
}

#[test]
fn whoever_does_not_log_in_is_sent_away() {
    let server = TestServer::start_with_web();
    let line = Line::open(&server);
    // Ten seconds, by `limits::HANDSHAKE_TIME`.
    line.expect_end(Closing::Silent);
}

#[test]
fn one_address_may_log_in_so_often_at_once_and_others_wait() {
    let server = TestServer::start_with_web();
    let mut lines: Vec<Line> = (0..limits::HANDSHAKES_PER_ADDRESS).map(|_| Line::open(&server)).collect();
    // Each is served before there is one more.
    assert!(lines.iter_mut().all(Line::try_greet));
    Line::open(&server).expect_close(CloseCode::Again);
    drop(lines.pop());
    wait_for("room for one more", || {
        let mut line = Line::open(&server);
        line.try_greet().then_some(())
    });
}

#[test]
fn many_pages_of_one_address_may_stay() {
    let server = TestServer::start_with_web();
    // One more than may be loading at once: those that have logged in are not loading any more.
    let pages = 0..=limits::WEB_REQUESTS_PER_ADDRESS;
    let mut pages: Vec<Browser> = pages.map(|_| Browser::log_in(&server)).collect();
    for page in &mut pages {
        page.line.say(&ClientFrame::Ping { token: 1 });
        assert_eq!(page.hear(), ServerFrame::Pong { token: 1 });
    }
}

/// Bytes of each message to the slow reader, and how many there are: far more than sockets and queues hold.
const LARGE: usize = 200_000;
const MANY: usize = 300;

#[test]
fn a_slow_browser_costs_little_and_loses_nothing() {
    let server = TestServer::start_with_web();
    let mut slow = Browser::log_in(&server);
    let body = |number: usize| format!("{number} {}", "x".repeat(LARGE));
    slow.resume(0);
    let mut writer = Browser::log_in(&server);
    // The store's cache is full of other messages by now, so that it grows no more.
    let others = writer.name();
    let mut write =
        |to: &Name| (0..MANY).for_each(|number| writer.send(Address::Person(to.clone()), "", &body(number)));
    write(&others);
    let before = server.memory();
    write(&slow.name());
    let grown = server.memory().saturating_sub(before);
    assert!(grown < (LARGE * MANY / 3) as u64, "the server holds {grown} bytes more");
    for number in 0..MANY {
        let (seq, _, content) = slow.hear_message();
        assert_eq!(seq, number as u64 + 1);
        assert!(content.body == body(number), "another message than {number}");
    }
}
