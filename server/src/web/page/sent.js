// What was written here.

import { asked, each, read, write } from "./store.js";
import { randomBytes, toHex } from "./bytes.js";

/**
 * Keeps a new message, and gives up the draft that it was: both or neither.
 * @param {IDBDatabase} db
 * @param {{to: import("./address.js").Address[], subject: string, body: string, inReplyTo: string | null}} written
 * @returns {Promise<import("./receipts.js").Sent>}
 */
export function compose(db, { to, subject, body, inReplyTo }) {
  const message = {
    id: toHex(randomBytes(16)),
    to,
    subject,
    body,
    inReplyTo,
    sentAt: Date.now(),
    recipients: to.map(() => ({ state: "waiting", why: null, at: null, mailbox: null, seq: null })),
    attempt: null,
    notBefore: 0,
    refusals: 0,
    strikes: 0,
    open: 1,
    undelivered: [],
    unread: [],
  };
  return write(db, ["sent", "meta"], async (sent, meta) => {
    message.row = await asked(sent.add(message));
    meta.delete("draft");
    return message;
  });
}

/**
 * A part of the list, newest first.
 * @param {IDBDatabase} db
 * @param {number} before only what is older than this row
 * @param {number} count at most so many
 * @returns {Promise<import("./receipts.js").Sent[]>}
 */
export function listSent(db, before, count) {
  return read(db, ["sent"], async (sent) => {
    const found = [];
    await each(sent.openCursor(IDBKeyRange.upperBound(before, true), "prev"), ({ value }) => {
      found.push(value);
      return found.length < count;
    });
    return found;
  });
}

/** @returns {Promise<import("./receipts.js").Sent | undefined>} */
export function getSent(db, row) {
  return read(db, ["sent"], (sent) => asked(sent.get(row)));
}
