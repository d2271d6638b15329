//! What every [`Store`] must do, as a suite to run against each backend.

use malote_common::{
    Address, Content, DeviceId, Entry, MailboxId, Message, MessageId, Name, Outcome, Receipt, Seq, Submission,
    Timestamp, codec, limits,
};

use super::{Answer, Login, Operation, Run, Store};

mod names;
mod rooms;

pub const DEVICE: DeviceId = DeviceId([9; 16]);

/// Runs the suite. `open` opens the same store each time, as after a restart; `reset` makes it empty.
pub fn check<S: Store>(open: impl Fn() -> S, reset: impl Fn()) {
    let cases: &[fn(&dyn Fn() -> S)] = &[
        names_are_sequential_bound_to_keys_and_kept,
        submissions_are_carried_out_once,
        a_counter_serves_one_message,
        the_last_answers_are_kept_and_older_ones_refused,
        nothing_overtakes_what_is_missing,
        inquiries_are_answered_and_never_carried_out,
        every_recipient_gets_an_outcome,
        one_person_under_two_names_gets_one_entry,
        seqs_have_no_gaps_and_pages_are_bounded,
        acknowledging_tells_authors_once,
        reading_tells_authors_once,
        a_full_mailbox_refuses_and_recovers,
        nothing_overtakes_what_was_refused_for_now,
        people_come_in_pages,
        names::a_chosen_name_is_an_alias_of_the_given_one,
        names::refusals_say_why,
        names::a_name_that_was_given_up_rests,
        names::no_leap_of_the_clock_ends_the_rest_of_a_name,
        names::who_changes_names_all_the_time_has_to_wait,
        rooms::only_members_post_and_one_entry_serves_them_all,
        rooms::a_member_may_see_what_came_since_and_a_little_before,
        rooms::everybody_is_in_the_room_of_everybody,
        rooms::refusals_say_why,
        rooms::lists_come_in_pages,
        rooms::a_room_that_nobody_wrote_in_goes_with_its_last_member,
        rooms::visitors_post_as_nobody_in_particular,
    ];
    for case in cases {
        reset();
        case(&open);
    }
    reset();
}

/// Logs in that many new people; their numbers follow each other.
pub fn people(store: &mut impl Store, count: u8) -> Vec<Login> {
    (0..count).map(|n| login(store, n)).collect()
}

pub fn submission(counter: u64, to: &[&str], body: &str) -> Submission {
    let content = Content { subject: "Assunto".into(), body: body.into() };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&counter.to_be_bytes());
    Submission {
        counter,
        since: counter,
        targets: (0..to.len() as u8).collect(),
        message: Message {
            id: MessageId(id),
            to: to.iter().map(|typed| Address::parse(typed).unwrap()).collect(),
            in_reply_to: None,
            sent_at: Timestamp(77),
            content: codec::encode(&content).unwrap(),
        },
    }
}

fn login(store: &mut impl Store, key: u8) -> Login {
    match one(store, Operation::Login { key: [key; 32], device: DEVICE }) {
        Answer::LoggedIn(login) => login,
        other => panic!("{other:?}"),
    }
}

/// An entry by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub mailbox: MailboxId,
    pub seq: Seq,
    pub entry: Vec<u8>,
}

/// The entries of runs, in order.
pub fn each(runs: &[Run]) -> Vec<Stored> {
    let entries = runs.iter().flat_map(|run| run.iter().map(|(seq, entry)| (run.mailbox, seq, entry)));
    entries.map(|(mailbox, seq, entry)| Stored { mailbox, seq, entry: entry.to_vec() }).collect()
}

/// The entries of a page, which holds no more than it says.
fn page(store: &mut impl Store, mailbox: MailboxId, after: Seq, max_bytes: usize) -> Vec<Stored> {
    let runs = store.entries(mailbox, after, max_bytes).unwrap();
    let entries = each(&runs);
    assert!(runs.iter().all(|run| (run.last - run.first + 1) as usize == codec::frames(&run.bytes).count()));
    assert!(entries.iter().map(|stored| stored.seq).eq(after + 1..=after + entries.len() as u64));
    entries
}

fn one(store: &mut impl Store, operation: Operation) -> Answer {
    both(store, operation).0
}

fn both(store: &mut impl Store, operation: Operation) -> (Answer, Vec<Stored>) {
    let mut committed = store.commit(&[operation], Timestamp(1000)).unwrap();
    assert_eq!(committed.answers.len(), 1);
    (committed.answers.remove(0), each(&committed.appended))
}

fn submit(store: &mut impl Store, author: &Login, submission: Submission) -> (Vec<Outcome>, Vec<Stored>) {
    match both(store, Operation::Submit { author: author.person, device: DEVICE, submission }) {
        (Answer::Submitted { outcomes }, appended) => (outcomes, appended),
        other => panic!("{other:?}"),
    }
}

fn receipts(store: &mut impl Store, operation: Operation) -> Vec<(u64, Receipt)> {
    let (answer, appended) = both(store, operation);
    assert_eq!(answer, Answer::Noted);
    let decoded = appended.iter().map(|stored| match codec::decode(&stored.entry).unwrap() {
        Entry::Receipt(receipt) => (stored.mailbox.0, receipt),
        other => panic!("{other:?}"),
    });
    decoded.collect()
}

fn names_are_sequential_bound_to_keys_and_kept<S: Store>(open: &dyn Fn() -> S) {
    let first = people(&mut open(), 3);
    assert_eq!(first.iter().map(|l| l.name.to_string()).collect::<Vec<_>>(), ["Usuario0", "Usuario1", "Usuario2"]);
    assert!(first.iter().all(|login| login.is_new && login.last_seq == 0 && login.last_counter == 0));
    let mut store = open();
    let again = login(&mut store, 1);
    assert_eq!(again, Login { is_new: false, ..first[1].clone() });
    assert_eq!(login(&mut store, 7).name, Name::given(3));
}

fn submissions_are_carried_out_once<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(1, &["Usuario1"], "oi"));
    assert_eq!(outcomes, [Outcome::Accepted { mailbox: ids[1].mailbox, seq: 1 }]);
    assert_eq!(appended.len(), 1);
    drop(store);
    let mut store = open();
    assert_eq!(submit(&mut store, &ids[0], submission(1, &["Usuario1"], "oi")), (outcomes, vec![]));
    assert_eq!(page(&mut store, ids[1].mailbox, 0, 10_000), appended);
    assert_eq!(login(&mut store, 0).last_counter, 1);
    let entry = codec::decode(&appended[0].entry).unwrap();
    let Entry::Message { from, number, accepted_at, message } = entry else { panic!() };
    assert_eq!((from, number, accepted_at), (Name::given(0), Some(0), Timestamp(1000)));
    assert_eq!(message, submission(1, &["Usuario1"], "oi").message);
}

fn a_counter_serves_one_message<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    submit(&mut store, &ids[0], submission(1, &["Usuario1"], "oi"));
    let mut other = submission(1, &["Usuario1"], "outra");
    other.message.id = MessageId([200; 16]);
    assert_eq!(submit(&mut store, &ids[0], other), (vec![Outcome::Invalid], vec![]));
}

fn the_last_answers_are_kept_and_older_ones_refused<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let batch = (1..=limits::WINDOW + 1).map(|counter| Operation::Submit {
        author: ids[0].person,
        device: DEVICE,
        submission: submission(counter, &["Usuario1"], "oi"),
    });
    store.commit(&batch.collect::<Vec<_>>(), Timestamp(1)).unwrap();
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(2, &["Usuario1"], "oi"));
    assert_eq!((outcomes, appended), (vec![Outcome::Accepted { mailbox: ids[1].mailbox, seq: 2 }], vec![]));
    assert_eq!(submit(&mut store, &ids[0], submission(1, &["Usuario1"], "oi")), (vec![Outcome::Invalid], vec![]));
}

fn nothing_overtakes_what_is_missing<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let unaware = |counter, since| Submission { since, ..submission(counter, &["Usuario1"], "oi") };
    let refused =
        |(outcomes, appended): (Vec<Outcome>, Vec<Stored>)| outcomes == [Outcome::OutOfTurn] && appended.is_empty();
    assert_eq!(submit(&mut store, &ids[0], unaware(1, 1)).1.len(), 1);
    // 2 was refused on its way, as by a rate limit; 3 was sent before that was known, 4 after it.
    assert!(refused(submit(&mut store, &ids[0], unaware(3, 1))));
    assert!(refused(submit(&mut store, &ids[0], unaware(3, 2))));
    assert_eq!(submit(&mut store, &ids[0], unaware(4, 4)).1.len(), 1);
    // Now 2 and 3 would come behind what was written after them.
    assert!(refused(submit(&mut store, &ids[0], unaware(2, 1))));
    assert!(refused(submit(&mut store, &ids[0], unaware(3, 3))));
    assert_eq!(submit(&mut store, &ids[0], unaware(5, 4)).1.len(), 1);
}

fn inquiries_are_answered_and_never_carried_out<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let inquiry = |counter| Submission { since: 0, ..submission(counter, &["Usuario1"], "oi") };
    let (accepted, _) = submit(&mut store, &ids[0], submission(1, &["Usuario1"], "oi"));
    drop(store);
    let mut store = open();
    assert_eq!(submit(&mut store, &ids[0], inquiry(1)), (accepted, vec![]));
    assert_eq!(submit(&mut store, &ids[0], inquiry(2)), (vec![Outcome::OutOfTurn], vec![]));
    assert_eq!(login(&mut store, 0).last_counter, 1);
}

fn every_recipient_gets_an_outcome<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 3);
    let to = ["usuario2", "Usuario9", "#obras", "Usuario0", "Usuario1"];
    let mut sent = submission(1, &to, "oi");
    sent.targets.pop();
    let (outcomes, appended) = submit(&mut store, &ids[0], sent);
    let accepted = |n: usize| Outcome::Accepted { mailbox: ids[n].mailbox, seq: 1 };
    let expected = [accepted(2), Outcome::UnknownRecipient, Outcome::UnknownRecipient, accepted(0)];
    assert_eq!(outcomes, expected);
    assert_eq!(appended.iter().map(|s| s.mailbox).collect::<Vec<_>>(), [ids[2].mailbox, ids[0].mailbox]);
    let mut large = submission(2, &["Usuario1"], "");
    large.message.content = vec![0; limits::CONTENT_BYTES + 1];
    assert_eq!(submit(&mut store, &ids[0], large).0, [Outcome::TooLarge]);
}

fn one_person_under_two_names_gets_one_entry<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(1, &["Usuario1", "USUARIO1"], "oi"));
    assert_eq!(outcomes, [Outcome::Accepted { mailbox: ids[1].mailbox, seq: 1 }; 2]);
    assert_eq!(appended.len(), 1);
}

fn seqs_have_no_gaps_and_pages_are_bounded<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    for counter in 1..=10 {
        let body = "x".repeat(1000);
        assert_eq!(submit(&mut store, &ids[0], submission(counter, &["Usuario1"], &body)).1[0].seq, counter);
    }
    let mut seqs = Vec::new();
    let mut entries = page(&mut store, ids[1].mailbox, 0, 3500);
    while let Some(last) = entries.last() {
        assert!(entries.len() <= 3);
        seqs.extend(entries.iter().map(|stored| stored.seq));
        entries = page(&mut store, ids[1].mailbox, last.seq, 3500);
    }
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    assert_eq!(page(&mut store, ids[1].mailbox, 4, 1).len(), 1);
}

fn acknowledging_tells_authors_once<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 3);
    submit(&mut store, &ids[0], submission(1, &["Usuario2"], "um"));
    submit(&mut store, &ids[1], submission(1, &["Usuario2"], "dois"));
    submit(&mut store, &ids[0], submission(2, &["Usuario2"], "três"));
    let mailbox = ids[2].mailbox;
    let acknowledge = |seq| Operation::Acknowledge { mailbox, seq };
    let delivered = |seq| Receipt::Delivered { mailbox, seq, at: Timestamp(1000) };
    assert_eq!(
        receipts(&mut store, acknowledge(2)),
        [(ids[0].mailbox.0, delivered(1)), (ids[1].mailbox.0, delivered(2))]
    );
    assert_eq!(receipts(&mut store, acknowledge(2)), []);
    assert_eq!(receipts(&mut store, acknowledge(1)), []);
    // Beyond the end counts as the end.
    assert_eq!(receipts(&mut store, acknowledge(u64::MAX)), [(ids[0].mailbox.0, delivered(3))]);
    submit(&mut store, &ids[0], submission(3, &["Usuario2"], "quatro"));
    assert_eq!(receipts(&mut store, acknowledge(4)), [(ids[0].mailbox.0, delivered(4))]);
    // Receipts are acknowledged as well, and tell nobody anything.
    assert_eq!(receipts(&mut store, Operation::Acknowledge { mailbox: ids[0].mailbox, seq: 3 }), []);
}

fn reading_tells_authors_once<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    submit(&mut store, &ids[0], submission(1, &["Usuario1"], "um"));
    let mailbox = ids[1].mailbox;
    let read = Operation::Read { mailbox, seqs: vec![1, 1, 99] };
    let expected = [(ids[0].mailbox.0, Receipt::Read { mailbox, seq: 1, at: Timestamp(1000) })];
    assert_eq!(receipts(&mut store, read.clone()), expected);
    assert_eq!(receipts(&mut store, read), []);
    // A receipt cannot be read.
    assert_eq!(receipts(&mut store, Operation::Read { mailbox: ids[0].mailbox, seqs: vec![1] }), []);
}

/// Sends Usuario1 as much as may wait, with counters from 1.
fn fill(store: &mut impl Store, author: &Login) {
    let submissions = (1..=limits::MAILBOX_ENTRIES).map(|counter| Operation::Submit {
        author: author.person,
        device: DEVICE,
        submission: submission(counter, &["Usuario1"], ""),
    });
    store.commit(&submissions.collect::<Vec<_>>(), Timestamp(1)).unwrap();
}

fn a_full_mailbox_refuses_and_recovers<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    fill(&mut store, &ids[0]);
    let next = limits::MAILBOX_ENTRIES + 1;
    assert_eq!(submit(&mut store, &ids[0], submission(next, &["Usuario1"], "")).0, [Outcome::MailboxFull]);
    one(&mut store, Operation::Acknowledge { mailbox: ids[1].mailbox, seq: 1 });
    // The answer stands; a new attempt goes through.
    assert_eq!(submit(&mut store, &ids[0], submission(next, &["Usuario1"], "")).0, [Outcome::MailboxFull]);
    let accepted = Outcome::Accepted { mailbox: ids[1].mailbox, seq: next };
    assert_eq!(submit(&mut store, &ids[0], submission(next + 1, &["Usuario1"], "")).0, [accepted]);
}

fn nothing_overtakes_what_was_refused_for_now<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    fill(&mut store, &ids[0]);
    let next = limits::MAILBOX_ENTRIES + 1;
    let unaware = |counter| Submission { since: next, ..submission(counter, &["Usuario1"], "") };
    assert_eq!(submit(&mut store, &ids[0], unaware(next)).0, [Outcome::MailboxFull]);
    one(&mut store, Operation::Acknowledge { mailbox: ids[1].mailbox, seq: 5 });
    drop(store);
    let mut store = open();
    assert_eq!(submit(&mut store, &ids[0], unaware(next + 1)).0, [Outcome::OutOfTurn]);
    assert!(matches!(
        submit(&mut store, &ids[0], submission(next + 2, &["Usuario1"], "")).0[..],
        [Outcome::Accepted { .. }]
    ));
}

fn people_come_in_pages<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 5);
    let page = store.people(None, 3).unwrap();
    assert_eq!(page.iter().map(|person| person.number).collect::<Vec<_>>(), [0, 1, 2]);
    let rest = store.people(Some(ids[2].person), 3).unwrap();
    assert_eq!(rest.iter().map(|person| person.name.to_string()).collect::<Vec<_>>(), ["Usuario3", "Usuario4"]);
}
