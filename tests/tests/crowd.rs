//! A thousand people at one real server, over real connections: all in one room, and all together everybody.
//!
//! A client's archive for each of them would be a thousand databases, so they speak in frames and remember what they hear.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use malote_client::connection::{Connected, dial};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Membership, ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{
    Address, Content, DeviceId, Entry, MailboxId, Message, MessageId, Name, Outcome, Seq, Submission, Timestamp,
    limits, login,
};
use malote_tests::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const PEOPLE: usize = 1_000;

/// Of them, those who are away while the others write.
const AWAY: usize = 50;

const AUTHORS: usize = 5;

/// Messages of each author to the room …
const TO_ROOM: u64 = 24;

/// … and, between those, to everybody.
const TO_EVERYBODY: u64 = 8;

/// Everything together takes seconds; where this is reached, something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fewer than a server lets one address have in the handshake at once.
const AT_THE_DOOR: usize = limits::HANDSHAKES_PER_ADDRESS - 4;

const ROOM: &str = "obras";

#[test]
fn a_thousand_people_have_every_message_once_and_in_order() {
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let address = server.address().to_string();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, meet(address)).await.expect("the crowd gets stuck") });
}

async fn meet(address: String) {
    let door = Arc::new(Door { address, places: Semaphore::new(AT_THE_DOOR) });
    let entering = (0..PEOPLE).map(|index| {
        let door = door.clone();
        async move {
            let mut person = Person::connect(index, &door).await;
            person.enter().await;
            person
        }
    });
    let mut people = all(entering).await;
    people.sort_by_key(|person| person.index);
    // The authors are not among those who leave now.
    let away: Vec<usize> = people.split_off(PEOPLE - AWAY).into_iter().map(|person| person.index).collect();

    let mut heard = all(people.into_iter().map(|mut person| async move {
        person.resume().await;
        if person.index < AUTHORS {
            person.write().await;
        }
        person.listen().await;
        person
    }))
    .await;
    heard.sort_by_key(|person| person.index);

    let back = all(away.into_iter().map(|index| {
        let door = door.clone();
        async move {
            let mut person = Person::connect(index, &door).await;
            assert_eq!(person.welcome.last_seq, 0, "what goes to a room is not stored for each of its members");
            person.resume().await;
            person.listen().await;
            person
        }
    }))
    .await;

    check_that_one_entry_was_stored_for_each(&heard);
    heard.iter().chain(&back).for_each(|person| person.check(&heard[0]));
    check_that_all_are_told_who_leaves(heard).await;
}

/// Each message has a number of its own in its mailbox, and no number is left over.
fn check_that_one_entry_was_stored_for_each(people: &[Person]) {
    for (to, count) in [(Place::Room, TO_ROOM), (Place::Everybody, TO_EVERYBODY)] {
        let accepted = people[..AUTHORS].iter().flat_map(|author| &author.accepted);
        let mut seqs: Vec<Seq> = accepted.filter(|(place, _)| *place == to).map(|(_, seq)| *seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=AUTHORS as u64 * count).collect::<Vec<_>>());
    }
}

async fn check_that_all_are_told_who_leaves(mut people: Vec<Person>) {
    let mut leaving = people.remove(0);
    let (number, room) = (leaving.welcome.number, leaving.mailbox(Place::Room));
    leaving.say(&ClientFrame::Leave { room: name() }).await;
    let told = people.into_iter().map(|mut person| async move {
        loop {
            if let ServerFrame::Member { mailbox, person: gone, entered } = person.hear().await {
                return (mailbox, gone.number, entered);
            }
        }
    });
    assert!(all(told).await.into_iter().all(|told| told == (room, number, false)));
    assert!(matches!(leaving.hear().await, ServerFrame::Left { .. }));
}

/// Runs them at the same time.
async fn all<T: Send + 'static>(futures: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    futures.collect::<JoinSet<T>>().join_all().await
}

/// The way in, for so many at once.
struct Door {
    address: String,
    places: Semaphore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Room,
    Everybody,
}

struct Person {
    index: usize,
    stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
    buffer: FrameBuffer,
    welcome: Welcome,
    rooms: Vec<Membership>,
    /// What was heard, in order: where, its number there, which message.
    heard: Vec<(MailboxId, Seq, MessageId)>,
    /// Where what this person wrote was accepted.
    accepted: Vec<(Place, Seq)>,
}

impl Person {
    /// Logs in. The same index is the same person each time.
    async fn connect(index: usize, door: &Door) -> Person {
        let _place = door.places.acquire().await.unwrap();
        let Connected { stream, exporter, .. } = dial(door.address.parse().unwrap(), None).await.unwrap();
        let key = SigningKey::from_bytes(&id(index as u64).repeat(2).try_into().unwrap());
        let welcome = Welcome {
            name: Name::given(0),
            number: 0,
            mailbox: MailboxId(0),
            epoch: malote_common::Epoch([0; 16]),
            last_seq: 0,
            last_counter: 0,
            limits: Default::default(),
            rooms: vec![],
        };
        let buffer = FrameBuffer::default();
        let mut person = Person { index, stream, buffer, welcome, rooms: vec![], heard: vec![], accepted: vec![] };
        let hello =
            Hello { versions: vec![VERSION], key: key.verifying_key().to_bytes(), device: DeviceId(id(index as u64)) };
        person.say_body(&hello.encode()).await;
        let Challenge::Accepted { nonce, .. } = Challenge::decode(&person.body().await).unwrap() else {
            panic!("the server does not speak this version");
        };
        let signature = key.sign(&login::statement(&nonce, &exporter)).to_bytes().to_vec();
        person.say(&ClientFrame::Proof { signature }).await;
        match person.hear().await {
            ServerFrame::Welcome(welcome) => {
                person.rooms = welcome.rooms.clone();
                Person { welcome, ..person }
            }
            other => panic!("{other:?}"),
        }
    }

    async fn enter(&mut self) {
        self.say(&ClientFrame::Enter { room: name(), create: true }).await;
        match self.hear().await {
            ServerFrame::Entered { membership, .. } => self.rooms.push(membership),
            other => panic!("{other:?}"),
        }
    }

    async fn resume(&mut self) {
        let Welcome { mailbox, epoch, .. } = self.welcome;
        self.say(&ClientFrame::Resume { mailbox, epoch, after: 0 }).await;
        for Membership { mailbox, epoch, .. } in self.rooms.clone() {
            self.say(&ClientFrame::Resume { mailbox, epoch, after: 0 }).await;
        }
    }

    /// Writes all that this author writes; the answers come later.
    async fn write(&mut self) {
        for counter in 1..=TO_ROOM + TO_EVERYBODY {
            let to = match place(counter) {
                Place::Room => Address::Room(name()),
                Place::Everybody => Address::Everybody,
            };
            let content = Content { subject: "Obra".into(), body: format!("{counter} de {}", self.index) };
            let message = Message {
                id: MessageId(id(self.index as u64 * 1_000 + counter)),
                to: vec![to],
                in_reply_to: None,
                sent_at: Timestamp(0),
                content: codec::encode(&content).unwrap(),
            };
            self.say(&ClientFrame::Submit(Submission { counter, since: 1, targets: vec![0], message })).await;
        }
    }

    /// Listens until all that was written is here, and all that this person wrote is answered.
    async fn listen(&mut self) {
        let all = AUTHORS * (TO_ROOM + TO_EVERYBODY) as usize;
        let own = if self.index < AUTHORS { all / AUTHORS } else { 0 };
        while self.heard.len() < all || self.accepted.len() < own {
            match self.hear().await {
                ServerFrame::Delivery { mailbox, seq, entry: Entry::Message { message, .. } } => {
                    self.heard.push((mailbox, seq, message.id));
                }
                ServerFrame::Outcomes { counter, outcomes } => match outcomes[..] {
                    [Outcome::Accepted { seq, .. }] => self.accepted.push((place(counter), seq)),
                    _ => panic!("{outcomes:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    }

    /// Each message once, in the order of its mailbox, and the same as everybody else's.
    fn check(&self, other: &Person) {
        assert_eq!(self.heard.iter().map(|(.., id)| id).collect::<HashSet<_>>().len(), self.heard.len());
        for place in [Place::Room, Place::Everybody] {
            let of = |person: &Person| -> Vec<(Seq, MessageId)> {
                let mailbox = person.mailbox(place);
                person.heard.iter().filter(|(of, ..)| *of == mailbox).map(|(_, seq, id)| (*seq, *id)).collect()
            };
            let here = of(self);
            assert!(here.iter().map(|(seq, _)| *seq).eq(1..=here.len() as Seq), "{here:?}");
            assert_eq!(here, of(other));
        }
    }

    fn mailbox(&self, place: Place) -> MailboxId {
        let wanted = if place == Place::Room { name() } else { Name::everybody() };
        self.rooms.iter().find(|room| room.room == wanted).unwrap().mailbox
    }

    /// The next frame that is not about the connection itself.
    async fn hear(&mut self) -> ServerFrame {
        loop {
            match codec::decode(&self.body().await).unwrap() {
                ServerFrame::Ping { token } => self.say(&ClientFrame::Pong { token }).await,
                frame => return frame,
            }
        }
    }

    async fn body(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(body) = self.buffer.next_frame(limits::FRAME_BYTES).unwrap() {
                return body.to_vec();
            }
            let count = self.stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the server hung up on {}", self.index);
            self.buffer.extend(&bytes[..count]);
        }
    }

    async fn say(&mut self, frame: &ClientFrame) {
        self.say_body(&codec::encode(frame).unwrap()).await;
    }

    async fn say_body(&mut self, body: &[u8]) {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.stream.write_all(&wire).await.unwrap();
        self.stream.flush().await.unwrap();
    }
}

fn name() -> Name {
    Name::parse(ROOM).unwrap()
}

/// Where an author's message with this counter goes.
fn place(counter: u64) -> Place {
    if counter.is_multiple_of((TO_ROOM + TO_EVERYBODY) / TO_EVERYBODY) { Place::Everybody } else { Place::Room }
}

fn id(number: u64) -> [u8; 16] {
    u128::from(number + 1).to_be_bytes()
}
