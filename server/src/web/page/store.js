// What this browser keeps: one IndexedDB database. A transaction is durable before we go on.

const NAME = "malote";
const VERSION = 1;

/**
 * Opens the database, and makes it on the first visit.
 *
 * - `meta`: single values by name.
 * - `mailboxes`: how far each mailbox was stored, by place: `own`, or a room's folded name with its `#`.
 * - `letters`: what was received, in order of arrival. `inbox` and `unread` are 1 or missing, so that an index holds
 *   only what it is asked for.
 * - `sent`: what was written, in that order; `open` is 1 while a recipient has no final answer.
 * - `told`: entries of the own mailbox that were opened and of which the server has not heard.
 * - `receipts`, `readings`: receipts that came before the answer that they are about.
 * @returns {Promise<IDBDatabase>}
 */
export function openStore() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, VERSION);
    opening.onupgradeneeded = () => {
      const db = opening.result;
      db.createObjectStore("meta");
      db.createObjectStore("mailboxes", { keyPath: "place" });
      const letters = db.createObjectStore("letters", { keyPath: "row", autoIncrement: true });
      letters.createIndex("id", ["place", "id"]);
      letters.createIndex("place", ["place", "row"]);
      letters.createIndex("inbox", ["inbox", "row"]);
      letters.createIndex("person", ["inbox", "number", "row"]);
      letters.createIndex("unread", ["place", "unread"]);
      letters.createIndex("inboxUnread", ["inbox", "unread"]);
      letters.createIndex("cleared", "cleared");
      const sent = db.createObjectStore("sent", { keyPath: "row", autoIncrement: true });
      sent.createIndex("open", "open");
      sent.createIndex("undelivered", "undelivered", { multiEntry: true });
      sent.createIndex("unread", "unread", { multiEntry: true });
      db.createObjectStore("told", { keyPath: "seq" });
      db.createObjectStore("receipts", { keyPath: "mailbox" });
      db.createObjectStore("readings", { keyPath: ["mailbox", "seq"] });
    };
    opening.onsuccess = () => {
      // A newer page in another tab must not have to wait for this one.
      opening.result.onversionchange = () => opening.result.close();
      resolve(opening.result);
    };
    opening.onerror = () => reject(opening.error);
  });
}

/**
 * Runs a transaction: what `work` wrote is on the disk when this returns, or nothing of it is.
 * @template T
 * @param {IDBDatabase} db
 * @param {string[]} stores
 * @param {(...stores: IDBObjectStore[]) => Promise<T> | T} work may wait for requests on these stores, and for nothing else
 * @returns {Promise<T>}
 */
export function write(db, stores, work) {
  return transact(db, stores, "readwrite", work);
}

/**
 * The same for reading.
 * @template T
 * @param {IDBDatabase} db
 * @param {string[]} stores
 * @param {(...stores: IDBObjectStore[]) => Promise<T> | T} work
 * @returns {Promise<T>}
 */
export function read(db, stores, work) {
  return transact(db, stores, "readonly", work);
}

async function transact(db, stores, mode, work) {
  const transaction = db.transaction(stores, mode, { durability: "strict" });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
  });
  try {
    const result = await work(...stores.map((name) => transaction.objectStore(name)));
    await done;
    return result;
  } catch (error) {
    // Where it has ended already, nothing is left to take back.
    try {
      transaction.abort();
    } catch {}
    done.catch(() => {});
    throw transaction.error ?? error;
  }
}

/**
 * A request's answer.
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
export function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Calls `visit` with each cursor until it returns false or nothing is left.
 * @param {IDBRequest<IDBCursorWithValue | null>} request
 * @param {(cursor: IDBCursorWithValue) => boolean | void} visit
 * @returns {Promise<void>}
 */
export function each(request, visit) {
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor || visit(cursor) === false) resolve();
      else cursor.continue();
    };
  });
}

/** Where a draft stands until it is in the database: a page that is left does not wait for that. */
const UNSAVED_DRAFT = "unsaved-draft";

/** Keeps a draft at once, until {@link setDraft} has it. */
export function noteDraft(draft) {
  try {
    localStorage.setItem(UNSAVED_DRAFT, JSON.stringify(draft));
  } catch {
    // It is too long for that. What stands there is older than what the database will have.
    localStorage.removeItem(UNSAVED_DRAFT);
  }
}

/** The draft has become a message. */
export function forgetNotedDraft() {
  localStorage.removeItem(UNSAVED_DRAFT);
}

/** Keeps a draft. */
export async function setDraft(db, draft) {
  await setMeta(db, "draft", draft);
  if (localStorage.getItem(UNSAVED_DRAFT) === JSON.stringify(draft)) localStorage.removeItem(UNSAVED_DRAFT);
}

/** @returns {Promise<object | undefined>} the draft that was kept last */
export async function getDraft(db) {
  const unsaved = localStorage.getItem(UNSAVED_DRAFT);
  return unsaved ? JSON.parse(unsaved) : getMeta(db, "draft");
}

/** @returns {Promise<any>} a single value, `undefined` where it was never set */
export function getMeta(db, name) {
  return read(db, ["meta"], (meta) => asked(meta.get(name)));
}

/** Keeps a single value. */
export function setMeta(db, name, value) {
  return write(db, ["meta"], (meta) => void meta.put(value, name));
}

/** Whether this went wrong because there is no room left. */
export function isFull(error) {
  return error?.name === "QuotaExceededError";
}
