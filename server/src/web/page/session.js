// What the server says, on its way into the store and the model.

import {
  TODOS, OWN, countUnread, forgetMailboxes, forgetRoom, forgetSeqs, keepMailboxes, mailboxes, noted, receive, untold,
} from "./letters.js";
import { folded } from "./address.js";
import { Outbox } from "./outbox.js";
import { Wire } from "./wire.js";
import { getMeta, isFull, setMeta } from "./store.js";

/** Entries that are stored in one transaction. */
const BATCH = 200;
/** Characters that may wait to be stored. A browser takes in all that comes, so we hang up and go on from there later. */
const BACKLOG = 32 * 1024 * 1024;
/** Entries named in one frame that says what was opened. */
const READ_PER_FRAME = 1_000;

export class Session {
  #db;
  #model;
  #wire;
  /** What is known of each mailbox, by its number: place, and the entry that comes next. */
  #feeds = new Map();
  /** Entries that wait to be stored. */
  #waiting = [];
  #waitingSize = 0;
  #isStoring = false;
  /** Completes when nothing waits to be stored. */
  #stored = Promise.resolve();
  #telling = false;
  /** Each connection's number: what one has caused is not said on the next. */
  #connection = 0;
  #closedOver = false;
  /** How we have arranged ourselves with the server so far, one thing after the other. */
  #turn = Promise.resolve();

  /**
   * @param {IDBDatabase} db
   * @param {import("./model.js").Model} model
   * @param {import("./keys.js").Identity} identity
   */
  constructor(db, model, identity) {
    this.#db = db;
    this.#model = model;
    this.#wire = new Wire(identity, {
      welcome: (welcome) => this.#inTurn(() => this.#welcome(welcome)),
      frame: (kind, body) => this.#frame(kind, body),
      link: (link) => this.#link(link),
    });
    this.outbox = new Outbox(db, {
      send: (frame) => this.#wire.send(frame),
      changed: (message) => model.tell("sent-changed", message),
      failed: (error) => this.#failed(error),
    });
  }

  /** Goes on from what is stored, and connects. */
  async start() {
    const model = this.#model;
    model.me = (await getMeta(this.#db, "me")) ?? null;
    const stored = await mailboxes(this.#db);
    stored.forEach((mailbox, place) => place !== OWN && place !== TODOS && model.rooms.set(place, mailbox));
    await this.outbox.load();
    await this.recount();
    ["me", "rooms"].forEach((topic) => model.tell(topic));
    this.#wire.start();
  }

  /** Gives the connection up for good: another tab has taken over. */
  stop() {
    this.#wire.stop();
    this.outbox.disconnected(false);
  }

  connectNow() {
    this.#wire.connectNow();
  }

  /** There may be a connection again. */
  hurry() {
    this.#wire.hurry();
  }

  /** @param {object | string} frame one that needs no answer to be right */
  send(frame) {
    this.#wire.send(frame);
  }

  get isOnline() {
    return this.#wire.isOnline;
  }

  /** Asks who is in a room. */
  askMembers(place) {
    const room = this.#model.rooms.get(place);
    if (room) this.#wire.send({ Members: { mailbox: room.mailbox, after: null } });
  }

  /** Tells the server what was opened, in one frame at a time. */
  tellRead() {
    this.#inTurn(async () => {
      if (this.#telling || !this.#wire.isOnline) return;
      const seqs = await untold(this.#db, READ_PER_FRAME);
      if (seqs.length === 0) return;
      this.#telling = true;
      this.#wire.send({ Read: { mailbox: this.#mailboxOf(OWN), seqs } });
    });
  }

  /** Counts again what nobody has opened. */
  async recount() {
    this.#model.unread = await countUnread(this.#db, [TODOS, ...this.#model.rooms.keys()]);
    this.#model.tell("unread");
  }

  #mailboxOf(place) {
    for (const [mailbox, feed] of this.#feeds) if (feed.place === place) return mailbox;
    return null;
  }

  #inTurn(work) {
    this.#turn = this.#turn.then(work).catch((error) => this.#failed(error));
    return this.#turn;
  }

  #failed(error) {
    console.warn(error);
    this.#model.tell("problem", isFull(error) ? "storage-full" : "storage");
    this.#wire.giveUp(isFull(error) ? "storage-full" : "storage");
  }

  #link(link) {
    if (link.state === "online") return; // Told when the welcome is taken in.
    this.#closedOver = link.why === "protocol";
    if (link.state !== "connecting") {
      this.#connection += 1;
      this.#telling = false;
      this.outbox.disconnected(this.#closedOver);
      // Nobody is known to be connected while we are not.
      this.#model.people.forEach((person) => (person.connected = false));
      this.#model.members.clear();
      ["people", "members"].forEach((topic) => this.#model.tell(topic));
    }
    this.#model.link = link;
    this.#model.tell("link");
  }

  async #welcome({ name, number, mailbox, epoch, last_seq, last_counter, limits, rooms }) {
    const connection = this.#connection;
    // What is left of an earlier connection need not come again.
    await this.#stored;
    const stored = await mailboxes(this.#db);
    const places = [{ place: OWN, room: null, mailbox, epoch, first: 1, lastSeq: last_seq }];
    for (const { room, mailbox, epoch, first, last_seq } of rooms) {
      places.push({ place: `#${folded(room)}`, room, mailbox, epoch, first, lastSeq: last_seq });
    }
    const kept = places.map(({ lastSeq, ...place }) => ({ ...place, last: resumeAfter(place, lastSeq, stored) }));
    const anew = stored.get(OWN)?.epoch !== epoch;
    if (anew) {
      await forgetSeqs(this.#db, last_counter);
      await this.outbox.load();
    }
    await keepMailboxes(this.#db, kept);
    // Rooms that were left by another device of this person go with their letters. What a server has forgotten that was brought
    // back from a backup is nowhere else.
    const others = [...stored.keys()].filter((place) => !places.some((known) => known.place === place));
    if (anew) await forgetMailboxes(this.#db, others);
    else for (const place of others) await forgetRoom(this.#db, place);
    await setMeta(this.#db, "me", { name, number });
    if (connection !== this.#connection || !this.#wire.isOnline) return;
    const model = this.#model;
    model.me = { name, number };
    model.limits = limits;
    model.rooms = new Map(kept.filter(({ place }) => place !== OWN && place !== TODOS).map((room) => [room.place, room]));
    model.people.clear();
    this.#feeds = new Map(kept.map(({ place, mailbox, last }) => [mailbox, { place, next: last + 1 }]));
    for (const { mailbox, epoch, last } of kept) this.#wire.send({ Resume: { mailbox, epoch, after: last } });
    this.#wire.send({ People: { after: null } });
    if (model.place) this.askMembers(model.place);
    this.outbox.connected(last_counter);
    model.link = { state: "online" };
    ["me", "rooms", "link"].forEach((topic) => model.tell(topic));
    await this.recount();
    this.tellRead();
  }

  #frame(kind, body) {
    const model = this.#model;
    switch (kind) {
      case "Delivery":
        return this.#delivery(body);
      case "Outcomes":
        return this.outbox.answered(body.counter, body.outcomes);
      case "ReadNoted":
        return this.#noted(body.seqs);
      case "People":
        body.people.forEach((person) => model.people.set(person.number, person));
        if (body.more) this.#wire.send({ People: { after: body.people.at(-1).number } });
        return model.tell("people");
      case "Presence":
        return this.#presence(body.people);
      case "Members":
        return this.#members(body);
      case "Member":
        return this.#member(body);
      case "Entered":
        return this.#inTurn(() => this.#entered(body.membership));
      case "Left":
        return this.#inTurn(() => this.#left(body));
      case "Named":
        model.me = { ...model.me, name: body.name };
        model.tell("me");
        model.tell("named");
        return this.#inTurn(() => setMeta(this.#db, "me", model.me));
      case "Rooms":
      case "RoomRefused":
      case "NameRefused":
        return model.tell(kind, body);
      default:
      // A later server may say more than we know.
    }
  }

  #delivery({ mailbox, seq, entry }) {
    // Of a welcome that is still being taken in, nothing was resumed; of a room that was left, some may be on its way.
    const feed = this.#feeds.get(mailbox);
    if (!feed) return;
    if (seq !== feed.next) return this.#wire.giveUp("protocol");
    feed.next += 1;
    this.#waiting.push({ place: feed.place, mailbox, seq, entry, connection: this.#connection });
    this.#waitingSize += entry.Message?.message.content.length ?? 0;
    if (this.#waitingSize > BACKLOG) this.#wire.giveUp("catching-up");
    if (!this.#isStoring) this.#stored = this.#store();
  }

  /** Stores what waits, then acknowledges it. */
  async #store() {
    this.#isStoring = true;
    try {
      while (this.#waiting.length > 0) await this.#storeBatch();
    } catch (error) {
      // The next connection goes on from what is stored.
      this.#waiting = [];
      this.#waitingSize = 0;
      this.#failed(error);
    }
    this.#isStoring = false;
  }

  async #storeBatch() {
    const { place, mailbox, connection } = this.#waiting[0];
    const other = this.#waiting.findIndex((one) => one.place !== place || one.connection !== connection);
    const batch = this.#waiting.splice(0, Math.min(BATCH, other === -1 ? Infinity : other));
    batch.forEach(({ entry }) => (this.#waitingSize -= entry.Message?.message.content.length ?? 0));
    const { letters, sent } = await receive(this.#db, place, batch, this.#model.me.number);
    if (place === OWN && connection === this.#connection) {
      this.#wire.send({ Acknowledge: { mailbox, seq: batch.at(-1).seq } });
    }
    sent.forEach((message) => {
      this.outbox.refreshed(message);
      this.#model.tell("sent-changed", message);
    });
    if (letters.length === 0) return;
    this.#model.tell("letters", letters);
    await this.recount();
  }

  #noted(seqs) {
    this.#inTurn(async () => {
      this.#telling = false;
      // Nothing was noted where the server's disk is full: that is told again on the next connection.
      if (seqs.length === 0) return;
      await noted(this.#db, seqs);
      this.tellRead();
    });
  }

  #presence(people) {
    const model = this.#model;
    for (const person of people) {
      const before = model.people.get(person.number);
      model.people.set(person.number, person);
      if (before?.connected === person.connected) continue;
      for (const [place, members] of model.members) {
        if (members.has(person.number)) model.notice(place, person.connected ? "connected" : "disconnected", person.name);
      }
    }
    model.tell("people");
  }

  #members({ mailbox, people, more }) {
    const place = this.#feeds.get(mailbox)?.place;
    if (!place) return;
    // A page that does not go on from the last one begins the list anew.
    const known = this.#feeds.get(mailbox).listing ?? new Set();
    people.forEach((person) => {
      known.add(person.number);
      this.#model.people.set(person.number, person);
    });
    this.#feeds.get(mailbox).listing = more ? known : null;
    if (more) this.#wire.send({ Members: { mailbox, after: people.at(-1).number } });
    this.#model.members.set(place, known);
    this.#model.tell("members", place);
  }

  #member({ mailbox, person, entered }) {
    const place = this.#feeds.get(mailbox)?.place;
    if (!place) return;
    const model = this.#model;
    model.people.set(person.number, person);
    const members = model.members.get(place);
    if (entered) members?.add(person.number);
    else members?.delete(person.number);
    if (person.number !== model.me?.number && place !== TODOS) model.notice(place, entered ? "entered" : "left", person.name);
    ["people", "members"].forEach((topic) => model.tell(topic, place));
  }

  async #entered({ room, mailbox, epoch, first, last_seq }) {
    const place = { place: `#${folded(room)}`, room, mailbox, epoch, first };
    if (!this.#feeds.has(mailbox)) {
      const last = resumeAfter(place, last_seq, await mailboxes(this.#db));
      const kept = { ...place, last };
      await keepMailboxes(this.#db, [kept]);
      this.#feeds.set(mailbox, { place: place.place, next: last + 1 });
      this.#model.rooms.set(place.place, kept);
      this.#wire.send({ Resume: { mailbox, epoch, after: last } });
      this.#model.tell("rooms");
    }
    this.#model.tell("entered", place.place);
  }

  async #left({ room, mailbox }) {
    const place = `#${folded(room)}`;
    this.#feeds.delete(mailbox);
    this.#model.rooms.delete(place);
    this.#model.members.delete(place);
    this.#model.notices.delete(place);
    await forgetRoom(this.#db, place);
    this.#model.tell("left", place);
    this.#model.tell("rooms");
    await this.recount();
  }
}

/** The last entry of a mailbox that need not come again. */
function resumeAfter({ place, mailbox, epoch, first }, lastSeq, stored) {
  const known = stored.get(place);
  const before = first - 1;
  if (known?.mailbox !== mailbox || known?.epoch !== epoch) return before;
  // A server that has fewer entries than we do has forgotten some: what it has now is to be looked at from the beginning.
  return known.last > lastSeq ? before : Math.max(known.last, before);
}
