//! What to do when the server was brought back from a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use malote_common::{Address, Timestamp};
use rusqlite::{Connection, params};

use super::News;
use super::apply::{Batch, number};

/// Recipients of what was accepted and the backup has not.
const UNKNOWN: &str = "sent IN (SELECT id FROM sent WHERE server = ?1) AND counter > ?2";

/// What the server is to give us back.
pub fn wishes(connection: &Connection, server: i64) -> rusqlite::Result<Vec<Address>> {
    let mut statement = connection.prepare("SELECT address FROM wish WHERE server = ?")?;
    let rows = statement.query_map([server], |row| row.get::<_, String>(0))?;
    rows.filter_map(|address| address.map(|address| Address::parse(&address).ok()).transpose()).collect()
}

impl Batch<'_> {
    /// Notes what the server is to give us back: any number of rooms, and one name.
    pub fn wished(&self, wish: &Address) -> rusqlite::Result<()> {
        if matches!(wish, Address::Person(_)) {
            self.run("DELETE FROM wish WHERE server = ? AND address NOT LIKE '#%'", [self.server])?;
        }
        let wished = "INSERT OR IGNORE INTO wish (server, address) VALUES (?, ?)";
        self.run(wished, params![self.server, wish.to_string()]).map(drop)
    }

    /// Puts what the backup has not back to be sent, unless its recipients are known to have it: whoever else has it knows it by
    /// its identity when it comes again. What was known of places in the server's mailboxes is not true any more.
    pub fn server_restored(&mut self, last_counter: u64) -> rusqlite::Result<()> {
        let known = params![self.server, number(last_counter)];
        let sql = format!("SELECT sent, position FROM recipient WHERE state = 1 AND {UNKNOWN}");
        let mut statement = self.tx.prepare_cached(&sql)?;
        let rows = statement.query_map(known, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut again: BTreeMap<i64, BTreeSet<u8>> = BTreeMap::new();
        for row in rows {
            let (sent, position): (i64, u8) = row?;
            again.entry(sent).or_default().insert(position);
        }
        drop(statement);
        // It is tried for as long as any other from now on.
        let now = Timestamp::from_system(SystemTime::now()).0;
        for (sent, mut targets) in again {
            let sql = "SELECT targets FROM outbox WHERE sent = ?";
            let open: Option<Vec<u8>> =
                self.tx.prepare_cached(sql)?.query_map([sent], |row| row.get(0))?.next().transpose()?;
            targets.extend(open.into_iter().flatten());
            self.run(
                "INSERT OR REPLACE INTO outbox (sent, targets, not_before, noted_at) VALUES (?, ?, 0, ?)",
                params![sent, targets.into_iter().collect::<Vec<u8>>(), now],
            )?;
        }
        self.run("UPDATE outbox SET restored = 1 WHERE sent IN (SELECT id FROM sent WHERE server = ?)", [self.server])?;
        self.run(&format!("UPDATE recipient SET state = 0, reason = NULL WHERE state = 1 AND {UNKNOWN}"), known)?;
        // Others stand, or will, at these places.
        self.run(&format!("UPDATE recipient SET mailbox = NULL, seq = NULL WHERE {UNKNOWN}"), known)?;
        self.run("UPDATE received SET seq = 0 WHERE server = ?", [self.server])?;
        // Everything is read again, also where the epochs are the same.
        self.run("UPDATE server SET last_seq = 0 WHERE id = ?", [self.server])?;
        self.run("UPDATE room SET last_seq = first - 1 WHERE server = ?", [self.server])?;
        for table in ["delivered", "was_read", "was_damaged"] {
            self.run(&format!("DELETE FROM {table} WHERE server = ?"), [self.server])?;
        }
        self.news.push(News::SentChanged);
        Ok(())
    }
}
