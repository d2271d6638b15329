//! Chosen names.

use malote_common::frame::NameRefusal;
use malote_common::{Entry, Name, Outcome, Timestamp, codec, limits};

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

fn take_at(store: &mut impl Store, person: &Login, typed: &str, at: i64) -> Answer {
    let operation = Operation::TakeName { person: person.person, name: Some(name(typed)) };
    store.commit(&[operation], Timestamp(at)).unwrap().answers.remove(0)
}

fn take(store: &mut impl Store, person: &Login, typed: &str) -> Answer {
    take_at(store, person, typed, 1000)
}

/// Somebody comes every day.
fn days_pass(store: &mut impl Store, days: std::ops::Range<i64>) {
    for day in days {
        store.commit(&[Operation::Login { key: [0; 32], device: DEVICE }], Timestamp(day * DAY)).unwrap();
    }
}

fn reaches(store: &mut impl Store, author: &Login, counter: u64, to: &str) -> Outcome {
    submit(store, author, submission(counter, &[to], "oi")).0[0]
}

pub fn a_chosen_name_is_an_alias_of_the_given_one<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    assert_eq!(take(&mut store, &ids[1], "Ana"), Answer::Named(name("Ana")));
    let own = ids[1].mailbox;
    assert_eq!(reaches(&mut store, &ids[0], 1, "ana"), Outcome::Accepted { mailbox: own, seq: 1 });
    assert_eq!(reaches(&mut store, &ids[0], 2, "usuario1"), Outcome::Accepted { mailbox: own, seq: 2 });
    // A message under both names is one entry.
    let (outcomes, appended) = submit(&mut store, &ids[0], submission(3, &["ANA", "Usuario1"], "oi"));
    assert_eq!((outcomes, appended.len()), (vec![Outcome::Accepted { mailbox: own, seq: 3 }; 2], 1));
    drop(store);
    let mut store = open();
    assert_eq!(login(&mut store, 1).name, name("Ana"));
    assert_eq!(store.people(None, 9).unwrap()[1].name, name("Ana"));
    let entry = codec::decode(&submit(&mut store, &ids[1], submission(1, &["Usuario0"], "oi")).1[0].entry).unwrap();
    assert!(matches!(entry, Entry::Message { from, number: Some(1), .. } if from == name("Ana")));
    // The spelling may change, and the given name may be had back.
    assert_eq!(take(&mut store, &ids[1], "ANA"), Answer::Named(name("ANA")));
    assert_eq!(take(&mut store, &ids[1], "usuario1"), Answer::Named(Name::given(1)));
    assert_eq!(reaches(&mut store, &ids[0], 4, "ana"), Outcome::UnknownRecipient);
    assert_eq!(reaches(&mut store, &ids[0], 5, "Usuario1"), Outcome::Accepted { mailbox: own, seq: 4 });
}

pub fn refusals_say_why<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    take(&mut store, &ids[0], "ana");
    for (typed, why) in [
        ("ana", NameRefusal::Taken),
        ("ANA", NameRefusal::Taken),
        ("аna", NameRefusal::LooksLike(name("ana"))),
        ("Usuario7", NameRefusal::Reserved),
        ("Usuario0", NameRefusal::Reserved),
        ("UsuarioI", NameRefusal::Reserved),
        ("todos", NameRefusal::Reserved),
        ("visitante-1", NameRefusal::Reserved),
    ] {
        assert_eq!(take(&mut store, &ids[1], typed), Answer::NameRefused(why), "{typed}");
    }
    assert_eq!(login(&mut store, 1).name, Name::given(1));
    assert_eq!(take(&mut store, &ids[1], "anna"), Answer::Named(name("anna")));
}

pub fn a_name_that_was_given_up_rests<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 3);
    take_at(&mut store, &ids[0], "ana", 0);
    take_at(&mut store, &ids[0], "ana.souza", DAY);
    let refused = Answer::NameRefused(NameRefusal::GivenUp);
    assert_eq!(take_at(&mut store, &ids[1], "ana", 2 * DAY), refused);
    assert_eq!(take_at(&mut store, &ids[1], "аna", 2 * DAY), refused, "it looks like it");
    // Whoever gave it up may have it back all the time.
    assert_eq!(take_at(&mut store, &ids[0], "ana", 2 * DAY), Answer::Named(name("ana")));
    take_at(&mut store, &ids[0], "ana.lima", 3 * DAY);
    drop(store);
    let mut store = open();
    days_pass(&mut store, 3..33);
    assert_eq!(take_at(&mut store, &ids[1], "ana", 33 * DAY - 1), refused);
    assert_eq!(take_at(&mut store, &ids[1], "ana", 33 * DAY), Answer::Named(name("ana")));
    let other = ids[1].mailbox;
    assert_eq!(reaches(&mut store, &ids[2], 1, "ana"), Outcome::Accepted { mailbox: other, seq: 1 });
}

pub fn no_leap_of_the_clock_ends_the_rest_of_a_name<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 2);
    let now = 20_000 * DAY;
    days_pass(&mut store, 19_990..20_000);
    take_at(&mut store, &ids[0], "ana", now);
    take_at(&mut store, &ids[0], "ana.souza", now);
    let refused = Answer::NameRefused(NameRefusal::GivenUp);
    let (years, hour) = (3650 * DAY, DAY / 24);
    for clock in [now + years, now - years, now, now - hour, now] {
        assert_eq!(take_at(&mut store, &ids[1], "ana", clock), refused);
        drop(store);
        store = open();
        assert_eq!(take_at(&mut store, &ids[1], "ana", clock + hour), refused);
    }
    days_pass(&mut store, 20_000..20_030);
    assert_eq!(take_at(&mut store, &ids[1], "ana", now + 30 * DAY), Answer::Named(name("ana")));
}

pub fn who_changes_names_all_the_time_has_to_wait<S: Store>(open: &dyn Fn() -> S) {
    let mut store = open();
    let ids = people(&mut store, 1);
    for n in 0..=limits::NAMES_RESTING {
        assert!(matches!(
            take(&mut store, &ids[0], &format!("nome{}", ["a", "b"][n % 2].repeat(n + 1))),
            Answer::Named(_)
        ));
    }
    let wait = limits::NAME_REST.as_millis() as u64;
    let refused = Answer::NameRefused(NameRefusal::RateLimited { retry_after_ms: wait });
    assert_eq!(take(&mut store, &ids[0], "outro"), refused);
    days_pass(&mut store, 0..30);
    assert!(matches!(take_at(&mut store, &ids[0], "outro", 1000 + wait as i64), Answer::Named(_)));
}
