//! `/ws`: the page's session, whose frames are JSON and travel one in each text message.

use std::io;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, SinkExt, StreamExt};
use malote_common::codec::HEADER_BYTES;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::meter::Meter;
use super::socket::{Socket, close};
use crate::connection::{Arrived, Caller, Context, Incoming, Outgoing, converse};
use crate::session::Door;

/// Serves the page's session to its end.
pub async fn serve(socket: Socket, meter: Meter, origin: String, caller: Caller, context: Context) {
    let (sink, stream) = socket.split();
    let mut incoming = Texts { stream, meter, last: None };
    let mut outgoing = Speaker { sink };
    converse(&mut incoming, &mut outgoing, Door::Browser { origin }, caller, context).await;
    // Both halves are from the same socket.
    if let Ok(mut socket) = incoming.stream.reunite(outgoing.sink) {
        close(&mut socket, CloseCode::Normal, "").await;
    }
}

struct Texts {
    stream: SplitStream<Socket>,
    meter: Meter,
    /// What came last, for the session to look at.
    last: Option<Message>,
}

impl Incoming for Texts {
    async fn next(&mut self) -> io::Result<Arrived<'_>> {
        // Whoever says nothing more for a while is not to cost what they said last.
        if let Some(last) = self.last.take() {
            self.meter.count(&last);
        }
        match self.stream.next().await {
            Some(Ok(message)) => Ok(match self.last.insert(message) {
                Message::Text(text) => Arrived::Body(text.as_bytes()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Arrived::Nothing,
                Message::Binary(_) => Arrived::Unreadable,
                Message::Close(_) => Arrived::End,
            }),
            Some(Err(Error::Capacity(_) | Error::Utf8(_) | Error::Protocol(_))) => Ok(Arrived::Unreadable),
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(Arrived::End),
        }
    }
}

struct Speaker {
    sink: SplitSink<Socket, Message>,
}

impl Outgoing for Speaker {
    async fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let Some((text, length)) = first_frame(frames)? else {
            return self.sink.flush().await.map(|()| 0).map_err(io::Error::other);
        };
        // Waits while an earlier message is on its way: what a slow browser does not read waits in the session, which
        // has its bounds.
        std::future::poll_fn(|context| Sink::poll_ready(std::pin::Pin::new(&mut self.sink), context))
            .await
            .map_err(io::Error::other)?;
        Sink::start_send(std::pin::Pin::new(&mut self.sink), Message::Text(text)).map_err(io::Error::other)?;
        Ok(length)
    }

    async fn finish(&mut self, mut frames: &[u8]) -> io::Result<()> {
        while let Some((text, length)) = first_frame(frames)? {
            self.sink.feed(Message::Text(text)).await.map_err(io::Error::other)?;
            frames = frames.get(length..).unwrap_or_default();
        }
        self.sink.flush().await.map_err(io::Error::other)
    }
}

/// The first frame's body as a text, and the bytes of the frame with its length; nothing where there is no frame.
fn first_frame(frames: &[u8]) -> io::Result<Option<(Utf8Bytes, usize)>> {
    let Some((header, rest)) = frames.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*header) as usize;
    let body = rest.get(..length).and_then(|body| std::str::from_utf8(body).ok());
    let body = body.ok_or_else(|| io::Error::other("a frame of our own is no text"))?;
    Ok(Some((Utf8Bytes::from(body), HEADER_BYTES.saturating_add(length))))
}
