-- Version 1. Changes come as further files, applied in order; PRAGMA user_version tells how many were.

-- A server is its key; the address is only where it was last found.
CREATE TABLE server (
    id           INTEGER PRIMARY KEY,
    fingerprint  BLOB UNIQUE,               -- NULL until it was reached for the first time
    name         TEXT,                      -- who we are there
    number       INTEGER,                   -- the same, as in UsuarioN
    mailbox      INTEGER,
    epoch        BLOB,
    last_seq     INTEGER NOT NULL DEFAULT 0, -- everything up to it is in here
    next_counter INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE address (
    address TEXT PRIMARY KEY,
    server  INTEGER NOT NULL REFERENCES server
) STRICT, WITHOUT ROWID;

-- The rooms that we are in or were in.
CREATE TABLE room (
    server   INTEGER NOT NULL REFERENCES server,
    mailbox  INTEGER NOT NULL,
    name     TEXT NOT NULL,
    epoch    BLOB NOT NULL,
    first    INTEGER NOT NULL,               -- the first entry that we may see
    last_seq INTEGER NOT NULL,               -- everything up to it that we may see is in here
    member   INTEGER NOT NULL,               -- whether we are in it
    PRIMARY KEY (server, mailbox)
) STRICT, WITHOUT ROWID;

-- What others wrote to us, and what was written in rooms, in order of arrival. What was written to us and to a room as
-- well stands here once for each. The rows of received and sent are numbered together: the index of words knows both by
-- one number, which says as well which of two came later.
CREATE TABLE received (
    id          INTEGER PRIMARY KEY,
    server      INTEGER NOT NULL REFERENCES server,
    message     BLOB NOT NULL,               -- the message's id
    mailbox     INTEGER NOT NULL,
    seq         INTEGER NOT NULL,            -- 0 where the server was brought back from a backup that has it not
    place       INTEGER NOT NULL,            -- 0 our own mailbox, 1 the room of everybody, 2 another room
    sender      TEXT NOT NULL,
    number      INTEGER,                     -- the sender's, as in UsuarioN; NULL for a visitor of the web listener
    mine        INTEGER NOT NULL,            -- whether we wrote it ourselves, in a room
    recipients  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    in_reply_to BLOB,
    sent_at     INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    read        INTEGER NOT NULL DEFAULT 0,  -- 0 unread, 1 read and to be told, 2 read and told or to be kept quiet
    damaged     INTEGER NOT NULL DEFAULT 0,  -- whether all that came is that the server's disk has damaged it
    cleared     INTEGER NOT NULL DEFAULT 0,  -- 0 in its list, otherwise which clearing took it out
    inbox       INTEGER NOT NULL             -- whether it is mail: to us, or others' to everybody where it is not to us too
) STRICT;
-- A message's id is chosen by its author's program and known to all who have got it: of another author, it is another message.
CREATE UNIQUE INDEX received_once ON received (server, mailbox, message, coalesce(number, -1));
CREATE INDEX received_inbox ON received (inbox) WHERE cleared = 0 AND inbox = 1;
CREATE INDEX received_inbox_unread ON received (inbox) WHERE read = 0 AND cleared = 0 AND inbox = 1;
CREATE INDEX received_cleared ON received (cleared) WHERE cleared <> 0;
CREATE INDEX received_room ON received (server, mailbox) WHERE cleared = 0;
CREATE INDEX received_number ON received (server, number) WHERE cleared = 0 AND inbox = 1;
CREATE INDEX received_message ON received (message);
CREATE INDEX received_unread ON received (server, mailbox) WHERE read = 0 AND cleared = 0;
CREATE INDEX received_to_tell ON received (server, seq) WHERE read = 1;

-- What we wrote.
CREATE TABLE sent (
    id          INTEGER PRIMARY KEY,
    server      INTEGER NOT NULL REFERENCES server,
    message     BLOB NOT NULL UNIQUE,
    recipients  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    in_reply_to BLOB,
    sent_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE recipient (
    sent     INTEGER NOT NULL REFERENCES sent,
    position INTEGER NOT NULL,
    address  TEXT NOT NULL,
    state    INTEGER NOT NULL,               -- 0 queued, 1 accepted, 2 delivered, 3 read, 4 refused
    reason   TEXT,                           -- why it waits or was refused: an outcome's code
    mailbox  INTEGER,                        -- where it was accepted
    seq      INTEGER,
    counter  INTEGER,                        -- of the attempt that was accepted
    at       INTEGER,                        -- when it was delivered or read
    PRIMARY KEY (sent, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_place ON recipient (mailbox, seq) WHERE seq IS NOT NULL;

-- The words of received and sent, folded, but for what was cleared: row by row, and nothing but which words a row has. The
-- short beginnings are those that many words have in common; they are looked up like words.
CREATE VIRTUAL TABLE word USING fts5 (
    line, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii', prefix = '1 2 3'
);

-- What has no final answer for all recipients yet.
CREATE TABLE outbox (
    sent       INTEGER PRIMARY KEY REFERENCES sent,
    targets    BLOB NOT NULL,                -- positions of the recipients that are still open
    counter    INTEGER,                      -- of the attempt under way
    not_before INTEGER NOT NULL,             -- when to begin the next attempt
    restored   INTEGER NOT NULL DEFAULT 0    -- whether the server was brought back from a backup since it was written
) STRICT;

-- What the server is to give us back since it was brought back from a backup, as addresses: rooms, and our chosen name.
CREATE TABLE wish (
    server  INTEGER NOT NULL REFERENCES server,
    address TEXT NOT NULL,
    PRIMARY KEY (server, address)
) STRICT, WITHOUT ROWID;

-- How far others have received what we sent. News of it may come before the answer that it is about.
CREATE TABLE delivered (
    server  INTEGER NOT NULL REFERENCES server,
    mailbox INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (server, mailbox)
) STRICT, WITHOUT ROWID;

CREATE TABLE was_read (
    server  INTEGER NOT NULL REFERENCES server,
    mailbox INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (server, mailbox, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE was_damaged (
    server  INTEGER NOT NULL REFERENCES server,
    mailbox INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (server, mailbox, seq)
) STRICT, WITHOUT ROWID;

-- The compose form, as it was last seen.
CREATE TABLE draft (
    id          INTEGER PRIMARY KEY CHECK (id = 0),
    recipients  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    in_reply_to BLOB
) STRICT;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
