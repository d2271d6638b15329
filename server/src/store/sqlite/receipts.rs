//! What a person has and what they have opened, and the receipts that tell the authors of it.

use std::collections::BTreeMap;

use malote_common::{EntryRef, MailboxId, Receipt, Seq};
use rusqlite::params;

use super::super::{Answer, PersonId, StoreError};
use super::authors::{self, Author, Outline};
use super::batch::{Batch, Mailbox};
use super::number;

impl Batch<'_> {
    pub fn acknowledge(&mut self, mailbox: MailboxId, seq: Seq) -> Result<Answer, StoreError> {
        let at = self.mailbox(mailbox)?;
        let (delivered, seq) = (self.mailboxes[at].delivered, seq.min(self.mailboxes[at].last_seq));
        if seq <= delivered {
            return Ok(Answer::Noted);
        }
        let first = delivered.saturating_add(1);
        // What is lost among it is told as lost first, or it would count as delivered.
        for run in self.found.among(mailbox, first, seq) {
            self.set_aside_run(mailbox, &run)?;
        }
        let mut newest = BTreeMap::new();
        self.authors(mailbox, first, seq, |author, seq| {
            newest.insert(author, seq);
        })?;
        self.mailboxes[at].deliver(seq);
        for (author, seq) in newest {
            self.append_receipt(author, Receipt::Delivered { mailbox, seq, at: self.now })?;
        }
        Ok(Answer::Noted)
    }

    pub fn read(&mut self, mailbox: MailboxId, seqs: &[Seq]) -> Result<Answer, StoreError> {
        for seq in seqs {
            let mut author = None;
            self.authors(mailbox, *seq, *seq, |found, _| author = Some(found))?;
            let Some(author) = author else { continue };
            let told = self
                .tx
                .prepare_cached("INSERT OR IGNORE INTO opened (mailbox, seq) VALUES (?, ?)")?
                .execute(params![number(mailbox.0), number(*seq)])?;
            if told > 0 {
                self.append_receipt(author, Receipt::Read { mailbox, seq: *seq, at: self.now })?;
            }
        }
        Ok(Answer::Noted)
    }

    /// Shows who gets receipts for the entries `from..=to`, in order, by the last entry of each stretch of the same author.
    fn authors(
        &mut self,
        mailbox: MailboxId,
        from: Seq,
        to: Seq,
        mut show: impl FnMut(PersonId, Seq),
    ) -> Result<(), StoreError> {
        let mut look = |outline: &Outline| outline.senders(from, to).for_each(|(author, seq)| show(author, seq));
        let at = self.mailbox(mailbox)?;
        let Mailbox { fresh, newest, .. } = &self.mailboxes[at];
        // What this batch has appended is in no table yet.
        if fresh.outlines().next().is_none_or(|oldest| from < oldest.first) {
            authors::outlines(&self.tx, &self.found, mailbox, newest, (from, to), &mut look)?;
        }
        fresh.outlines().for_each(look);
        Ok(())
    }

    pub fn append_receipt(&mut self, author: PersonId, receipt: Receipt) -> Result<(), StoreError> {
        let home = self.home(author)?;
        self.write(EntryRef::Receipt(&receipt))?;
        self.append(home, Author::Nobody);
        Ok(())
    }
}
