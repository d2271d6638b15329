//! What comes: the entries of mailboxes, and what opening them leaves behind.

use std::time::SystemTime;

use malote_common::{Content, Entry, MailboxId, MessageId, Name, Receipt, Seq, Timestamp, codec};
use rusqlite::params;

use super::apply::{Batch, addresses, number};
use super::{News, QUIET};

/// Who sent what is so damaged that nobody knows.
const UNKNOWN_SENDER: &str = "?";

/// In the place of the identity of a message that was damaged: one for each place, the same whenever it comes.
fn damaged_id(mailbox: MailboxId, seq: Seq) -> MessageId {
    // The first byte of a mailbox's number is not used by any server.
    let [_, place @ ..] = mailbox.0.to_be_bytes();
    let mut id = [0xda; 16];
    id.iter_mut().skip(1).zip(place.into_iter().chain(seq.to_be_bytes())).for_each(|(to, from)| *to = from);
    MessageId(id)
}

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
                        self.is_mail(place, mine, message.id, *author)?
                    ],
                )?;
                if inserted == 0 {
                    // We have it under another number: its author sent it twice, or the server was brought back from a backup.
                    self.run(
                        "UPDATE received SET seq = ? WHERE server = ? AND mailbox = ? AND message = ? AND number IS ?",
                        params![number(seq), self.server, number(mailbox.0), &message.id.0[..], author.map(number)],
                    )?;
                } else {
                    let row = self.tx.last_insert_rowid();
                    self.index(row, &[from.as_str(), &recipients, &content.subject, &content.body])?;
                    self.news.push(News::Received(row));
                    if place == 0 {
                        self.covered(message.id, *author)?;
                    }
                }
            }
            Entry::Receipt(receipt) => self.receipt(receipt)?,
            Entry::Damaged { number } => self.damaged(mailbox, seq, *number)?,
        }
        let at = params![number(seq), self.server, number(mailbox.0)];
        if self.run("UPDATE server SET last_seq = ? WHERE id = ? AND mailbox = ?", at)? == 0 {
            self.run("UPDATE room SET last_seq = ? WHERE server = ? AND mailbox = ?", at)?;
        }
        Ok(())
    }

    /// Something that the server's disk has damaged: all there is to show is that there was something.
    fn damaged(&mut self, mailbox: MailboxId, seq: Seq, author: Option<u64>) -> rusqlite::Result<()> {
        let (place, _) = self.place(mailbox)?;
        let id = damaged_id(mailbox, seq);
        let sender = author.map_or_else(|| UNKNOWN_SENDER.to_owned(), |number| Name::given(number).to_string());
        let now = Timestamp::from_system(SystemTime::now()).0;
        let inserted = self.run(
            "INSERT INTO received
             (id, server, message, mailbox, seq, place, sender, number, mine, recipients, subject, body, sent_at, accepted_at,
              damaged, inbox)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, '', '', '', ?9, ?9, 1, ?10) ON CONFLICT DO NOTHING",
            params![
                self.next_row()?,
                self.server,
                &id.0[..],
                number(mailbox.0),
                number(seq),
                place,
                sender,
                author.map(number),
                now,
                self.is_mail(place, false, id, author)?
            ],
        )?;
        if inserted > 0 {
            let row = self.tx.last_insert_rowid();
            self.index(row, &[&sender])?;
            self.news.push(News::Received(row));
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
    fn is_mail(&self, place: i64, mine: bool, message: MessageId, author: Option<u64>) -> rusqlite::Result<bool> {
        if place != 1 || mine {
            return Ok(place == 0);
        }
        let mut to_us =
            self.tx.prepare_cached("SELECT 1 FROM received WHERE message = ? AND number IS ? AND place = 0")?;
        Ok(!to_us.exists(params![&message.0[..], author.map(number)])?)
    }

    /// A message came to us that may have come to everybody before.
    fn covered(&mut self, message: MessageId, author: Option<u64>) -> rusqlite::Result<()> {
        let mut statement = self.tx.prepare_cached(
            "UPDATE received SET inbox = 0 WHERE message = ? AND number IS ? AND place = 1 AND inbox = 1 RETURNING id",
        )?;
        let of_author = params![&message.0[..], author.map(number)];
        let rows = statement.query_map(of_author, |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        drop(statement);
        self.news.extend(rows.into_iter().map(News::Changed));
        Ok(())
    }

    /// A message was opened, here and wherever else the same one stands. Its author is to learn it where it was written to
    /// us, unless we do not want that.
    pub fn opened(&mut self, row: i64) -> rusqlite::Result<()> {
        let mut statement = self.tx.prepare_cached(
            "UPDATE received SET read = iif(place > 0 OR EXISTS (SELECT 1 FROM setting WHERE name = ?2), 2, 1)
             WHERE message = (SELECT message FROM received WHERE id = ?1)
               AND number IS (SELECT number FROM received WHERE id = ?1) AND read = 0 RETURNING id",
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
            Receipt::Damaged { mailbox, seq, .. } => {
                self.run(
                    "INSERT OR IGNORE INTO was_damaged (server, mailbox, seq) VALUES (?, ?, ?)",
                    params![self.server, number(mailbox.0), number(*seq)],
                )?;
                self.run(
                    "UPDATE recipient SET state = 4, reason = 'damaged'
                     WHERE mailbox = ?1 AND seq = ?2 AND state = 1
                       AND sent IN (SELECT id FROM sent WHERE server = ?3)",
                    params![number(mailbox.0), number(*seq), self.server],
                )?
            }
        };
        if changed > 0 && self.news.last() != Some(&News::SentChanged) {
            self.news.push(News::SentChanged);
        }
        Ok(())
    }
}
