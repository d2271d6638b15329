//! Bad lines: connections are slow, are cut after any byte, and come back out of order.

use malote_tests::{TestServer, wait_for};
use rand::RngExt;
use rand::rngs::StdRng;

use super::Trial;
use crate::bad_line::{BadLine, Tally};
use crate::figures::Figures;
use crate::people::People;

pub const BAD_NETWORK: Trial = Trial {
    name: "bad-network",
    what: "connections are delayed, cut after any byte, and what was under way arrives when the next one is talking",
    run: bad_network,
};

const PEOPLE: usize = 8;

/// Cuts in a round.
const CUTS: u64 = 300;

/// Messages that one person writes at once, at most.
const BURST: usize = 2;

/// Bytes of the longest message: more than the pieces that some lines carry at once.
const LONGEST: usize = 1_000;

fn bad_network(plan: &mut StdRng) -> Figures {
    let mut server = TestServer::start();
    let lines: Vec<BadLine> = (0..PEOPLE).map(|_| BadLine::to(server.address(), plan.random())).collect();
    let mut people = People::none();
    lines.iter().for_each(|line| people.admit(&line.address().to_string()));
    people.write_up_to(LONGEST);
    let pairs = (0..PEOPLE).flat_map(|one| (0..one).map(move |other| (one, other)));
    wait_for("everybody's seeing who came before", || {
        pairs.clone().all(|(one, other)| people.sees(one, other)).then_some(())
    });
    lines.iter().for_each(BadLine::turn_bad);
    wait_for("so many cuts", || {
        people.write_some(plan, BURST);
        // As somebody would who is tired of waiting: most pauses would be longer than the connections live.
        people.connect_now();
        (tally(&lines).cuts >= CUTS).then_some(())
    });
    lines.iter().for_each(BadLine::turn_good);
    people.settle();
    let Tally { cuts, while_logging_in, late, after_login } = tally(&lines);
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    assert!(after_login > CUTS / 50, "only {after_login} connections arrived late");
    Figures::default()
        .count("cuts", cuts)
        .count("of them before the login", while_logging_in)
        .count("connections that arrived late", late)
        .count("of them after the next one's login", after_login)
        .count("messages", people.written())
}

fn tally(lines: &[BadLine]) -> Tally {
    lines.iter().map(BadLine::tally).fold(Tally::default(), |sum, line| Tally {
        cuts: sum.cuts + line.cuts,
        while_logging_in: sum.while_logging_in + line.while_logging_in,
        late: sum.late + line.late,
        after_login: sum.after_login + line.after_login,
    })
}
