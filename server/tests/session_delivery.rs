//! Entries on their way to a client that reads as it likes: each once, in order, from memory where it keeps up and from the
//! store where it does not.

mod table;

use std::collections::VecDeque;

use malote_common::Seq;
use malote_common::frame::ServerFrame;
use malote_server::post_office::{Event, Request};
use malote_server::store::Run;
use proptest::prelude::*;
use table::{OWN, Table, run, run_of};

#[test]
fn who_keeps_up_gets_a_long_run_without_the_store() {
    let mut table = Table::logged_in();
    table.session.event(Event::Entries(run_of(1..=64, 4096)));
    table.session.event(Event::Entries(run_of(65..=70, 10)));
    assert!(table.session.is_holding());
    let mut seqs = Vec::new();
    while !table.session.transmit().is_empty() {
        seqs.extend(delivered(&table.read()));
    }
    assert!(!table.session.is_holding());
    assert_eq!(seqs, (1..=70).collect::<Vec<_>>());
    assert!(table.asked().is_empty(), "nothing is left to ask for");
}

#[test]
fn who_does_not_gets_the_rest_from_the_store() {
    let mut table = Table::logged_in();
    table.session.event(Event::Entries(run_of(1..=64, 4096)));
    table.session.let_go();
    assert!(!table.session.is_holding());
    let sent = delivered(&table.read()).len() as Seq;
    assert!((1..64).contains(&sent));
    assert!(matches!(table.asked()[..], [Request::Fetch { after, .. }] if after == sent));
}

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Step {
    /// So many entries of so many bytes are appended, and handed on.
    Append(u64, usize),
    /// The same, but the queue was full.
    Miss(u64),
    /// The peer takes so many bytes.
    Write(usize),
    /// The peer takes nothing at once.
    LetGo,
    /// The store answers.
    Answer,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40u64, 1..9000usize).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        (1..5u64).prop_map(Step::Miss),
        (1..300_000usize).prop_map(Step::Write),
        Just(Step::LetGo),
        Just(Step::Answer),
    ]
}

proptest! {
    #[test]
    fn each_entry_is_sent_once_and_in_order(steps in prop::collection::vec(step(), 1..60)) {
        let mut table = Table::logged_in();
        let (mut stored, mut asked, mut seqs): (Seq, VecDeque<Seq>, Vec<Seq>) = (0, VecDeque::new(), Vec::new());
        let rest = [Step::LetGo, Step::Answer, Step::Write(usize::MAX)].into_iter().cycle().take(3_000);
        for step in steps.into_iter().chain(rest) {
            match step {
                Step::Append(count, bytes) => {
                    let run = run_of(stored + 1..=stored + count, bytes);
                    stored += count;
                    table.session.event(Event::Entries(run));
                }
                Step::Miss(count) => {
                    stored += count;
                    table.session.missed_events();
                }
                Step::Write(bytes) => seqs.extend(delivered(&table.read_some(bytes))),
                Step::LetGo => table.session.let_go(),
                Step::Answer => if let Some(after) = asked.pop_front() {
                    let page: Vec<Run> = (after + 1..=stored).take(7).map(|seq| run(seq, 3000)).collect();
                    table.session.event(Event::Page { mailbox: OWN, entries: page });
                }
            }
            for request in table.asked() {
                let Request::Fetch { after, .. } = request else { panic!("{request:?}") };
                prop_assert!(asked.is_empty(), "one page at a time");
                asked.push_back(after);
            }
        }
        prop_assert_eq!(seqs, (1..=stored).collect::<Vec<_>>());
    }
}

fn delivered(frames: &[ServerFrame]) -> Vec<Seq> {
    let seq = |frame: &ServerFrame| match frame {
        ServerFrame::Delivery { seq, .. } => *seq,
        other => panic!("{other:?}"),
    };
    frames.iter().map(seq).collect()
}
