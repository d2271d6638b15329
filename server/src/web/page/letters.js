// What was received, and how far each mailbox was stored.

import { asked, each, read, write } from "./store.js";
import { decodeContent } from "./content.js";
import { fromBase64 } from "./bytes.js";
import { EVERYBODY } from "./address.js";
import { givenName } from "./names.js";
import { forgetAccepted, noteReceipt } from "./receipts.js";

/** The place of one's own mailbox. Rooms have their folded names with a `#`. */
export const OWN = "own";
/** The place of what was written to everybody. */
export const TODOS = `#${EVERYBODY}`;

/**
 * A message that was received.
 * @typedef {object} Letter
 * @property {number} row its place in the order of arrival
 * @property {string} place
 * @property {number} seq 0 where the server was brought back from a backup that has it not
 * @property {string} id
 * @property {string} from the author's name when it was written
 * @property {number | null} number the author's number, which does not change; nothing for a visitor
 * @property {import("./address.js").Address[]} to
 * @property {number} acceptedAt milliseconds since 1970
 * @property {string} subject
 * @property {string} body
 * @property {boolean} damaged its content could not be read
 * @property {boolean} [lost] the server's disk has damaged it: nothing of it is known but perhaps its sender
 * @property {1} [inbox] it is in the inbox
 * @property {1} [unread]
 * @property {number} [cleared] by which clearing it was taken out of the inbox
 */

/**
 * A list that a person looks at.
 * @typedef {{kind: "inbox"} | {kind: "room", place: string} | {kind: "person", number: number} | {kind: "sent"}} View
 */

/**
 * Stores what came of one mailbox, in order, and how far that is.
 * @param {IDBDatabase} db
 * @param {string} place
 * @param {{seq: number, entry: object}[]} deliveries
 * @param {number} me our own number: what we wrote ourselves is read, and in no inbox
 * @returns {Promise<{letters: Letter[], sent: object[]}>} letters that are new, and what was written that has a new state
 */
export function receive(db, place, deliveries, me) {
  const stores = ["letters", "mailboxes", "sent", "receipts", "readings"];
  return write(db, stores, async (letters, mailboxes, sent, receipts, readings) => {
    const news = { letters: [], sent: new Map() };
    const mailbox = await asked(mailboxes.get(place));
    // The last of a room that was left meanwhile.
    if (!mailbox) return { letters: [], sent: [] };
    for (const { seq, entry } of deliveries) {
      if (entry.Message || entry.Damaged) {
        const letter = entry.Message ? letterOf(place, seq, entry.Message, me) : lostLetter(place, seq, entry.Damaged);
        const known = await sameMessage(letters, place, letter);
        if (!known) {
          // What was written to somebody and to everybody is in the inbox once.
          if (letter.inbox && (await twin(letters, letter))) delete letter.inbox;
          letter.row = await asked(letters.add(letter));
          news.letters.push(letter);
        } else if (known.seq !== seq) {
          // The server was brought back from a backup: the message is the same under another number.
          letters.put({ ...known, seq });
        }
      } else if (entry.Receipt) {
        const changed = await noteReceipt({ sent, receipts, readings }, entry.Receipt);
        changed.forEach((message) => news.sent.set(message.row, message));
      }
    }
    mailboxes.put({ ...mailbox, last: deliveries.at(-1).seq });
    return { letters: news.letters, sent: [...news.sent.values()] };
  });
}

function letterOf(place, seq, { from, number, accepted_at, message }, me) {
  const mine = number === me;
  const letter = {
    place,
    seq,
    id: message.id,
    from,
    number: number ?? null,
    to: message.to,
    acceptedAt: accepted_at,
    ...contentOf(message.content),
  };
  if (!mine && (place === OWN || place === TODOS)) letter.inbox = 1;
  // What one writes to oneself is a message like any other.
  if (place === OWN) letter.inbox = 1;
  if (!mine || place === OWN) letter.unread = 1;
  return letter;
}

/** In the place of something that the server's disk has damaged. */
function lostLetter(place, seq, { number }) {
  const letter = {
    place,
    seq,
    id: `lost-${seq}`,
    from: number === null ? "?" : givenName(number),
    number,
    to: [],
    inReplyTo: null,
    sentAt: Date.now(),
    acceptedAt: Date.now(),
    subject: "",
    body: "",
    damaged: false,
    lost: true,
    unread: 1,
  };
  if (place === OWN || place === TODOS) letter.inbox = 1;
  return letter;
}

function contentOf(text) {
  try {
    return { ...decodeContent(fromBase64(text)), damaged: false };
  } catch {
    // The server does not look into what it passes on.
    return { subject: "", body: "", damaged: true };
  }
}

/**
 * A part of a list, newest first.
 * @param {IDBDatabase} db
 * @param {View} view
 * @param {number} before only what is older than this row
 * @param {number} count at most so many
 * @returns {Promise<Letter[]>}
 */
export function listLetters(db, view, before, count) {
  const { index, prefix } = {
    inbox: { index: "inbox", prefix: [1] },
    room: { index: "place", prefix: [view.place] },
    person: { index: "person", prefix: [1, view.number] },
  }[view.kind];
  return read(db, ["letters"], async (letters) => {
    const range = IDBKeyRange.bound([...prefix], [...prefix, before], false, true);
    const found = [];
    await each(letters.index(index).openCursor(range, "prev"), ({ value }) => {
      found.push(value);
      return found.length < count;
    });
    return found;
  });
}

/** @returns {Promise<Letter | undefined>} */
export function getLetter(db, row) {
  return read(db, ["letters"], (letters) => asked(letters.get(row)));
}

/** Whether a letter belongs into a list. */
export function isIn(view, letter) {
  if (view.kind === "room") return letter.place === view.place;
  return letter.inbox === 1 && (view.kind === "inbox" || (view.kind === "person" && letter.number === view.number));
}

/**
 * How many letters nobody has opened.
 * @param {IDBDatabase} db
 * @param {string[]} rooms places
 * @returns {Promise<{inbox: number, rooms: Map<string, number>}>}
 */
export function countUnread(db, rooms) {
  return read(db, ["letters"], async (letters) => {
    const inbox = asked(letters.index("inboxUnread").count([1, 1]));
    const counts = rooms.map(async (place) => [place, await asked(letters.index("unread").count([place, 1]))]);
    return { inbox: await inbox, rooms: new Map(await Promise.all(counts)) };
  });
}

/**
 * Marks a letter as read; of the own mailbox's the server is to hear.
 * @param {IDBDatabase} db
 * @param {number} row
 * @returns {Promise<Letter | undefined>} the letter, where it was unread
 */
export function markRead(db, row) {
  return write(db, ["letters", "told"], async (letters, told) => {
    const letter = await asked(letters.get(row));
    if (!letter?.unread) return undefined;
    delete letter.unread;
    const copies = [letter, await twin(letters, letter)].filter((copy) => copy);
    for (const { unread, ...copy } of copies) {
      letters.put(copy);
      if (copy.place === OWN && copy.seq > 0) told.put({ seq: copy.seq });
    }
    return letter;
  });
}

/** The same message, as it came to everybody, or to this person. */
async function twin(letters, letter) {
  const other = { [OWN]: TODOS, [TODOS]: OWN }[letter.place];
  return other && (await sameMessage(letters, other, letter));
}

/**
 * This message in that place. Its id was chosen by its author's program and is known to all who have got it, so one of
 * another author is another message.
 */
async function sameMessage(letters, place, { id, number }) {
  const alike = await asked(letters.index("id").getAll([place, id]));
  return alike.find((letter) => letter.number === number);
}

/** Marks everything in a room as read. */
export function markRoomRead(db, place) {
  return write(db, ["letters"], (letters) =>
    each(letters.index("unread").openCursor([place, 1]), (cursor) => {
      const { unread, ...letter } = cursor.value;
      cursor.update(letter);
    }),
  );
}

/**
 * Takes everything out of the inbox.
 * @param {IDBDatabase} db
 * @param {number} clearing its number, for taking it back
 * @returns {Promise<number>} how many letters
 */
export function clearInbox(db, clearing) {
  return write(db, ["letters"], async (letters) => {
    let count = 0;
    await each(letters.index("inbox").openCursor(IDBKeyRange.bound([1], [1, Infinity])), (cursor) => {
      const { inbox, ...letter } = cursor.value;
      cursor.update({ ...letter, cleared: clearing });
      count += 1;
    });
    return count;
  });
}

/** Puts back what a clearing took out. */
export function restoreInbox(db, clearing) {
  return write(db, ["letters"], (letters) =>
    each(letters.index("cleared").openCursor(clearing), (cursor) => {
      const { cleared, ...letter } = cursor.value;
      cursor.update({ ...letter, inbox: 1 });
    }),
  );
}

/**
 * Forgets the words of what was cleared and cannot be taken back any more. Its id stays: a server that was brought back
 * from a backup would deliver it once more.
 */
export function forgetCleared(db) {
  return write(db, ["letters"], (letters) =>
    each(letters.index("cleared").openCursor(), (cursor) => {
      const { cleared, ...letter } = cursor.value;
      delete letter.unread;
      if (letter.place === OWN) Object.assign(letter, { subject: "", body: "", to: [] });
      cursor.update(letter);
    }),
  );
}

/** Forgets a room that was left. */
export function forgetRoom(db, place) {
  return write(db, ["letters", "mailboxes"], async (letters, mailboxes) => {
    mailboxes.delete(place);
    await each(letters.index("place").openCursor(IDBKeyRange.bound([place], [place, Infinity])), (cursor) => {
      cursor.delete();
    });
  });
}

/**
 * How far each mailbox is stored.
 * @returns {Promise<Map<string, {place: string, room: string | null, mailbox: number, epoch: string, last: number}>>}
 */
export function mailboxes(db) {
  return read(db, ["mailboxes"], async (stored) => {
    const all = await asked(stored.getAll());
    return new Map(all.map((mailbox) => [mailbox.place, mailbox]));
  });
}

/** Forgets how far these were stored, and keeps their letters. */
export function forgetMailboxes(db, places) {
  return write(db, ["mailboxes"], (stored) => places.forEach((place) => stored.delete(place)));
}

/** Keeps mailboxes as the server has told them, with how far they are stored. */
export function keepMailboxes(db, list) {
  return write(db, ["mailboxes"], (stored) => list.forEach((mailbox) => stored.put(mailbox)));
}

/** What was opened and the server has not noted. */
export function untold(db, count) {
  return read(db, ["told"], async (told) => await asked(told.getAllKeys(null, count)));
}

/** The server has noted these. */
export function noted(db, seqs) {
  return write(db, ["told"], (told) => seqs.forEach((seq) => told.delete(seq)));
}

/** The own mailbox has begun anew: seqs of its former life mean nothing. */
export function forgetSeqs(db, lastCounter) {
  return write(db, ["told", "receipts", "readings", "sent", "letters"], async (told, receipts, readings, sent, letters) => {
    [told, receipts, readings].forEach((store) => store.clear());
    await each(letters.index("place").openCursor(IDBKeyRange.bound([OWN], [OWN, Infinity])), (cursor) => {
      cursor.update({ ...cursor.value, seq: 0 });
    });
    await each(sent.openCursor(), (cursor) => {
      const message = cursor.value;
      if (forgetAccepted(message, lastCounter)) cursor.update(message);
      return true;
    });
  });
}
