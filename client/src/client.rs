//! The thread that connects an engine with a server, a disk and a user.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::TrySendError;
use malote_common::Timestamp;
use malote_common::fingerprint::Fingerprint;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;
use crate::archive::{Archive, ArchiveError, Change, Identified};
use crate::connection::{Connected, dial};
use crate::engine::{Command, Engine, Event, Now, Output, Problem, Status};
use crate::profile::Profile;

/// Commands that may wait for the engine; a user who is faster waits.
const COMMANDS: usize = 1024;

/// Events that may wait for the user's program; the engine waits for one that is slower.
const EVENTS: usize = 64 * 1024;

/// Bytes read from the server before they are dealt with. What waited comes in records of 16 KiB; all that is here is kept
/// with one commit.
const READ_BYTES: usize = 256 * 1024;

/// What is left to send when the program ends may take this long; the rest goes out next time.
const FAREWELL: Duration = Duration::from_secs(1);

/// Pause before the archive is tried again that could not even be read.
const DISK_PAUSE: Duration = Duration::from_secs(2);

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub server: ServerAddress,
    /// Whether to learn who there is and who comes and goes.
    pub wants_people: bool,
}

/// A client at work. When it is dropped, it says goodbye and ends.
pub struct Client {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<Profile>>,
}

impl Client {
    /// Starts the client's thread. `wake` is called after events were put into the channel.
    pub fn start(
        profile: Profile,
        options: Options,
        wake: impl Fn() + Send + 'static,
    ) -> Result<(Client, crossbeam_channel::Receiver<Event>), ArchiveError> {
        let archive = Archive::open(&profile.archive(), &options.server.to_string())?;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (events, told) = crossbeam_channel::bounded(EVENTS);
        let engine = new_engine(&profile, &archive, &options)?;
        let (wake, outgoing) = (Box::new(wake), Vec::new());
        let driver = Driver { profile, options, archive, engine, events, wake, outgoing, unkept: false };
        let failed = |error: io::Error| ArchiveError::Failed { path: "thread".into(), reason: error.to_string() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let profile = runtime.block_on(driver.run(receiver));
                // A name that is still being looked up is nobody's concern any more, and nobody waits for it.
                runtime.shutdown_background();
                profile
            })
            .map_err(failed)?;
        Ok((Client { commands: Some(commands), thread: Some(thread) }, told))
    }

    /// Hands a command to the engine.
    pub fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // Fails only when the thread is gone, which its panic has told already.
            let _ = commands.blocking_send(command);
        }
    }

    /// Says goodbye, ends, and gives the profile back; nothing where the thread has panicked.
    pub fn stop(mut self) -> Option<Profile> {
        self.end()
    }

    fn end(&mut self) -> Option<Profile> {
        self.commands = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

type Dialling = Pin<Box<dyn Future<Output = Result<Connected, Problem>> + Send>>;

type Reader = ReadHalf<TlsStream<TcpStream>>;
type Writer = WriteHalf<TlsStream<TcpStream>>;

/// The connection, as far as there is one.
#[derive(Default)]
struct Line {
    dialling: Option<Dialling>,
    halves: Option<(Reader, Writer)>,
    unflushed: bool,
}

/// What happens to a client.
enum Happening {
    Command(Option<Command>),
    Dialled(Box<Result<Connected, Problem>>),
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Deadline,
}

struct Driver {
    profile: Profile,
    options: Options,
    archive: Archive,
    engine: Engine,
    events: crossbeam_channel::Sender<Event>,
    wake: Box<dyn Fn() + Send>,
    outgoing: Vec<u8>,
    /// Something could not be written, and nothing has been since.
    unkept: bool,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Profile {
        let mut line = Line::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.carry_out(&mut line).await;
            match self.next(&mut line, &mut commands, &mut buffer).await {
                Happening::Command(None) => break,
                Happening::Command(Some(Command::Trust(fingerprint))) => self.trust(fingerprint),
                Happening::Command(Some(command)) => self.engine.command(self.archive.located(command), now()),
                Happening::Dialled(result) => {
                    line.dialling = None;
                    match *result {
                        Ok(connected) => self.connected(connected, &mut line),
                        Err(problem) => self.engine.disconnected(problem, now()),
                    }
                }
                Happening::Read(Ok(count)) if count > 0 => {
                    self.engine.receive(buffer.get(..count).unwrap_or_default(), now());
                }
                Happening::Written(Ok(count)) => {
                    line.unflushed = !self.outgoing.is_empty();
                    self.outgoing.drain(..count);
                }
                Happening::Read(_) | Happening::Written(Err(_)) => {
                    line.halves = None;
                    self.engine.disconnected(Problem::Lost, now());
                }
                Happening::Deadline => self.engine.tick(now()),
            }
        }
        self.say_goodbye(line).await;
        self.profile
    }

    async fn next(&self, line: &mut Line, commands: &mut mpsc::Receiver<Command>, buffer: &mut [u8]) -> Happening {
        let deadline = self.engine.deadline(now()).map(tokio::time::Instant::from_std);
        let writing = line.unflushed || !self.outgoing.is_empty();
        let (reader, writer) = match &mut line.halves {
            Some((reader, writer)) => (Some(reader), Some(writer)),
            None => (None, None),
        };
        tokio::select! {
            command = commands.recv() => Happening::Command(command),
            dialled = or_never(line.dialling.as_mut()) => Happening::Dialled(Box::new(dialled)),
            read = or_never(reader.map(|reader| Box::pin(read_what_is_here(reader, buffer)))) => Happening::Read(read),
            written = write_or_flush(writer, &self.outgoing), if writing => Happening::Written(written),
            () = or_never(deadline.map(|at| Box::pin(tokio::time::sleep_until(at)))) => Happening::Deadline,
        }
    }

    /// Does what the engine says, in order. What is to be kept in a row is kept in one transaction.
    async fn carry_out(&mut self, line: &mut Line) {
        let (mut changes, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Keep(change) => changes.push(change),
                Output::Tell(event) => events.push(event),
                other => {
                    if !self.keep(&mut changes, &mut events).await {
                        // The rest rests on what could not be kept, and went with the engine that said it.
                        line.halves = None;
                        line.dialling = None;
                        continue;
                    }
                    self.transmit(other, line);
                }
            }
        }
        if !self.keep(&mut changes, &mut events).await {
            line.halves = None;
            line.dialling = None;
            // The new engine has something to say as well, and nothing that could fail.
            while let Some(output) = self.engine.poll() {
                if let Output::Tell(event) = output {
                    self.tell(event);
                }
            }
        }
    }

    fn transmit(&mut self, output: Output, line: &mut Line) {
        match output {
            Output::Connect => {
                self.outgoing.clear();
                match self.archive.pinned() {
                    Ok(pinned) => line.dialling = Some(Box::pin(dial(self.options.server.clone(), pinned))),
                    Err(error) => self.engine.hold(Problem::Disk(error), now()),
                }
            }
            Output::Send(bytes) => self.outgoing.extend(bytes),
            Output::Disconnect => *line = Line::default(),
            Output::Reload => {
                *line = Line::default();
                let problem = self.renew_engine().map_or_else(Problem::Disk, |()| Problem::Lost);
                // A server that changes with each connection is not asked without a pause.
                self.engine.hold(problem, now());
            }
            Output::Keep(_) | Output::Tell(_) => {}
        }
    }

    /// Writes the changes and tells the events behind them. Where writing fails, a new engine begins with what the disk
    /// has, and `false` is returned, unless the engine does not depend on it.
    async fn keep(&mut self, changes: &mut Vec<Change>, events: &mut Vec<Event>) -> bool {
        let (changes, mut events) = (std::mem::take(changes), std::mem::take(events));
        let result = if changes.is_empty() { Ok(Vec::new()) } else { self.archive.apply(&changes) };
        match result {
            Ok(news) => {
                if self.unkept && !changes.is_empty() {
                    self.unkept = false;
                    events.push(Event::KeptAgain);
                }
                self.tell_all(news.into_iter().map(Event::News).chain(events));
                true
            }
            Err(error) => {
                self.tell(Event::NotKept(error.clone()));
                self.unkept = true;
                if changes.iter().all(Change::is_dispensable) {
                    self.tell_all(events);
                    return true;
                }
                for event in events {
                    if let Event::Queued { token, .. } = event {
                        self.tell(Event::NotQueued { token });
                    }
                }
                self.begin_anew(error).await;
                false
            }
        }
    }

    async fn begin_anew(&mut self, error: ArchiveError) {
        loop {
            match self.renew_engine() {
                Ok(()) => return self.engine.hold(Problem::Disk(error), now()),
                Err(error) => {
                    let problem = Problem::Disk(error);
                    self.tell(Event::Status(Status::Waiting { problem, retry_in: DISK_PAUSE }));
                    tokio::time::sleep(DISK_PAUSE).await;
                }
            }
        }
    }

    /// Goes on with an engine that has what is on the disk, and what the user wants besides.
    fn renew_engine(&mut self) -> Result<(), ArchiveError> {
        let engine = new_engine(&self.profile, &self.archive, &self.options)?;
        let before = std::mem::replace(&mut self.engine, engine);
        self.engine.inherit(before);
        Ok(())
    }

    fn connected(&mut self, connected: Connected, line: &mut Line) {
        let Connected { stream, fingerprint, exporter } = connected;
        match self.archive.identify(fingerprint) {
            Ok(Identified::Same) => {}
            // The server is known from another address: what was kept for it is what counts now.
            Ok(Identified::Moved) => {
                if let Err(error) = self.renew_engine() {
                    return self.engine.hold(Problem::Disk(error), now());
                }
            }
            Ok(Identified::Changed { expected }) => {
                return self.engine.disconnected(Problem::KeyChanged { expected, found: fingerprint }, now());
            }
            Err(error) => return self.engine.hold(Problem::Disk(error), now()),
        }
        self.outgoing.clear();
        line.halves = Some(tokio::io::split(stream));
        line.unflushed = false;
        self.engine.connected(exporter, now());
    }

    fn trust(&mut self, fingerprint: Fingerprint) {
        let trusted = self.archive.trust(&self.options.server.to_string(), fingerprint);
        match trusted.and_then(|()| new_engine(&self.profile, &self.archive, &self.options)) {
            Ok(engine) => {
                // What the user wanted of the server that was there before is not wanted of this one.
                self.engine = engine;
                self.tell(Event::News(crate::archive::News::SentChanged));
            }
            Err(error) => self.tell(Event::NotKept(error)),
        }
    }

    fn tell(&self, event: Event) {
        self.tell_all([event]);
    }

    /// Tells what happened together, and wakes the user's program once for it.
    fn tell_all(&self, events: impl IntoIterator<Item = Event>) {
        let mut has_told = false;
        for event in events {
            has_told = true;
            // Fails otherwise only when the user's program does not listen any more.
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                // Who is to make room for it must be awake.
                (self.wake)();
                let _ = self.events.send(event);
            }
        }
        if has_told {
            (self.wake)();
        }
    }

    async fn say_goodbye(&self, line: Line) {
        if let Some((_, mut writer)) = line.halves {
            let farewell = async {
                writer.write_all(&self.outgoing).await?;
                writer.shutdown().await
            };
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }
}

fn new_engine(profile: &Profile, archive: &Archive, options: &Options) -> Result<Engine, ArchiveError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| ArchiveError::Failed { path: "random".into(), reason: error.to_string() })?;
    let saved = archive.load()?;
    Ok(Engine::new(profile.key.clone(), profile.device, saved, options.wants_people, seed, now()))
}

fn now() -> Now {
    Now { instant: Instant::now(), wall: Timestamp::from_system(SystemTime::now()) }
}

/// Writes some of the bytes, or makes sure that earlier ones have left where there are none.
async fn write_or_flush(writer: Option<&mut Writer>, bytes: &[u8]) -> io::Result<usize> {
    match writer {
        None => std::future::pending().await,
        Some(writer) if bytes.is_empty() => writer.flush().await.map(|()| 0),
        Some(writer) => writer.write(bytes).await,
    }
}

/// Waits for bytes, and takes those that have come behind them as well. May be dropped at any time: once it has taken
/// something it is ready, so nothing that was taken is dropped with it.
async fn read_what_is_here(reader: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    std::future::poll_fn(|context| {
        let mut taken = ReadBuf::new(buffer);
        while taken.remaining() > 0 {
            let before = taken.filled().len();
            match Pin::new(&mut *reader).poll_read(context, &mut taken) {
                Poll::Ready(Ok(())) if taken.filled().len() > before => {}
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(error)) if before == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if before == 0 => return Poll::Pending,
                // What has come is taken first; the next read says this again.
                _ => break,
            }
        }
        Poll::Ready(Ok(taken.filled().len()))
    })
    .await
}

async fn or_never<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Context;

    use malote_common::codec::{self, FrameBuffer};
    use malote_common::frame::{ClientFrame, Limits, ServerFrame, Welcome};
    use malote_common::hello::{Challenge, VERSION};
    use malote_common::{Epoch, MailboxId, Name, limits};

    use super::*;

    /// The frames that an engine sends to a server that welcomes it.
    fn asked(engine: &mut Engine) -> Vec<ClientFrame> {
        let (mailbox, epoch, rooms) = (MailboxId(1), Epoch([1; 16]), vec![]);
        let welcome = ServerFrame::Welcome(Welcome {
            name: Name::given(0),
            number: 0,
            mailbox,
            epoch,
            last_seq: 0,
            last_counter: 0,
            limits: Limits::default(),
            rooms,
        });
        engine.connected([0; 32], now());
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, &Challenge::Accepted { version: VERSION, nonce: [0; 32] }.encode());
        codec::write_frame(&mut wire, &codec::encode(&welcome).unwrap());
        engine.receive(&wire, now());
        let mut sent = FrameBuffer::default();
        while let Some(output) = engine.poll() {
            if let Output::Send(bytes) = output {
                sent.extend(&bytes);
            }
        }
        let bodies = std::iter::from_fn(|| sent.next_frame(limits::FRAME_BYTES).unwrap().map(<[u8]>::to_vec));
        bodies.filter_map(|body| codec::decode(&body).ok()).collect()
    }

    #[tokio::test]
    async fn what_the_user_wants_survives_a_disk_that_takes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let profile = Profile::open_in(home.path(), None).unwrap();
        let options = Options { server: "127.0.0.1:1".parse().unwrap(), wants_people: false };
        let archive = Archive::in_memory().unwrap();
        let engine = new_engine(&profile, &archive, &options).unwrap();
        let (events, _told) = crossbeam_channel::bounded(10);
        let (wake, outgoing) = (Box::new(|| ()), Vec::new());
        let mut driver = Driver { profile, options, archive, engine, events, wake, outgoing, unkept: false };
        let room = Name::parse("obras").unwrap();
        driver.engine.command(Command::Enter { room: room.clone(), create: true }, now());
        driver.begin_anew(ArchiveError::DiskFull).await;
        assert!(asked(&mut driver.engine).contains(&ClientFrame::Enter { room, create: true }));
    }

    /// Has these pieces, and is pending wherever there is none.
    struct Pieces(VecDeque<Option<&'static [u8]>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
            match self.0.pop_front() {
                Some(Some(piece)) => {
                    buffer.put_slice(piece);
                    Poll::Ready(Ok(()))
                }
                _ => Poll::Pending,
            }
        }
    }

    /// What one poll of a read gives, after which it is dropped.
    fn polled(pieces: &mut Pieces, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = Box::pin(read_what_is_here(pieces, buffer));
        read.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn what_was_taken_is_told_before_anything_is_waited_for() {
        let mut pieces = Pieces(VecDeque::from([None, Some(b"um".as_slice()), Some(b"dois"), None, Some(b"tr")]));
        let mut buffer = [0; 100];
        assert!(polled(&mut pieces, &mut buffer).is_pending());
        assert!(matches!(polled(&mut pieces, &mut buffer), Poll::Ready(Ok(6))));
        assert_eq!(buffer.get(..6), Some(b"umdois".as_slice()));
        assert!(matches!(polled(&mut pieces, &mut buffer), Poll::Ready(Ok(2))));
    }
}
