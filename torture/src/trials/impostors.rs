//! Servers that are not the one they seem, and connections that are not safe: not a word of ours goes there, and nobody
//! speaks for us by way of them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ed25519_dalek::Signer;
use malote_client::Problem;
use malote_client::connection::dial;
use malote_common::fingerprint::Fingerprint;
use malote_common::frame::{ClientFrame, Closing, ServerFrame};
use malote_common::hello::{ALPN, Hello, VERSION};
use malote_common::{DeviceId, codec, login};
use malote_tests::{Cli, PATIENCE, TestServer};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::runtime::Runtime;

use super::Trial;
use crate::figures::Figures;
use crate::impostors::{Impostor, own_certificate, stolen_certificate};
use crate::line::{Caller, Line};

pub const IMPOSTORS: Trial = Trial {
    name: "impostors",
    what: "servers with another key, without TLS, with old TLS and in between: no word of ours goes there",
    run: impostors,
};

/// How often each thing is tried in a round.
const TIMES: u64 = 500;

/// Content types of TLS records (RFC 8446, 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// The alert `protocol_version` (RFC 8446, 6).
const PROTOCOL_VERSION: u8 = 70;

fn impostors(plan: &mut StdRng) -> Figures {
    let mut server = TestServer::start();
    let pinned: Fingerprint = server.fingerprint().parse().expect("a fingerprint");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let certificate = fs::read(server.data().join("server.crt")).expect("a certificate");
    let mut ana = Caller::new(server.address(), plan);

    let other = Impostor::with(own_certificate());
    for _ in 0..TIMES {
        let problem = refused(&runtime, other.address, Some(pinned));
        assert!(matches!(problem, Problem::KeyChanged { expected, .. } if expected == pinned), "{problem:?}");
        check_heard_nothing(&other);
    }
    let stolen = Impostor::with(stolen_certificate(&certificate));
    for _ in 0..TIMES {
        refused(&runtime, stolen.address, [None, Some(pinned)][plan.random_range(0..2)]);
        check_heard_nothing(&stolen);
    }
    let plain = Impostor::saying(words_without_tls);
    let old = Impostor::saying(|client| old_hello(2, &[client as u8; 32], &[]));
    for impostor in [&plain, &old] {
        for _ in 0..TIMES {
            // Also where it would be believed whatever key it has.
            refused(&runtime, impostor.address, [None, Some(pinned)][plan.random_range(0..2)]);
            let records = impostor.notes().records().expect("nothing but TLS");
            assert!(records.iter().all(|kind| [ALERT, HANDSHAKE].contains(kind)), "{records:?}");
        }
    }
    for _ in 0..TIMES {
        refuse_client_without_tls(server.address(), plan);
        refuse_client_with_old_tls(server.address(), plan);
    }
    let address = server.address();
    let proxy = Impostor::between(move || Line::open(address).into_stream());
    for _ in 0..TIMES {
        log_in_by_way_of(&proxy, &ana, plan);
    }
    ana.settle();

    meet_a_proxy_first(&proxy);
    let bia = Cli::new(&server);
    bia.name();
    server.stop();
    meet_another_key(&bia, server.address());

    Figures::default()
        .count("servers with another key", TIMES + 1)
        .count("servers with a stolen certificate", TIMES)
        .count("servers without TLS", TIMES)
        .count("servers with TLS 1.2", TIMES)
        .count("clients without TLS", TIMES)
        .count("clients with TLS 1.2", TIMES)
        .count("logins through a proxy", TIMES + 1)
}

/// Dials as the program does, which must not get through.
fn refused(runtime: &Runtime, address: SocketAddr, pinned: Option<Fingerprint>) -> Problem {
    let address = address.to_string().parse().expect("an address");
    match runtime.block_on(dial(address, pinned)) {
        Err(problem) => problem,
        Ok(_) => panic!("a client took an impostor for its server"),
    }
}

#[track_caller]
fn check_heard_nothing(impostor: &Impostor) {
    let heard = impostor.notes().application;
    assert!(heard.is_empty(), "an impostor heard {:?}", String::from_utf8_lossy(&heard));
}

/// What a server says that speaks no TLS.
fn words_without_tls(client: u64) -> Vec<u8> {
    let mut challenge = Vec::new();
    let accepted = malote_common::hello::Challenge::Accepted { version: VERSION, nonce: [client as u8; 32] };
    codec::write_frame(&mut challenge, &accepted.encode());
    match client % 4 {
        0 => challenge,
        1 => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec(),
        2 => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        _ => vec![client as u8; 64],
    }
}

/// Whoever speaks without TLS is told nothing but, perhaps, that this is TLS.
fn refuse_client_without_tls(server: SocketAddr, plan: &mut StdRng) {
    let hello = Hello { versions: vec![VERSION], key: plan.random(), device: DeviceId(plan.random()) };
    let mut words = Vec::new();
    codec::write_frame(&mut words, &hello.encode());
    let answer = say(server, &words);
    assert!(answer.is_empty() || answer[0] == ALERT, "{answer:?}");
}

/// Whoever speaks TLS 1.2 only is told that this is too old.
fn refuse_client_with_old_tls(server: SocketAddr, plan: &mut StdRng) {
    let versions: &[&[u8]] = &[&[], &[0, 43, 0, 3, 2, 3, 3]];
    let alpn = [&[0, 16, 0, ALPN.len() as u8 + 3, 0, ALPN.len() as u8 + 1, ALPN.len() as u8], ALPN].concat();
    let extensions = [
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
        &[0, 23, 0, 0],
        &alpn,
        versions[plan.random_range(0..2)],
    ];
    let answer = say(server, &old_hello(1, &plan.random(), &extensions.concat()));
    assert!(matches!(answer[..], [ALERT, 3, _, 0, 2, 2, PROTOCOL_VERSION]), "no refusal of the version: {answer:?}");
}

/// Says something to the server and returns all that it answers.
fn say(server: SocketAddr, words: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.write_all(words).expect("the server listens");
    let mut answer = Vec::new();
    // Where it resets the connection, what it said before counts.
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// A ClientHello (1) or a ServerHello (2) of TLS 1.2, with these extensions (RFC 5246, 7.4.1).
fn old_hello(kind: u8, random: &[u8; 32], extensions: &[u8]) -> Vec<u8> {
    // Of each, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and no compression; a client offers both in lists.
    let choices: &[u8] = if kind == 1 { &[0, 2, 0xc0, 0x2b, 1, 0] } else { &[0xc0, 0x2b, 0] };
    let length = |bytes: &[u8]| (bytes.len() as u16).to_be_bytes();
    let body = [&[3, 3], &random[..], &[0], choices, &length(extensions), extensions].concat();
    let message = [&[kind, 0], &length(&body)[..], &body].concat();
    [&[HANDSHAKE, 3, 3], &length(&message)[..], &message].concat()
}

/// A person meets the proxy as a server that is new to them, and it hands on everything: the login is no login there, since
/// the two connections have different keys.
fn log_in_by_way_of(proxy: &Impostor, ana: &Caller, plan: &mut StdRng) {
    let mut line = Line::open(proxy.address);
    let nonce = line.greet(ana.public_key(), DeviceId(plan.random()));
    let signature = ana.key.sign(&login::statement(&nonce, &line.exporter)).to_bytes().to_vec();
    line.say(&ClientFrame::Proof { signature });
    assert_eq!(line.hear(), Some(ServerFrame::Closing(Closing::WrongProof)));
    drop(line);
    assert!(!proxy.notes().application.is_empty(), "the proxy handed nothing on");
}

/// The same with the program, whose message stays where it is.
fn meet_a_proxy_first(proxy: &Impostor) {
    let ended = Cli::at(&proxy.address.to_string()).run(&["--timeout", "1", "send", "--to", "Usuario0", SECRET]);
    assert_ne!(ended.status, Some(0), "{ended:?}");
    let heard = proxy.notes().application;
    assert!(!contains(&heard, SECRET), "the proxy heard what was written");
}

/// The program finds another server at the address where its own was.
fn meet_another_key(person: &Cli, address: SocketAddr) {
    let impostor = Impostor::with_at(address, own_certificate());
    person.run(&["send", "--to", "Usuario0", SECRET]).expect_status(4);
    let notes = impostor.notes();
    assert!(notes.application.is_empty() && !contains(&notes.wire, SECRET), "{notes:?}");
}

const SECRET: &str = "isto fica aqui";

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}
