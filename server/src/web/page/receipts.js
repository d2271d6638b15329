// What is heard of messages that were written: delivered, read, damaged.

import { asked } from "./store.js";

/** Receipts that may wait for the answers that they are about. */
const EARLY = 1_000;

/**
 * A message that was written here.
 * @typedef {object} Sent
 * @property {number} row its place in the order of writing
 * @property {string} id
 * @property {import("./address.js").Address[]} to
 * @property {string} subject
 * @property {string} body
 * @property {string | null} inReplyTo
 * @property {number} sentAt milliseconds since 1970
 * @property {Recipient[]} recipients in the order of `to`
 * @property {{counter: number, targets: number[]} | null} attempt what is under way, or was when the connection ended
 * @property {number} notBefore milliseconds since 1970
 * @property {number} refusals passing ones so far
 * @property {number} strikes connections that ended over it
 * @property {number} [tried] milliseconds for which it had been tried …
 * @property {number} [notedAt] … at this time, or at `sentAt` where neither is there
 * @property {1} [open] some recipients have no final answer
 * @property {[number, number][]} undelivered entries of which no receipt has come
 * @property {[number, number][]} unread entries that nobody is known to have opened
 */

/**
 * @typedef {object} Recipient
 * @property {"waiting" | "accepted" | "delivered" | "read" | "refused"} state
 * @property {string | null} why why it is refused or waits, as the end of a text's key
 * @property {number | null} at when it came into that state
 * @property {number | null} mailbox
 * @property {number | null} seq
 * @property {number} [counter] of the attempt that was accepted
 */

/**
 * Takes in a receipt.
 * @param {{sent: IDBObjectStore, receipts: IDBObjectStore, readings: IDBObjectStore}} stores
 * @param {object} receipt
 * @returns {Promise<Sent[]>} messages that have another state now
 */
export async function noteReceipt({ sent, receipts, readings }, { Delivered, Read, Damaged }) {
  const { mailbox, seq, at } = Delivered ?? Read ?? Damaged;
  const changed = [];
  if (Delivered) {
    const range = IDBKeyRange.bound([mailbox, 0], [mailbox, seq]);
    for (const message of await asked(sent.index("undelivered").getAll(range))) {
      // One with several entries in this mailbox is listed for each of them.
      if (advance(message, (recipient) => recipient.mailbox === mailbox && recipient.seq <= seq, "delivered", at)) {
        sent.put(message);
        changed.push(message);
      }
    }
    // It is cumulative, so the newest is enough for all answers that are still to come.
    receipts.put({ mailbox, seq, at });
    return changed;
  }
  for (const message of await asked(sent.index(Read ? "unread" : "undelivered").getAll([mailbox, seq]))) {
    const state = Read ? "read" : "refused";
    advance(message, (recipient) => recipient.mailbox === mailbox && recipient.seq === seq, state, at);
    sent.put(message);
    changed.push(message);
  }
  const damaged = Boolean(Damaged);
  if (changed.length === 0 && (await asked(readings.count())) < EARLY) readings.put({ mailbox, seq, at, damaged });
  return changed;
}

/**
 * Takes in receipts that came before the answer: the message has just learnt its entries.
 * @param {{receipts: IDBObjectStore, readings: IDBObjectStore}} stores
 * @param {Sent} message
 */
export async function applyEarly({ receipts, readings }, message) {
  for (const recipient of message.recipients.filter(({ state }) => state === "accepted")) {
    const { mailbox, seq } = recipient;
    const delivered = await asked(receipts.get(mailbox));
    if (delivered && delivered.seq >= seq) Object.assign(recipient, { state: "delivered", at: delivered.at });
    const opened = await asked(readings.get([mailbox, seq]));
    if (opened) {
      Object.assign(recipient, opened.damaged ? damagedAt(opened.at) : { state: "read", at: opened.at });
      readings.delete([mailbox, seq]);
    }
  }
  index(message);
}

/**
 * The server was brought back from a backup that has nothing behind this counter: what was accepted since is to be sent again,
 * and has no place there.
 * @param {Sent} message
 * @param {number} lastCounter
 * @returns {boolean} whether that changes the message
 */
export function forgetAccepted(message, lastCounter) {
  const forgotten = message.recipients.filter(({ counter }) => counter > lastCounter);
  for (const recipient of forgotten) {
    Object.assign(recipient, { mailbox: null, seq: null });
    if (recipient.state !== "accepted") continue;
    Object.assign(recipient, { state: "waiting", at: null });
    message.open = 1;
    // What is under way was for fewer recipients; those who have it know it by its id.
    message.attempt = null;
    // It is tried for as long as any other from now on.
    Object.assign(message, { tried: 0, notedAt: Date.now() });
  }
  index(message);
  return forgotten.length > 0;
}

/**
 * Puts together under which entries the message is to be found.
 * @param {Sent} message
 */
export function index(message) {
  const entries = (states) =>
    message.recipients
      .filter(({ state, seq }) => states.includes(state) && seq !== null)
      .map(({ mailbox, seq }) => [mailbox, seq]);
  message.undelivered = entries(["accepted"]);
  message.unread = entries(["accepted", "delivered"]);
}

function advance(message, concerns, state, at) {
  const concerned = message.recipients.filter((recipient) => {
    const earlier = recipient.state === "accepted" || (state === "read" && recipient.state === "delivered");
    return earlier && concerns(recipient);
  });
  const news = state === "refused" ? damagedAt(at) : { state, at };
  concerned.forEach((recipient) => Object.assign(recipient, news));
  index(message);
  return concerned.length > 0;
}

/** The server's disk has damaged it before the recipient had it. */
function damagedAt(at) {
  return { state: "refused", why: "damaged", at };
}
