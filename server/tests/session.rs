//! The server's side of a connection, spoken to by hand: what it does to those who break the rules, fall silent or
//! read slowly.

mod table;

use std::time::Duration;

use ed25519_dalek::SigningKey;
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Closing, Membership, ServerFrame};
use malote_common::hello::{Challenge, VERSION};
use malote_common::{Address, MailboxId, Name, Outcome, Submission, limits};
use malote_server::post_office::{Event, Request};
use malote_server::rate::{Allowances, Rate};
use malote_server::session::Output;
use malote_server::store::Run;
use table::{EPOCH, EXPORTER, NONCE, OWN, Table, hello, key, proof, run, submission};

const ROOM: MailboxId = MailboxId(9);

#[test]
fn strangers_have_ten_seconds_in_all() {
    let mut table = Table::new();
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, &hello(vec![VERSION]).encode());
    // A byte now and then does not buy time.
    for byte in &wire[..9] {
        table.wait(Duration::from_secs(1));
        table.session.receive(&[*byte], table.now);
        assert!(table.is_open());
    }
    table.wait(Duration::from_secs(1));
    table.is_closed(Closing::Silent);
}

#[test]
fn a_silent_client_is_asked_and_then_given_up_within_45_seconds() {
    let mut table = Table::logged_in();
    table.wait(Duration::from_secs(19));
    assert_eq!(table.read(), []);
    table.wait(Duration::from_secs(1));
    assert_eq!(table.read(), [ServerFrame::Ping { token: 0 }]);
    table.say(&ClientFrame::Pong { token: 0 });
    table.wait(Duration::from_secs(20));
    assert_eq!(table.read(), [ServerFrame::Ping { token: 0 }]);
    table.wait(Duration::from_secs(20));
    table.is_closed(Closing::Silent);
    assert!(limits::DEAD_AFTER <= Duration::from_secs(45));
}

#[test]
fn deadlines_are_named_before_they_pass() {
    let mut table = Table::new();
    assert_eq!(table.session.deadline(), Some(table.now + limits::HANDSHAKE_TIME));
    table = table.log_in();
    assert_eq!(table.session.deadline(), Some(table.now + limits::PING_AFTER));
    table.wait(limits::PING_AFTER);
    assert_eq!(table.session.deadline(), Some(table.now + limits::DEAD_AFTER - limits::PING_AFTER));
}

#[test]
fn a_login_needs_the_key_this_nonce_and_this_connection() {
    let stranger = SigningKey::from_bytes(&[8; 32]);
    for wrong in [
        proof(&stranger, &NONCE, &EXPORTER),
        proof(&key(), &[7; 32], &EXPORTER),
        proof(&key(), &NONCE, &[7; 32]),
        ClientFrame::Proof { signature: vec![0; 64] },
        ClientFrame::Proof { signature: vec![] },
    ] {
        let mut table = Table::new();
        table.say_body(&hello(vec![VERSION]).encode());
        table.say(&wrong);
        assert!(table.asked().is_empty());
        let mut table = Table::new();
        table.say_body(&hello(vec![VERSION]).encode());
        table.say(&wrong);
        table.is_closed(Closing::WrongProof);
    }
}

#[test]
fn a_client_of_another_time_is_told_what_is_spoken_here() {
    let mut table = Table::new();
    table.say_body(&hello(vec![7, 8]).encode());
    let mut heard = FrameBuffer::default();
    heard.extend(table.session.transmit());
    let refusal = heard.next_frame(1000).unwrap().unwrap();
    assert_eq!(Challenge::decode(refusal), Ok(Challenge::Refused { versions: vec![VERSION] }));
    assert!(matches!(table.session.poll(), Some(Output::Close)));
}

#[test]
fn strangers_get_no_memory() {
    let mut table = Table::new();
    let announced = limits::HANDSHAKE_FRAME_BYTES as u32 + 1;
    table.session.receive(&announced.to_be_bytes(), table.now);
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn nothing_may_be_asked_before_the_login() {
    for early in
        [ClientFrame::Ping { token: 1 }, ClientFrame::People { after: None }, ClientFrame::Submit(submission(1, 1))]
    {
        let mut table = Table::new();
        table.say(&early);
        table.is_closed(Closing::ProtocolError);
        let mut table = Table::new();
        table.say_body(&hello(vec![VERSION]).encode());
        table.say(&early);
        table.is_closed(Closing::ProtocolError);
    }
}

#[test]
fn broken_rules_end_the_conversation() {
    let trailing = [codec::encode(&ClientFrame::Ping { token: 1 }).unwrap(), vec![0]].concat();
    let other = MailboxId(6);
    for body in [
        trailing,
        vec![200],
        vec![],
        codec::encode(&ClientFrame::Resume { mailbox: OWN, epoch: EPOCH, after: 0 }).unwrap(),
        codec::encode(&ClientFrame::Acknowledge { mailbox: OWN, seq: 1 }).unwrap(),
        codec::encode(&ClientFrame::Acknowledge { mailbox: other, seq: 0 }).unwrap(),
        codec::encode(&ClientFrame::Read { mailbox: other, seqs: vec![1] }).unwrap(),
        codec::encode(&ClientFrame::Read { mailbox: OWN, seqs: vec![1; limits::READ_PER_FRAME + 1] }).unwrap(),
    ] {
        let mut table = Table::logged_in();
        table.say_body(&body);
        assert!(table.asked().is_empty(), "{body:?}");
        let mut table = Table::logged_in();
        table.say_body(&body);
        table.is_closed(Closing::ProtocolError);
    }
}

#[test]
fn a_client_that_ignores_the_window_is_disconnected() {
    let mut table = Table::logged_in();
    for counter in 1..=limits::WINDOW {
        table.say(&ClientFrame::Submit(submission(counter, 1)));
    }
    assert!(table.is_open());
    table.say(&ClientFrame::Submit(submission(limits::WINDOW + 1, 1)));
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn a_list_of_targets_is_bounded_before_it_is_answered() {
    let mut table = Table::with_rate(Rate { burst: 1, per_second: 1 }).log_in();
    let targets = vec![0; 400_000];
    table.say(&ClientFrame::Submit(Submission { targets: targets.clone(), ..submission(1, 1) }));
    table.say(&ClientFrame::Submit(Submission { targets, ..submission(2, 2) }));
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn a_list_of_recipients_is_bounded_before_it_waits() {
    let crowded = |recipients| {
        let mut submission = submission(1, 1);
        submission.message.to = vec![Address::Everybody; recipients];
        ClientFrame::Submit(submission)
    };
    let mut table = Table::logged_in();
    table.say(&crowded(limits::RECIPIENTS_LOOKED_AT));
    assert!(matches!(table.asked()[..], [Request::Submit(_)]), "the store refuses it in a friendlier way");
    // A byte each in the frame, and far more in memory for as long as they wait.
    table.say(&crowded(100_000));
    assert!(table.asked().is_empty());
    let mut table = Table::logged_in();
    table.say(&crowded(limits::RECIPIENTS_LOOKED_AT + 1));
    table.is_closed(Closing::ProtocolError);
}

#[test]
fn whoever_has_everything_up_to_the_highest_number_is_sent_nothing() {
    // Rooms can be resumed again and again, up to any number.
    let room = Membership { room: Name::given(9), mailbox: ROOM, epoch: EPOCH, first: u64::MAX, last_seq: u64::MAX };
    let mut table = Table::in_rooms(vec![room]);
    table.say(&ClientFrame::Resume { mailbox: ROOM, epoch: EPOCH, after: u64::MAX });
    table.asked();
    table.session.event(Event::Entries(Run { mailbox: ROOM, ..run(u64::MAX, 10) }));
    table.session.event(Event::Entries(Run { mailbox: ROOM, ..run(7, 10) }));
    assert_eq!(table.read(), []);
}

#[test]
fn pages_of_the_directory_are_asked_for_one_at_a_time() {
    let mut table = Table::logged_in();
    table.say(&ClientFrame::People { after: None });
    assert!(matches!(table.asked()[..], [Request::People { after: None }]));
    table.session.event(Event::People { people: vec![], more: true });
    // Events were missed, and the client asks for the next page at the same time.
    table.session.missed_events();
    assert!(matches!(table.asked()[..], [Request::People { after: None }, ..]));
    table.say(&ClientFrame::People { after: Some(499) });
    assert!(table.asked().is_empty());
    table.session.event(Event::People { people: vec![], more: false });
    assert!(matches!(table.asked()[..], [Request::People { after: Some(499) }]));
    assert!(table.is_open());
}

#[test]
fn a_flood_is_slowed_down_and_kept_in_order() {
    let mut table = Table::with_rate(Rate { burst: 2, per_second: 1 }).log_in();
    for counter in 1..=4 {
        table.say(&ClientFrame::Submit(submission(counter, 1)));
    }
    assert_eq!(table.asked().len(), 2);
    let outcomes = |frames: Vec<ServerFrame>| -> Vec<(u64, Outcome)> {
        let of = |frame| match frame {
            ServerFrame::Outcomes { counter, outcomes } => (counter, outcomes[0]),
            other => panic!("{other:?}"),
        };
        frames.into_iter().map(of).collect()
    };
    let limited = Outcome::RateLimited { retry_after_ms: 1000 };
    assert_eq!(outcomes(table.read()), [(3, limited), (4, Outcome::OutOfTurn)]);
    // What was sent before the refusal was known must not pass now, although there would be room for it.
    table.wait(Duration::from_secs(1));
    table.say(&ClientFrame::Submit(submission(5, 1)));
    assert_eq!(outcomes(table.read()), [(5, Outcome::OutOfTurn)]);
    table.say(&ClientFrame::Submit(submission(6, 6)));
    assert_eq!(table.asked().len(), 1);
    // What became of an earlier attempt only the store knows: refused here, it would be sent, and delivered, again.
    table.say(&ClientFrame::Submit(submission(1, 0)));
    assert!(matches!(table.asked()[..], [Request::Submit(_)]));
}

#[test]
fn a_slow_reader_costs_little_memory_and_loses_nothing() {
    const ENTRIES: u64 = 2_000;
    let mut table = Table::logged_in();
    let mut most = 0;
    for seq in 1..=ENTRIES {
        table.session.event(Event::Entries(run(seq, 1000)));
        table.session.let_go();
        most = most.max(table.session.transmit().len());
    }
    assert!(most < 256 * 1024, "{most} bytes wait for a reader who does not read");
    // It begins to read: what was left out comes from the store, in order.
    let mut seqs = Vec::new();
    while seqs.len() < ENTRIES as usize {
        for frame in table.read() {
            match frame {
                ServerFrame::Delivery { seq, .. } => seqs.push(seq),
                other => panic!("{other:?}"),
            }
        }
        for request in table.asked() {
            let Request::Fetch { after, .. } = request else { panic!("{request:?}") };
            let page = (after + 1..=ENTRIES).take(100).map(|seq| run(seq, 1000)).collect();
            table.session.event(Event::Page { mailbox: OWN, entries: page });
        }
    }
    assert_eq!(seqs, (1..=ENTRIES).collect::<Vec<_>>());
}

#[test]
fn what_is_missed_while_a_page_is_on_its_way_is_fetched_after_it() {
    let mut table = Table::logged_in();
    table.session.missed_events();
    assert!(matches!(table.asked()[..], [Request::Fetch { after: 0, .. }]));
    table.session.missed_events();
    assert!(table.asked().is_empty());
    // This page was read before the entry that was missed.
    table.session.event(Event::Page { mailbox: OWN, entries: vec![] });
    assert!(matches!(table.asked()[..], [Request::Fetch { after: 0, .. }]));
    table.session.event(Event::Page { mailbox: OWN, entries: vec![] });
    assert!(table.asked().is_empty());
}

#[test]
fn what_is_missed_while_the_directory_is_on_its_way_is_told_after_it() {
    let mut table = Table::logged_in();
    table.say(&ClientFrame::People { after: None });
    assert!(matches!(table.asked()[..], [Request::People { after: None }]));
    table.session.missed_events();
    table.session.event(Event::People { people: vec![], more: true });
    assert!(table.asked().iter().any(|request| matches!(request, Request::People { after: None })));
    // The client asks for what follows the first page, which it is about to be told again.
    table.session.missed_events();
    table.say(&ClientFrame::People { after: Some(499) });
    assert!(table.is_open());
}

#[test]
fn missed_events_are_fetched() {
    let mut table = Table::logged_in();
    table.session.event(Event::Entries(run(1, 10)));
    table.session.event(Event::Entries(run(3, 10)));
    table.session.missed_events();
    assert!(matches!(table.asked()[..], [Request::Fetch { after: 1, .. }]));
    let frames = table.read();
    assert!(matches!(frames[..], [ServerFrame::Delivery { seq: 1, .. }]), "{frames:?}");
}

#[test]
fn a_client_that_does_not_read_is_not_read_either() {
    let mut table = Table::with_rate(Rate { burst: u32::MAX, per_second: 1 }).log_in();
    let mut pings = 0;
    while table.session.accepts_input() {
        table.say(&ClientFrame::Ping { token: u64::MAX });
        pings += 1;
        assert!(pings < 1_000_000, "the answers grow without bound");
    }
    assert!(table.session.transmit().len() < 2 * limits::FRAME_BYTES + 100);
    table.read();
    assert!(table.session.accepts_input());
}

/// What one person may ask at once, in pings.
const ASKED_AT_ONCE: u64 = 8_000;

#[test]
fn whoever_asks_too_much_is_not_listened_to_for_a_while_and_loses_nothing() {
    let mut table = Table::logged_in();
    let mut wire = Vec::new();
    for token in 1..=2 * ASKED_AT_ONCE {
        codec::write_frame(&mut wire, &codec::encode(&ClientFrame::Ping { token }).unwrap());
    }
    table.session.receive(&wire, table.now);
    assert!(!table.session.accepts_input());
    let start = table.now;
    let mut answered = Vec::new();
    while answered.len() < 2 * ASKED_AT_ONCE as usize {
        let pongs = table.read().into_iter().map(|frame| match frame {
            ServerFrame::Pong { token } => token,
            other => panic!("{other:?}"),
        });
        answered.extend(pongs);
        let deadline = table.session.deadline().expect("it is waited for");
        table.wait(deadline - table.now);
    }
    assert!(answered.into_iter().eq(1..=2 * ASKED_AT_ONCE));
    let took = (table.now - start).as_secs_f64();
    assert!((9.9..=10.2).contains(&took), "8,000 more than may be asked at once took {took} s at 800 a second");
}

#[test]
fn what_is_no_frame_counts_as_well() {
    let mut table = Table::logged_in();
    (0..ASKED_AT_ONCE / 2).for_each(|_| table.session.receive_nothing(table.now));
    assert!(table.session.accepts_input());
    (0..ASKED_AT_ONCE / 2).for_each(|_| table.session.receive_nothing(table.now));
    assert!(!table.session.accepts_input());
}

#[test]
fn what_is_refused_counts_by_its_length() {
    let mut table = Table::with_rate(Rate { burst: 1, per_second: 1 }).log_in();
    let mut long = submission(1, 1);
    long.message.content = vec![0; limits::CONTENT_BYTES];
    for counter in 1.. {
        table.say(&ClientFrame::Submit(Submission { counter, since: counter, ..long.clone() }));
        table.read();
        if !table.session.accepts_input() {
            // 65 for each, and one of them was taken.
            assert_eq!(counter, 2 + (ASKED_AT_ONCE - 10) / 65);
            return;
        }
    }
}

#[test]
fn marks_of_reading_count_one_by_one() {
    let mut table = Table::logged_in();
    for first in (1..).step_by(limits::READ_PER_FRAME).take(8) {
        let seqs = (first..).take(limits::READ_PER_FRAME).collect();
        assert!(table.session.accepts_input());
        table.say(&ClientFrame::Read { mailbox: OWN, seqs });
    }
    assert_eq!(table.asked().len(), 8, "nothing is lost by it");
    assert!(!table.session.accepts_input());
    table.wait(Duration::from_secs(1));
    assert!(table.session.accepts_input());
}

#[test]
fn what_a_person_has_asked_at_one_device_is_paid_before_another_is_listened_to() {
    let allowances = Allowances::new(Rate::default());
    let [mut one, mut other] = [(); 2].map(|()| Table::sharing(allowances.clone()).log_in());
    for first in (1..).step_by(limits::READ_PER_FRAME).take(20) {
        one.say(&ClientFrame::Read { mailbox: OWN, seqs: (first..).take(limits::READ_PER_FRAME).collect() });
    }
    other.now = one.now;
    other.say(&ClientFrame::Read { mailbox: OWN, seqs: vec![1] });
    assert!(other.asked().is_empty());
    other.wait(Duration::from_secs(30));
    assert_eq!(other.asked().len(), 1, "nothing is lost by it");
}

#[test]
fn what_is_begun_and_never_finished_is_cut_off() {
    let mut table = Table::logged_in();
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, &vec![0; limits::FRAME_BYTES]);
    let start = table.now;
    for byte in wire.chunks(1) {
        if table.has_hung_up() {
            break;
        }
        assert!(table.now - start <= limits::DEAD_AFTER + Duration::from_secs(10));
        table.session.receive(byte, table.now);
        table.wait(Duration::from_secs(10));
    }
    assert!(table.now - start >= limits::DEAD_AFTER);
    assert_eq!(table.read().last(), Some(&ServerFrame::Closing(Closing::Silent)));
}

#[test]
fn what_goes_on_slowly_is_not_cut_off() {
    let mut table = Table::logged_in();
    let mut wire = Vec::new();
    (0..50).for_each(|token| codec::write_frame(&mut wire, &codec::encode(&ClientFrame::Ping { token }).unwrap()));
    for byte in wire.chunks(1) {
        table.session.receive(byte, table.now);
        table.wait(Duration::from_secs(3));
        table.read();
        assert!(!table.has_hung_up());
    }
}

#[test]
fn an_acknowledgement_is_passed_on_once() {
    let mut table = Table::logged_in();
    (1..=2).for_each(|seq| table.session.event(Event::Entries(run(seq, 10))));
    for seq in [1, 1, 2, 1, 2] {
        table.say(&ClientFrame::Acknowledge { mailbox: OWN, seq });
    }
    let asked = table.asked();
    let [Request::Acknowledge { seq: 1, .. }, Request::Acknowledge { seq: 2, .. }] = asked[..] else {
        panic!("{asked:?}")
    };
    assert!(table.is_open());
}

#[test]
fn whoever_speaks_and_never_reads_is_cut_off() {
    let mut table = Table::logged_in();
    let every = Duration::from_secs(1);
    let start = table.now;
    while !table.has_hung_up() {
        assert!(table.now - start <= limits::DEAD_AFTER + every);
        table.say(&ClientFrame::Ping { token: 1 });
        table.wait(every);
    }
    assert!(table.now - start >= limits::DEAD_AFTER);
    assert_eq!(table.read().last(), Some(&ServerFrame::Closing(Closing::Silent)));
}

#[test]
fn whoever_reads_slowly_is_not_cut_off() {
    let mut table = Table::logged_in();
    let start = table.now;
    while table.now - start < 3 * limits::DEAD_AFTER {
        table.say(&ClientFrame::Ping { token: 1 });
        table.say(&ClientFrame::Ping { token: 2 });
        table.wait(Duration::from_secs(1));
        table.read_some(7);
        assert!(!table.has_hung_up());
    }
    assert!(!table.session.transmit().is_empty());
}
