//! The client's engine, spoken to by hand: what it does in which order, and when it gives up.

mod rooms;
mod table;

use std::time::Duration;

use malote_client::archive::{Change, Open, Saved};
use malote_client::engine::Output;
use malote_client::{ArchiveError, Command, Event, Problem, Status};
use malote_common::codec::{self};
use malote_common::frame::{ClientFrame, Closing, ServerFrame};
use malote_common::{
    Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Outcome, Receipt, Submission, Timestamp, limits,
};

use table::{EPOCH, OWN, Table, frames};

impl Table {
    fn online() -> Table {
        let mut table = Table::new(Saved { next_counter: 1, tell_read: true, ..Saved::default() });
        table.connect(0);
        table
    }

    /// Loses the connection and makes another one.
    fn reconnect(&mut self, last_counter: u64) -> Vec<Output> {
        self.disconnected();
        self.connect(last_counter)
    }

    fn connect(&mut self, last_counter: u64) -> Vec<Output> {
        self.welcome.last_counter = last_counter;
        self.connected()
    }

    fn send(&mut self, to: &str) {
        let to = Address::parse_list(to).unwrap();
        let content = Content { subject: "s".into(), body: "b".into() };
        self.engine.command(Command::Send { token: 1, to, content, in_reply_to: None }, self.now);
    }

    fn answer(&mut self, counter: u64, outcome: Outcome) {
        self.hear(&ServerFrame::Outcomes { counter, outcomes: vec![outcome] });
    }
}

fn submissions(outputs: &[Output]) -> Vec<Submission> {
    let submitted = |frame| if let ClientFrame::Submit(submission) = frame { Some(submission) } else { None };
    frames(outputs).into_iter().filter_map(submitted).collect()
}

fn problem(outputs: &[Output]) -> Option<Problem> {
    outputs.iter().find_map(|output| match output {
        Output::Tell(Event::Status(Status::Waiting { problem, .. } | Status::Stopped { problem })) => {
            Some(problem.clone())
        }
        _ => None,
    })
}

const ACCEPTED: Outcome = Outcome::Accepted { mailbox: MailboxId(9), seq: 1 };
const LIMITED: Outcome = Outcome::RateLimited { retry_after_ms: 500 };

#[test]
fn a_message_is_on_disk_before_it_is_sent_and_before_anybody_is_told() {
    let mut table = Table::online();
    table.send("Usuario1");
    let outputs = table.outputs();
    assert!(matches!(outputs[0], Output::Keep(Change::Composed { .. })), "{outputs:?}");
    let position = |wanted: fn(&Output) -> bool| outputs.iter().position(wanted).unwrap();
    let attempted = position(|output| matches!(output, Output::Keep(Change::Attempted { counter: 1, .. })));
    assert!(attempted < position(|output| matches!(output, Output::Send(_))));
    assert!(position(|output| matches!(output, Output::Tell(Event::Queued { token: 1, .. }))) > 0);
}

#[test]
fn what_came_is_on_disk_before_it_is_acknowledged() {
    let mut table = Table::online();
    let receipt = |seq| ServerFrame::Delivery {
        mailbox: MailboxId(1),
        seq,
        entry: Entry::Receipt(Receipt::Delivered { mailbox: MailboxId(9), seq, at: Timestamp(0) }),
    };
    let mut wire = Vec::new();
    for seq in 1..=3 {
        codec::write_frame(&mut wire, &codec::encode(&receipt(seq)).unwrap());
    }
    table.engine.receive(&wire, table.now);
    let outputs = table.outputs();
    assert!(outputs[..3].iter().all(|output| matches!(output, Output::Keep(Change::Received { .. }))), "{outputs:?}");
    // One acknowledgement for all that came together.
    assert_eq!(frames(&outputs), [ClientFrame::Acknowledge { mailbox: MailboxId(1), seq: 3 }]);
}

#[test]
fn a_lost_answer_is_asked_for_with_the_same_counter() {
    let mut table = Table::online();
    table.send("Usuario1");
    let first = submissions(&table.outputs()).remove(0);
    // 0 says that it is not to be carried out now: it may have lost its turn.
    assert_eq!(submissions(&table.reconnect(1)), [Submission { since: 0, ..first }]);
    table.answer(1, ACCEPTED);
    assert!(table.engine.is_outbox_empty());
}

#[test]
fn after_a_lost_connection_nothing_overtakes_what_is_asked_about() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.send("Usuario1");
    let ids: Vec<_> = submissions(&table.outputs()).iter().map(|submission| submission.message.id).collect();
    // That the second was refused as well is lost with the connection.
    table.answer(1, LIMITED);
    let asked = submissions(&table.reconnect(0));
    assert_eq!(asked.iter().map(|s| (s.counter, s.since)).collect::<Vec<_>>(), [(2, 0)]);
    table.answer(2, Outcome::OutOfTurn);
    let again = submissions(&table.outputs());
    assert_eq!(again.iter().map(|s| (s.message.id, s.counter)).collect::<Vec<_>>(), [(ids[0], 3), (ids[1], 4)]);
}

#[test]
fn nothing_overtakes_what_was_refused_without_our_having_heard_of_it() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.send("Usuario1");
    table.outputs();
    table.answer(1, LIMITED);
    table.wait(Duration::from_secs(1));
    // The second was refused behind the first, and is to go before this one.
    table.send("Usuario1");
    table.send("Usuario2");
    let sent = submissions(&table.outputs());
    assert_eq!(sent.iter().map(|s| s.message.to[0].to_string()).collect::<Vec<_>>(), ["Usuario2"]);
    table.answer(2, Outcome::OutOfTurn);
    let sent = submissions(&table.outputs());
    assert_eq!(sent.iter().map(|s| s.counter).collect::<Vec<_>>(), [4, 5, 6]);
}

#[test]
fn a_pause_that_ends_unnoticed_is_not_forgotten() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.answer(1, LIMITED);
    table.outputs();
    table.now.instant += Duration::from_secs(1);
    table.now.wall.0 += 1000;
    assert!(table.engine.deadline(table.now).unwrap() <= table.now.instant);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.answer(1, Outcome::MailboxFull);
    table.outputs();
    table.now.wall.0 -= 3_600_000;
    table.wait(Duration::from_secs(1));
    assert_eq!(submissions(&table.outputs()).len(), 1);
}

#[test]
fn no_more_are_under_way_than_the_window_allows() {
    let mut table = Table::online();
    for _ in 0..100 {
        table.send("Usuario1");
    }
    assert_eq!(submissions(&table.outputs()).len(), limits::WINDOW as usize);
    table.answer(2, ACCEPTED);
    // The oldest is unanswered still.
    assert_eq!(submissions(&table.outputs()).len(), 0);
    table.answer(1, ACCEPTED);
    assert_eq!(submissions(&table.outputs()).len(), 2);
}

#[test]
fn a_busy_server_is_given_the_time_it_asks_for_and_nothing_overtakes() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.send("Usuario1");
    let ids: Vec<_> = submissions(&table.outputs()).iter().map(|submission| submission.message.id).collect();
    table.answer(1, LIMITED);
    table.answer(2, Outcome::OutOfTurn);
    assert!(submissions(&table.outputs()).is_empty());
    table.wait(Duration::from_millis(499));
    assert!(submissions(&table.outputs()).is_empty());
    assert!(table.engine.deadline(table.now).unwrap() <= table.now.instant + Duration::from_millis(1));
    table.wait(Duration::from_millis(1));
    let again = submissions(&table.outputs());
    assert_eq!(again.iter().map(|submission| submission.message.id).collect::<Vec<_>>(), ids);
    assert_eq!(again.iter().map(|s| (s.counter, s.since)).collect::<Vec<_>>(), [(3, 3), (4, 3)]);
}

#[test]
fn a_server_may_ask_for_an_hour_and_not_for_more() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    for (asked, given) in [(HOUR / 2, HOUR / 2), (10 * HOUR, HOUR)] {
        let mut table = Table::online();
        table.send("Usuario1");
        table.outputs();
        table.answer(1, Outcome::RateLimited { retry_after_ms: asked.as_millis() as u64 });
        let kept = table.outputs().into_iter().find_map(|output| match output {
            Output::Keep(Change::Answered { not_before, .. }) => Some(not_before),
            _ => None,
        });
        assert_eq!(kept.unwrap().0 - table.now.wall.0, given.as_millis() as i64);
        // Whatever the clock on the wall says meanwhile, and also on another connection.
        table.now.wall.0 -= 1_800_000;
        assert_eq!(submissions(&table.reconnect(0)).len(), 0);
        // Making it took a second.
        table.now.instant += given - Duration::from_millis(1_001);
        table.hear(&ServerFrame::Ping { token: 0 });
        table.engine.tick(table.now);
        assert_eq!(submissions(&table.outputs()).len(), 0, "{given:?}");
        table.wait(Duration::from_millis(1));
        assert_eq!(submissions(&table.outputs()).len(), 1, "{given:?}");
    }
}

#[test]
fn a_pause_outlasts_the_program() {
    let mut table = Table::online();
    table.send("Usuario1");
    let (message, wall) = (submissions(&table.outputs()).remove(0).message, table.now.wall);
    for (minutes, waits) in [(30, true), (61, false)] {
        let open = Open {
            message: message.clone(),
            targets: vec![0],
            counter: None,
            not_before: Timestamp(wall.0 + minutes * 60_000),
            tried_for: Duration::ZERO,
            noted_at: wall,
            restored: false,
        };
        let outbox = vec![open];
        let mut table = Table::starting_at(Saved { next_counter: 2, outbox, ..Saved::default() }, wall);
        // A clock that was set back since makes no pause longer.
        assert_eq!(submissions(&table.connect(1)).is_empty(), waits);
    }
}

#[test]
fn a_full_mailbox_holds_back_only_what_is_for_it() {
    let mut table = Table::online();
    table.send("Usuario1");
    table.outputs();
    table.answer(1, Outcome::MailboxFull);
    table.send("Usuario1");
    table.send("Usuario2");
    let sent = submissions(&table.outputs());
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].message.to[0].to_string(), "Usuario2");
    table.wait(Duration::from_secs(2));
    assert_eq!(submissions(&table.outputs()).len(), 2);
}

#[test]
fn after_fourteen_days_the_author_is_told() {
    let mut table = Table::new(Saved { next_counter: 1, ..Saved::default() });
    table.send("Usuario1");
    table.outputs();
    table.wait(limits::RETRY_FOR - Duration::from_secs(1));
    assert!(!table.outputs().iter().any(is_expiry));
    table.wait(Duration::from_secs(1));
    assert!(table.outputs().iter().any(is_expiry));
    assert!(table.engine.is_outbox_empty());
}

#[test]
fn a_clock_that_jumps_ends_nothing_early_and_nothing_late() {
    let mut table = Table::new(Saved { next_counter: 1, ..Saved::default() });
    table.send("Usuario1");
    for day in 1..14 {
        table.now.wall.0 += if day % 2 == 0 { -DECADE_MS } else { 2 * DECADE_MS };
        table.wait(Duration::from_secs(24 * 60 * 60));
        assert!(!table.outputs().iter().any(is_expiry), "on day {day}");
    }
    table.now.wall.0 -= DECADE_MS;
    table.wait(Duration::from_secs(24 * 60 * 60));
    assert!(table.outputs().iter().any(is_expiry));
}

#[test]
fn the_time_between_two_runs_counts_as_a_day_at_most() {
    let mut saved = Saved { next_counter: 1, ..Saved::default() };
    let mut table = Table::new(saved.clone());
    table.send("Usuario1");
    let composed = table.outputs().into_iter().find_map(|output| match output {
        Output::Keep(Change::Composed { message, .. }) => Some(message),
        _ => None,
    });
    let (message, noted_at) = (composed.unwrap(), table.now.wall);
    let mut open = Open {
        message,
        targets: vec![0],
        counter: None,
        not_before: Timestamp(0),
        tried_for: Duration::ZERO,
        noted_at,
        restored: false,
    };
    // The clock was ten years ahead, and then ten years behind. Then a year goes by between any two runs.
    for (start, absence) in [(-DECADE_MS, 0), (DECADE_MS, 1)].into_iter().chain([(YEAR_MS, 1); 12]) {
        saved.outbox = vec![open.clone()];
        let mut table = Table::starting_at(saved.clone(), Timestamp(open.noted_at.0 + start));
        table.engine.tick(table.now);
        let noted = table.outputs().into_iter().find_map(|output| match output {
            Output::Keep(Change::Tried { messages, at }) => Some((messages[0].1, at)),
            _ => None,
        });
        let before = open.tried_for;
        (open.tried_for, open.noted_at) = noted.expect("what has passed is noted when the program starts");
        assert_eq!(open.tried_for - before, Duration::from_secs(absence * 24 * 60 * 60));
    }
    saved.outbox = vec![open.clone()];
    let mut table = Table::starting_at(saved, Timestamp(open.noted_at.0 + YEAR_MS));
    table.engine.tick(table.now);
    assert!(table.outputs().iter().any(is_expiry));
}

#[test]
fn a_disk_that_takes_nothing_is_not_tried_all_the_time() {
    let mut table = Table::online();
    table.engine.hold(Problem::Disk(ArchiveError::DiskFull), table.now);
    table.wait(Duration::from_millis(1_900));
    assert!(!table.outputs().contains(&Output::Connect));
    table.wait(Duration::from_millis(200));
    assert!(table.outputs().contains(&Output::Connect));
}

const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1000;
const DECADE_MS: i64 = 10 * YEAR_MS;

fn is_expiry(output: &Output) -> bool {
    matches!(output, Output::Keep(Change::Expired { open, .. }) if open == &[0])
}

#[test]
fn what_was_opened_is_told_in_one_frame_at_a_time() {
    let mut table = Table::online();
    let mailbox = MailboxId(1);
    for seq in 1..=100 {
        table.engine.command(Command::Open { row: seq, mailbox: MailboxId(1), seq: seq as u64 }, table.now);
    }
    assert_eq!(frames(&table.outputs()), [ClientFrame::Read { mailbox, seqs: vec![1] }]);
    table.hear(&ServerFrame::ReadNoted { mailbox, seqs: vec![1] });
    assert_eq!(frames(&table.outputs()), [ClientFrame::Read { mailbox, seqs: (2..=100).collect() }]);
    // A server without space notes nothing, and is not asked again at once.
    table.hear(&ServerFrame::ReadNoted { mailbox, seqs: vec![] });
    assert_eq!(frames(&table.outputs()), []);
}

#[test]
fn a_silent_server_is_asked_and_then_given_up_within_45_seconds() {
    let mut table = Table::online();
    table.wait(limits::PING_AFTER);
    assert_eq!(frames(&table.outputs()), [ClientFrame::Ping { token: 0 }]);
    table.wait(limits::DEAD_AFTER - limits::PING_AFTER);
    let outputs = table.outputs();
    assert!(outputs.contains(&Output::Disconnect));
    assert_eq!(problem(&outputs), Some(Problem::Silent));
}

#[test]
fn another_device_in_its_place_is_not_fought_over() {
    let mut table = Table::online();
    table.hear(&ServerFrame::Closing(Closing::Superseded));
    assert_eq!(problem(&table.outputs()), Some(Problem::Closed(Closing::Superseded)));
    table.wait(Duration::from_secs(3600));
    assert!(!table.outputs().contains(&Output::Connect));
    table.engine.command(Command::ConnectNow, table.now);
    table.wait(Duration::ZERO);
    assert!(table.outputs().contains(&Output::Connect));
}

#[test]
fn a_server_that_leaves_a_gap_is_not_followed() {
    let mut table = Table::online();
    table.hear(&ServerFrame::Delivery {
        mailbox: MailboxId(1),
        seq: 2,
        entry: Entry::Receipt(Receipt::Read { mailbox: MailboxId(9), seq: 1, at: Timestamp(0) }),
    });
    let outputs = table.outputs();
    assert_eq!(problem(&outputs), Some(Problem::NotMalote));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Keep(_))));
}

#[test]
fn a_profile_from_a_backup_uses_no_counter_again() {
    let mut table = Table::new(Saved { next_counter: 1, ..Saved::default() });
    table.send("Usuario1");
    table.outputs();
    let sent = submissions(&table.connect(500));
    assert_eq!(sent.iter().map(|submission| submission.counter).collect::<Vec<_>>(), [501]);
}

#[test]
fn with_a_server_from_a_backup_everything_begins_anew_from_the_disk() {
    let mut table = Table::new(Saved { next_counter: 8, resume: Some((OWN, EPOCH, 5)), ..Saved::default() });
    table.send("Usuario1");
    table.outputs();
    table.welcome.epoch = Epoch([9; 16]);
    let outputs = table.connect(3);
    assert!(matches!(outputs[0], Output::Keep(Change::ServerRestored { last_counter: 3, .. })), "{outputs:?}");
    assert!(matches!(outputs[1], Output::Keep(Change::Welcomed { epoch: Epoch(new), .. }) if new == [9; 16]));
    assert_eq!(outputs[2..], [Output::Reload], "nothing is said before the disk has it");
    // The same epoch is the same life, unless the server has fewer entries than we do.
    for (last_seq, has_gone_back) in [(5, false), (4, true)] {
        let mut table = Table::new(Saved { next_counter: 8, resume: Some((OWN, EPOCH, 5)), ..Saved::default() });
        table.welcome.last_seq = last_seq;
        let outputs = table.connect(3);
        assert_eq!(outputs.contains(&Output::Reload), has_gone_back);
        let restored = Change::ServerRestored { last_counter: 3, wishes: vec![] };
        assert_eq!(outputs.contains(&Output::Keep(restored)), has_gone_back);
    }
}

#[test]
fn whom_a_restored_server_does_not_know_yet_is_waited_for_some_days() {
    let message = |to: &str, id| Message {
        id: MessageId([id; 16]),
        to: Address::parse_list(to).unwrap(),
        in_reply_to: None,
        sent_at: Timestamp(0),
        content: vec![],
    };
    let open = |to, id| Open {
        message: message(to, id),
        targets: vec![0],
        counter: None,
        not_before: Timestamp(0),
        tried_for: Duration::ZERO,
        noted_at: Timestamp(1_000_000),
        restored: true,
    };
    let outbox = vec![open("ana", 1), open("#obras", 2)];
    let mut table = Table::new(Saved { next_counter: 1, outbox, ..Saved::default() });
    assert_eq!(submissions(&table.connect(0)).len(), 2);
    let answers = |table: &mut Table, counter, outcome| -> Vec<u8> {
        table.answer(counter, outcome);
        let answered = |output| match output {
            Output::Keep(Change::Answered { open, .. }) => Some(open),
            _ => None,
        };
        table.outputs().into_iter().find_map(answered).unwrap()
    };
    assert_eq!(answers(&mut table, 1, Outcome::UnknownRecipient), [0]);
    assert_eq!(answers(&mut table, 2, Outcome::NotAMember), [0]);
    // Others get their mail meanwhile.
    table.send("bia");
    assert_eq!(submissions(&table.outputs()).len(), 1);
    table.answer(3, ACCEPTED);
    table.wait(Duration::from_secs(1));
    let sent = submissions(&table.outputs());
    assert_eq!(sent.iter().map(|s| s.message.id.0[0]).collect::<Vec<_>>(), [1, 2], "with a pause");
    assert_eq!(answers(&mut table, 4, Outcome::TooLarge), [] as [u8; 0]);
    assert_eq!(answers(&mut table, 5, Outcome::NotAMember), [0]);
    table.now.instant += Duration::from_secs(4 * 24 * 60 * 60);
    table.now.wall.0 += 4 * 24 * 60 * 60 * 1000;
    let again = submissions(&table.reconnect(5));
    assert_eq!(again.len(), 1);
    assert_eq!(answers(&mut table, 6, Outcome::NotAMember), [] as [u8; 0], "as ever after four days");
    table.send("ana");
    assert_eq!(submissions(&table.outputs()).len(), 1);
    assert_eq!(answers(&mut table, 7, Outcome::UnknownRecipient), [] as [u8; 0], "as ever for what is new");
}

#[test]
fn a_server_that_has_counted_to_the_end_of_all_numbers_is_not_followed() {
    for last_counter in [limits::HIGHEST_COUNTER + 1, i64::MAX as u64 - 1, i64::MAX as u64, u64::MAX] {
        let mut table = Table::online();
        table.send("Usuario1");
        table.outputs();
        assert_eq!(problem(&table.reconnect(last_counter)), Some(Problem::NotMalote), "{last_counter}");
    }
    let mut table = Table::online();
    table.reconnect(limits::HIGHEST_COUNTER);
    table.send("Usuario1");
    let submissions = submissions(&table.outputs());
    // It is refused for good, and its author is told.
    assert_eq!(submissions[0].refusal(), Some(Outcome::Invalid));
}

#[test]
fn nothing_comes_behind_the_last_of_all_numbers() {
    let mut table = Table::new(Saved { next_counter: 1, resume: Some((OWN, EPOCH, u64::MAX)), ..Saved::default() });
    table.welcome.last_seq = u64::MAX;
    table.connect(0);
    let at = Timestamp(0);
    let entry = Entry::Receipt(Receipt::Delivered { mailbox: MailboxId(4), seq: 1, at });
    table.hear(&ServerFrame::Delivery { mailbox: OWN, seq: 0, entry });
    assert_eq!(problem(&table.outputs()), Some(Problem::NotMalote));
}
