// Names of people and addresses as the page shows them.

import { lookalike, shownAddress } from "./address.js";
import { harmlessLine } from "./text.js";
import { t } from "./texts.js";

/**
 * A person's name, with the number beside it where somebody else's could be taken for it.
 * @param {import("./model.js").Model} model
 * @param {string} name
 * @param {number | null} number nothing for a visitor
 */
export function shownName(model, name, number) {
  const shown = harmlessLine(name);
  const given = givenName(number);
  return number !== null && name !== given && isAmbiguous(model, name, number) ? `${shown} (${given})` : shown;
}

/** The name that the server gave to the person with this number. */
export function givenName(number) {
  return `Usuario${number}`;
}

/** Who wrote a letter. */
export function shownAuthor(model, letter) {
  return letter.number === model.me?.number ? t("you") : shownName(model, letter.from, letter.number);
}

/** A list of addresses, shortened to the first ones. */
export function shownList(addresses, most = Infinity) {
  const shown = addresses.slice(0, most).map((address) => harmlessLine(shownAddress(address)));
  const rest = addresses.length - shown.length;
  return rest > 0 ? t("recipients-more", { first: shown.join(", "), count: rest }) : shown.join(", ");
}

/** People by what their names look like; made anew when the directory changes. */
let looks = new Map();

/** Takes in the directory. */
export function learnNames(people) {
  looks = new Map();
  for (const { number, name } of people.values()) {
    const look = lookalike(name);
    looks.set(look, [...(looks.get(look) ?? []), number]);
  }
}

function isAmbiguous(model, name, number) {
  const alike = looks.get(lookalike(name)) ?? [];
  return alike.some((other) => other !== number);
}
