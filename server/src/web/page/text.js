// Showing what other people wrote without letting it do anything but be read; the same rules as in `common/src/text.rs`.

const REPLACEMENT = "\u{fffd}";

/** Control characters, bidirectional overrides and isolates, separators of lines, and what cannot be seen. */
const ACTING = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069" +
    "\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u2060-\\u2065\\u206a-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb" +
    "\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e007f}]",
  "gu",
);

/** What has the property White_Space; `\s` also takes the byte order mark for space. */
const SPACES = /[\p{White_Space}]+/gu;

/**
 * The text with everything made visible that would act on a screen or hide on it. Line feeds and tabs stay.
 * @param {string} text
 * @returns {string}
 */
export function harmless(text) {
  return text.replaceAll("\r\n", "\n").replace(ACTING, REPLACEMENT);
}

/**
 * The same for what must stay on one line: runs of white space become one space.
 * @param {string} text
 * @returns {string}
 */
export function harmlessLine(text) {
  return harmless(text.replace(SPACES, " ").replace(/^ | $/g, ""));
}

/**
 * The first words of a text, on one line.
 * @param {string} text
 * @param {number} characters at most so many
 * @returns {string}
 */
export function firstWords(text, characters) {
  // Looking at a bounded part keeps a list of large messages cheap. A character has at most two units.
  const beginning = [...text.slice(0, 8 * characters)].slice(0, 4 * characters).join("");
  return [...harmlessLine(beginning)].slice(0, characters).join("");
}
