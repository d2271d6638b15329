// Addresses: what a person types as recipients. The same rules as in `common/src/address.rs`.

import { NAME_LETTERS } from "./name-letters.js";

/**
 * One recipient, in the form in which JSON carries it.
 * @typedef {{Person: string} | {Room: string} | "Everybody"} Address
 */

export const NAME_CHARS = 32;
export const RECIPIENTS = 100;

/** The room in which everybody is, without its sign. */
export const EVERYBODY = "todos";

const ALPHANUMERIC = /[\p{Alphabetic}\p{N}]/u;

/** Why a text is no address. `why` is the end of a text's key, `values` are for its places. */
export class AddressError extends Error {
  constructor(why, values = {}) {
    super(why);
    this.why = why;
    this.values = values;
  }
}

/**
 * Parses one name, of a person or of a room.
 * @param {string} typed
 * @returns {string} in NFC
 * @throws {AddressError}
 */
export function parseName(typed) {
  const bare = typed.trim();
  if (bare === "") throw new AddressError("empty");
  // Looking at a bounded part keeps a pasted book from costing anything.
  const name = bare.slice(0, 8 * NAME_CHARS).normalize("NFC");
  const characters = [...name];
  const bad = characters.find((character) => !NAME_LETTERS.test(character));
  if (bad !== undefined) {
    throw new AddressError(/\s/.test(bad) ? "space" : "character", { typed: shortened(bare), character: bad });
  }
  if (characters.length > NAME_CHARS) throw new AddressError("too-long", { typed: shortened(bare), max: NAME_CHARS });
  // A name of marks or dots alone would be invisible or look like punctuation.
  if (!ALPHANUMERIC.test(name)) throw new AddressError("character", { typed: shortened(bare), character: characters[0] });
  return name;
}

/**
 * @param {string} typed
 * @returns {Address}
 * @throws {AddressError}
 */
export function parseAddress(typed) {
  const bare = typed.trim();
  if (bare.startsWith("#")) return { Room: parseName(bare.slice(1)) };
  if (!bare.startsWith("@")) return { Person: parseName(bare) };
  if (bare.slice(1).trim().toLowerCase() === EVERYBODY) return "Everybody";
  throw new AddressError("not-everybody", { typed: shortened(bare) });
}

/**
 * Parses what stands in the field: addresses separated by `,` or `;`. Empty places are passed over, and an address that
 * stands there twice counts once.
 * @param {string} typed
 * @returns {Address[]}
 * @throws {AddressError}
 */
export function parseList(typed) {
  const list = new Map();
  for (const part of typed.split(/[,;]/).filter((part) => part.trim() !== "")) {
    const address = parseAddress(part);
    const key = foldedAddress(address);
    if (!list.has(key)) list.set(key, address);
    if (list.size > RECIPIENTS) throw new AddressError("too-many", { max: RECIPIENTS });
  }
  if (list.size === 0) throw new AddressError("empty");
  return [...list.values()];
}

/**
 * The form under which names are compared.
 * @param {string} name
 */
export function folded(name) {
  return name.toLowerCase().normalize("NFC");
}

/**
 * The form under which addresses are compared. A room's is the name of its place in the store, too.
 * @param {Address} address
 */
export function foldedAddress(address) {
  if (address === "Everybody") return `@${EVERYBODY}`;
  return "Room" in address ? `#${folded(address.Room)}` : folded(address.Person);
}

/**
 * An address as people write it.
 * @param {Address} address
 */
export function shownAddress(address) {
  if (address === "Everybody") return `@${EVERYBODY}`;
  return "Room" in address ? `#${address.Room}` : address.Person;
}

/**
 * The letters of a name without accents and case: names for which they are the same are easily taken for each other.
 * @param {string} name
 */
export function lookalike(name) {
  return name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Which of these characters can be a part of a name.
 * @param {string} characters in NFC
 * @returns {string}
 */
export function allowedAmong(characters) {
  return [...characters].filter((character) => NAME_LETTERS.test(character)).join("");
}

function shortened(typed) {
  return [...typed.slice(0, 4 * NAME_CHARS)].slice(0, 2 * NAME_CHARS).join("");
}
