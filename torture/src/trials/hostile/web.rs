//! Hostile browsers: requests that are none, and WebSockets that say what they must not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use ed25519_dalek::{Signer, SigningKey};
use malote_common::codec::Encoding;
use malote_common::frame::{ClientFrame, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{DeviceId, codec, login};
use malote_hostile::vary;
use malote_tests::TestServer;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Toll;
use super::malice::{self, Nuisance};
use super::program::send_to_the_end;
use crate::websocket::{self, BINARY, CLOSE, FINAL, PING, TEXT, message};

/// Requests in one go, each on a connection of its own.
const REQUESTS: usize = 5;

/// What somebody says in a page's session before what ends it.
const NUISANCES: usize = 300;

/// How long an answer to a request is waited for: whoever has not said everything gets none.
const ANSWER: Duration = Duration::from_millis(20);

/// Heads of requests.
pub async fn requests(server: &TestServer, plan: &mut StdRng, toll: &Toll) {
    for _ in 0..REQUESTS {
        let mut stream = websocket::connect(server.web()).await;
        let bytes = request(server, plan);
        toll.requests.fetch_add(1, Ordering::Relaxed);
        toll.add(0, bytes.len());
        // It may be closed before all of it is written.
        let _ = stream.write_all(&bytes).await;
        let _ = timeout(ANSWER, stream.read_to_end(&mut Vec::new())).await;
    }
}

/// WebSockets.
pub async fn frames(server: &TestServer, plan: &mut StdRng, toll: &Toll) {
    let path = *["/ws", "/ws", "/chat", "/echo", "/"].choose(plan).unwrap_or(&"/ws");
    let mut stream = websocket::upgraded(server.web(), path).await.expect("whoever asks for it right gets a WebSocket");
    let mut wire = Vec::new();
    if path == "/ws" && plan.random() {
        let welcome = log_in(server, &mut stream, plan).await.expect("whoever says it right gets in");
        let mut nuisance = Nuisance::new(welcome);
        wire.push(said(&nuisance.resume()));
        wire.extend((0..NUISANCES).map(|_| said(&nuisance.next(plan))));
        // The same as from programs, each in a message of its own.
        let fatal = malice::fatal(Encoding::Json, plan).concat();
        wire.extend(codec::frames(&fatal).map(|body| message(FINAL | TEXT, body)));
    }
    wire.extend(unlawful(plan));
    send_to_the_end(stream, &wire, toll).await;
}

fn request(server: &TestServer, plan: &mut StdRng) -> Vec<u8> {
    let head = websocket::head(server.web(), "/ws").into_bytes();
    match plan.random_range(0..6) {
        0 => vary::noise(4_000, plan),
        // Headers without end.
        1 => [&head[..head.len() - 2], &b"X: y\r\n".repeat(20_000)].concat(),
        2 => [b"GET /".as_slice(), &b"a".repeat(200_000)].concat(),
        // Bodies that nobody asked for, as long as can be.
        3 => b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 18446744073709551615\r\n\r\n".repeat(3),
        4 => {
            let chunked =
                b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
            [chunked.as_slice(), &vary::noise(1_000, plan)].concat()
        }
        _ => vary::vary(&head, plan),
    }
}

/// What no WebSocket survives, and before it what it may.
fn unlawful(plan: &mut StdRng) -> Vec<Vec<u8>> {
    let mut wire: Vec<Vec<u8>> = (0..plan.random_range(0..20))
        .map(|_| vary::vary(&message(FINAL | TEXT, br#"{"Ping":{"token":7}}"#), plan))
        .collect();
    wire.push(match plan.random_range(0..8) {
        // Lengths that are none.
        0 => vec![FINAL | BINARY, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        1 => vec![FINAL | TEXT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4],
        // A control frame that is too long, and one that is cut in two.
        2 => message(FINAL | PING, &[0; 200]),
        3 => message(PING, b"a"),
        // Bits and kinds that are kept for later.
        4 => message(FINAL | 0x70 | TEXT, b"a"),
        5 => message(FINAL | 0x0b, b"a"),
        // More of what was never begun.
        6 => message(FINAL, b"a"),
        // Without a mask.
        _ => vec![FINAL | TEXT, 1, b'a'],
    });
    // Whatever was made of these bytes, nothing is a frame after them.
    wire.push(vec![0xff; 4_096]);
    wire.push(message(FINAL | CLOSE, &[0xff; 125]));
    // A length may have claimed much of what follows.
    wire.extend(std::iter::repeat_n(vec![0xff; 64 * 1024], 12));
    wire
}

fn said(frame: &ClientFrame) -> Vec<u8> {
    // What is too long in JSON is said in fewer words.
    let body = Encoding::Json.encode(frame).unwrap_or_else(|_| b"{}".to_vec());
    message(FINAL | TEXT, &body)
}

async fn log_in(server: &TestServer, stream: &mut TcpStream, plan: &mut StdRng) -> Result<Welcome> {
    let key = SigningKey::from_bytes(&plan.random());
    let (versions, device) = (vec![VERSION], DeviceId(plan.random()));
    let hello = Hello { versions, key: key.verifying_key().to_bytes(), device };
    stream.write_all(&message(FINAL | TEXT, &Encoding::Json.encode(&hello)?)).await?;
    let Challenge::Accepted { nonce, .. } = hear(stream).await? else { bail!("refused") };
    let signature = key.sign(&login::web_statement(&nonce, server.web())).to_bytes().to_vec();
    stream.write_all(&said(&ClientFrame::Proof { signature })).await?;
    match hear(stream).await? {
        ServerFrame::Welcome(welcome) => Ok(welcome),
        other => bail!("no welcome: {other:?}"),
    }
}

async fn hear<T: DeserializeOwned>(stream: &mut TcpStream) -> Result<T> {
    ensure!(stream.read_u8().await? == FINAL | TEXT, "no text");
    let length = match stream.read_u8().await? {
        126 => stream.read_u16().await?.into(),
        127 => stream.read_u64().await? as usize,
        length => length.into(),
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Encoding::Json.decode(&body)?)
}
