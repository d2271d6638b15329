//! How long a peer is listened to: not while they have asked too much, and not for ever where they never take what is there for
//! them.

use std::time::{Duration, Instant};

use malote_common::frame::Closing;

use super::{Session, State};

/// For how long somebody who has asked too much is not listened to, at most: well below the time after which their program
/// would believe that the server is dead.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

impl Session {
    /// Something came that is not for us, such as a ping of the WebSocket itself, which is answered there.
    pub fn receive_nothing(&mut self, now: Instant) {
        self.charge(1, now);
    }

    /// Takes in the frames that have come, as long as the peer is listened to: not before everything is paid that their person
    /// has asked for, here or elsewhere.
    pub(super) fn listen(&mut self, now: Instant) {
        self.hold(0, now);
        let mut incoming = std::mem::take(&mut self.incoming);
        let waiting = incoming.waiting();
        while self.held_until.is_none()
            && let Some(allowed) = self.allowed()
        {
            match incoming.next_frame(allowed) {
                Ok(Some(body)) => self.frame(body, now),
                Ok(None) => break,
                Err(_) => return self.close(Closing::ProtocolError),
            }
        }
        let is_unfinished = incoming.waiting() > 0 && self.held_until.is_none();
        self.unfinished_since = match self.unfinished_since {
            Some(since) if is_unfinished && incoming.waiting() == waiting => Some(since),
            _ => is_unfinished.then_some(now),
        };
        self.incoming = incoming;
    }

    /// The peer gives a sign of life. Where something waits for them, it must be taken in time all the same.
    pub(super) fn heard(&mut self, now: Instant) {
        (self.heard_at, self.pinged_at) = (now, None);
        if !self.outgoing.waiting().is_empty() {
            self.untaken_since.get_or_insert(now);
        }
    }

    /// The peer has asked for something. Where that is more than their allowance, nothing more is taken from them until
    /// they do not owe any more: what they say waits, in the end with them.
    pub(super) fn charge(&mut self, cost: u32, now: Instant) {
        if cost > 0 {
            self.hold(cost, now);
        }
    }

    fn hold(&mut self, cost: u32, now: Instant) {
        let State::Active(active) = &self.state else { return };
        let wait = self.allowances.charge(active.login.person, cost, now).min(LONGEST_HOLD);
        if !wait.is_zero() {
            self.held_until = now.checked_add(wait);
        }
    }
}
