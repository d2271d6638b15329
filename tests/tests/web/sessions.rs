//! `/ws`: logging in, posting and reading as the page does, and what becomes of those who break the rules.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use malote_common::frame::{ClientFrame, Closing, ServerFrame};
use malote_common::{Address, Content, DeviceId, MessageId, Name, Submission, Timestamp, codec, limits, login};
use malote_tests::{Cli, Running, TestServer, wait_for};
use rand::random;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::browser::{Browser, Line};
use crate::host;

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
    // One person writes more here than anybody may elsewhere.
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("malote.toml");
    std::fs::write(&config, "[rate]\nburst = 4_000_000_000\nper-second = 4_000_000_000\n").unwrap();
    let options = ["--web", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let server = TestServer::start_as("127.0.0.1:0".parse().unwrap(), &options);
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

#[test]
fn nobody_says_in_a_frame_who_they_are() {
    let server = TestServer::start_with_web();
    let (ana, mut thief) = (Cli::new(&server), Browser::log_in(&server));
    ana.name();
    let content = Content { subject: String::new(), body: "De: Usuario1".to_owned() };
    let message = malote_common::Message {
        id: MessageId(random()),
        to: vec![Address::Person(Name::given(1))],
        in_reply_to: None,
        sent_at: Timestamp(0),
        content: codec::encode(&content).unwrap(),
    };
    let submission = Submission { counter: 1, since: 1, targets: vec![0], message };
    let frame = codec::Encoding::Json.encode(&ClientFrame::Submit(submission)).unwrap();
    let mut frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
    for place in ["/Submit", "/Submit/message"] {
        let fields = frame.pointer_mut(place).and_then(serde_json::Value::as_object_mut).unwrap();
        fields.extend([("from".to_owned(), "Usuario1".into()), ("number".to_owned(), 1.into())]);
    }
    thief.line.send(Message::text(frame.to_string()));
    let outcomes = thief.hear();
    assert!(matches!(outcomes, ServerFrame::Outcomes { .. }), "{outcomes:?}");
    assert_eq!(ana.json(&["inbox"])[0]["from"], "Usuario0");
}

#[test]
fn a_log_tells_no_words_and_no_keys_whatever_is_asked_of_it() {
    // More than all: also what the server keeps a library from telling.
    let log = "trace,tungstenite=trace,tungstenite::protocol=trace,rustls=trace,hyper=trace";
    let server = TestServer::start_with_web_and_log(log);
    let (mut ana, bia) = (Browser::log_in(&server), Cli::new(&server));
    ana.resume(0);
    let words = ["abracadabra", "simsalabim", "hocuspocus", "perlimpimpim"];
    let mut command = bia.command(&["send", "--to", "Usuario0", "--subject", words[0], words[1]]);
    let ended = Running::start(command.env("RUST_LOG", "trace").env("MALOTE_LOG", "trace")).wait().expect_status(0);
    assert_eq!(ana.hear_message().2.body, words[1]);
    ana.send(Address::Person(Name::given(1)), words[2], words[3]);
    assert_eq!(bia.bodies(), [words[3]]);
    let path = format!("/a{}2026-11-21T10:00:00Z", "\u{85}\u{202e}\u{2028}");
    let mut stranger = TcpStream::connect(host(&server)).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        host(&server)
    );
    stranger.write_all(request.as_bytes()).unwrap();
    let log = wait_for("the stranger in the log", || {
        Some(server.log()).filter(|log| log.contains("2026-11-21T10:00:00Z") && log.contains("tungstenite"))
    });

    let key = std::fs::read(bia.profile().join("key")).unwrap();
    let pem = std::fs::read_to_string(server.data().join("server.key")).unwrap();
    let lines: String = pem.lines().filter(|line| !line.contains('-')).collect();
    let server_key = BASE64_STANDARD.decode(&lines).unwrap();
    let secrets =
        words.iter().map(|word| word.as_bytes().to_vec()).chain([key, server_key, ana.key.to_bytes().to_vec()]);
    for secret in secrets {
        // A part is enough, also where it stands at another place of a group of three bytes.
        let part = &secret[secret.len() - secret.len().min(24)..];
        let digits: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = part.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let encoded = (0..3).map(|skipped| {
            let whole = (part.len() - skipped) / 3 * 3;
            BASE64_STANDARD.encode(&part[skipped..skipped + whole])
        });
        let forms = encoded.chain([String::from_utf8_lossy(part).into_owned(), digits.to_uppercase(), digits, list]);
        for form in forms {
            assert!(!log.contains(&form), "{form:?} is in the server's log");
            assert!(!ended.stderr.contains(&form), "{form:?} is in the client's log");
        }
    }
    // Nobody but the server begins a line, and nothing acts on the screen where somebody reads it.
    assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
    let acts = |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
    assert!(!log.contains(acts));
}
