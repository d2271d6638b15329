-- Version 1. Changes come as further files, applied in order; PRAGMA user_version tells how many were.
--
-- Each row ends with a sum over the rest of it, which SQLite works out whenever it writes the row: a disk that changes a bit
-- is found out when the row is read.

CREATE TABLE person (
    number     INTEGER PRIMARY KEY,       -- the N of UsuarioN
    key        BLOB NOT NULL UNIQUE,      -- Ed25519 public key, 32 bytes
    name       TEXT NOT NULL,             -- the name to show: the chosen one, or else the given one
    mailbox    INTEGER NOT NULL UNIQUE REFERENCES mailbox,
    created_at INTEGER NOT NULL,          -- milliseconds since 1970
    sum        INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(number, key, name, mailbox, created_at)) STORED
) STRICT;

-- Every name under which a person can be reached, or could be until they gave it up.
CREATE TABLE name (
    folded      TEXT PRIMARY KEY,         -- in the form in which names are compared
    skeleton    TEXT NOT NULL,            -- what it looks like
    name        TEXT NOT NULL,
    person      INTEGER NOT NULL REFERENCES person,
    given_up_at INTEGER,                  -- at this age of the store; NULL while it is in use
    sum         INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(folded, skeleton, name, person, given_up_at)) STORED
) STRICT, WITHOUT ROWID;
CREATE INDEX name_by_skeleton ON name (skeleton);
CREATE INDEX name_given_up ON name (person, given_up_at) WHERE given_up_at IS NOT NULL;

-- One row: for how long the store has been in use, as far as the clock can be believed.
CREATE TABLE age (
    looked_at INTEGER NOT NULL,           -- the clock then: milliseconds since 1970
    age       INTEGER NOT NULL,           -- milliseconds
    sum       INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(looked_at, age)) STORED
) STRICT;
INSERT INTO age (looked_at, age) VALUES (0, 0);

CREATE TABLE device (
    id           INTEGER PRIMARY KEY,
    person       INTEGER NOT NULL REFERENCES person,
    device       BLOB NOT NULL,           -- 16 bytes, chosen by the client
    last_counter INTEGER NOT NULL,        -- the highest counter carried out
    refused      INTEGER NOT NULL,        -- the last counter that was refused for a passing reason
    answers      BLOB NOT NULL,           -- the last answers, encoded one behind the other: counter, message's id, outcomes
    sum          INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(id, person, device, last_counter, refused, answers)) STORED,
    UNIQUE (person, device)
) STRICT;

CREATE TABLE mailbox (
    id        INTEGER PRIMARY KEY,
    epoch     BLOB NOT NULL,              -- 16 random bytes
    last_seq  INTEGER NOT NULL,
    delivered INTEGER NOT NULL,           -- a person's: acknowledged up to this seq
    newest    BLOB NOT NULL,              -- where its newest runs are, as in span
    sum       INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(id, epoch, last_seq, delivered, newest)) STORED
) STRICT;

-- A room is a mailbox that several people read; the one called 'todos' has everybody in it.
CREATE TABLE room (
    mailbox    INTEGER PRIMARY KEY REFERENCES mailbox,
    folded     TEXT NOT NULL UNIQUE,
    skeleton   TEXT NOT NULL,
    name       TEXT NOT NULL,
    members    INTEGER NOT NULL,          -- how many rows of member there are
    permanent  INTEGER NOT NULL,          -- whether the server itself needs it
    sum        INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(mailbox, folded, skeleton, name, members, permanent)) STORED
) STRICT;
CREATE INDEX room_by_skeleton ON room (skeleton);

CREATE TABLE member (
    room   INTEGER NOT NULL REFERENCES room,
    person INTEGER NOT NULL REFERENCES person,
    first  INTEGER NOT NULL,              -- the first entry that this person may see
    sum    INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(room, person, first)) STORED,
    PRIMARY KEY (room, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_person ON member (person, room);

-- Entries that came into a mailbox with one commit, up to some size. In the order of commits, which is several times faster
-- to write than a table clustered by mailbox. Whose they are and which is only said by the spans; the sums cover it.
--
-- What somebody wrote is here alone, so damage must not take more with it than it has to: there is a sum for all entries
-- and, beside one for each, what is needed to find the others where that does not hold.
CREATE TABLE run (
    id      INTEGER PRIMARY KEY,
    whole   INTEGER NOT NULL,             -- the sum of all entries
    authors BLOB NOT NULL,                -- whose they are: encoded, with a sum behind it
    checks  BLOB NOT NULL,                -- each entry's length and sum, with a sum behind them
    entries BLOB NOT NULL                 -- each an encoded Entry with its length before it
) STRICT;

-- Runs in which damage was found, as they were found: for people who want to look what can be made of them.
CREATE TABLE damaged (
    found_at INTEGER NOT NULL,
    mailbox  INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    authors  BLOB NOT NULL,
    checks   BLOB NOT NULL,
    entries  BLOB NOT NULL
) STRICT;

-- Where a mailbox's older runs are, some that follow each other in each row. An index of single runs would have a page changed
-- for each mailbox by each commit: more than the entries themselves.
CREATE TABLE span (
    mailbox INTEGER NOT NULL REFERENCES mailbox,
    last    INTEGER NOT NULL,             -- the last run's last entry's seq
    runs    BLOB NOT NULL,                -- encoded: last again, then each run's id and count
    sum     INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(mailbox, last, runs)) STORED,
    PRIMARY KEY (mailbox, last)
) STRICT, WITHOUT ROWID;

-- Of which messages the author was told that they were opened.
CREATE TABLE opened (
    mailbox INTEGER NOT NULL REFERENCES mailbox,
    seq     INTEGER NOT NULL,
    sum     INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(mailbox, seq)) STORED,
    PRIMARY KEY (mailbox, seq)
) STRICT, WITHOUT ROWID;

-- After a restore, what was given since the backup was made may be in use somewhere still: newcomers get nothing below these.
CREATE TABLE given (
    person  INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    sum     INTEGER NOT NULL GENERATED ALWAYS AS (row_sum(person, mailbox)) STORED
) STRICT;
