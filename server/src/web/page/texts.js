// What the page says, in Portuguese and English, from the same translations as all of Malote.

/** Languages as the translations know them. */
export const LANGUAGES = ["pt-BR", "en"];

let language = LANGUAGES[0];
let patterns = {};
let plurals = new Intl.PluralRules(language);

/**
 * Loads a language.
 * @param {string | undefined} wanted one of [`LANGUAGES`]; otherwise what the browser prefers, and Portuguese
 */
export async function loadTexts(wanted) {
  const preferred = navigator.language.startsWith("en") ? "en" : "pt-BR";
  language = LANGUAGES.includes(wanted) ? wanted : preferred;
  const answer = await fetch(`/texts/${language}.json`);
  patterns = await answer.json();
  plurals = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

/** The language in use. */
export const currentLanguage = () => language;

/**
 * The text under a key. One that does not exist shows itself, so that it is found.
 * @param {string} key without the `page-` before it
 * @param {Record<string, string | number>} values for its places
 * @returns {string}
 */
export function t(key, values = {}) {
  const pattern = patterns[`page-${key}`];
  if (pattern === undefined) return `⟨${key}⟩`;
  return pattern.replace(/\{ ?\$(\w+) ?\}/g, (place, name) => values[name] ?? place);
}

/**
 * The text for so many of something: `key-one` or `key-other`.
 * @param {string} key
 * @param {number} count
 */
export function tCount(key, count) {
  // Portuguese counts nothing like one, but does not say so: "0 pessoas".
  const form = count === 0 ? "other" : plurals.select(count);
  return t(`${key}-${form === "one" ? "one" : "other"}`, { count: new Intl.NumberFormat(language).format(count) });
}

/** Puts the texts into the elements of index.html that name theirs. */
export function translatePage() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const [attribute, name] of [["aria-label", "label"], ["title", "hint"], ["placeholder", "placeholder"]]) {
    for (const element of document.querySelectorAll(`[data-${name}]`)) {
      element.setAttribute(attribute, t(element.dataset[name]));
    }
  }
}
