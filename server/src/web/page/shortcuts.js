// Keys that work everywhere on the page. Ctrl+N and Ctrl+R belong to browsers, so here it is Alt.

import { $ } from "./dom.js";
import { drawer } from "./view-side.js";
import { replyAddress } from "./view-letter.js";

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 * @param {{fresh: () => void, reply: (letter: object, to: string) => void, send: () => void}} form
 */
export function listenForKeys(model, actions, form) {
  function close() {
    if (document.body.dataset.drawer === "open") return drawer(false);
    const row = model.open?.letter?.row ?? model.open?.sent?.row;
    if (document.body.dataset.pane === "list" && row === undefined) return;
    actions.close();
    const button = row !== undefined && $("list").querySelector(`[data-key="${row}"]`);
    (button || $("list-title")).focus();
  }

  function reply() {
    const letter = model.open?.letter;
    const address = letter && replyAddress(model, letter);
    if (address) form.reply(letter, address);
  }

  document.addEventListener("keydown", (event) => {
    // A dialog has keys of its own, and so has whoever composes a letter from several strokes.
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const { altKey, ctrlKey, metaKey, code, key } = event;
    const act =
      key === "Escape" ? close
      : key === "Enter" && (ctrlKey || metaKey) ? () => form.send()
      : altKey && !ctrlKey && code === "KeyN" ? () => form.fresh()
      : altKey && !ctrlKey && code === "KeyR" ? reply
      : null;
    if (!act) return;
    event.preventDefault();
    // Whoever holds a key down means it once.
    if (!event.repeat) act();
  });
}
