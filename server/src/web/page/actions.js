// Everything a person can do, in one place: views and keys call these.

import { clearInbox, forgetCleared, getLetter, markRead, markRoomRead, restoreInbox } from "./letters.js";
import { compose, getSent } from "./sent.js";
import { WAITING } from "./outbox.js";
import { setDraft } from "./store.js";
import { isNarrow } from "./dom.js";
import { t } from "./texts.js";

export class Actions {
  #db;
  #model;
  #session;

  /**
   * @param {IDBDatabase} db
   * @param {import("./model.js").Model} model
   * @param {import("./session.js").Session} session
   */
  constructor(db, model, session) {
    this.#db = db;
    this.#model = model;
    this.#session = session;
  }

  /**
   * Shows a list.
   * @param {import("./letters.js").View} view
   */
  show(view) {
    const model = this.#model;
    model.view = view;
    model.open = null;
    if (model.place && !model.members.has(model.place)) this.#session.askMembers(model.place);
    this.pane("list");
    ["view", "open", "members", "notices"].forEach((topic) => model.tell(topic));
  }

  /** Opens a letter; that is what makes it read. */
  async openLetter(row) {
    const read = await this.#keep(() => markRead(this.#db, row));
    const letter = await getLetter(this.#db, row);
    if (!letter) return;
    this.#model.open = { letter };
    this.#model.tell("open");
    this.pane("letter");
    if (!read) return;
    this.#model.tell("letter-changed", letter);
    await this.#session.recount();
    this.#session.tellRead();
  }

  /** Opens a message that was sent. */
  async openSent(row) {
    const sent = await getSent(this.#db, row);
    if (!sent) return;
    this.#model.open = { sent };
    this.#model.tell("open");
    this.pane("letter");
  }

  /** Closes what is open for reading. */
  close() {
    this.#model.open = null;
    this.#model.tell("open");
    this.pane("list");
  }

  /**
   * Shows one of the panes where there is room for one only: `list`, `letter` or `form`.
   * @param {string} name
   */
  pane(name) {
    const before = document.body.dataset.pane;
    document.body.dataset.pane = name;
    // A phone's own way back leads to the list, and not off the page.
    if (isNarrow() && name !== "list") {
      if (before === "list") history.pushState({ pane: name }, "");
      else history.replaceState({ pane: name }, "");
    }
    this.#model.tell("pane", name);
  }

  /**
   * Keeps a message and sends it when it can.
   * @returns {Promise<boolean>} whether it is kept
   */
  async send(written) {
    if (this.#session.outbox.size >= WAITING) {
      this.#model.tell("toast", { text: t("too-many-waiting") });
      return false;
    }
    const message = await this.#keep(() => compose(this.#db, written));
    if (!message) return false;
    this.#session.outbox.add(message);
    // Without it a browser may throw everything away where its disk gets full. Some ask the person, so not on arrival.
    navigator.storage?.persist?.();
    this.#model.tell("sent", message);
    this.#model.tell("toast", { text: t(this.#session.isOnline ? "queued" : "queued-offline") });
    return true;
  }

  /** Keeps what is being written. */
  saveDraft(draft) {
    return this.#keep(() => setDraft(this.#db, draft));
  }

  /** Takes everything out of the inbox; it can be taken back until it is done again. */
  async clearInbox() {
    const clearing = Date.now();
    const count = await this.#keep(async () => {
      await forgetCleared(this.#db);
      return await clearInbox(this.#db, clearing);
    });
    if (count === undefined) return;
    await this.#listsChanged();
    const undo = async () => {
      await this.#keep(() => restoreInbox(this.#db, clearing));
      await this.#listsChanged();
    };
    this.#model.tell("toast", { text: t("inbox-cleared"), undo });
  }

  /** Marks everything in the room that is shown as read. */
  async readAll() {
    await this.#keep(() => markRoomRead(this.#db, this.#model.place));
    await this.#listsChanged();
  }

  async #listsChanged() {
    this.#model.tell("view");
    await this.#session.recount();
  }

  /** @param {boolean} create whether to make the room where there is none */
  enterRoom(room, create) {
    this.#session.send({ Enter: { room, create } });
  }

  leaveRoom(place) {
    const room = this.#model.rooms.get(place)?.room;
    if (room) this.#session.send({ Leave: { room } });
  }

  /** Asks for the list of rooms, a page of it. */
  askRooms(after = null) {
    this.#session.send({ Rooms: { after } });
  }

  /** @param {string | null} name nothing for going back to the given one */
  takeName(name) {
    this.#session.send({ TakeName: { name } });
  }

  get isOnline() {
    return this.#session.isOnline;
  }

  connectNow() {
    this.#session.connectNow();
  }

  /** What could not be kept is said; nothing that was typed is given up for it. */
  async #keep(work) {
    try {
      return await work();
    } catch (error) {
      console.warn(error);
      this.#model.tell("problem", error?.name === "QuotaExceededError" ? "storage-full" : "storage");
      return undefined;
    }
  }
}
