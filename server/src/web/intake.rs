//! What is read of a WebSocket (RFC 6455, 5.2). The library that puts messages together keeps room for the longest frame that ever
//! came, and does not tell how much of a message is there. So frames are looked at before it gets them: it gets long ones in
//! pieces, as a browser may send them anyway, and of long messages no more than there is a place for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

use crate::long_frames::Unfinished;

/// Bytes that are read from a connection at once, and handed on as one piece. Each WebSocket holds that much, twice, for as long
/// as it lasts. A multiple of four, so that all pieces of a frame are masked alike.
pub const PIECE: usize = 4 * 1024;

/// Bytes of the longest head of a frame.
const HEAD: usize = 14;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;

/// A WebSocket's connection, as the library is to see it. It ends where a place among the long frames is kept for too long, whatever
/// signs of life stand between the parts of a message.
pub struct Intake<S> {
    pub connection: BufReader<S>,
    /// Bytes that a message may have. What announces more is handed on as it is, to be refused.
    longest: u64,
    /// Of a frame's head, what has come.
    head: Vec<u8>,
    /// Of heads, what is to be handed on.
    ahead: Vec<u8>,
    /// The frame of which the payload comes.
    frame: Option<Frame>,
    /// Bytes of the message that has begun, with what is around its parts.
    bytes: usize,
    /// Whether these are all of it.
    is_whole: bool,
    unfinished: Unfinished,
}

struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    /// Bytes of the payload that have come.
    came: usize,
    /// And that have not.
    left: u64,
    /// And of the piece that is being handed on.
    left_of_piece: u64,
}

impl<S: AsyncRead> Intake<S> {
    pub fn new(connection: S, longest: usize, unfinished: Unfinished) -> Intake<S> {
        Intake {
            connection: BufReader::with_capacity(PIECE, connection),
            longest: longest as u64,
            head: Vec::new(),
            ahead: Vec::new(),
            frame: None,
            bytes: 0,
            is_whole: false,
            unfinished,
        }
    }
}

impl<S> Intake<S> {
    /// Nothing is kept any more of the message that was whole, if there was one.
    pub fn let_go(&mut self) {
        if std::mem::take(&mut self.is_whole) {
            self.bytes = 0;
            self.unfinished.holds(0);
        }
    }

    /// A frame's head is there.
    fn begin(&mut self) {
        let head = std::mem::take(&mut self.head);
        let Some(mut frame) = Frame::of(&head) else { return };
        self.ahead = match frame.is_long() && frame.left <= self.longest {
            true => frame.next_piece(),
            false => head,
        };
        if frame.is_data() {
            self.bytes = self.bytes.saturating_add(HEAD);
        }
        self.go_on(frame);
    }

    /// Some of the payload came.
    fn came(&mut self, mut frame: Frame, bytes: usize) {
        frame.came = frame.came.saturating_add(bytes);
        frame.left = frame.left.saturating_sub(bytes as u64);
        frame.left_of_piece = frame.left_of_piece.saturating_sub(bytes as u64);
        if frame.is_data() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        if frame.left > 0 && frame.left_of_piece == 0 {
            self.ahead = frame.next_piece();
        }
        self.go_on(frame);
    }

    fn go_on(&mut self, frame: Frame) {
        // A sign of life is no part of a message, and costs as much for as long as it comes.
        let beside = if frame.is_data() { 0 } else { frame.came };
        self.unfinished.holds(self.bytes.saturating_add(beside));
        if frame.left > 0 {
            self.frame = Some(frame);
        } else if frame.is_data() && frame.first & FINAL != 0 {
            self.is_whole = true;
        }
    }
}

impl Frame {
    /// The frame with this head, of which nothing is known to be lawful.
    fn of(head: &[u8]) -> Option<Frame> {
        let (&[first, second], rest) = head.split_first_chunk()?;
        let (length, mask) = match second & !MASKED {
            126 => rest.split_first_chunk().map(|(length, mask)| (u64::from(u16::from_be_bytes(*length)), mask))?,
            127 => rest.split_first_chunk().map(|(length, mask)| (u64::from_be_bytes(*length), mask))?,
            length => (u64::from(length), rest),
        };
        Some(Frame { first, mask: mask.try_into().ok(), came: 0, left: length, left_of_piece: length })
    }

    fn is_data(&self) -> bool {
        self.first & CONTROL == 0
    }

    /// Whether it is handed on in pieces: not where the library is to see what is wrong with it.
    fn is_long(&self) -> bool {
        self.is_data() && self.first & RESERVED == 0 && self.mask.is_some() && self.left > PIECE as u64
    }

    /// Begins a piece of what has not come, and returns its head.
    fn next_piece(&mut self) -> Vec<u8> {
        let length = self.left.min(PIECE as u64);
        self.left_of_piece = length;
        let is_last = length == self.left;
        let first = if is_last { self.first } else { self.first & !FINAL };
        // What follows goes on with it.
        self.first &= FINAL;
        let mut head = vec![first, MASKED | 126];
        head.extend((length as u16).to_be_bytes());
        head.extend(self.mask.unwrap_or_default());
        head
    }
}

/// Bytes of the head that begins so, as far as can be said.
fn head_bytes(head: &[u8]) -> usize {
    const MASK: usize = 4;
    let without_mask: usize = match head.get(1).map(|second| second & !MASKED) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    let is_masked = head.get(1).is_some_and(|second| second & MASKED != 0);
    without_mask.saturating_add(if is_masked { MASK } else { 0 })
}

impl<S: AsyncRead + Unpin> AsyncRead for Intake<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whoever wants more has done with what was whole.
        this.let_go();
        ready!(this.unfinished.poll_place(context))?;
        if this.unfinished.is_overdue(Instant::now()) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        while this.ahead.is_empty() {
            let connection = Pin::new(&mut this.connection);
            if let Some(frame) = this.frame.take() {
                let most = frame.left_of_piece.min(buffer.remaining() as u64);
                let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most as usize));
                let read = connection.poll_read(context, &mut part);
                let bytes = part.filled().len();
                buffer.advance(bytes);
                this.came(frame, bytes);
                return read;
            }
            let mut bytes = [0; HEAD];
            let missing = head_bytes(&this.head).saturating_sub(this.head.len());
            let mut part = ReadBuf::new(bytes.get_mut(..missing).unwrap_or_default());
            ready!(connection.poll_read(context, &mut part))?;
            if part.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.head.extend_from_slice(part.filled());
            if this.head.len() == head_bytes(&this.head) {
                this.begin();
            }
        }
        let rest = this.ahead.split_off(this.ahead.len().min(buffer.remaining()));
        buffer.put_slice(&std::mem::replace(&mut this.ahead, rest));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Intake<S> {
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

    use futures_util::{FutureExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Join, Sink, duplex, join, sink};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;
    use crate::long_frames::LongFrames;
    use crate::web::socket::Ending;

    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const GOES_ON: u8 = 0;
    const PING: u8 = 9;
    const LONGEST: usize = 100_000;

    /// A frame as a browser makes it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let mut frame = match payload.len() {
            length @ 0..126 => vec![first, MASKED | length as u8],
            length @ 126..0x1_0000 => [&[first, MASKED | 126][..], &(length as u16).to_be_bytes()].concat(),
            length => [&[first, MASKED | 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn intake<S: AsyncRead>(connection: S, long_frames: &LongFrames) -> Intake<S> {
        let unfinished = Unfinished::new(long_frames.clone(), IpAddr::from([10, 0, 0, 1]));
        Intake::new(connection, LONGEST, unfinished)
    }

    /// What the library makes of these bytes, of which so many come at once, until they end or it ends the conversation.
    fn heard<S: AsyncRead + AsyncWrite + Unpin>(
        wire: &[u8],
        at_once: usize,
        look: impl FnOnce(Join<DuplexStream, Sink>) -> S,
    ) -> (Vec<Message>, Option<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut writer, reader) = duplex(at_once);
            let connection = look(join(reader, sink()));
            let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
            let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
            let heard = async move {
                let mut messages = Vec::new();
                loop {
                    match socket.next().await {
                        Some(Ok(message)) => messages.push(message),
                        // What ends it is told the peer.
                        Some(Err(error)) => return (messages, Some(format!("{:?}", Ending::from(error)))),
                        None => return (messages, None),
                    }
                }
            };
            let said = async {
                // It may have been ended by then.
                let _ = writer.write_all(wire).await;
                drop(writer);
            };
            tokio::join!(said, heard).1
        })
    }

    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: &[Message]) {
        for at_once in [1, 1_000, 1_000_000] {
            let wire = frames.concat();
            let pieces = heard(&wire, at_once, |connection| intake(connection, &LongFrames::new()));
            assert!(pieces.0 == expected, "{at_once} bytes at once: {} messages", pieces.0.len());
            assert_eq!(pieces, heard(&wire, at_once, |connection| connection), "{at_once} bytes at once");
        }
    }

    #[test]
    fn messages_come_as_they_were_sent() {
        let long = "às três da manhã ".repeat(LONGEST / 20);
        let (begin, end) = long.as_bytes().split_at(PIECE + 1);
        check(&[frame(FINAL | TEXT, b"oi"), frame(FINAL | TEXT, b"")], &[Message::text("oi"), Message::text("")]);
        check(&[frame(FINAL | TEXT, long.as_bytes())], &[Message::text(long.as_str())]);
        for length in [125, 126, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 0xffff, 0x1_0000, LONGEST] {
            let bytes = vec![7; length];
            check(
                &[frame(FINAL | BINARY, &bytes), frame(FINAL | TEXT, b"a")],
                &[Message::binary(bytes), Message::text("a")],
            );
        }
        let parts = [frame(TEXT, begin), frame(FINAL | PING, b"?"), frame(GOES_ON, end), frame(FINAL | GOES_ON, b"")];
        check(&parts, &[Message::Ping(b"?".as_slice().into()), Message::text(long.as_str())]);
    }

    #[test]
    fn what_is_wrong_ends_the_conversation_as_without_pieces() {
        let long = vec![b'a'; 2 * PIECE];
        let mut unmasked = frame(FINAL | TEXT, &long);
        unmasked[1] &= !MASKED;
        let too_long = vec![0; LONGEST + 1];
        let wrong = [
            unmasked,
            frame(FINAL | RESERVED | TEXT, &long),
            frame(FINAL | PING, &long),
            frame(FINAL | GOES_ON, &long),
            frame(FINAL | TEXT, &vec![0xff; 2 * PIECE]),
            frame(FINAL | BINARY, &too_long),
            [frame(BINARY, &long), frame(FINAL | TEXT, &long)].concat(),
            [frame(BINARY, &too_long[..LONGEST]), frame(FINAL | GOES_ON, b"a")].concat(),
        ];
        for bytes in wrong {
            check(&[frame(FINAL | TEXT, b"oi"), bytes, frame(FINAL | TEXT, b"oi")], &[Message::text("oi")]);
        }
    }

    /// How much is read of what is there, and whether that is all of it.
    fn read(intake: &mut Intake<impl AsyncRead + Unpin>) -> (usize, bool) {
        let mut bytes = Vec::new();
        let is_all = intake.read_to_end(&mut bytes).now_or_never().is_some();
        (bytes.len(), is_all)
    }

    #[test]
    fn of_a_long_message_no_more_is_read_than_there_is_a_place_for() {
        let mut wire = frame(FINAL | BINARY, &vec![0; LONGEST]);
        wire.pop();
        let long_frames = LongFrames::new();
        let mut held = Vec::new();
        let mut next = loop {
            let mut intake = intake(wire.as_slice(), &long_frames);
            match read(&mut intake) {
                (_, true) => held.push(intake),
                (bytes, false) => {
                    assert!(bytes <= 64 * 1024, "{bytes} bytes are read without a place");
                    break intake;
                }
            }
        };
        assert!(!read(&mut next).1);
        held.pop().expect("somebody has a place");
        assert!(read(&mut next).1);
    }

    #[test]
    fn a_message_that_is_whole_keeps_no_place() {
        let wire = frame(FINAL | BINARY, &vec![0; LONGEST]);
        let long_frames = LongFrames::new();
        let mut intakes = Vec::new();
        for _ in 0..1_000 {
            let mut intake = intake(wire.as_slice().chain(Never), &long_frames);
            assert!(!read(&mut intake).1, "more may come");
            assert!(!intake.unfinished.is_waiting());
            intakes.push(intake);
        }
    }

    #[test]
    fn what_is_no_message_needs_a_place_where_it_is_long() {
        let mut wire = frame(FINAL | PING, &vec![0; LONGEST]);
        wire.pop();
        let long_frames = LongFrames::new();
        let mut held: Vec<_> = std::iter::repeat_with(|| intake(wire.as_slice(), &long_frames)).take(1_000).collect();
        assert!(!held.iter_mut().all(|intake| read(intake).1));
        let parts = frame(GOES_ON, b"").repeat(LONGEST);
        let mut held: Vec<_> = std::iter::repeat_with(|| intake(parts.as_slice(), &long_frames)).take(100).collect();
        assert!(!held.iter_mut().all(|intake| read(intake).1));
    }

    /// Of which nothing has come yet.
    struct Never;

    impl AsyncRead for Never {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context, _: &mut ReadBuf) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn signs_of_life_need_no_place() {
        let wire = frame(FINAL | PING, &[0; 125]).repeat(1_000);
        let long_frames = LongFrames::new();
        let mut intakes: Vec<_> = (0..1_000).map(|_| intake(wire.as_slice(), &long_frames)).collect();
        assert!(intakes.iter_mut().all(|intake| read(intake).1));
    }
}
