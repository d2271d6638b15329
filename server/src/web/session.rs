//! `/ws`: the page's session, whose frames are JSON and travel one in each text message.

use std::future::poll_fn;
use std::io;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use malote_common::codec::{self, HEADER_BYTES};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::socket::{Socket, close, piece};
use crate::connection::{Arrived, Caller, Context, Incoming, Outgoing, converse};
use crate::session::Door;

/// Serves the page's session to its end.
pub async fn serve(socket: Socket, origin: String, caller: Caller, context: Context) {
    let (sink, stream) = socket.split();
    let mut incoming = Texts { stream, last: Utf8Bytes::default() };
    let mut outgoing = Speaker { sink, left: 0 };
    converse(&mut incoming, &mut outgoing, Door::Browser { origin }, caller, context).await;
    // Both halves are from the same socket.
    if let Ok(mut socket) = incoming.stream.reunite(outgoing.sink) {
        close(&mut socket, CloseCode::Normal, "").await;
    }
}

struct Texts {
    stream: SplitStream<Socket>,
    /// The text that came last, for the session to look at.
    last: Utf8Bytes,
}

impl Incoming for Texts {
    async fn next(&mut self) -> io::Result<Arrived<'_>> {
        // Whoever says nothing more for a while is not to cost what they said last.
        self.last = Utf8Bytes::default();
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                self.last = text;
                Ok(Arrived::Body(self.last.as_bytes()))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Arrived::Nothing),
            Some(Ok(Message::Close(_))) | None => Ok(Arrived::End),
            Some(Ok(Message::Binary(_)) | Err(Error::Capacity(_) | Error::Utf8(_) | Error::Protocol(_))) => {
                Ok(Arrived::Unreadable)
            }
            Some(Err(error)) => Err(io::Error::other(error)),
        }
    }
}

struct Speaker {
    sink: SplitSink<Socket, Message>,
    /// Bytes of the message that has begun to leave which have not left.
    left: usize,
}

impl Outgoing for Speaker {
    async fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let (head, kind, rest) = match self.left {
            0 => match codec::frames(frames).next() {
                Some(body) => (HEADER_BYTES, Data::Text, body),
                None => return self.sink.flush().await.map(|()| 0).map_err(io::Error::other),
            },
            left => (0, Data::Continue, frames.get(..left).unwrap_or_default()),
        };
        // Waits while an earlier piece is on its way: what a slow browser does not read waits in the session, which has its
        // bounds.
        poll_fn(|context| self.sink.poll_ready_unpin(context)).await.map_err(io::Error::other)?;
        let (piece, length) = piece(kind, rest);
        self.sink.start_send_unpin(piece).map_err(io::Error::other)?;
        self.left = rest.len().saturating_sub(length);
        Ok(length.saturating_add(head))
    }

    async fn finish(&mut self, mut frames: &[u8]) -> io::Result<()> {
        loop {
            match self.write(frames).await? {
                0 => return Ok(()),
                bytes => frames = frames.get(bytes..).unwrap_or_default(),
            }
        }
    }
}
