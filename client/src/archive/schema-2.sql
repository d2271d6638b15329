-- For how long a message has been tried, in milliseconds, and when that was noted: a clock that jumps ends nothing early.
ALTER TABLE outbox ADD COLUMN tried_for INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN noted_at INTEGER NOT NULL DEFAULT 0;
