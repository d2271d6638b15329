//! Acknowledgements on their way to the disk. Nobody waits for them, and what a crash loses of them clients say again when
//! they resume; so they let those pass for whom somebody waits, and only the newest of each session is written.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use malote_common::{MailboxId, Seq};
use tokio::time::Instant;

use super::{Request, SessionId};

/// For how long they may wait: what a sender learns of a delivery so much later, no person notices.
const LINGER: Duration = Duration::from_millis(25);

/// For how long those wait for which there was no space.
const WITHOUT_SPACE: Duration = Duration::from_secs(1);

/// So many wait for nothing more, so that those for whom somebody waits never wait long for them.
const MANY: usize = 1024;

/// What sessions have acknowledged and the store does not know yet.
#[derive(Default)]
pub struct Acknowledgements {
    newest: BTreeMap<(SessionId, MailboxId), Seq>,
    /// When they have waited long enough; none where there is none.
    due: Option<Instant>,
}

impl Acknowledgements {
    /// Keeps an acknowledgement, and takes out what has to be carried out before any other request of that session.
    pub fn keep_or_release(&mut self, session: SessionId, request: Request, batch: &mut Vec<(SessionId, Request)>) {
        match request {
            Request::Acknowledge { mailbox, seq } => {
                self.keep(session, mailbox, seq);
                let due = *self.due.get_or_insert_with(|| Instant::now() + LINGER);
                if self.newest.len() == MANY {
                    self.due = Some(due.min(Instant::now()));
                }
                return;
            }
            // Delivered comes before read; and who has gone owns no mailbox any more.
            Request::Read { .. } | Request::Gone => batch.extend(self.take_of(session)),
            _ => {}
        }
        batch.push((session, request));
    }

    /// Keeps those for which there was no space. They wait longer, so that a full disk is not asked all the time.
    pub fn keep_for_later(&mut self, unwritten: Vec<(SessionId, Request)>) {
        for (session, request) in unwritten {
            if let Request::Acknowledge { mailbox, seq } = request {
                self.keep(session, mailbox, seq);
                self.due.get_or_insert_with(|| Instant::now() + WITHOUT_SPACE);
            }
        }
    }

    fn keep(&mut self, session: SessionId, mailbox: MailboxId, seq: Seq) {
        let newest = self.newest.entry((session, mailbox)).or_insert(seq);
        *newest = seq.max(*newest);
    }

    /// When they have waited long enough.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn take_all(&mut self) -> impl Iterator<Item = (SessionId, Request)> + use<> {
        self.due = None;
        mem::take(&mut self.newest).into_iter().map(as_request)
    }

    fn take_of(&mut self, session: SessionId) -> impl Iterator<Item = (SessionId, Request)> {
        let all = (session, MailboxId(0))..=(session, MailboxId(u64::MAX));
        self.newest.extract_if(all, |_, _| true).map(as_request)
    }
}

fn as_request(((session, mailbox), seq): ((SessionId, MailboxId), Seq)) -> (SessionId, Request) {
    (session, Request::Acknowledge { mailbox, seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId(1);
    const OTHER: SessionId = SessionId(2);

    fn acknowledge(seq: Seq) -> Request {
        Request::Acknowledge { mailbox: MailboxId(7), seq }
    }

    /// What a batch is made of: who acknowledges what, or asks for something else.
    fn outline(batch: &[(SessionId, Request)]) -> Vec<(u64, Option<Seq>)> {
        let seq = |request: &Request| match request {
            Request::Acknowledge { seq, .. } => Some(*seq),
            _ => None,
        };
        batch.iter().map(|(session, request)| (session.0, seq(request))).collect()
    }

    #[test]
    fn only_the_newest_of_a_session_is_written() {
        let (mut late, mut batch) = (Acknowledgements::default(), Vec::new());
        assert_eq!(late.due(), None);
        for (session, seq) in [(ONE, 3), (OTHER, 1), (ONE, 5), (ONE, 4)] {
            late.keep_or_release(session, acknowledge(seq), &mut batch);
        }
        assert!(batch.is_empty() && late.due().is_some());
        batch.extend(late.take_all());
        assert_eq!(outline(&batch), [(1, Some(5)), (2, Some(1))]);
        assert_eq!(late.due(), None);
        assert_eq!(late.take_all().count(), 0);
    }

    #[test]
    fn many_do_not_wait() {
        let (mut late, now) = (Acknowledgements::default(), Instant::now());
        let mut keep = |session| late.keep_or_release(SessionId(session), acknowledge(1), &mut Vec::new());
        (1..MANY as u64).for_each(&mut keep);
        assert!(late.due().is_some_and(|due| due >= now + LINGER));
        late.keep_or_release(SessionId(MANY as u64), acknowledge(1), &mut Vec::new());
        assert!(late.due().is_some_and(|due| due <= Instant::now()));
        assert_eq!(late.take_all().count(), MANY);
    }

    #[test]
    fn what_was_delivered_is_written_before_it_is_read_and_before_its_session_has_gone() {
        for request in [Request::Gone, Request::Read { mailbox: MailboxId(7), seqs: vec![5] }] {
            let (mut late, mut batch) = (Acknowledgements::default(), Vec::new());
            late.keep_or_release(ONE, acknowledge(5), &mut batch);
            late.keep_or_release(OTHER, acknowledge(6), &mut batch);
            late.keep_or_release(OTHER, Request::Rooms { after: None }, &mut batch);
            late.keep_or_release(ONE, request, &mut batch);
            assert_eq!(outline(&batch), [(2, None), (1, Some(5)), (1, None)]);
            assert_eq!(outline(&late.take_all().collect::<Vec<_>>()), [(2, Some(6))]);
        }
    }
}
