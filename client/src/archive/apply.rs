//! Carrying out changes.

use malote_common::{Content, Entry, MailboxId, Message, MessageId, Outcome, Receipt, Seq, Timestamp, codec};
use rusqlite::{Connection, Transaction, params};

use super::{Change, Draft, News, QUIET, sent_row};

/// Carries out the changes in one transaction.
pub fn apply(connection: &mut Connection, server: i64, changes: &[Change]) -> rusqlite::Result<Vec<News>> {
    let mut batch = Batch { tx: connection.transaction()?, server, news: Vec::new() };
    changes.iter().try_for_each(|change| batch.carry_out(change))?;
    batch.tx.commit()?;
    Ok(batch.news)
}

struct Batch<'a> {
    tx: Transaction<'a>,
    server: i64,
    news: Vec<News>,
}

impl Batch<'_> {
    fn carry_out(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Welcomed { name, mailbox, epoch } => {
                self.run(
                    "UPDATE server SET last_seq = iif(epoch = ?3, last_seq, 0), name = ?1, mailbox = ?2, epoch = ?3
                     WHERE id = ?4",
                    params![name.as_str(), number(mailbox.0), &epoch.0[..], self.server],
                )?;
                Ok(())
            }
            Change::Composed { message, content } => self.composed(message, content),
            Change::Attempted { message, counter } => self.attempted(*message, *counter),
            Change::Answered { message, outcomes, open, not_before } => {
                self.answered(*message, outcomes, open, *not_before)
            }
            Change::Expired { message, open } => self.expired(*message, open),
            Change::Received { mailbox, seq, entry } => self.received(*mailbox, *seq, entry),
            Change::Opened { row } => {
                // A message to oneself is one's own to open: telling is the server's affair.
                let changed = self.run(
                    "UPDATE received SET read = iif(EXISTS (SELECT 1 FROM setting WHERE name = ?2), 2, 1)
                     WHERE id = ?1 AND read = 0",
                    params![row, QUIET],
                )?;
                if changed > 0 {
                    self.news.push(News::Changed(*row));
                }
                Ok(())
            }
            Change::Told { seqs } => seqs.iter().try_for_each(|seq| {
                let told = "UPDATE received SET read = 2 WHERE server = ? AND seq = ? AND read = 1";
                self.run(told, params![self.server, number(*seq)]).map(drop)
            }),
            Change::Cleared { clearing } => {
                self.run("UPDATE received SET cleared = ? WHERE cleared = 0", [clearing])?;
                self.news.push(News::InboxChanged);
                Ok(())
            }
            Change::Restored { clearing } => {
                self.run("UPDATE received SET cleared = 0 WHERE cleared = ?", [clearing])?;
                self.news.push(News::InboxChanged);
                Ok(())
            }
            Change::Draft(draft) => self.draft(draft),
            Change::TellRead(true) => self.run("DELETE FROM setting WHERE name = ?", [QUIET]).map(drop),
            Change::TellRead(false) => {
                self.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, 'yes')", [QUIET]).map(drop)
            }
        }
    }

    fn composed(&mut self, message: &Message, content: &Content) -> rusqlite::Result<()> {
        self.run(
            "INSERT INTO sent (server, message, recipients, subject, body, in_reply_to, sent_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                self.server,
                &message.id.0[..],
                addresses(message),
                content.subject,
                content.body,
                message.in_reply_to.map(|id| id.0.to_vec()),
                message.sent_at.0
            ],
        )?;
        let row = self.tx.last_insert_rowid();
        for (position, address) in message.to.iter().enumerate() {
            self.run(
                "INSERT INTO recipient (sent, position, address, state) VALUES (?, ?, ?, 0)",
                params![row, position as i64, address.to_string()],
            )?;
        }
        let targets: Vec<u8> = (0..message.to.len() as u8).collect();
        self.run("INSERT INTO outbox (sent, targets, not_before) VALUES (?, ?, 0)", params![row, targets])?;
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
                    let state = if outcome.is_temporary() { 0 } else { 4 };
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
            "UPDATE recipient SET state = 1, reason = NULL, mailbox = ?1, seq = ?2 WHERE sent = ?3 AND position = ?4",
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

    fn received(&mut self, mailbox: MailboxId, seq: Seq, entry: &Entry) -> rusqlite::Result<()> {
        match entry {
            Entry::Message { from, accepted_at, message } => {
                // What does not decode was written by a program that we do not understand; its bytes are shown.
                let content: Content = codec::decode(&message.content).unwrap_or_else(|_| Content {
                    subject: String::new(),
                    body: String::from_utf8_lossy(&message.content).into_owned(),
                });
                let inserted = self.run(
                    "INSERT INTO received
                     (server, message, mailbox, seq, sender, recipients, subject, body, in_reply_to, sent_at, accepted_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    params![
                        self.server,
                        &message.id.0[..],
                        number(mailbox.0),
                        number(seq),
                        from.as_str(),
                        addresses(message),
                        content.subject,
                        content.body,
                        message.in_reply_to.map(|id| id.0.to_vec()),
                        message.sent_at.0,
                        accepted_at.0
                    ],
                )?;
                if inserted > 0 {
                    self.news.push(News::Received(self.tx.last_insert_rowid()));
                }
            }
            Entry::Receipt(receipt) => self.receipt(receipt)?,
        }
        self.run("UPDATE server SET last_seq = ? WHERE id = ?", params![number(seq), self.server])?;
        Ok(())
    }

    fn receipt(&mut self, receipt: &Receipt) -> rusqlite::Result<()> {
        let changed = match receipt {
            Receipt::Delivered { mailbox, seq, at } => {
                self.run(
                    "INSERT INTO delivered (server, mailbox, seq, at) VALUES (?, ?, ?, ?)
                     ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), at = excluded.at",
                    params![self.server, number(mailbox.0), number(*seq), at.0],
                )?;
                self.run(
                    "UPDATE recipient SET state = 2, at = ?1
                     WHERE mailbox = ?2 AND seq <= ?3 AND state = 1
                       AND sent IN (SELECT id FROM sent WHERE server = ?4)",
                    params![at.0, number(mailbox.0), number(*seq), self.server],
                )?
            }
            Receipt::Read { mailbox, seq, at } => {
                self.run(
                    "INSERT OR IGNORE INTO was_read (server, mailbox, seq, at) VALUES (?, ?, ?, ?)",
                    params![self.server, number(mailbox.0), number(*seq), at.0],
                )?;
                self.run(
                    "UPDATE recipient SET state = 3, at = ?1
                     WHERE mailbox = ?2 AND seq = ?3 AND state < 3
                       AND sent IN (SELECT id FROM sent WHERE server = ?4)",
                    params![at.0, number(mailbox.0), number(*seq), self.server],
                )?
            }
        };
        if changed > 0 && self.news.last() != Some(&News::SentChanged) {
            self.news.push(News::SentChanged);
        }
        Ok(())
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

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.tx.prepare_cached(sql)?.execute(params)
    }
}

fn addresses(message: &Message) -> String {
    message.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
