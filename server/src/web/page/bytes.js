// Bytes as the texts that JSON carries: hexadecimal digits and base64.

/**
 * @param {Uint8Array} bytes
 * @returns {string} two lower-case digits for each byte
 */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} digits
 * @returns {Uint8Array}
 * @throws {RangeError} where these are no digits in pairs
 */
export function fromHex(digits) {
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new RangeError("hexadecimal digits expected");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** As many bytes as a call may have arguments, with room to spare. */
const PIECE = 0x2000;

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function toBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(binary);
}

/**
 * @param {string} text
 * @returns {Uint8Array}
 * @throws {DOMException} where this is no base64
 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0));
}

/**
 * @param {number} count
 * @returns {Uint8Array} random bytes
 */
export function randomBytes(count) {
  return crypto.getRandomValues(new Uint8Array(count));
}
