//! The page itself: what is served, and under which conditions.

use std::io::{Read, Write};
use std::net::TcpStream;

use malote_tests::{PATIENCE, TestServer, wait_for};
use serde_json::Value;

use crate::host;

/// What came back for a request.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header =
            self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        header.map(|(_, value)| value)
    }
}

/// Sends these lines, and whatever `Host` the server is at.
fn ask(server: &TestServer, lines: &str) -> Answer {
    ask_raw(server, &format!("{lines}\r\nHost: {}\r\n\r\n", host(server)))
}

fn ask_raw(server: &TestServer, request: &str) -> Answer {
    let mut stream = TcpStream::connect(host(server)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Answer { head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn the_page_and_its_texts_are_served_and_nothing_else() {
    let server = TestServer::start_with_web();
    let page = ask(&server, "GET / HTTP/1.1");
    assert_eq!((page.status(), page.header("content-type")), ("200", Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<title>Malote</title>"), "{}", page.body);
    for language in ["pt-BR", "en"] {
        let texts = ask(&server, &format!("GET /texts/{language}.json HTTP/1.1"));
        assert_eq!((texts.status(), texts.header("content-type")), ("200", Some("application/json")));
        let texts: Value = serde_json::from_str(&texts.body).unwrap();
        assert_eq!(texts["page-title"], "Malote");
    }
    for path in ["/nada", "/index.html", "/texts/", "/texts/de.json", "/../Cargo.toml", "/%2e%2e/server.key"] {
        assert_eq!(ask(&server, &format!("GET {path} HTTP/1.1")).status(), "404", "{path}");
    }
    assert_eq!(ask(&server, "POST / HTTP/1.1\r\nContent-Length: 0").status(), "405");
    for path in ["/ws", "/chat", "/echo"] {
        assert_eq!(ask(&server, &format!("GET {path} HTTP/1.1")).status(), "426", "{path}");
    }
}

#[test]
fn every_answer_confines_the_page() {
    let server = TestServer::start_with_web();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let stranger = "GET / HTTP/1.1\r\nHost: malote.example\r\n\r\n".to_owned();
    let own = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", host(&server));
    for request in [own("/"), own("/nada"), own("/texts/en.json"), own("/ws"), stranger] {
        let answer = ask_raw(&server, &request);
        for (name, value) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{request}");
        }
        assert!(answer.header("permissions-policy").is_some_and(|policy| policy.contains("camera=()")));
    }
}

#[test]
fn names_that_others_decide_about_are_refused() {
    let server = TestServer::start_with_web();
    let port = host(&server).split_once(':').unwrap().1;
    let status = |host: &str| ask_raw(&server, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).status().to_owned();
    for own in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(status(&own), "200", "{own}");
    }
    for foreign in ["malote.example", &format!("127.0.0.1.malote.example:{port}"), "localhost.malote.example", ""] {
        assert_eq!(status(foreign), "421", "{foreign}");
    }
    assert_eq!(ask_raw(&server, "GET / HTTP/1.1\r\n\r\n").status(), "421");
    let twice = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: malote.example\r\n\r\n");
    assert_eq!(ask_raw(&server, &twice).status(), "421");
}

#[test]
fn long_requests_and_slow_ones_are_cut_off() {
    let server = TestServer::start_with_web();
    let long = format!("GET / HTTP/1.1\r\nCookie: {}", "a".repeat(100_000));
    let mut stream = TcpStream::connect(host(&server)).unwrap();
    // The server may have gone before all of it is written.
    let _ = stream.write_all(long.as_bytes());
    let mut slow = TcpStream::connect(host(&server)).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    // A byte now and then does not help.
    wait_for("the end of a slow request", || slow.write_all(b"a").err());
    assert_eq!(ask(&server, "GET / HTTP/1.1").status(), "200");
}

#[test]
fn a_path_in_letters_that_are_not_ascii_is_cut_between_them() {
    let server = TestServer::start_with_web();
    let mut stream = TcpStream::connect(host(&server)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = format!("/a{}", "ç".repeat(100));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        host(&server)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    let [0x88, length, 0x03, 0xe8, reason @ ..] = &answer[head..] else { panic!("not closed with 1000: {answer:?}") };
    assert_eq!(usize::from(*length), reason.len() + 2);
    assert_eq!(std::str::from_utf8(reason), Ok(format!("path not found: /a{}", "ç".repeat(52)).as_str()));
}
