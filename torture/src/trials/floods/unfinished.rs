//! A flood of what is begun and never ended: nobody else waits for it, and it costs little memory.

use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, ServerFrame};
use malote_common::{Outcome, codec, limits};
use tokio::time::timeout;

use super::{AUTHOR, Ground, SAID, Stock, flood, longest};
use crate::caller::{Caller, Who, source};
use crate::figures::Figures;
use crate::trials::Trial;

pub const UNFINISHED: Trial = Trial {
    name: "flood-unfinished",
    what: "one computer begins the longest frames that there are on many connections, and ends none",
    run: |plan| flood(plan, Stock::Nothing, frames),
};

async fn frames(ground: &mut Ground<'_>) -> Figures {
    const CONNECTIONS: usize = 300;
    let mut wire = Vec::new();
    codec::write_frame(&mut wire, &vec![0; limits::FRAME_BYTES]);
    wire.pop();
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        if number % limits::DEVICES_CONNECTED == 0 {
            ground.who = Who::new(ground.who.source, ground.plan);
        }
        let mut caller = Caller::log_in(ground.server, &ground.who.elsewhere(ground.plan)).await.expect("a place");
        let _ = timeout(SAID, caller.mouth.say_bytes(&wire)).await;
        held.push(caller);
    }
    let took = send_longest(ground).await;
    Figures::default()
        .count("frames begun", held.len() as u64)
        .longest("a long message from another computer meanwhile", took)
}

/// How long it takes until somebody at another computer has sent the longest message.
async fn send_longest(ground: &mut Ground<'_>) -> Duration {
    const NEIGHBOUR: usize = 2;
    let neighbour = Who::new(source(NEIGHBOUR), ground.plan);
    let mut caller = Caller::log_in(ground.server, &neighbour).await.expect("a place");
    let begun = Instant::now();
    let submit = ClientFrame::Submit(longest(AUTHOR, 1, ground.victim.clone()));
    let answered = async {
        caller.mouth.say(&submit).await?;
        loop {
            if let ServerFrame::Outcomes { outcomes, .. } = caller.ear.hear().await? {
                return std::io::Result::Ok(outcomes);
            }
        }
    };
    // Long before those who finish nothing are cut off for it.
    let outcomes = timeout(limits::DEAD_AFTER / 4, answered).await.expect("others' frames are waited for");
    assert!(matches!(outcomes.expect("an answer")[..], [Outcome::Accepted { .. }]));
    begun.elapsed()
}
