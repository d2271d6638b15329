// One message, received or sent.

import { OWN, TODOS } from "./letters.js";
import { $, fill, h, isNarrow } from "./dom.js";
import { givenName, shownAuthor, shownList } from "./names.js";
import { shownRecipient } from "./states.js";
import { firstWords, harmless, harmlessLine } from "./text.js";
import { t } from "./texts.js";
import { fullTime } from "./times.js";

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 * @param {{reply: (letter: object, to: string) => void, edit: (sent: object) => void}} form
 */
export function showLetter(model, actions, form) {
  const pane = $("letter-pane");

  function show() {
    const { open } = model;
    pane.hidden = !open;
    if (!open) return fill(pane);
    const message = open.letter ?? open.sent;
    const close = h("button.plain", { type: "button", title: t("close-hint"), "aria-label": t("close"), "aria-keyshortcuts": "Escape", click: () => actions.close() }, "×");
    const subject = message.lost ? t("damaged-subject") : firstWords(message.subject, model.limits.subject_bytes) || t("no-subject");
    const title = h("h2", { id: "letter-subject", tabindex: "-1", dir: "auto" }, subject);
    fill(
      pane,
      h("div.heading", {}, title, close),
      ...(open.letter ? letterHead(open.letter) : sentHead(open.sent)),
      h("div.body", { id: "letter-body", tabindex: "0", dir: "auto" }, bodyOf(message)),
      h("div.actions", {}, ...(open.letter ? letterActions(open.letter) : sentActions(open.sent))),
    );
  }

  function letterHead(letter) {
    const head = h("p", {}, h("strong", {}, shownAuthor(model, letter)), " ", h("span.weak", {}, fullTime(letter.acceptedAt)));
    return letter.lost ? [head] : [head, h("p.weak", {}, t("letter-to", { names: shownList(letter.to) }))];
  }

  function bodyOf(message) {
    if (message.lost) return t("damaged-body");
    return message.damaged ? t("damaged") : harmless(message.body);
  }

  function letterActions(letter) {
    const buttons = [];
    const address = replyAddress(model, letter);
    if (address) buttons.push(h("button.primary", { type: "button", id: "reply", title: t("reply-hint"), "aria-keyshortcuts": "Alt+R", click: () => form.reply(letter, address) }, t("reply")));
    const person = replyName(model, letter);
    if (person && person !== address) buttons.push(h("button", { type: "button", id: "reply-person", click: () => form.reply(letter, person) }, t("reply-person", { name: person })));
    return buttons;
  }

  function sentHead(sent) {
    return [
      h("p.weak", {}, fullTime(sent.sentAt)),
      h("ul.states", {}, ...sent.to.map((_, position) => h(`li.${sent.recipients[position].state}`, {}, shownRecipient(sent, position)))),
    ];
  }

  function sentActions(sent) {
    return [h("button", { type: "button", id: "edit-again", title: t("edit-again-hint"), click: () => form.edit(sent) }, t("edit-again"))];
  }

  model.on(["open"], () => {
    show();
    pane.scrollTop = 0;
    if (model.open && isNarrow()) $("letter-subject").focus();
  });
  model.on(["texts"], show);
  model.on(["sent-changed"], (sent) => {
    if (model.open?.sent?.row !== sent.row) return;
    model.open = { sent };
    show();
  });
}

/** Where an answer goes: in a room to the room, as in the window; nothing where nobody would get it. */
export function replyAddress(model, letter) {
  return roomOf(model, letter) ?? replyName(model, letter);
}

/** Under which name an answer reaches the author; nothing for oneself and for visitors. */
function replyName(model, { number, place }) {
  if (number === null || (number === model.me?.number && place !== OWN)) return null;
  // They may have another name by now, and somebody else theirs; the given one is theirs for good.
  return harmlessLine(model.people.get(number)?.name ?? givenName(number));
}

/** The address of the room that a letter was written to. */
function roomOf(model, { place }) {
  if (place === OWN || place === TODOS) return null;
  return `#${harmlessLine(model.rooms.get(place)?.room ?? place.slice(1))}`;
}
