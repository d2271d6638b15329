//! What comes: the entries of mailboxes, and what opening them leaves behind.

use malote_common::{Content, Entry, MailboxId, MessageId, Name, Receipt, Seq, codec};
use rusqlite::params;

use super::apply::{Batch, addresses, number};
use super::{News, QUIET};

impl Batch<'_> {
    pub fn received(&mut self, mailbox: MailboxId, seq: Seq, entry: &Entry) -> rusqlite::Result<()> {
        match entry {
            Entry::Message { from, number: author, accepted_at, message } => {
                let (place, own) = self.place(mailbox)?;
                let mine = place > 0 && *author == Some(own);
                // What does not decode was written by a program that we do not understand; its bytes are shown.
                let content: Content = codec::decode(&message.content).unwrap_or_else(|_| Content {
                    subject: String::new(),
                    body: String::from_utf8_lossy(&message.content).into_owned(),
                });
                let recipients = addresses(message);
                let inserted = self.run(
                    "INSERT INTO received
                     (id, server, message, mailbox, seq, place, sender, number, mine, recipients, subject, body, in_reply_to,
                      sent_at, accepted_at, read, inbox)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    params![
                        self.next_row()?,
                        self.server,
                        &message.id.0[..],
                        number(mailbox.0),
                        number(seq),
                        place,
                        from.as_str(),
                        author.map(number),
                        mine,
                        recipients,
                        content.subject,
                        content.body,
                        message.in_reply_to.map(|id| id.0.to_vec()),
                        message.sent_at.0,
                        accepted_at.0,
                        if mine { 2 } else { 0 },
                        self.is_mail(place, mine, message.id)?
                    ],
                )?;
                if inserted > 0 {
                    let row = self.tx.last_insert_rowid();
                    self.index(row, &[from.as_str(), &recipients, &content.subject, &content.body])?;
                    self.news.push(News::Received(row));
                    if place == 0 {
                        self.covered(message.id)?;
                    }
                }
            }
            Entry::Receipt(receipt) => self.receipt(receipt)?,
        }
        let at = params![number(seq), self.server, number(mailbox.0)];
        if self.run("UPDATE server SET last_seq = ? WHERE id = ? AND mailbox = ?", at)? == 0 {
            self.run("UPDATE room SET last_seq = ? WHERE server = ? AND mailbox = ?", at)?;
        }
        Ok(())
    }

    /// Where a mailbox's messages belong, and our own number.
    fn place(&self, mailbox: MailboxId) -> rusqlite::Result<(i64, u64)> {
        let mut statement = self.tx.prepare_cached(
            "SELECT CASE WHEN room.name IS NULL THEN 0 WHEN room.name = ?3 THEN 1 ELSE 2 END, coalesce(server.number, -1)
             FROM server LEFT JOIN room ON room.server = server.id AND room.mailbox = ?2 WHERE server.id = ?1",
        )?;
        let everybody = Name::everybody();
        statement.query_row(params![self.server, number(mailbox.0), everybody.as_str()], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })
    }

    /// Whether a message belongs into the inbox. What was written to us and to everybody as well is shown there once, as
    /// written to us; what we wrote to everybody is no mail for us.
    fn is_mail(&self, place: i64, mine: bool, message: MessageId) -> rusqlite::Result<bool> {
        if place != 1 || mine {
            return Ok(place == 0);
        }
        let mut to_us = self.tx.prepare_cached("SELECT 1 FROM received WHERE message = ? AND place = 0")?;
        Ok(!to_us.exists([&message.0[..]])?)
    }

    /// A message came to us that may have come to everybody before.
    fn covered(&mut self, message: MessageId) -> rusqlite::Result<()> {
        let mut statement = self.tx.prepare_cached(
            "UPDATE received SET inbox = 0 WHERE message = ? AND place = 1 AND inbox = 1 RETURNING id",
        )?;
        let rows = statement.query_map([&message.0[..]], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        drop(statement);
        self.news.extend(rows.into_iter().map(News::Changed));
        Ok(())
    }

    /// A message was opened, here and wherever else the same one stands. Its author is to learn it where it was written to
    /// us, unless we do not want that.
    pub fn opened(&mut self, row: i64) -> rusqlite::Result<()> {
        let mut statement = self.tx.prepare_cached(
            "UPDATE received SET read = iif(place > 0 OR EXISTS (SELECT 1 FROM setting WHERE name = ?2), 2, 1)
             WHERE message = (SELECT message FROM received WHERE id = ?1) AND read = 0 RETURNING id",
        )?;
        let rows = statement.query_map(params![row, QUIET], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        drop(statement);
        self.news.extend(rows.into_iter().map(News::Changed));
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
}
