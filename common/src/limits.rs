//! Every bound of the protocol, with what it prevents.
//!
//! The server reports the ones that a client must know in [`crate::frame::Welcome`].

use std::time::Duration;

/// The port a server listens on where nothing else is said: that of the classroom messenger Malote grew out of.
pub const DEFAULT_PORT: u16 = 44765;

/// Bytes of a subject in UTF-8. The longest line that e-mail allows (RFC 5322, 2.1.1), so that a subject can leave
/// for a mail system whole.
pub const SUBJECT_BYTES: usize = 998;

/// Bytes of a body in UTF-8: some 80 pages of text. Longer things are files.
pub const BODY_BYTES: usize = 256 * 1024;

/// Bytes of an encoded [`crate::Content`]: subject, body and what is needed to tell them apart. It bounds what the
/// server stores for a message without ever looking inside.
pub const CONTENT_BYTES: usize = BODY_BYTES + SUBJECT_BYTES + 64;

/// Recipients of one message: a whole department, and still a bounded amount of work for one submission.
pub const RECIPIENTS: usize = 100;

/// Recipients of a message that is answered at all. Targets are bytes, so nobody can mean more than so many; and a recipient
/// takes a byte in a frame and a hundred in memory, so a list that fills a frame is not to wait for anything.
pub const RECIPIENTS_LOOKED_AT: usize = 256;

/// The highest counter of a submission, to which no device ever comes: what is told of higher ones is not believed. Stores
/// and programs can go on counting behind it without coming to the end of their numbers.
pub const HIGHEST_COUNTER: u64 = 1 << 62;

/// Bytes of a frame's body. Room for the largest message with its recipients; a peer that announces more is
/// disconnected before anything is buffered.
pub const FRAME_BYTES: usize = 512 * 1024;

/// Bytes of a frame's body before the peer has proved who it is: strangers get no memory.
pub const HANDSHAKE_FRAME_BYTES: usize = 8 * 1024;

/// From the accepted connection to the proven identity, in all: a peer that sends a byte now and then is cut off too.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How far a device's newest submission may be ahead of its oldest unanswered one. It is also the number of answers
/// that the server keeps for a device, so that any retry within it finds its answer.
pub const WINDOW: u64 = 64;

/// Entries that may wait for one person. Years of ordinary mail for somebody away; a flood ends in `mailbox_full`.
pub const MAILBOX_ENTRIES: u64 = 100_000;

/// A connection on which nothing was heard for this long is asked for a sign of life …
pub const PING_AFTER: Duration = Duration::from_secs(20);

/// … and given up after this long. A killed peer's absence is noticed within 45 s, with room for a timer's slack.
pub const DEAD_AFTER: Duration = Duration::from_secs(40);

/// Connections that may be open at once, where `--max-clients` says nothing.
pub const MAX_CLIENTS: usize = 10_000;

/// Connections of one address that may be in the handshake at once: one computer cannot occupy them all.
pub const HANDSHAKES_PER_ADDRESS: usize = 20;

/// Connections of one address that may be open at once, where the configuration says nothing: one computer cannot take all places,
/// nor fill the memory with what it never finishes.
pub const CLIENTS_PER_ADDRESS: usize = 2_000;

/// Devices of one person that may be connected at once: each of them is told everything.
pub const DEVICES_CONNECTED: usize = 32;

/// People in one page of the directory; 500 names of the longest kind stay far below [`FRAME_BYTES`].
pub const PEOPLE_PER_PAGE: usize = 500;

/// Rooms that one person may be in, the room of everybody among them: a bound for [`crate::frame::Welcome`].
pub const ROOMS_PER_PERSON: usize = 200;

/// Rooms of one server: a list that people can still look through, and a bound for those who make them for fun.
pub const ROOMS: usize = 10_000;

/// Rooms in one page of their list; 500 of the longest names stay far below [`FRAME_BYTES`].
pub const ROOMS_PER_PAGE: usize = 500;

/// Entries from before somebody entered a room that they may see, so that they know what it is about.
pub const ROOM_HISTORY: u64 = 50;

/// For how long a name that was given up is kept from others, so that nobody receives mail meant for somebody else.
pub const NAME_REST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Names that one person may have given up and that are kept for them: who goes on is asked to wait.
pub const NAMES_RESTING: usize = 10;

/// Characters of a chosen name or a room's name.
pub const NAME_CHARS: usize = 32;

/// Protocol versions a peer may offer: enough for a long life, and a bound for the first thing a stranger sends.
pub const VERSIONS_OFFERED: usize = 16;

/// Entries named in one frame that marks messages as read.
pub const READ_PER_FRAME: usize = 1_000;

/// For how long a client goes on trying to hand over a message before it tells its author that it could not.
pub const RETRY_FOR: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The port of the web listener where nothing else is said.
pub const DEFAULT_WEB_PORT: u16 = 44780;

/// Connections of one address that may be asking for the page and its files at once. Each browser opens six, and a computer
/// that stands for others has several browsers behind it.
pub const WEB_REQUESTS_PER_ADDRESS: usize = 120;

/// Visitors who may be on `/chat` at once: each hears every other, so the work grows with their square.
pub const WEB_VISITORS: usize = 500;

/// WebSockets that may be on `/echo` at once: they serve to try out a connection, and must not take the places of people.
pub const WEB_ECHOES: usize = 100;

/// Bytes that may wait for one visitor to read them. Whoever is further behind is sent away: nobody waits for them.
pub const WEB_QUEUE_BYTES: usize = 1024 * 1024;

/// Messages that may wait for one visitor: small ones cost more than their bytes.
pub const WEB_QUEUE: usize = 1024;

/// Bytes of the reason for which a WebSocket is closed (RFC 6455, 5.5: a control frame has 125, of which the code takes
/// two).
pub const WEB_REASON_BYTES: usize = 123;
