// What the page shows, as plain data. Views read it and listen; session and actions change it and tell.

/**
 * @typedef {{number: number, name: string, connected: boolean}} Person
 * @typedef {{place: string, room: string, mailbox: number, epoch: string, first: number, last: number}} Room
 */

/** Lines about who came and went that a room keeps. */
const NOTICES = 20;

/** What changes as often as somebody makes it, and is long to show: it is told at most once in so many milliseconds. */
const GATHERED = new Set(["people", "members"]);
const GATHERING = 250;

export class Model {
  /** Who the server says we are. @type {{name: string, number: number} | null} */
  me = null;
  /** @type {import("./wire.js").Link} */
  link = { state: "connecting" };
  /** The rooms that we are in, by place, without that of everybody. @type {Map<string, Room>} */
  rooms = new Map();
  /** The directory as last heard, by number. @type {Map<number, Person>} */
  people = new Map();
  /** @type {{inbox: number, rooms: Map<string, number>}} */
  unread = { inbox: 0, rooms: new Map() };
  /** Who is in each room that was looked at, by place. @type {Map<string, Set<number>>} */
  members = new Map();
  /** Who came and went, by place. @type {Map<string, {key: string, name: string, at: number}[]>} */
  notices = new Map();
  /** @type {import("./letters.js").View} */
  view = { kind: "inbox" };
  /** What is open for reading. @type {{letter?: import("./letters.js").Letter, sent?: import("./receipts.js").Sent} | null} */
  open = null;
  /** What the server allows; these until it has said so. */
  limits = { subject_bytes: 998, body_bytes: 262_144 };

  #listeners = new Map();
  /** What was told of late and is told again later, if it changes meanwhile: whether it has. @type {Map<string, boolean>} */
  #gathering = new Map();

  /**
   * Calls `listener` when one of these has changed.
   * @param {string[]} topics
   * @param {(detail?: any) => void} listener
   */
  on(topics, listener) {
    for (const topic of topics) this.#listeners.set(topic, [...(this.#listeners.get(topic) ?? []), listener]);
  }

  /** Says that something has changed. */
  tell(topic, detail) {
    if (!GATHERED.has(topic)) return this.#tellNow(topic, detail);
    if (this.#gathering.has(topic)) return this.#gathering.set(topic, true);
    this.#gathering.set(topic, false);
    setTimeout(() => {
      const changed = this.#gathering.get(topic);
      this.#gathering.delete(topic);
      if (changed) this.tell(topic);
    }, GATHERING);
    this.#tellNow(topic);
  }

  #tellNow(topic, detail) {
    this.#listeners.get(topic)?.forEach((listener) => listener(detail));
  }

  /** Notes who came or went. `key` is the end of a text's key. */
  notice(place, key, name) {
    const lines = [...(this.notices.get(place) ?? []), { key, name, at: Date.now() }];
    this.notices.set(place, lines.slice(-NOTICES));
    this.tell("notices", place);
  }

  /** The place that the view shows, where it is a room. @returns {string | null} */
  get place() {
    return this.view.kind === "room" ? this.view.place : null;
  }
}
