//! What a client that has logged in may ask, and how much of it at a time.

use std::time::{Duration, Instant};

use malote_common::frame::{ClientFrame, Closing, NameRefusal, RoomRefusal, ServerFrame};
use malote_common::{Name, Outcome, Submission, limits};

use super::active::{List, Wish};
use super::{Output, Session, State};
use crate::post_office::Request;
use crate::rate;

/// Marks of reading that may be under way at once; it bounds the answers that wait for the client.
const READS: usize = limits::WINDOW as usize / 2;

/// Wishes for rooms and names that may be under way at once; it bounds the answers that wait for the client.
const ASKING: usize = 16;

impl Session {
    pub(super) fn request(&mut self, frame: ClientFrame, now: Instant) {
        self.charge(rate::cost_of_asking(&frame), now);
        let State::Active(active) = &mut self.state else { return };
        let own = active.login.mailbox;
        match frame {
            ClientFrame::Submit(submission) => self.submit(submission, now),
            ClientFrame::Resume { mailbox, epoch, after } => match active.feeds.get(mailbox) {
                Some(feed) if feed.epoch == epoch && (feed.sent.is_none() || mailbox != own) => {
                    feed.begin(after);
                    self.outputs.push_back(Output::Ask(Request::Resume { mailbox, after }));
                    self.catch_up();
                }
                // Another device of this person may just have left the room.
                None => {}
                Some(_) => self.close(Closing::ProtocolError),
            },
            // Only what was sent can have arrived.
            ClientFrame::Acknowledge { mailbox, seq }
                if mailbox == own && active.feeds.get(own).is_some_and(|feed| feed.sent >= Some(seq)) =>
            {
                match active.acknowledged < seq {
                    true => {
                        active.acknowledged = seq;
                        self.outputs.push_back(Output::Ask(Request::Acknowledge { mailbox, seq }));
                    }
                    // The post office has heard it.
                    false => self.charge(1, now),
                }
            }
            ClientFrame::Read { mailbox, seqs }
                if mailbox == own && seqs.len() <= limits::READ_PER_FRAME && active.reading < READS =>
            {
                active.reading = active.reading.saturating_add(1);
                self.outputs.push_back(Output::Ask(Request::Read { mailbox, seqs }));
            }
            // Where a list is told again, the client asks again for what follows.
            ClientFrame::People { after } => {
                active.lists.want(List::People { after });
                self.list();
            }
            ClientFrame::Rooms { after } => {
                active.lists.want(List::Rooms { after });
                self.list();
            }
            ClientFrame::Members { mailbox, after } => {
                if let Some(feed) = active.feeds.get(mailbox) {
                    feed.lists_members = true;
                    active.lists.want(List::Members { mailbox, after });
                    self.list();
                }
            }
            ClientFrame::Enter { .. } | ClientFrame::Leave { .. } | ClientFrame::TakeName { .. }
                if active.wishes.count() >= ASKING =>
            {
                self.close(Closing::ProtocolError)
            }
            ClientFrame::Enter { room, create } => {
                let refuse = |why| ServerFrame::RoomRefused { room: room.clone(), why };
                let limited = |retry_after_ms| refuse(RoomRefusal::RateLimited { retry_after_ms });
                self.ask(Request::Enter { room: room.clone(), create }, limited, now);
            }
            ClientFrame::Leave { room } => {
                let refuse = |why| ServerFrame::RoomRefused { room: room.clone(), why };
                let limited = |retry_after_ms| refuse(RoomRefusal::RateLimited { retry_after_ms });
                self.ask(Request::Leave { room: room.clone() }, limited, now);
            }
            ClientFrame::TakeName { name } => {
                let wish = name.clone().unwrap_or_else(|| Name::given(active.login.person.0));
                let limited = |retry_after_ms| ServerFrame::NameRefused {
                    name: wish,
                    why: NameRefusal::RateLimited { retry_after_ms },
                };
                self.ask(Request::TakeName { name }, limited, now);
            }
            ClientFrame::Ping { token } => self.send(&ServerFrame::Pong { token }),
            ClientFrame::Pong { .. } => {}
            _ => self.close(Closing::ProtocolError),
        }
    }

    fn submit(&mut self, submission: Submission, now: Instant) {
        let State::Active(active) = &mut self.state else { return };
        // An answer is as long as the list of targets, and what waits for one holds the list of recipients in memory: so
        // these lists are bounded before anything is answered or waits.
        let is_bounded = submission.targets.len() <= limits::RECIPIENTS
            && submission.message.to.len() <= limits::RECIPIENTS_LOOKED_AT;
        if active.unanswered >= limits::WINDOW || !is_bounded {
            return self.close(Closing::ProtocolError);
        }
        let recipients = submission.targets.len();
        // Only the store knows. Refused here, what was carried out would come again under another counter.
        if submission.is_inquiry() {
            active.unanswered = active.unanswered.saturating_add(1);
            return self.outputs.push_back(Output::Ask(Request::Submit(submission)));
        }
        if submission.would_overtake(active.limited) {
            self.charge(rate::cost_of_refusing(&submission), now);
            let outcomes = vec![Outcome::OutOfTurn; recipients];
            return self.send(&ServerFrame::Outcomes { counter: submission.counter, outcomes });
        }
        match self.allowances.take(active.login.person, rate::cost(&submission), now) {
            Ok(()) => {
                active.unanswered = active.unanswered.saturating_add(1);
                self.outputs.push_back(Output::Ask(Request::Submit(submission)));
            }
            Err(wait) => {
                active.limited = submission.counter;
                self.charge(rate::cost_of_refusing(&submission), now);
                let retry_after_ms = milliseconds(wait);
                let outcomes = vec![Outcome::RateLimited { retry_after_ms }; recipients];
                self.send(&ServerFrame::Outcomes { counter: submission.counter, outcomes });
            }
        }
    }

    /// Passes on a wish for a room or a name in its turn, unless this person has too many of them.
    fn ask(&mut self, request: Request, limited: impl FnOnce(u64) -> ServerFrame, now: Instant) {
        let State::Active(active) = &mut self.state else { return };
        match self.allowances.take(active.login.person, rate::WISH_COST, now) {
            Ok(()) => active.wishes.add(Wish::Ask(request)),
            Err(wait) => {
                active.wishes.add(Wish::Refused(limited(milliseconds(wait))));
                self.charge(1, now);
            }
        }
        self.go_on_with_wishes();
    }

    /// A wish was answered, `asked` by this client or by another device of the same person.
    pub(super) fn answered(&mut self, asked: bool) {
        let State::Active(active) = &mut self.state else { return };
        if asked {
            active.wishes.answered();
            self.go_on_with_wishes();
        }
    }

    fn go_on_with_wishes(&mut self) {
        while let State::Active(active) = &mut self.state
            && let Some(wish) = active.wishes.next()
        {
            match wish {
                Wish::Ask(request) => self.outputs.push_back(Output::Ask(request)),
                Wish::Refused(answer) => self.send(&answer),
            }
        }
    }
}

/// At least one, so that nobody is told to come back at once.
fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}
