//! Stores that have something in them before anything begins.

use malote_common::{Content, Message};
use malote_common::{Name, Outcome, Submission, Timestamp, codec};
use malote_server::store::sqlite::SqliteStore;
use malote_server::store::{Answer, Operation, PersonId, Store};
use malote_tests::TestServer;
use rand::rngs::StdRng;

use crate::caller::{Who, message, source};

/// Messages that are committed together.
const BATCH: u64 = 512;

/// Bytes of each body.
const BODY_BYTES: usize = 200;

/// The author in the identities of messages that were there before.
pub const AUTHOR: u64 = 1_000;

/// A running server with so many people, in whose store so many messages wait for `reader`, numbered from 1 on.
pub fn with_mail(reader: &Who, messages: u64, people: usize, options: &[&str], plan: &mut StdRng) -> TestServer {
    let mut server = TestServer::start_with(options);
    server.stop();
    let mut store = SqliteStore::open(&server.data().join("store.db")).expect("a store");
    let author = Who::new(source(0), plan);
    let strangers = (0..people).map(|_| Who::new(source(0), plan));
    let everybody: Vec<Who> = [reader.clone(), author.clone()].into_iter().chain(strangers).collect();
    let logins =
        everybody.iter().map(|who| Operation::Login { key: who.key.verifying_key().to_bytes(), device: who.device });
    store.commit(&logins.collect::<Vec<_>>(), Timestamp(0)).expect("a sound store");
    let submit = |counter| {
        let submission = Submission { counter, since: 1, targets: vec![0], message: padded(counter, Name::given(0)) };
        Operation::Submit { author: PersonId(1), device: author.device, submission }
    };
    let mut counter = 1;
    while counter <= messages {
        let next = (counter + BATCH).min(messages + 1);
        let operations: Vec<Operation> = (counter..next).map(submit).collect();
        let committed = store.commit(&operations, Timestamp(0)).expect("a sound store");
        let is_accepted = |answer: &Answer| matches!(answer, Answer::Submitted { outcomes } if matches!(outcomes[..], [Outcome::Accepted { .. }]));
        assert!(committed.answers.iter().all(is_accepted), "the store refuses what it is filled with");
        counter = next;
    }
    drop(store);
    server.restart();
    server
}

fn padded(index: u64, to: Name) -> Message {
    let content = Content { subject: String::new(), body: ".".repeat(BODY_BYTES) };
    Message { content: codec::encode(&content).expect("a short message"), ..message(AUTHOR, index, to) }
}
