//! Damaged messages: what is left is kept, the rest is set aside, and those whom it concerns are told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use malote_common::{MailboxId, Receipt, Seq};
use rusqlite::params;
use tracing::warn;

use super::super::{Run, StoreError};
use super::batch::Batch;
use super::span::Stored;
use super::{number, runs};

/// Runs that one transaction sets aside, so that others do not wait for it for long.
const AT_ONCE: usize = 64;

/// Runs in which damage was found and that were not set aside yet: by whoever reads entries, on whatever thread.
#[derive(Clone, Debug, Default)]
pub struct Found(Arc<Mutex<BTreeSet<(MailboxId, Stored)>>>);

impl Found {
    pub fn add(&self, mailbox: MailboxId, run: Stored) {
        self.runs().insert((mailbox, run));
    }

    /// Some of them, in order.
    pub fn some(&self) -> Vec<(MailboxId, Stored)> {
        self.runs().iter().take(AT_ONCE).copied().collect()
    }

    pub fn all(&self) -> Vec<(MailboxId, Stored)> {
        self.runs().iter().copied().collect()
    }

    /// Those of a mailbox that reach into these entries.
    pub fn among(&self, mailbox: MailboxId, first: Seq, last: Seq) -> Vec<Stored> {
        let runs = self.runs();
        let of_mailbox = runs.iter().filter(|(owner, _)| *owner == mailbox).map(|(_, run)| *run);
        of_mailbox.filter(|run| run.first <= last && run.last >= first).collect()
    }

    pub fn remove(&self, done: &[(MailboxId, Stored)]) {
        self.runs().retain(|run| !done.contains(run));
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, BTreeSet<(MailboxId, Stored)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch<'_> {
    /// Sets runs aside as they were found. Returns what was appended.
    pub fn set_aside(mut self, found: &[(MailboxId, Stored)]) -> Result<Vec<Run>, StoreError> {
        found.iter().try_for_each(|(mailbox, run)| self.set_aside_run(*mailbox, run))?;
        Ok(self.commit()?.appended)
    }

    /// Sets a run aside as it was found, and puts in its place what is left of it. The authors of messages that are lost and did
    /// not reach their recipients get receipts.
    pub fn set_aside_run(&mut self, mailbox: MailboxId, run: &Stored) -> Result<(), StoreError> {
        let mended = runs::mend(&self.tx, mailbox, run)?;
        if mended.is_intact {
            return Ok(());
        }
        self.tx
            .prepare_cached(
                "INSERT INTO damaged (found_at, mailbox, first, last, authors, checks, entries)
                 SELECT ?, ?, ?, ?, CAST(coalesce(authors, x'') AS BLOB), CAST(coalesce(checks, x'') AS BLOB),
                     CAST(coalesce(entries, x'') AS BLOB)
                 FROM run WHERE id = ?",
            )?
            .execute(params![self.now.0, number(mailbox.0), number(run.first), number(run.last), run.id])?;
        runs::replace(&self.tx, mailbox, run, &mended)?;
        let lost = mended.damaged.len();
        warn!(mailbox = mailbox.0, first = run.first, last = run.last, lost, "entries were damaged on the disk");
        let at = self.mailbox(mailbox)?;
        let delivered = self.mailboxes[at].delivered;
        for (seq, author) in mended.damaged.into_iter().filter(|(seq, _)| *seq > delivered) {
            if let Some(person) = author.person() {
                self.append_receipt(person, Receipt::Damaged { mailbox, seq, at: self.now })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use malote_common::{Entry, Timestamp, codec};

    use super::super::super::{Answer, Login, Operation, PersonId, Store, contract};
    use super::super::SqliteStore;
    use super::*;

    const MESSAGES: u64 = 3;

    /// A store with three people, and a run of three messages from the first in the mailboxes of the two others.
    fn filled() -> (SqliteStore, Vec<Login>) {
        let mut store = SqliteStore::in_memory().unwrap();
        let ids = contract::people(&mut store, 3);
        let to = ["Usuario1", "Usuario2"];
        let submit = |counter| Operation::Submit {
            author: ids[0].person,
            device: contract::DEVICE,
            submission: contract::submission(counter, &to, &format!("number {counter}")),
        };
        store.commit(&(1..=MESSAGES).map(submit).collect::<Vec<_>>(), Timestamp(1)).unwrap();
        (store, ids)
    }

    fn entries(store: &mut SqliteStore, mailbox: MailboxId) -> Vec<Entry> {
        let runs = store.entries(mailbox, 0, usize::MAX).unwrap();
        runs.iter().flat_map(Run::iter).map(|(_, entry)| codec::decode(entry).unwrap()).collect()
    }

    /// The first run's column of this name.
    fn column(store: &SqliteStore, name: &str) -> Vec<u8> {
        store.connection.query_row(&format!("SELECT {name} FROM run WHERE id = 1"), [], |row| row.get(0)).unwrap()
    }

    fn set(store: &SqliteStore, name: &str, bytes: &[u8]) {
        store.connection.execute(&format!("UPDATE run SET {name} = ? WHERE id = 1"), [bytes]).unwrap();
    }

    #[test]
    fn whichever_bit_changes_at_most_one_message_is_lost_and_its_author_is_known() {
        let (mut store, ids) = filled();
        let mailbox = ids[1].mailbox;
        let before = entries(&mut store, mailbox);
        for name in ["authors", "checks", "entries"] {
            let whole = column(&store, name);
            for bit in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                set(&store, name, &bytes);
                let after = entries(&mut store, mailbox);
                assert_eq!(after.len(), before.len());
                let lost: Vec<_> = after.iter().zip(&before).filter(|(after, before)| after != before).collect();
                assert!(lost.len() <= 1, "bit {bit} of {name}: {lost:?}");
                assert!(lost.iter().all(|(after, _)| **after == Entry::Damaged { number: Some(0) }), "{lost:?}");
                assert_eq!(lost.is_empty(), name != "entries", "bit {bit} of {name}");
            }
            set(&store, name, &whole);
        }
        store.connection.execute_batch("UPDATE run SET whole = whole + 1 WHERE id = 1").unwrap();
        assert_eq!(entries(&mut store, mailbox), before, "the sum itself");
    }

    #[test]
    fn what_is_cut_short_or_gone_is_lost_and_nothing_else() {
        let (mut store, ids) = filled();
        let mailbox = ids[1].mailbox;
        let before = entries(&mut store, mailbox);
        let whole = column(&store, "entries");
        let first = codec::frames(&whole).next().unwrap().len() + codec::HEADER_BYTES;
        for length in 0..whole.len() {
            set(&store, "entries", &whole[..length]);
            let after = entries(&mut store, mailbox);
            let kept = after.iter().zip(&before).take_while(|(after, before)| after == before).count();
            assert_eq!((after.len(), kept > 0), (before.len(), length >= first), "{length} bytes");
            assert!(after[kept..].iter().all(|entry| *entry == Entry::Damaged { number: Some(0) }));
        }
        set(&store, "checks", b"");
        set(&store, "authors", b"");
        assert!(entries(&mut store, mailbox).iter().all(|entry| *entry == Entry::Damaged { number: None }));
    }

    #[test]
    fn damage_is_set_aside_once_and_its_author_is_told_once() {
        let (mut store, ids) = filled();
        let (author, mailbox) = (ids[0].mailbox, ids[1].mailbox);
        let mut bytes = column(&store, "entries");
        *bytes.last_mut().unwrap() ^= 1;
        set(&store, "entries", &bytes);
        let replaced = entries(&mut store, mailbox);
        assert_eq!(replaced[2], Entry::Damaged { number: Some(0) });
        let told = store.commit(&[], Timestamp(9)).unwrap().appended;
        assert_eq!(told.iter().map(|run| run.mailbox).collect::<Vec<_>>(), [author]);
        let receipt = Entry::Receipt(Receipt::Damaged { mailbox, seq: MESSAGES, at: Timestamp(9) });
        assert_eq!(entries(&mut store, author), std::slice::from_ref(&receipt));
        assert_eq!(entries(&mut store, mailbox), replaced);
        assert!(store.commit(&[], Timestamp(10)).unwrap().appended.is_empty());
        assert_eq!(entries(&mut store, author), [receipt]);
        let kept: Vec<u8> = store.connection.query_row("SELECT entries FROM damaged", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, bytes, "as it was found");
        // Whoever is told of it acknowledges it like anything else, and its author hears of the others.
        store.commit(&[Operation::Acknowledge { mailbox, seq: MESSAGES }], Timestamp(11)).unwrap();
        let delivered = Entry::Receipt(Receipt::Delivered { mailbox, seq: MESSAGES, at: Timestamp(11) });
        assert_eq!(entries(&mut store, author)[1], delivered);
    }

    #[test]
    fn the_author_of_what_arrived_is_not_bothered_and_lists_of_authors_are_made_anew() {
        let (mut store, ids) = filled();
        let mailbox = ids[1].mailbox;
        let authors = column(&store, "authors");
        set(&store, "authors", b"nobody");
        store.commit(&[Operation::Acknowledge { mailbox, seq: MESSAGES }], Timestamp(1)).unwrap();
        let delivered = Entry::Receipt(Receipt::Delivered { mailbox, seq: MESSAGES, at: Timestamp(1) });
        assert_eq!(entries(&mut store, ids[0].mailbox), [delivered], "by what the messages say themselves");
        store.commit(&[], Timestamp(1)).unwrap();
        assert_eq!(column(&store, "authors"), authors);
        set(&store, "entries", b"");
        entries(&mut store, mailbox);
        assert!(store.commit(&[], Timestamp(1)).unwrap().appended.is_empty());
    }

    #[test]
    fn the_author_of_what_was_damaged_in_a_room_is_told() {
        let mut store = SqliteStore::in_memory().unwrap();
        let ids = contract::people(&mut store, 2);
        let submission = contract::submission(1, &["@todos"], "oi");
        store
            .commit(&[Operation::Submit { author: PersonId(0), device: contract::DEVICE, submission }], Timestamp(1))
            .unwrap();
        set(&store, "entries", b"");
        let room = ids[0].rooms[0].mailbox;
        assert_eq!(entries(&mut store, room), [Entry::Damaged { number: Some(0) }]);
        store.commit(&[], Timestamp(2)).unwrap();
        let receipt = Entry::Receipt(Receipt::Damaged { mailbox: room, seq: 1, at: Timestamp(2) });
        assert_eq!(entries(&mut store, ids[0].mailbox), [receipt]);
    }

    #[test]
    fn where_there_is_no_space_for_it_damage_waits() {
        let (mut store, ids) = filled();
        set(&store, "entries", b"");
        entries(&mut store, ids[1].mailbox);
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages).unwrap();
        // Filled to the last byte: what lies in no row yet goes to a page that there is none for.
        let aside = "INSERT INTO damaged SELECT 0, 0, 0, 0, x'', x'', zeroblob(100) FROM run";
        while store.connection.execute(aside, []).is_ok() {}
        let answers =
            store.commit(&[Operation::Acknowledge { mailbox: ids[2].mailbox, seq: 0 }], Timestamp(1)).unwrap();
        assert_eq!((answers.answers, answers.appended.len()), (vec![Answer::Noted], 0));
        store.connection.pragma_update(None, "max_page_count", pages + 100).unwrap();
        assert_eq!(store.commit(&[], Timestamp(1)).unwrap().appended.len(), 1);
    }
}
