//! What is open, as an engine begins with it.

use std::time::Duration;

use malote_common::{Address, Content, Message, MessageId, Timestamp, codec};
use rusqlite::{Connection, Row, params};

use super::Open;

/// What is open for a server, in the order of writing. Recipients whose addresses the disk has damaged are refused for it.
pub fn open(connection: &Connection, server: i64) -> rusqlite::Result<Vec<Open>> {
    let mut statement = connection.prepare(
        "SELECT message, sent.id, subject, body, in_reply_to, sent_at, targets, counter, not_before, tried_for, noted_at,
             restored
         FROM outbox JOIN sent ON sent.id = outbox.sent WHERE server = ? ORDER BY sent.id",
    )?;
    let read = |row: &Row| Ok((row.get(1)?, addresses(connection, row.get(1)?)?, open_message(row)?));
    let all: Vec<(i64, Vec<Option<Address>>, Open)> =
        statement.query_map([server], read)?.collect::<rusqlite::Result<_>>()?;
    let mut opened = Vec::new();
    for (sent, addresses, mut open) in all {
        let is_address = |position: &u8| addresses.get(usize::from(*position)).is_some_and(Option::is_some);
        let (targets, damaged): (Vec<u8>, Vec<u8>) = open.targets.iter().copied().partition(is_address);
        refuse_damaged(connection, sent, &targets, &damaged)?;
        if !damaged.is_empty() {
            // An answer to the attempt under way would be about others as well.
            (open.targets, open.counter) = (targets, None);
        }
        // The others keep their positions: in the place of what is damaged stands one to whom it goes in any case.
        let Some(known) = open.targets.first().and_then(|first| addresses.get(usize::from(*first))?.clone()) else {
            continue;
        };
        open.message.to = addresses.into_iter().map(|address| address.unwrap_or_else(|| known.clone())).collect();
        opened.push(open);
    }
    Ok(opened)
}

/// Refuses these recipients, so that nothing goes to others in their place, and leaves the rest open.
fn refuse_damaged(connection: &Connection, sent: i64, targets: &[u8], damaged: &[u8]) -> rusqlite::Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let tx = connection.unchecked_transaction()?;
    for position in damaged {
        tx.execute(
            "UPDATE recipient SET state = 4, reason = 'damaged' WHERE sent = ? AND position = ?",
            params![sent, position],
        )?;
    }
    match targets {
        [] => tx.execute("DELETE FROM outbox WHERE sent = ?", [sent])?,
        targets => {
            tx.execute("UPDATE outbox SET targets = ?, counter = NULL WHERE sent = ?", params![targets, sent])?
        }
    };
    tx.commit()
}

/// A message's recipients by position; nothing where an address is none any more.
fn addresses(connection: &Connection, sent: i64) -> rusqlite::Result<Vec<Option<Address>>> {
    let mut statement = connection.prepare_cached("SELECT address FROM recipient WHERE sent = ? ORDER BY position")?;
    let parsed = |row: &Row| Ok(row.get_ref(0)?.as_str().ok().and_then(|address| Address::parse(address).ok()));
    statement.query_map([sent], parsed)?.collect()
}

/// A message as it stands in the outbox, but for its recipients.
fn open_message(row: &Row) -> rusqlite::Result<Open> {
    let content = Content { subject: row.get(2)?, body: row.get(3)? };
    Ok(Open {
        message: Message {
            id: MessageId(row.get(0)?),
            to: Vec::new(),
            in_reply_to: row.get::<_, Option<[u8; 16]>>(4)?.map(MessageId),
            sent_at: Timestamp(row.get(5)?),
            // It was within the limits when it was composed.
            content: codec::encode(&content).unwrap_or_default(),
        },
        targets: row.get(6)?,
        counter: row.get::<_, Option<i64>>(7)?.map(|counter| counter as u64),
        not_before: Timestamp(row.get(8)?),
        tried_for: Duration::from_millis(row.get::<_, i64>(9)?.max(0) as u64),
        noted_at: Timestamp(row.get(10)?),
        restored: row.get(11)?,
    })
}
