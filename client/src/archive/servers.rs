//! Which server is which. A server is its key; addresses lead to it and may change.

use malote_common::fingerprint::Fingerprint;
use rusqlite::{Connection, OptionalExtension, params};

/// What the key says about the server that answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identified {
    /// The one that was there before, or the first one ever.
    Same,
    /// One that is known from another address: it has moved, and what waited for this address goes to it.
    Moved,
    /// Not the one that was there before.
    Changed { expected: Fingerprint },
}

/// The server at an address; an unknown address is given a new one, whose key will be learned.
pub fn at(connection: &Connection, address: &str) -> rusqlite::Result<i64> {
    let known =
        connection.query_row("SELECT server FROM address WHERE address = ?", [address], |row| row.get(0)).optional()?;
    if let Some(server) = known {
        return Ok(server);
    }
    connection.execute("INSERT INTO server DEFAULT VALUES", [])?;
    let server = connection.last_insert_rowid();
    connection.execute("INSERT INTO address (address, server) VALUES (?, ?)", params![address, server])?;
    Ok(server)
}

pub fn pinned(connection: &Connection, server: i64) -> rusqlite::Result<Option<Fingerprint>> {
    let pinned: Option<[u8; 32]> =
        connection.query_row("SELECT fingerprint FROM server WHERE id = ?", [server], |row| row.get(0))?;
    Ok(pinned.map(Fingerprint))
}

/// Compares the key with what is known, learns it where nothing is, and returns the server's row.
pub fn identify(
    connection: &mut Connection,
    server: i64,
    fingerprint: Fingerprint,
) -> rusqlite::Result<(Identified, i64)> {
    match pinned(connection, server)? {
        Some(expected) if expected == fingerprint => return Ok((Identified::Same, server)),
        Some(expected) => return Ok((Identified::Changed { expected }, server)),
        None => {}
    }
    let tx = connection.transaction()?;
    let known: Option<i64> = tx
        .query_row("SELECT id FROM server WHERE fingerprint = ?", [&fingerprint.0[..]], |row| row.get(0))
        .optional()?;
    let identified = match known {
        Some(known) => {
            tx.execute("UPDATE sent SET server = ? WHERE server = ?", [known, server])?;
            tx.execute("UPDATE address SET server = ? WHERE server = ?", [known, server])?;
            tx.execute("DELETE FROM server WHERE id = ?", [server])?;
            (Identified::Moved, known)
        }
        None => {
            tx.execute("UPDATE server SET fingerprint = ? WHERE id = ?", params![&fingerprint.0[..], server])?;
            (Identified::Same, server)
        }
    };
    tx.commit()?;
    Ok(identified)
}

/// Makes the address lead to the server with this key. Messages that wait for the server that was there before are
/// refused with the reason `server_replaced`: at a new server, the same name may be somebody else.
pub fn trust(connection: &mut Connection, address: &str, fingerprint: Fingerprint) -> rusqlite::Result<i64> {
    let tx = connection.transaction()?;
    let before = at(&tx, address)?;
    if pinned(&tx, before)? == Some(fingerprint) {
        tx.commit()?;
        return Ok(before);
    }
    tx.execute(
        "UPDATE recipient SET state = 4, reason = 'server_replaced'
         WHERE state = 0 AND sent IN (SELECT id FROM sent WHERE server = ?)",
        [before],
    )?;
    tx.execute("DELETE FROM outbox WHERE sent IN (SELECT id FROM sent WHERE server = ?)", [before])?;
    let known: Option<i64> = tx
        .query_row("SELECT id FROM server WHERE fingerprint = ?", [&fingerprint.0[..]], |row| row.get(0))
        .optional()?;
    let server = match known {
        Some(known) => known,
        None => {
            tx.execute("INSERT INTO server (fingerprint) VALUES (?)", [&fingerprint.0[..]])?;
            tx.last_insert_rowid()
        }
    };
    tx.execute("UPDATE address SET server = ? WHERE address = ?", params![server, address])?;
    tx.commit()?;
    Ok(server)
}
