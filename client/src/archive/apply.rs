//! Carrying out changes.

use malote_common::{Content, MailboxId, Message, MessageId, Outcome, Seq, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::{ASKED_NAME, Change, Draft, News, QUIET, sent_row};

/// Carries out the changes in one transaction.
pub fn apply(connection: &mut Connection, server: i64, changes: &[Change]) -> rusqlite::Result<Vec<News>> {
    let mut batch = Batch { tx: connection.transaction()?, server, news: Vec::new() };
    changes.iter().try_for_each(|change| batch.carry_out(change))?;
    batch.tx.commit()?;
    Ok(batch.news)
}

/// One transaction, with what it is to tell.
pub struct Batch<'a> {
    pub tx: Transaction<'a>,
    pub server: i64,
    pub news: Vec<News>,
}

impl Batch<'_> {
    fn carry_out(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Welcomed { name, number: own, mailbox, epoch, rooms } => {
                // To a server that was brought back from a backup we may be somebody new: what was ours is ours still.
                self.run(
                    "UPDATE OR IGNORE received SET mailbox = ?1 WHERE server = ?2 AND place = 0
                     AND EXISTS (SELECT 1 FROM server WHERE id = ?2 AND mailbox <> ?1)",
                    params![number(mailbox.0), self.server],
                )?;
                self.run(
                    "UPDATE server SET last_seq = iif(epoch = ?4, last_seq, 0), name = ?1, number = ?2, mailbox = ?3, epoch = ?4
                     WHERE id = ?5",
                    params![name.as_str(), number(*own), number(mailbox.0), &epoch.0[..], self.server],
                )?;
                self.in_rooms(rooms)
            }
            Change::ServerRestored { last_counter, wishes } => {
                self.server_restored(*last_counter)?;
                wishes.iter().try_for_each(|wish| self.wished(wish))
            }
            Change::WishAnswered(wish) => {
                let answered = "DELETE FROM wish WHERE server = ? AND address = ?";
                self.run(answered, params![self.server, wish.to_string()]).map(drop)
            }
            Change::Entered(membership) => self.entered(membership),
            Change::Left { mailbox } => self.left(*mailbox),
            Change::Named(name) => {
                self.run("UPDATE server SET name = ? WHERE id = ?", params![name.as_str(), self.server]).map(drop)
            }
            Change::Composed { message, content } => self.composed(message, content),
            Change::Attempted { message, counter } => self.attempted(*message, *counter),
            Change::Answered { message, outcomes, open, not_before } => {
                self.answered(*message, outcomes, open, *not_before)
            }
            Change::Tried { messages, at } => messages.iter().try_for_each(|(message, tried_for)| {
                let Some(row) = sent_row(&self.tx, *message)? else { return Ok(()) };
                let tried = "UPDATE outbox SET tried_for = ?, noted_at = ? WHERE sent = ?";
                self.run(tried, params![tried_for.as_millis() as i64, at.0, row]).map(drop)
            }),
            Change::Expired { message, open } => self.expired(*message, open),
            Change::Received { mailbox, seq, entry } => self.received(*mailbox, *seq, entry),
            Change::Opened { row } => self.opened(*row),
            Change::Told { seqs } => seqs.iter().try_for_each(|seq| {
                let told =
                    "UPDATE received SET read = 2 WHERE server = ? AND seq = ? AND seq > 0 AND place = 0 AND read = 1";
                self.run(told, params![self.server, number(*seq)]).map(drop)
            }),
            Change::Cleared { clearing, room } => {
                match room {
                    None => self.run("UPDATE received SET cleared = ? WHERE cleared = 0 AND place < 2", [clearing])?,
                    Some(room) => self.run(
                        "UPDATE received SET cleared = ? WHERE cleared = 0 AND server = ? AND mailbox = ?",
                        params![clearing, self.server, number(room.0)],
                    )?,
                };
                self.forget_cleared(*clearing)?;
                self.news.push(News::InboxChanged);
                Ok(())
            }
            Change::Restored { clearing } => {
                self.recall_cleared(*clearing)?;
                self.run("UPDATE received SET cleared = 0 WHERE cleared = ? AND cleared <> 0", [clearing])?;
                self.news.push(News::InboxChanged);
                Ok(())
            }
            Change::Draft(draft) => self.draft(draft),
            Change::TellRead(true) => self.run("DELETE FROM setting WHERE name = ?", [QUIET]).map(drop),
            Change::TellRead(false) => self.set(QUIET),
            Change::AskedName => self.set(ASKED_NAME),
        }
    }

    fn composed(&mut self, message: &Message, content: &Content) -> rusqlite::Result<()> {
        let recipients = addresses(message);
        self.run(
            "INSERT INTO sent (id, server, message, recipients, subject, body, in_reply_to, sent_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.next_row()?,
                self.server,
                &message.id.0[..],
                recipients,
                content.subject,
                content.body,
                message.in_reply_to.map(|id| id.0.to_vec()),
                message.sent_at.0
            ],
        )?;
        let row = self.tx.last_insert_rowid();
        self.index(row, &[&recipients, &content.subject, &content.body])?;
        for (position, address) in message.to.iter().enumerate() {
            self.run(
                "INSERT INTO recipient (sent, position, address, state) VALUES (?, ?, ?, 0)",
                params![row, position as i64, address.to_string()],
            )?;
        }
        let targets: Vec<u8> = (0..message.to.len() as u8).collect();
        self.run(
            "INSERT INTO outbox (sent, targets, not_before, noted_at) VALUES (?, ?, 0, ?)",
            params![row, targets, message.sent_at.0],
        )?;
        // The form is empty from here on, or a crash would send its content twice.
        self.run("DELETE FROM draft", [])?;
        self.news.push(News::Sent(row));
        Ok(())
    }

    fn attempted(&mut self, message: MessageId, counter: u64) -> rusqlite::Result<()> {
        let Some(row) = sent_row(&self.tx, message)? else { return Ok(()) };
        self.run("UPDATE outbox SET counter = ? WHERE sent = ?", params![number(counter), row])?;
        self.run(
            "UPDATE server SET next_counter = max(next_counter, ? + 1) WHERE id = ?",
            params![number(counter), self.server],
        )?;
        Ok(())
    }

    fn answered(
        &mut self,
        message: MessageId,
        outcomes: &[(u8, Outcome)],
        open: &[u8],
        not_before: Timestamp,
    ) -> rusqlite::Result<()> {
        let Some(row) = sent_row(&self.tx, message)? else { return Ok(()) };
        for (position, outcome) in outcomes {
            match outcome {
                Outcome::Accepted { mailbox, seq } => self.accepted(row, *position, *mailbox, *seq)?,
                _ => {
                    let state = if open.contains(position) { 0 } else { 4 };
                    self.run(
                        "UPDATE recipient SET state = ?, reason = ? WHERE sent = ? AND position = ?",
                        params![state, outcome.code(), row, position],
                    )?;
                }
            }
        }
        if open.is_empty() {
            self.run("DELETE FROM outbox WHERE sent = ?", [row])?;
        } else {
            self.run(
                "UPDATE outbox SET targets = ?, counter = NULL, not_before = ? WHERE sent = ?",
                params![open, not_before.0, row],
            )?;
        }
        self.news.push(News::Sent(row));
        Ok(())
    }

    /// Notes where a message was accepted, and what is known of that place already.
    fn accepted(&self, row: i64, position: u8, mailbox: MailboxId, seq: Seq) -> rusqlite::Result<()> {
        self.run(
            "UPDATE recipient SET state = 1, reason = NULL, mailbox = ?1, seq = ?2,
                 counter = (SELECT counter FROM outbox WHERE outbox.sent = ?3)
             WHERE sent = ?3 AND position = ?4",
            params![number(mailbox.0), number(seq), row, position],
        )?;
        self.run(
            "UPDATE recipient SET state = 2, at = delivered.at FROM delivered
             WHERE sent = ?1 AND position = ?2 AND delivered.server = ?3
               AND delivered.mailbox = recipient.mailbox AND delivered.seq >= recipient.seq",
            params![row, position, self.server],
        )?;
        self.run(
            "UPDATE recipient SET state = 3, at = was_read.at FROM was_read
             WHERE sent = ?1 AND position = ?2 AND was_read.server = ?3
               AND was_read.mailbox = recipient.mailbox AND was_read.seq = recipient.seq",
            params![row, position, self.server],
        )?;
        // Whatever was acknowledged and opened at a place that is damaged, it was not the message.
        self.run(
            "UPDATE recipient SET state = 4, reason = 'damaged' FROM was_damaged
             WHERE sent = ?1 AND position = ?2 AND was_damaged.server = ?3
               AND was_damaged.mailbox = recipient.mailbox AND was_damaged.seq = recipient.seq",
            params![row, position, self.server],
        )?;
        Ok(())
    }

    fn expired(&mut self, message: MessageId, open: &[u8]) -> rusqlite::Result<()> {
        let Some(row) = sent_row(&self.tx, message)? else { return Ok(()) };
        for position in open {
            self.run(
                "UPDATE recipient SET state = 4, reason = 'expired' WHERE sent = ? AND position = ?",
                params![row, position],
            )?;
        }
        self.run("DELETE FROM outbox WHERE sent = ?", [row])?;
        self.news.push(News::Sent(row));
        Ok(())
    }

    fn set(&self, setting: &str) -> rusqlite::Result<()> {
        self.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, 'yes')", [setting]).map(drop)
    }

    fn draft(&self, draft: &Draft) -> rusqlite::Result<()> {
        if *draft == Draft::default() {
            return self.run("DELETE FROM draft", []).map(drop);
        }
        self.run(
            "INSERT OR REPLACE INTO draft (id, recipients, subject, body, in_reply_to) VALUES (0, ?, ?, ?, ?)",
            params![draft.to, draft.subject, draft.body, draft.in_reply_to.map(|id| id.0.to_vec())],
        )?;
        Ok(())
    }

    /// Says once that the rooms are to be looked at again.
    pub fn rooms_changed(&mut self) {
        if !self.news.contains(&News::RoomsChanged) {
            self.news.push(News::RoomsChanged);
        }
    }

    /// The number of the next message, received or sent.
    pub fn next_row(&self) -> rusqlite::Result<i64> {
        let sql =
            "SELECT 1 + max(coalesce((SELECT max(id) FROM received), 0), coalesce((SELECT max(id) FROM sent), 0))";
        self.tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
    }

    pub fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.tx.prepare_cached(sql)?.execute(params)
    }
}

pub fn addresses(message: &Message) -> String {
    message.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
