// What an author wrote, as the bytes that the server keeps: subject and body, each with its length before it. This is the
// encoding of `Content` in `common/src/message.rs`; section 5 of docs/PROTOCOL.md describes it.

/** Lengths below this are one byte; above, this and the next two values say how many bytes follow. */
const SINGLE = 251;

/**
 * @param {{subject: string, body: string}} content
 * @returns {Uint8Array}
 */
export function encodeContent({ subject, body }) {
  const parts = [subject, body].map((text) => new TextEncoder().encode(text));
  const pieces = parts.flatMap((bytes) => [encodeLength(bytes.length), bytes]);
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * @param {Uint8Array} bytes all of them must be used
 * @returns {{subject: string, body: string}}
 * @throws {RangeError|TypeError} where this is no content
 */
export function decodeContent(bytes) {
  const reader = { bytes, at: 0 };
  const content = { subject: readString(reader), body: readString(reader) };
  if (reader.at !== bytes.length) throw new RangeError("bytes are left over");
  return content;
}

function encodeLength(length) {
  if (length < SINGLE) return Uint8Array.of(length);
  const short = length < 0x10000;
  const bytes = new Uint8Array(short ? 3 : 5);
  const view = new DataView(bytes.buffer);
  bytes[0] = short ? SINGLE : SINGLE + 1;
  if (short) view.setUint16(1, length, true);
  else view.setUint32(1, length, true);
  return bytes;
}

function readString(reader) {
  const length = readLength(reader);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(reader, length));
}

function readLength(reader) {
  const first = take(reader, 1)[0];
  if (first < SINGLE) return first;
  const width = { 251: 2, 252: 4, 253: 8 }[first];
  if (!width) throw new RangeError("no length");
  return take(reader, width).reduceRight((length, byte) => length * 256 + byte, 0);
}

function take(reader, count) {
  if (count > reader.bytes.length - reader.at) throw new RangeError("more is claimed than there is");
  reader.at += count;
  return reader.bytes.subarray(reader.at - count, reader.at);
}
