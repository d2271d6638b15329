//! Why there is no connection: every step of dialling by itself, with what it found.
//!
//! It asks nothing of the server but its opening frame. Whether the server would let this person in is not tried, so no
//! profile is needed and none is used.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crossbeam_channel::Receiver;
use ed25519_dalek::SigningKey;
use malote_common::codec::{self, FrameBuffer};
use malote_common::fingerprint::Fingerprint;
use malote_common::frame::ServerFrame;
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{DeviceId, limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;
use crate::connection::{Connected, Fault, STEP, reach, resolve, route_fault, secure};

/// A step from a typed address to a server that can be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Name,
    Route,
    Port,
    Tls,
    Version,
    Key,
}

/// The steps in their order.
pub const STEPS: [Step; 6] = [Step::Name, Step::Route, Step::Port, Step::Tls, Step::Version, Step::Key];

impl Step {
    /// Its name for programs, and in the translation files.
    pub fn code(self) -> &'static str {
        match self {
            Step::Name => "name",
            Step::Route => "route",
            Step::Port => "port",
            Step::Tls => "tls",
            Step::Version => "version",
            Step::Key => "key",
        }
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed(Detail),
    Failed(Fault),
    /// A step before it failed.
    NotReached,
}

impl Outcome {
    /// Its name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Passed(_) => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::NotReached => "not_reached",
        }
    }
}

/// What a step that passed has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The name leads to these addresses.
    Leads(Vec<IpAddr>),
    /// An address was typed; there was no name to look for.
    IsAddress,
    /// There is a way, and it begins at this address of our own.
    Leaves(IpAddr),
    Listens,
    Encrypted,
    SameVersion,
    /// The server's key is the one that it had before.
    KnownKey,
    /// The server is new to this profile; this is its key.
    NewKey(Fingerprint),
}

/// A step with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub step: Step,
    pub outcome: Outcome,
}

/// All steps under way on a thread of their own, which ends by itself: each step has a bounded time.
pub struct Checkup {
    pub address: ServerAddress,
    done: Vec<Checked>,
    results: Receiver<Checked>,
}

impl Checkup {
    /// Begins. `wake` is called after each step. `known` is the key that the server had before, if it was met.
    pub fn start(
        address: ServerAddress,
        known: Option<Fingerprint>,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Checkup> {
        let (sender, results) = crossbeam_channel::bounded(STEPS.len());
        let (runtime, examined) = (runtime()?, address.clone());
        let tell = move |checked| {
            // Fails only where nobody wants to know any more.
            let _ = sender.send(checked);
            wake();
        };
        std::thread::Builder::new().name("doctor".into()).spawn(move || examine_on(runtime, &examined, known, tell))?;
        Ok(Checkup { address, done: Vec::new(), results })
    }

    /// The steps that are done.
    pub fn done(&self) -> &[Checked] {
        &self.done
    }

    /// Takes in what has become known.
    pub fn update(&mut self) {
        self.done.extend(self.results.try_iter());
    }

    /// Whether all steps are done.
    pub fn is_complete(&self) -> bool {
        self.done.len() == STEPS.len()
    }
}

/// Goes through all steps and tells each one's outcome, in order. Fails only where this computer cannot even begin.
pub fn examine(address: &ServerAddress, known: Option<Fingerprint>, tell: impl FnMut(Checked)) -> io::Result<()> {
    examine_on(runtime()?, address, known, tell);
    Ok(())
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn examine_on(runtime: Runtime, address: &ServerAddress, known: Option<Fingerprint>, mut tell: impl FnMut(Checked)) {
    let mut told = 0usize;
    let result = runtime.block_on(advance(address, known, |step, detail| {
        told = told.saturating_add(1);
        tell(Checked { step, outcome: Outcome::Passed(detail) });
    }));
    // A name that is still being looked up is waited for no longer.
    runtime.shutdown_background();
    if let Err(fault) = result {
        for (index, step) in STEPS.into_iter().enumerate().skip(told) {
            let outcome = if index == told { Outcome::Failed(fault) } else { Outcome::NotReached };
            tell(Checked { step, outcome });
        }
    }
}

/// Tells the steps that pass. The fault belongs to the first step that was not told.
async fn advance(
    address: &ServerAddress,
    known: Option<Fingerprint>,
    mut pass: impl FnMut(Step, Detail),
) -> Result<(), Fault> {
    let addresses = resolve(address).await?;
    pass(Step::Name, named(address, &addresses));

    let way = route(&addresses)?;
    let reached = reach(&addresses).await;
    // Only the attempt to connect tells that there is nobody at the end of the way.
    if let Err(fault @ (Fault::HostUnreachable | Fault::NoRoute)) = reached {
        return Err(fault);
    }
    pass(Step::Route, Detail::Leaves(way));
    let stream = reached?;
    pass(Step::Port, Detail::Listens);

    // Whatever its key is: it is compared below, and not a byte of ours goes there before.
    let secured = secure(stream, None).await;
    if !matches!(secured, Err(Fault::NotTls | Fault::HungUp | Fault::Silent)) {
        pass(Step::Tls, Detail::Encrypted);
    }
    let Connected { stream, fingerprint, .. } = secured?;
    match known {
        Some(expected) if expected != fingerprint => {
            // TLS has told the version already.
            pass(Step::Version, Detail::SameVersion);
            Err(Fault::KeyChanged { expected, found: fingerprint })
        }
        _ => {
            timeout(STEP, greet(stream)).await.map_err(|_| Fault::Silent)??;
            pass(Step::Version, Detail::SameVersion);
            pass(Step::Key, if known.is_some() { Detail::KnownKey } else { Detail::NewKey(fingerprint) });
            Ok(())
        }
    }
}

fn named(address: &ServerAddress, addresses: &[SocketAddr]) -> Detail {
    if address.host.parse::<IpAddr>().is_ok() {
        return Detail::IsAddress;
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for address in addresses {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Detail::Leads(found)
}

/// The address of ours from which the way to the first address that has one begins. Nothing is sent.
fn route(addresses: &[SocketAddr]) -> Result<IpAddr, Fault> {
    let way = |to: &SocketAddr| {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        Ok(socket.local_addr()?.ip())
    };
    let mut fault = Fault::NoRoute;
    for address in addresses {
        match way(address) {
            Ok(way) => return Ok(way),
            Err(error) => fault = route_fault(&error),
        }
    }
    Err(fault)
}

/// Says hello with a key made for this alone, and leaves when the server has answered.
async fn greet(mut stream: TlsStream<TcpStream>) -> Result<(), Fault> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| Fault::HungUp)?;
    let key = SigningKey::from_bytes(&random).verifying_key().to_bytes();
    let hello = Hello { versions: vec![VERSION], key, device: DeviceId([0; 16]) };
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, &hello.encode());
    stream.write_all(&wire).await.map_err(|_| Fault::HungUp)?;
    stream.flush().await.map_err(|_| Fault::HungUp)?;
    let body = first_frame(&mut stream).await?;
    match Challenge::decode(&body) {
        Ok(Challenge::Accepted { version: VERSION, .. }) => Ok(()),
        Ok(_) => Err(Fault::OtherVersion),
        // A server that closes before its challenge says why in a frame of version 1.
        Err(_) => match codec::decode(&body) {
            Ok(ServerFrame::Closing(reason)) => Err(Fault::Closed(reason)),
            _ => Err(Fault::OtherProtocol),
        },
    }
}

async fn first_frame(stream: &mut TlsStream<TcpStream>) -> Result<Vec<u8>, Fault> {
    let mut frames = FrameBuffer::default();
    let mut buffer = [0; 1024];
    loop {
        match frames.next_frame(limits::HANDSHAKE_FRAME_BYTES) {
            Ok(Some(body)) => return Ok(body.to_vec()),
            Ok(None) => {}
            Err(_) => return Err(Fault::OtherProtocol),
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => frames.extend(buffer.get(..count).unwrap_or_default()),
            _ => return Err(Fault::HungUp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn outcomes(address: &str) -> Vec<Outcome> {
        let mut checked = Vec::new();
        examine(&address.parse().unwrap(), None, |step| checked.push(step)).unwrap();
        assert!(checked.iter().map(|checked| checked.step).eq(STEPS), "{checked:?}");
        checked.into_iter().map(|checked| checked.outcome).collect()
    }

    /// The fault of the first step that failed, with how many passed before it.
    fn fault(outcomes: &[Outcome]) -> (usize, Fault) {
        let passed = outcomes.iter().take_while(|outcome| matches!(outcome, Outcome::Passed(_))).count();
        assert!(outcomes[passed + 1..].iter().all(|outcome| *outcome == Outcome::NotReached), "{outcomes:?}");
        match outcomes[passed] {
            Outcome::Failed(fault) => (passed, fault),
            _ => panic!("{outcomes:?}"),
        }
    }

    /// Something that listens, and does this with every connection.
    fn listening(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        address
    }

    #[test]
    fn a_name_that_nobody_has() {
        assert_eq!(fault(&outcomes("nobody.invalid")), (0, Fault::UnknownHost));
    }

    #[test]
    fn a_port_where_nobody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let outcomes = outcomes(&free);
        assert_eq!(outcomes[0], Outcome::Passed(Detail::IsAddress));
        assert_eq!(outcomes[1], Outcome::Passed(Detail::Leaves([127, 0, 0, 1].into())));
        assert_eq!(fault(&outcomes), (2, Fault::Refused));
    }

    #[test]
    fn a_name_that_leads_somewhere() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        match &outcomes(&format!("localhost:{free}"))[0] {
            Outcome::Passed(Detail::Leads(addresses)) => assert!(addresses.iter().all(IpAddr::is_loopback)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn something_else_listens() {
        let talks = listening(|mut stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n")));
        assert_eq!(fault(&outcomes(&talks)), (3, Fault::NotTls));
        let hangs_up = listening(drop);
        assert_eq!(fault(&outcomes(&hangs_up)), (3, Fault::HungUp));
        let says_nothing = listening(std::mem::forget);
        assert_eq!(fault(&outcomes(&says_nothing)), (3, Fault::Silent));
    }

    #[test]
    fn something_that_speaks_tls_and_no_malote() {
        // The alert no_application_protocol, as a server of another protocol or version answers our hello with.
        let alert = listening(|mut stream| {
            drop(stream.write_all(&[21, 3, 3, 0, 2, 2, 120]));
            std::mem::forget(stream);
        });
        assert_eq!(fault(&outcomes(&alert)), (4, Fault::OtherProtocol));
    }

    #[test]
    fn a_checkup_tells_every_step_and_then_sleeps() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (woken, wakes) = std::sync::mpsc::channel();
        let wake = move || woken.send(()).unwrap();
        let mut checkup = Checkup::start(free.parse().unwrap(), None, wake).unwrap();
        // One wake for each step; then the thread is gone, and the channel with it.
        assert_eq!(wakes.iter().count(), STEPS.len());
        checkup.update();
        assert!(checkup.is_complete());
    }
}
