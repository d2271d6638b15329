// What became of a message, in words.

import { shownAddress } from "./address.js";
import { harmlessLine } from "./text.js";
import { t, tCount } from "./texts.js";
import { fullTime } from "./times.js";

const ORDER = ["refused", "waiting", "accepted", "delivered", "read"];

/**
 * All recipients in one line.
 * @param {import("./receipts.js").Sent} sent
 */
export function shownState({ recipients }) {
  const counts = new Map();
  recipients.forEach(({ state }) => counts.set(state, (counts.get(state) ?? 0) + 1));
  if (recipients.length === 1) return t(`state-${recipients[0].state}`);
  return ORDER.filter((state) => counts.has(state))
    .map((state) => tCount(`state-${state}`, counts.get(state)))
    .join(", ");
}

/**
 * One recipient: who, the state, since when, and why.
 * @param {import("./receipts.js").Sent} sent
 * @param {number} position
 */
export function shownRecipient({ to, recipients }, position) {
  const { state, why, at } = recipients[position];
  const name = harmlessLine(shownAddress(to[position]));
  const reason = why && t(`${state === "refused" ? "refused" : "waiting"}-${why}`);
  const time = at && state !== "refused" ? fullTime(at) : "";
  const shown = [t(`state-${state}`), time].filter((part) => part).join(" ");
  return reason ? t("state-reason", { name, state: shown, reason }) : t("state-line", { name, state: shown });
}
