//! Floods that come from one computer, or from one person at many: of connections, logins and devices.

use std::time::{Duration, Instant};

use malote_common::frame::ClientFrame;
use malote_common::limits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Ground, Stock, TIME, flood};
use crate::caller::{Caller, Who, reach};
use crate::figures::Figures;
use crate::trials::Trial;

pub const DEVICES: Trial = Trial {
    name: "flood-devices",
    what: "one person marks a thousand messages as read at all computers at once where they may be connected, and at more",
    run: |plan| flood(plan, Stock::Mail, devices),
};

pub const CONNECTIONS: Trial = Trial {
    name: "flood-connections",
    what: "one computer makes connections as fast as it can, and says nothing",
    run: |plan| flood(plan, Stock::Nothing, connections),
};

pub const LOGINS: Trial = Trial {
    name: "flood-logins",
    what: "one computer logs in as fast as it can, as one person and as newcomers, and everybody is told of it",
    run: |plan| flood(plan, Stock::Nothing, logins),
};

/// The same for logins, of which fewer can be made in that time.
const TIME_OF_LOGINS: Duration = Duration::from_secs(3);

async fn connections(ground: &mut Ground<'_>) -> Figures {
    let (server, source) = (ground.server, ground.who.source);
    // They take all places that one address has, for as long as strangers may be silent.
    let mut held = Vec::new();
    for _ in 0..limits::HANDSHAKES_PER_ADDRESS {
        held.push(reach(server, source).await.expect("a connection"));
    }
    let end = tokio::time::Instant::now() + TIME;
    let attempts = (0..4).map(|_| async move {
        let mut turned_away = 0u64;
        while tokio::time::Instant::now() < end {
            let Ok(stream) = reach(server, source).await else { continue };
            assert!(is_hung_up_on(stream).await, "a connection beyond those of an address is served");
            turned_away += 1;
        }
        turned_away
    });
    let turned_away: u64 = attempts.collect::<JoinSet<u64>>().join_all().await.into_iter().sum();
    assert!(turned_away > 0);
    Figures::default().count("connections turned away", turned_away)
}

/// Whether the server ends the connection, long before it would for want of a login.
async fn is_hung_up_on(mut stream: TcpStream) -> bool {
    matches!(timeout(limits::HANDSHAKE_TIME / 2, stream.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

async fn logins(ground: &mut Ground<'_>) -> Figures {
    /// What one address may do at once, and each second. See docs/PROTOCOL.md, section 16.
    const AT_ONCE: f64 = 1_000.0;
    const EACH_SECOND: f64 = 100.0;
    let (server, begun) = (ground.server, Instant::now());
    let who: Vec<Who> = (0..limits::HANDSHAKES_PER_ADDRESS as u64)
        .map(|number| match number % 2 {
            0 => ground.who.elsewhere(ground.plan),
            _ => Who::new(ground.who.source, ground.plan),
        })
        .collect();
    let attempts = who.into_iter().map(|who| async move {
        let (mut who, mut logins) = (who, 0u64);
        while begun.elapsed() < TIME_OF_LOGINS {
            logins += u64::from(Caller::log_in(server, &who).await.is_ok());
            let [first, ..] = &mut who.device.0;
            *first = first.wrapping_add(1);
        }
        logins
    });
    let logins: u64 = attempts.collect::<JoinSet<u64>>().join_all().await.into_iter().sum();
    let allowed = AT_ONCE + EACH_SECOND * begun.elapsed().as_secs_f64();
    let being_made = limits::HANDSHAKES_PER_ADDRESS as f64;
    assert!(logins as f64 <= allowed + being_made, "{logins} logins, and {allowed} are allowed");
    Figures::default().count("logins", logins)
}

async fn devices(ground: &mut Ground<'_>) -> Figures {
    let (mut callers, mut refused) = (Vec::new(), 0);
    for _ in 0..limits::DEVICES_CONNECTED + 8 {
        match Caller::log_in(ground.server, &ground.who.elsewhere(ground.plan)).await {
            Ok(caller) => callers.push(caller),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((callers.len(), refused), (limits::DEVICES_CONNECTED, 8));
    let seqs: Vec<u64> = (1..=limits::READ_PER_FRAME as u64).collect();
    let mut frames = 0;
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        for caller in &mut callers {
            let read = ClientFrame::Read { mailbox: caller.welcome.mailbox, seqs: seqs.clone() };
            // Where the server does not listen, it is not waited for.
            frames += u64::from(timeout(Duration::from_millis(1), caller.mouth.say(&read)).await.is_ok());
        }
    }
    Figures::default().count("frames of a thousand marks", frames).count("devices refused", refused)
}
