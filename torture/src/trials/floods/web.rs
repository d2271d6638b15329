//! Floods of WebSockets: as many as strangers may have cost little memory, whatever they have said and heard.

use malote_common::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Ground, SAID, Stock, flood};
use crate::figures::Figures;
use crate::trials::Trial;
use crate::websocket::{self, FINAL, PING, TEXT};

pub const UNFINISHED: Trial = Trial {
    name: "flood-unfinished-web",
    what: "as many WebSockets as strangers may have each begin the longest message or ping that there is, and end none",
    run: |plan| flood(plan, Stock::Page, unfinished),
};

pub const LONG: Trial = Trial {
    name: "flood-web-long",
    what: "as many WebSockets as strangers may have each hear the longest message that there is, and stay",
    run: |plan| flood(plan, Stock::Page, long),
};

const CHAT: (&str, usize) = ("/chat", limits::WEB_VISITORS);
const ECHO: (&str, usize) = ("/echo", limits::WEB_ECHOES);

async fn unfinished(ground: &mut Ground<'_>) -> Figures {
    let mut held = Vec::new();
    for (places, bytes) in [(CHAT, limits::BODY_BYTES), (ECHO, limits::FRAME_BYTES)] {
        let begun = [TEXT, PING].map(|kind| {
            let mut wire = websocket::message(FINAL | kind, &vec![b'.'; bytes]);
            wire.pop();
            wire
        });
        for (mut stream, wire) in connect(ground, places).await.into_iter().zip(begun.iter().cycle()) {
            let _ = timeout(SAID, stream.write_all(wire)).await;
            held.push(stream);
        }
    }
    Figures::default().count("messages begun", held.len() as u64)
}

async fn long(ground: &mut Ground<'_>) -> Figures {
    let mut visitors = connect(ground, CHAT).await;
    let [speaker, ..] = &mut visitors[..] else { unreachable!("there are visitors") };
    speaker.write_all(&longest(limits::BODY_BYTES)).await.expect("the server listens");
    for visitor in &mut visitors {
        hear(visitor, limits::BODY_BYTES).await;
    }
    let mut echoes = connect(ground, ECHO).await;
    for echo in &mut echoes {
        let (mut ear, mut mouth) = echo.split();
        let mut heard = vec![0; limits::FRAME_BYTES];
        let wire = longest(limits::FRAME_BYTES);
        let (said, heard) = tokio::join!(mouth.write_all(&wire), ear.read_exact(&mut heard));
        said.and(heard.map(drop)).expect("an echo");
    }
    Figures::default().count("messages heard", (visitors.len() + echoes.len()) as u64)
}

async fn connect(ground: &Ground<'_>, (path, places): (&str, usize)) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..places {
        streams.push(websocket::upgraded(ground.host.web(), path).await.expect("a place"));
    }
    streams
}

/// A message of so many bytes.
fn longest(bytes: usize) -> Vec<u8> {
    websocket::message(FINAL | TEXT, &vec![b'.'; bytes])
}

/// Takes that much, which is nearly all of a message that is so long.
async fn hear(stream: &mut TcpStream, bytes: usize) {
    stream.read_exact(&mut vec![0; bytes]).await.expect("a message");
}
