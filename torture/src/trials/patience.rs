//! Our own client, which has more to say than it may: it waits as it is told, and nothing is lost.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use malote_common::frame::ClientFrame;
use malote_common::limits;
use malote_tests::TestServer;
use rand::rngs::StdRng;

use super::Trial;
use crate::caller::{Caller, Who};
use crate::figures::Figures;
use crate::people::People;

pub const PATIENCE: Trial = Trial {
    name: "flood-client",
    what: "our own client has more to send, and more to mark as read, than it may, and waits as it is told",
    run: patience,
};

/// What one person may post here, at once and each second: less than what a client has under way, and than a slow computer
/// sends, so that the limit is met in any case.
const BURST: u64 = 50;
const PER_SECOND: u64 = 60;

/// What one person has to say.
const MESSAGES: usize = 250;

/// Whoever waits as told has what is under way refused once for each second's worth that passes. Whoever came back for each
/// single message would have it refused each time.
const ATTEMPTS_EACH: u64 = 4;

/// Frames with as many marks of reading as fit, by which a person uses up what they may ask: a little more than that.
const MARKS: usize = 9;

fn patience(plan: &mut StdRng) -> Figures {
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let config = folder.path().join("malote.toml");
    fs::write(&config, format!("[rate]\nburst = {BURST}\nper-second = {PER_SECOND}\n")).expect("a configuration");
    let mut server = TestServer::start_with(&["--config", config.to_str().expect("a path in UTF-8")]);
    let mut people = People::start(&server, 2);
    let (author, reader) = (0, 1);
    let begun = Instant::now();
    people.write_to(author, reader, MESSAGES);
    people.settle();
    let took = begun.elapsed();
    let least = Duration::from_secs_f64((MESSAGES as u64 - BURST) as f64 / PER_SECOND as f64);
    assert!(took >= least, "{MESSAGES} messages passed in {took:?}: nothing was limited");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _elsewhere = runtime.block_on(use_up(server.address(), people.as_caller(reader, plan)));
    let begun = Instant::now();
    people.open_everything(reader);
    people.wait_until_all_is_read(author);
    let reading = begun.elapsed();

    server.stop();
    people.check();
    let store = server.data().join("store.db");
    people.check_store(&store);
    let attempts = people.attempts(author, &store);
    let messages = MESSAGES as u64;
    assert!(attempts > messages, "nothing was refused");
    assert!(attempts <= messages * ATTEMPTS_EACH, "{attempts} attempts for {messages} messages: nobody waits");
    Figures::default()
        .count("messages", messages)
        .count("attempts refused", attempts - messages)
        .longest("until all had arrived", took)
        .longest("until all were known to be read", reading)
}

/// Uses up all that this person may ask, at another computer.
async fn use_up(server: SocketAddr, who: Who) -> Caller {
    let mut caller = Caller::log_in(server, &who).await.expect("a person may log in at two computers");
    let mailbox = caller.welcome.mailbox;
    // There are no such messages yet.
    let seqs: Vec<u64> = (1_000_000..).take(limits::READ_PER_FRAME).collect();
    let marks = vec![ClientFrame::Read { mailbox, seqs }; MARKS];
    caller.mouth.say_all(&marks).await.expect("a connection");
    caller
}
