//! Posting: submissions, and the entries that they become.

use malote_common::{Address, DeviceId, EntryRef, MailboxId, Message, Name, Outcome, Submission, limits};

use super::super::{Answer, PersonId, StoreError};
use super::answers::is_kept;
use super::authors::Author;
use super::batch::{At, Batch};

impl<'a> Batch<'a> {
    pub fn submit(
        &mut self,
        author: PersonId,
        device: DeviceId,
        submission: &'a Submission,
    ) -> Result<Answer, StoreError> {
        let answered = |outcomes| Ok(Answer::Submitted { outcomes });
        let all = |outcome| answered(vec![outcome; submission.targets.len()]);
        if let Some(refusal) = submission.refusal() {
            return all(refusal);
        }
        let at = self.device(author, device)?;
        let known = &self.devices[at];
        let (counter, message) = (submission.counter, &submission.message);
        if counter <= known.last_counter {
            // What is so old that its answer is not kept, and a counter that was used for another message: carrying it out
            // could double something, so it is refused.
            if !is_kept(counter, known.last_counter) {
                return all(Outcome::Invalid);
            }
            return match known.earlier(counter, &self.answers)? {
                Some((id, outcomes)) if id == message.id => answered(outcomes),
                Some(_) => all(Outcome::Invalid),
                None => all(Outcome::OutOfTurn),
            };
        }
        if is_out_of_turn(submission, known.last_counter, known.refused) {
            return all(Outcome::OutOfTurn);
        }
        let outcomes = self.deliver(author, at, submission)?;
        let is_refused = outcomes.iter().any(|outcome| outcome.is_temporary());
        let place = self.answers.len();
        self.devices[at].answer(counter, message.id, place, is_refused);
        answered(outcomes)
    }

    /// Appends a message of somebody who is no person, such as a visitor in a browser.
    pub fn post(&mut self, room: MailboxId, from: &Name, message: &Message) -> Result<Answer, StoreError> {
        let at = self.mailbox(room)?;
        self.write(EntryRef::Message { from, number: None, accepted_at: self.now, message })?;
        self.append(at, Author::Nobody);
        Ok(Answer::Noted)
    }

    /// Appends the message to each target's mailbox, once where two targets are the same person.
    fn deliver(
        &mut self,
        author: PersonId,
        device: At,
        submission: &'a Submission,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.write_message(author, device, &submission.message)?;
        let mut outcomes = Vec::with_capacity(submission.targets.len());
        for address in submission.recipients() {
            let outcome = match self.destination(author, address)? {
                Ok((at, author)) => self.put(at, author, &outcomes),
                Err(refusal) => refusal,
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Appends the message, unless it was appended there for one of the targets before, or too much waits there.
    fn put(&mut self, at: At, author: Author, before: &[Outcome]) -> Outcome {
        let mailbox = self.mailboxes[at].id;
        let same =
            |outcome: &&Outcome| matches!(outcome, Outcome::Accepted { mailbox: other, .. } if *other == mailbox);
        if let Some(outcome) = before.iter().find(same) {
            return *outcome;
        }
        // A room has no end: nobody in particular acknowledges what is in it.
        if matches!(author, Author::Sender(_)) && self.mailboxes[at].waiting() >= limits::MAILBOX_ENTRIES {
            return Outcome::MailboxFull;
        }
        Outcome::Accepted { mailbox, seq: self.append(at, author) }
    }

    /// The mailbox that an address leads this author to, and as whom; or the refusal.
    fn destination(
        &mut self,
        author: PersonId,
        address: &'a Address,
    ) -> Result<Result<(At, Author), Outcome>, StoreError> {
        let room = match address {
            Address::Person(name) => {
                let found = self.addressee(name)?;
                return Ok(found.map(|at| (at, Author::Sender(author))).ok_or(Outcome::UnknownRecipient));
            }
            Address::Room(name) => Some(name),
            Address::Everybody => None,
        };
        Ok(match self.room_for(author, room)? {
            None => Err(Outcome::UnknownRecipient),
            Some((_, false)) => Err(Outcome::NotAMember),
            Some((at, true)) => Ok((at, Author::Member(author))),
        })
    }
}

/// Whether a submission that was not carried out before must not be carried out now. `refused` is the last one of its
/// device that was carried out and refused for now; one that is missing between the last one and it was refused on its way.
fn is_out_of_turn(submission: &Submission, last_counter: u64, refused: u64) -> bool {
    let before = submission.counter.saturating_sub(1);
    let is_one_missing = last_counter < before && submission.would_overtake(before);
    submission.is_inquiry() || is_one_missing || submission.would_overtake(refused)
}
