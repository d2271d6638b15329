//! A program's side of a WebSocket (RFC 6455), made by hand: it can say what no browser would.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const FINAL: u8 = 0x80;

/// A frame, masked with zeros.
pub fn message(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(MASKED | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(MASKED | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(MASKED | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A connection to the web listener with this URL.
pub async fn connect(web: &str) -> TcpStream {
    TcpStream::connect(host(web)).await.expect("the web listener takes connections")
}

/// A request for a WebSocket.
pub fn head(web: &str, path: &str) -> String {
    let host = host(web);
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A connection that has become a WebSocket.
pub async fn upgraded(web: &str, path: &str) -> Result<TcpStream> {
    let mut stream = connect(web).await;
    stream.write_all(head(web, path).as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.context("no whole answer")?);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    Ok(stream)
}

fn host(web: &str) -> &str {
    web.trim_start_matches("http://")
}
