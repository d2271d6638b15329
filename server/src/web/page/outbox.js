// What was written and has no final answer yet. One submission is under way at a time, in the order of writing; what is
// known of it is on the disk before anything is sent. `client/src/engine/outbox.rs` follows the same rules.

import { foldedAddress } from "./address.js";
import { toBase64 } from "./bytes.js";
import { encodeContent } from "./content.js";
import { applyEarly, index } from "./receipts.js";
import { asked, write, read } from "./store.js";

/** The first pause after a passing refusal, in milliseconds; it doubles … */
const FIRST_PAUSE = 1_000;
/** … up to this. */
const LONGEST_PAUSE = 60_000;
/** The longest time for which a server is believed that it wants to be left alone. */
const LONGEST_REST = 3_600_000;
/** The pause after this browser could not keep something, in milliseconds. */
const STORE_PAUSE = 10_000;
/** For how long a message is tried at all: 14 days, as in `common/src/limits.rs`. */
const RETRY_FOR = 14 * 24 * 60 * 60 * 1000;
/** How often it is noted for how long messages have been tried, in milliseconds … */
const NOTE_EVERY = 60 * 60 * 1000;
/** … and what counts at most of the time since then: the clock may have been wrong, or be wrong now. */
const LONGEST_ABSENCE = 24 * 60 * 60 * 1000;
/** Answers that the server keeps for a device. */
const WINDOW = 64;
/** In the place of `since`: the server is to say what became of an attempt, and not to carry it out. */
const INQUIRY = 0;
/** A message over which so many connections in a row were closed is not one that the server will ever take. */
const STRIKES = 3;

/** Messages that may wait. Beyond, a person is asked to wait until some have left. */
export const WAITING = 1_000;

/** Outcomes after which another attempt may end otherwise, and the ends of their texts' keys. */
const PASSING = {
  MailboxFull: "mailbox-full",
  ServerFull: "server-full",
  RateLimited: "rate-limited",
  OutOfTurn: "out-of-turn",
};
const FINAL = {
  UnknownRecipient: "unknown-recipient",
  NotAMember: "not-a-member",
  TooLarge: "too-large",
  Invalid: "invalid",
};

/**
 * The message that may go first: none before it waits for one of its recipients.
 * @param {import("./receipts.js").Sent[]} open in the order of writing
 * @param {number} now milliseconds since 1970
 * @returns {{message: import("./receipts.js").Sent | null, wait: number}} or how many milliseconds to wait
 */
export function next(open, now) {
  const held = new Set();
  let wait = Infinity;
  for (const message of open) {
    const addresses = targets(message).map((position) => foldedAddress(message.to[position]));
    if (!addresses.some((address) => held.has(address))) {
      const left = pauseLeft(message, now);
      if (left === 0) return { message, wait: 0 };
      wait = Math.min(wait, left);
    }
    addresses.forEach((address) => held.add(address));
  }
  return { message: null, wait };
}

/**
 * Takes an answer into a message.
 * @param {import("./receipts.js").Sent} message whose attempt was answered
 * @param {(object | string)[]} outcomes for each of the attempt's targets
 * @param {number} now milliseconds since 1970
 * @param {number} chance from 0 to 1
 * @returns {number} for how many milliseconds the whole server is to be left alone
 */
export function settle(message, outcomes, now, chance) {
  let pause = 0;
  let wholeServer = 0;
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(message.refusals, 10));
  message.attempt.targets.forEach((position, at) => {
    const outcome = outcomes[at];
    const [kind, body] = typeof outcome === "string" ? [outcome, {}] : Object.entries(outcome)[0];
    const recipient = message.recipients[position];
    if (kind === "Accepted") {
      const { mailbox, seq } = body;
      Object.assign(recipient, { state: "accepted", why: null, at: now, mailbox, seq, counter: message.attempt.counter });
    } else if (kind in PASSING) {
      recipient.why = PASSING[kind];
      let wait = kind === "OutOfTurn" ? 0 : longest * (0.5 + chance / 2);
      if (kind === "RateLimited") wait = Math.min(Math.max(body.retry_after_ms, 1), LONGEST_REST);
      pause = Math.max(pause, wait);
      if (kind === "RateLimited" || kind === "ServerFull") wholeServer = Math.max(wholeServer, wait);
    } else {
      Object.assign(recipient, { state: "refused", why: FINAL[kind] ?? "invalid", at: now });
    }
  });
  message.attempt = null;
  message.strikes = 0;
  if (pause > 0) message.refusals += 1;
  Object.assign(message, { notBefore: now + pause, pause });
  close(message);
  return wholeServer;
}

/** The recipients that are open, as positions in `to`. */
function targets(message) {
  return message.recipients.flatMap(({ state }, position) => (state === "waiting" ? [position] : []));
}

/** No more of a pause is left than there was, unless the clock was set back meanwhile: then it is over. */
function pauseLeft({ notBefore, pause = LONGEST_PAUSE }, now) {
  const left = notBefore - now;
  return left > 0 && left <= Math.max(pause, LONGEST_PAUSE) ? left : 0;
}

/**
 * For how long a message has been tried, in milliseconds. A clock that jumps counts for a day at most.
 * @param {import("./receipts.js").Sent} message
 * @param {number} now milliseconds since 1970
 */
export function triedFor({ tried = 0, sentAt, notedAt = sentAt }, now) {
  return tried + Math.min(Math.max(now - notedAt, 0), LONGEST_ABSENCE);
}

function refuse(message, why, now) {
  targets(message).forEach((position) => Object.assign(message.recipients[position], { state: "refused", why, at: now }));
  message.attempt = null;
  close(message);
}

function close(message) {
  index(message);
  if (targets(message).length === 0) delete message.open;
}

export class Outbox {
  #db;
  #send;
  #changed;
  #failed;
  /** Open messages by row, in the order of writing. */
  #open = new Map();
  #online = false;
  #pausedUntil = 0;
  #timer = 0;
  /** The message whose answer is awaited on this connection. */
  #underWay = null;
  /** One thing after the other. */
  #turn = Promise.resolve();

  /**
   * @param {IDBDatabase} db
   * @param {{send: (frame: object) => void, changed: (message: import("./receipts.js").Sent) => void,
   *   failed: (error: unknown) => void}} on `failed` where this browser could not keep something
   */
  constructor(db, { send, changed, failed }) {
    this.#db = db;
    this.#send = send;
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Goes on from what is stored. */
  load() {
    return this.#inTurn(async () => {
      const open = await read(this.#db, ["sent"], (sent) => asked(sent.index("open").getAll(1)));
      this.#open = new Map(open.map((message) => [message.row, message]));
    });
  }

  /** How many messages wait. */
  get size() {
    return this.#open.size;
  }

  /** A message was written and is on the disk. */
  add(message) {
    this.#open.set(message.row, message);
    this.#kick();
  }

  /**
   * The connection is made.
   * @param {number} lastCounter the highest counter that the server has seen of this device
   */
  connected(lastCounter) {
    this.#inTurn(async () => {
      this.#online = true;
      this.#underWay = null;
      await write(this.#db, ["meta"], async (meta) => {
        const counter = (await asked(meta.get("counter"))) ?? 0;
        meta.put(Math.max(counter, lastCounter), "counter");
      });
      for (const message of this.#open.values()) {
        // The server does not know so old an answer any more: it gets a new attempt, and whoever has it knows its id.
        if (message.attempt && message.attempt.counter + WINDOW <= lastCounter) {
          await this.#update(message.row, (stored) => void (stored.attempt = null));
        }
      }
      await this.#go();
    });
  }

  /**
   * The connection is lost.
   * @param {boolean} overIt whether the server closed it because it could not read something
   */
  disconnected(overIt) {
    clearTimeout(this.#timer);
    this.#inTurn(async () => {
      this.#online = false;
      this.#pausedUntil = 0;
      const row = this.#underWay;
      this.#underWay = null;
      if (row !== null && overIt) {
        await this.#update(row, (message) => {
          message.strikes += 1;
          if (message.strikes >= STRIKES) refuse(message, "invalid", Date.now());
        });
      }
      await this.#go();
    });
  }

  /** An answer came. */
  answered(counter, outcomes) {
    this.#inTurn(async () => {
      const row = this.#underWay;
      if (row === null || this.#open.get(row)?.attempt?.counter !== counter) return;
      this.#underWay = null;
      let wholeServer = 0;
      await this.#update(row, (message) => {
        if (outcomes.length === message.attempt.targets.length) {
          wholeServer = settle(message, outcomes, Date.now(), Math.random());
        } else {
          // Not an answer to what was asked: asking again is all that can be done.
          message.attempt = null;
          message.notBefore = Date.now() + FIRST_PAUSE;
        }
      });
      this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + wholeServer);
      await this.#go();
    });
  }

  /** Receipts have changed this message on the disk. */
  refreshed(message) {
    if (this.#open.has(message.row)) this.#open.set(message.row, message);
  }

  #kick() {
    this.#inTurn(() => this.#go());
  }

  #inTurn(work) {
    this.#turn = this.#turn.then(work).catch((error) => {
      // What could not be kept is asked about, or tried again, when there may be room.
      this.#underWay = null;
      this.#timer = setTimeout(() => this.#kick(), STORE_PAUSE);
      this.#failed(error);
    });
    return this.#turn;
  }

  /** Sends what may be sent, if nothing is under way. */
  async #go() {
    clearTimeout(this.#timer);
    await this.#growOlder();
    if (this.#open.size > 0) this.#timer = setTimeout(() => this.#kick(), NOTE_EVERY);
    if (!this.#online || this.#underWay !== null) return;
    const open = [...this.#open.values()].sort((a, b) => a.row - b.row);
    const unanswered = open.find(({ attempt }) => attempt);
    if (unanswered) {
      this.#underWay = unanswered.row;
      return this.#submit(unanswered, INQUIRY);
    }
    const left = this.#pausedUntil - performance.now();
    const { message, wait } = left > 0 ? { message: null, wait: left } : next(open, Date.now());
    if (!message) {
      if (open.length > 0 && wait < Infinity) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#kick(), wait);
      }
      return;
    }
    this.#underWay = message.row;
    const attempted = await this.#attempt(message.row);
    if (attempted) this.#submit(attempted, attempted.attempt.counter);
  }

  /** Gives a message the next counter; both are on the disk afterwards. */
  async #attempt(row) {
    const attempted = await write(this.#db, ["sent", "meta"], async (sent, meta) => {
      const message = await asked(sent.get(row));
      const counter = ((await asked(meta.get("counter"))) ?? 0) + 1;
      meta.put(counter, "counter");
      message.attempt = { counter, targets: targets(message) };
      sent.put(message);
      return message;
    });
    this.#open.set(row, attempted);
    return attempted;
  }

  #submit({ id, to, inReplyTo, sentAt, subject, body, attempt }, since) {
    const content = toBase64(encodeContent({ subject, body }));
    const message = { id, to, in_reply_to: inReplyTo, sent_at: sentAt, content };
    this.#send({ Submit: { counter: attempt.counter, since, targets: attempt.targets, message } });
  }

  /** Notes from time to time for how long messages have been tried, and gives up those that were for as long as any is. */
  async #growOlder() {
    const now = Date.now();
    for (const message of [...this.#open.values()]) {
      const passed = Math.abs(now - (message.notedAt ?? message.sentAt));
      if (passed < NOTE_EVERY || message.row === this.#underWay) continue;
      await this.#update(message.row, (stored) => {
        stored.tried = triedFor(stored, now);
        stored.notedAt = now;
        if (stored.tried >= RETRY_FOR) refuse(stored, "expired", now);
      });
    }
  }

  /** Changes a message on the disk, where receipts may have changed it meanwhile, and tells. */
  async #update(row, change) {
    const message = await write(this.#db, ["sent", "receipts", "readings"], async (sent, receipts, readings) => {
      const stored = await asked(sent.get(row));
      change(stored);
      await applyEarly({ receipts, readings }, stored);
      sent.put(stored);
      return stored;
    });
    if (message.open) this.#open.set(row, message);
    else this.#open.delete(row);
    this.#changed(message);
  }
}
