-- Version 1. Changes come as further files, applied in order; PRAGMA user_version tells how many were.

CREATE TABLE person (
    number     INTEGER PRIMARY KEY,       -- the N of UsuarioN
    key        BLOB NOT NULL UNIQUE,      -- Ed25519 public key, 32 bytes
    name       TEXT NOT NULL,             -- the name to show: the chosen one, or else the given one
    mailbox    INTEGER NOT NULL UNIQUE REFERENCES mailbox,
    created_at INTEGER NOT NULL           -- milliseconds since 1970
) STRICT;

-- Every name under which a person can be reached, or could be until they gave it up.
CREATE TABLE name (
    folded      TEXT PRIMARY KEY,         -- in the form in which names are compared
    skeleton    TEXT NOT NULL,            -- what it looks like
    name        TEXT NOT NULL,
    person      INTEGER NOT NULL REFERENCES person,
    given_up_at INTEGER                   -- NULL while it is in use
) STRICT, WITHOUT ROWID;
CREATE INDEX name_by_skeleton ON name (skeleton);
CREATE INDEX name_given_up ON name (person, given_up_at) WHERE given_up_at IS NOT NULL;

CREATE TABLE device (
    id           INTEGER PRIMARY KEY,
    person       INTEGER NOT NULL REFERENCES person,
    device       BLOB NOT NULL,           -- 16 bytes, chosen by the client
    last_counter INTEGER NOT NULL,        -- the highest counter carried out
    refused      INTEGER NOT NULL,        -- the last counter that was refused for a passing reason
    UNIQUE (person, device)
) STRICT;

-- The last answers to a device, in a ring: slot = counter modulo the window.
CREATE TABLE answer (
    device   INTEGER NOT NULL REFERENCES device,
    slot     INTEGER NOT NULL,
    counter  INTEGER NOT NULL,
    message  BLOB NOT NULL,               -- the message's id: a counter used for two messages is an error
    outcomes BLOB NOT NULL,
    PRIMARY KEY (device, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailbox (
    id        INTEGER PRIMARY KEY,
    epoch     BLOB NOT NULL,              -- 16 random bytes
    last_seq  INTEGER NOT NULL,
    delivered INTEGER NOT NULL            -- a person's: acknowledged up to this seq
) STRICT;

-- A room is a mailbox that several people read; the one called 'todos' has everybody in it.
CREATE TABLE room (
    mailbox    INTEGER PRIMARY KEY REFERENCES mailbox,
    folded     TEXT NOT NULL UNIQUE,
    skeleton   TEXT NOT NULL,
    name       TEXT NOT NULL,
    members    INTEGER NOT NULL,          -- how many rows of member there are
    permanent  INTEGER NOT NULL           -- whether the server itself needs it
) STRICT;
CREATE INDEX room_by_skeleton ON room (skeleton);

CREATE TABLE member (
    room   INTEGER NOT NULL REFERENCES room,
    person INTEGER NOT NULL REFERENCES person,
    first  INTEGER NOT NULL,              -- the first entry that this person may see
    PRIMARY KEY (room, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_person ON member (person, room);

-- In the order of commits, which is several times faster to write than a table clustered by mailbox.
CREATE TABLE entry (
    id      INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailbox,
    seq     INTEGER NOT NULL,
    author  INTEGER,                      -- who gets receipts; NULL for a receipt itself, and in rooms
    read    INTEGER NOT NULL DEFAULT 0,   -- whether the author was told that it was opened
    body    BLOB NOT NULL                 -- an encoded Entry
) STRICT;
CREATE UNIQUE INDEX entry_by_mailbox ON entry (mailbox, seq);
