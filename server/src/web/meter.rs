//! What a WebSocket holds of a message that is not whole yet. The library that reads them does not tell: so what it reads is
//! counted, and what comes out of it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Message;

use crate::long_frames::Unfinished;

/// Bytes that a browser puts around a control message: two of header, four of mask (RFC 6455, 5.2).
const CONTROL_BYTES: usize = 6;

/// Counts for one WebSocket.
#[derive(Clone)]
pub struct Meter(Arc<Mutex<Count>>);

struct Count {
    /// Bytes read since the last message was whole.
    bytes: usize,
    unfinished: Unfinished,
}

impl Meter {
    pub fn new(unfinished: Unfinished) -> Meter {
        Meter(Arc::new(Mutex::new(Count { bytes: 0, unfinished })))
    }

    /// A message came out, and nothing of it is kept any more.
    pub fn count(&self, message: &Message) {
        let mut count = self.lock();
        let left = match message {
            // They may stand between the parts of a message.
            Message::Ping(payload) | Message::Pong(payload) => {
                count.bytes.saturating_sub(payload.len().saturating_add(CONTROL_BYTES))
            }
            _ => 0,
        };
        count.set(left);
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn set(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.unfinished.holds(bytes);
    }
}

/// A WebSocket's connection, of which no more is read than there is a place for. It ends where a place is kept for too long,
/// whatever signs of life stand between the parts of a message.
pub struct Metered<S> {
    pub connection: S,
    meter: Meter,
}

impl<S> Metered<S> {
    pub fn new(connection: S, meter: Meter) -> Metered<S> {
        Metered { connection, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let Metered { connection, meter } = self.get_mut();
        let mut count = meter.lock();
        ready!(count.unfinished.poll_place(context))?;
        if count.unfinished.is_overdue(Instant::now()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(connection).poll_read(context, buffer))?;
        let bytes = count.bytes.saturating_add(buffer.filled().len().saturating_sub(before));
        count.set(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures_util::FutureExt;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::long_frames::LongFrames;

    static LONG: [u8; 100_000] = [0; 100_000];

    /// Somebody who has begun a long message.
    fn begin(long_frames: &LongFrames) -> (Meter, Metered<&'static [u8]>) {
        let meter = Meter::new(Unfinished::new(long_frames.clone(), IpAddr::from([10, 0, 0, 1])));
        (meter.clone(), Metered::new(LONG.as_slice(), meter))
    }

    /// How much of it is read in the end, or before there is no place for it.
    fn read(metered: &mut Metered<&[u8]>) -> (usize, bool) {
        let mut bytes = Vec::new();
        let is_whole = metered.read_to_end(&mut bytes).now_or_never().is_some();
        (LONG.len() - metered.connection.len(), is_whole)
    }

    #[test]
    fn of_a_long_message_no_more_is_read_than_there_is_a_place_for() {
        let long_frames = LongFrames::new();
        let mut held = Vec::new();
        let mut metered = loop {
            let (meter, mut metered) = begin(&long_frames);
            match read(&mut metered) {
                (_, true) => held.push((meter, metered)),
                (bytes, false) => {
                    assert!(bytes <= 64 * 1024, "{bytes} bytes are read without a place");
                    break metered;
                }
            }
        };
        let (first, _) = held.first().expect("somebody has a place");
        first.count(&Message::text("whole"));
        assert_eq!(read(&mut metered), (LONG.len(), true));
    }

    #[test]
    fn signs_of_life_are_no_part_of_a_message() {
        let meter = Meter::new(Unfinished::new(LongFrames::new(), IpAddr::from([10, 0, 0, 1])));
        let mut metered = Metered::new([0; 2 * CONTROL_BYTES + 4].as_slice(), meter.clone());
        assert!(metered.read_to_end(&mut Vec::new()).now_or_never().is_some_and(|read| read.is_ok()));
        meter.count(&Message::Ping(vec![0; 3].into()));
        meter.count(&Message::Pong(vec![].into()));
        assert_eq!(meter.lock().bytes, 1, "the beginning of a message");
        meter.count(&Message::Pong(vec![].into()));
        assert_eq!(meter.lock().bytes, 0);
    }
}
