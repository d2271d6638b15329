// Who this browser is: an Ed25519 key that no script can read out, and the number of this installation.

import { fromHex, randomBytes, toHex } from "./bytes.js";
import { getMeta, setMeta } from "./store.js";

/** Begins what is signed, as in `common/src/login.rs`: a signature made for a login is good for nothing else. */
const PURPOSE = "malote web login v1";

/**
 * @typedef {object} Identity
 * @property {string} key the public key as 64 hexadecimal digits
 * @property {string} device 32 hexadecimal digits
 * @property {CryptoKey} secret not extractable
 */

/**
 * Whether this browser can keep and use such a key, as the end of a text's key: `null` where it can.
 * @returns {Promise<"insecure" | "browser" | null>}
 */
export async function missing() {
  if (!window.isSecureContext || !crypto.subtle) return "insecure";
  if (!window.indexedDB || !navigator.locks || !window.WebSocket) return "browser";
  try {
    await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return null;
  } catch {
    return "browser";
  }
}

/**
 * The identity of this browser, made on the first visit.
 * @param {IDBDatabase} db
 * @returns {Promise<Identity>}
 */
export async function identity(db) {
  const known = await getMeta(db, "identity");
  if (known) return known;
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const key = toHex(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  const made = { key, device: toHex(randomBytes(16)), secret: pair.privateKey };
  await setMeta(db, "identity", made);
  return made;
}

/**
 * Proves to the server of this page's origin that we hold the key.
 * @param {Identity} identity
 * @param {string} nonce the server's, as hexadecimal digits
 * @returns {Promise<Uint8Array>} the signature
 */
export async function prove({ secret }, nonce) {
  const text = (words) => new TextEncoder().encode(words);
  const statement = new Blob([text(PURPOSE), fromHex(nonce), text(location.origin)]);
  return new Uint8Array(await crypto.subtle.sign("Ed25519", secret, await statement.arrayBuffer()));
}
