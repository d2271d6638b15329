//! Posting: submissions, the entries they become, and the receipts for these.

use std::collections::BTreeMap;
use std::sync::Arc;

use malote_common::{Address, DeviceId, Entry, MailboxId, Name, Outcome, Receipt, Seq, Submission, codec, limits};
use rusqlite::{OptionalExtension, params};

use super::super::{Answer, PersonId, StoreError};
use super::{Batch, Stored, number, stored_name, unexpected};

/// What is known of a device.
struct Device {
    row: i64,
    /// The highest counter carried out.
    last_counter: u64,
    /// The last counter that was carried out and refused for a passing reason.
    refused: u64,
}

impl Batch<'_> {
    pub fn submit(&self, author: PersonId, device: DeviceId, submission: &Submission) -> Result<Answer, StoreError> {
        let answered = |outcomes| Ok(Answer::Submitted { outcomes });
        if let Some(refusal) = submission.refusal() {
            return answered(vec![refusal; submission.targets.len()]);
        }
        let message = &submission.message;
        let Device { row: device, last_counter, refused } = self.device(author, device)?;
        let slot = number(submission.counter % limits::WINDOW);
        let earlier: Option<(i64, [u8; 16], Vec<u8>)> = self
            .tx
            .prepare_cached("SELECT counter, message, outcomes FROM answer WHERE device = ? AND slot = ?")?
            .query_row(params![device, slot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        match earlier {
            Some((counter, id, outcomes)) if counter == number(submission.counter) && id == message.id.0 => {
                return answered(codec::decode(&outcomes).map_err(unexpected)?);
            }
            // A counter that was used for another message, or one whose answer is not kept any more: carrying it out
            // could double something, so it is refused.
            Some((counter, ..)) if counter >= number(submission.counter) => {
                return answered(vec![Outcome::Invalid; submission.targets.len()]);
            }
            _ if is_out_of_turn(submission, last_counter, refused) => {
                return answered(vec![Outcome::OutOfTurn; submission.targets.len()]);
            }
            _ => {}
        }
        let outcomes = self.deliver(author, submission)?;
        let stored = codec::encode(&outcomes).map_err(unexpected)?;
        self.tx
            .prepare_cached("REPLACE INTO answer (device, slot, counter, message, outcomes) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![device, slot, number(submission.counter), &message.id.0[..], stored])?;
        self.tx
            .prepare_cached(
                "UPDATE device SET last_counter = max(last_counter, ?1), refused = iif(?2, ?1, refused) WHERE id = ?3",
            )?
            .execute(params![
                number(submission.counter),
                outcomes.iter().any(|outcome| outcome.is_temporary()),
                device
            ])?;
        Ok(Answer::Submitted { outcomes })
    }

    /// Appends the message to each target's mailbox, once where two targets are the same person.
    fn deliver(&self, author: PersonId, submission: &Submission) -> Result<Vec<Outcome>, StoreError> {
        let from: String = self
            .tx
            .prepare_cached("SELECT name FROM person WHERE number = ?")?
            .query_row([number(author.0)], |row| row.get(0))?;
        let entry = Entry::Message {
            from: stored_name(&from)?,
            number: Some(author.0),
            accepted_at: self.now,
            message: submission.message.clone(),
        };
        let entry: Arc<[u8]> = codec::encode(&entry).map_err(unexpected)?.into();
        let (mut appended, mut outcomes): (Vec<(MailboxId, Seq)>, _) = (Vec::new(), Vec::new());
        for address in submission.recipients() {
            let (mailbox, receipts_to) = match self.destination(author, address)? {
                Ok(destination) => destination,
                Err(refusal) => {
                    outcomes.push(refusal);
                    continue;
                }
            };
            let seq = match appended.iter().find(|stored| stored.0 == mailbox) {
                Some(stored) => stored.1,
                None => {
                    let seq = self.append(mailbox, receipts_to, entry.clone())?;
                    appended.push((mailbox, seq));
                    seq
                }
            };
            outcomes.push(Outcome::Accepted { mailbox, seq });
        }
        Ok(outcomes)
    }

    /// The mailbox that an address leads this author to, with who gets receipts for what is put there; or the refusal.
    fn destination(
        &self,
        author: PersonId,
        address: &Address,
    ) -> Result<Result<(MailboxId, Option<PersonId>), Outcome>, StoreError> {
        let room = match address {
            Address::Person(name) => {
                return Ok(match self.mailbox_of(name)? {
                    None => Err(Outcome::UnknownRecipient),
                    Some((_, waiting)) if waiting >= limits::MAILBOX_ENTRIES => Err(Outcome::MailboxFull),
                    Some((mailbox, _)) => Ok((mailbox, Some(author))),
                });
            }
            Address::Room(name) => name.clone(),
            Address::Everybody => Name::everybody(),
        };
        Ok(match self.room_for(author, &room)? {
            None => Err(Outcome::UnknownRecipient),
            Some((_, false)) => Err(Outcome::NotAMember),
            // Receipts of each of a thousand members would be a thousand entries for one message.
            Some((mailbox, true)) => Ok((mailbox, None)),
        })
    }

    fn device(&self, person: PersonId, device: DeviceId) -> Result<Device, StoreError> {
        let mut statement =
            self.tx.prepare_cached("SELECT id, last_counter, refused FROM device WHERE person = ? AND device = ?")?;
        let device = statement.query_row(params![number(person.0), &device.0[..]], |row| {
            let (last_counter, refused): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Device { row: row.get(0)?, last_counter: last_counter as u64, refused: refused as u64 })
        })?;
        Ok(device)
    }

    /// The mailbox of the person who bears this name, and how many entries wait in it.
    fn mailbox_of(&self, name: &Name) -> Result<Option<(MailboxId, u64)>, StoreError> {
        let mut statement = self.tx.prepare_cached(
            "SELECT mailbox.id, mailbox.last_seq - mailbox.delivered
             FROM name JOIN person ON person.number = name.person JOIN mailbox ON mailbox.id = person.mailbox
             WHERE name.folded = ? AND name.given_up_at IS NULL",
        )?;
        let found = statement.query_row([name.folded()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        Ok(found.optional()?.map(|(mailbox, waiting)| (MailboxId(mailbox as u64), waiting as u64)))
    }

    /// Appends an entry. `author` is who gets receipts for it.
    pub fn append(&self, mailbox: MailboxId, author: Option<PersonId>, entry: Arc<[u8]>) -> Result<Seq, StoreError> {
        let seq: i64 = self
            .tx
            .prepare_cached("UPDATE mailbox SET last_seq = last_seq + 1 WHERE id = ? RETURNING last_seq")?
            .query_row([number(mailbox.0)], |row| row.get(0))?;
        self.tx
            .prepare_cached("INSERT INTO entry (mailbox, seq, author, body) VALUES (?, ?, ?, ?)")?
            .execute(params![number(mailbox.0), seq, author.map(|person| number(person.0)), &entry[..]])?;
        self.appended.borrow_mut().push(Stored { mailbox, seq: seq as u64, entry });
        Ok(seq as u64)
    }

    pub fn acknowledge(&self, mailbox: MailboxId, seq: Seq) -> Result<Answer, StoreError> {
        let (last, delivered): (i64, i64) = self
            .tx
            .prepare_cached("SELECT last_seq, delivered FROM mailbox WHERE id = ?")?
            .query_row([number(mailbox.0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let seq = number(seq).min(last);
        if seq <= delivered {
            return Ok(Answer::Noted);
        }
        let mut statement = self.tx.prepare_cached(
            "SELECT author, max(seq) FROM entry
             WHERE mailbox = ? AND seq > ? AND seq <= ? AND author IS NOT NULL GROUP BY author",
        )?;
        let rows = statement.query_map(params![number(mailbox.0), delivered, seq], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let newest: BTreeMap<i64, i64> = rows.collect::<Result<_, _>>()?;
        self.tx
            .prepare_cached("UPDATE mailbox SET delivered = ? WHERE id = ?")?
            .execute(params![seq, number(mailbox.0)])?;
        for (author, seq) in newest {
            let receipt = Receipt::Delivered { mailbox, seq: seq as u64, at: self.now };
            self.append_receipt(PersonId(author as u64), receipt)?;
        }
        Ok(Answer::Noted)
    }

    pub fn read(&self, mailbox: MailboxId, seqs: &[Seq]) -> Result<Answer, StoreError> {
        for seq in seqs {
            let mut statement = self.tx.prepare_cached(
                "UPDATE entry SET read = 1 WHERE mailbox = ? AND seq = ? AND author IS NOT NULL AND read = 0
                 RETURNING author",
            )?;
            let author = statement.query_row(params![number(mailbox.0), number(*seq)], |row| row.get::<_, i64>(0));
            if let Some(author) = author.optional()? {
                let receipt = Receipt::Read { mailbox, seq: *seq, at: self.now };
                self.append_receipt(PersonId(author as u64), receipt)?;
            }
        }
        Ok(Answer::Noted)
    }

    fn append_receipt(&self, author: PersonId, receipt: Receipt) -> Result<Seq, StoreError> {
        let mailbox: i64 = self
            .tx
            .prepare_cached("SELECT mailbox FROM person WHERE number = ?")?
            .query_row([number(author.0)], |row| row.get(0))?;
        let entry = codec::encode(&Entry::Receipt(receipt)).map_err(unexpected)?;
        self.append(MailboxId(mailbox as u64), None, entry.into())
    }
}

/// Whether a submission that was not carried out before must not be carried out now. `refused` is the last one of its
/// device that was carried out and refused for now; one that is missing between the last one and it was refused on its way.
fn is_out_of_turn(submission: &Submission, last_counter: u64, refused: u64) -> bool {
    let comes_late = submission.counter <= last_counter;
    let is_one_missing = last_counter + 1 < submission.counter && submission.would_overtake(submission.counter - 1);
    submission.is_inquiry() || comes_late || is_one_missing || submission.would_overtake(refused)
}
