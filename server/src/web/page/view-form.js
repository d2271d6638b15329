// The form: recipients, subject, message. What is typed is kept at once.

import { TODOS } from "./letters.js";
import { AddressError, parseList, shownAddress } from "./address.js";
import { $, h, isNarrow } from "./dom.js";
import { forgetNotedDraft, noteDraft } from "./store.js";
import { firstWords, harmless, harmlessLine } from "./text.js";
import { t } from "./texts.js";

/** Names that are proposed at once. */
const SUGGESTIONS = 8;

/** What stands before the subject of an answer. */
const REPLY = "Re:";

const bytes = (text) => new TextEncoder().encode(text).length;

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 * @param {object | undefined} draft as kept
 */
export function showForm(model, actions, draft) {
  const [to, subject, body] = ["to", "subject", "body"].map($);
  /** What an answer is about: `{id, name}`. */
  let reply = null;
  /** What choosing a place has put into the first field; something that was typed stays. */
  let proposed = "";
  /** One write at a time; what is typed meanwhile is in the next. */
  let saving = false;
  let unsaved = false;
  /** The writes that are under way. */
  let saved = Promise.resolve();
  /** Whoever presses twice sends once. */
  let sending = false;

  const current = () => ({ to: to.value, subject: subject.value, body: body.value, reply });
  const isEmpty = () => subject.value === "" && body.value === "" && (to.value === "" || to.value === proposed);

  function put(draft) {
    to.value = draft?.to ?? "";
    subject.value = draft?.subject ?? "";
    body.value = draft?.body ?? "";
    setReply(draft?.reply ?? null);
    explain("");
  }

  function setReply(about) {
    reply = about;
    $("form-reply").hidden = !reply;
    $("form-reply-text").textContent = reply ? t("form-reply", { name: reply.name }) : "";
  }

  function save() {
    noteDraft(current());
    unsaved = true;
    if (!saving) saved = saveAll();
  }

  async function saveAll() {
    saving = true;
    while (unsaved) {
      unsaved = false;
      await actions.saveDraft(current());
    }
    saving = false;
  }

  function explain(text, field = null) {
    $("form-error").textContent = text;
    [to, subject, body].forEach((one) => one.setAttribute("aria-invalid", String(one === field)));
    field?.focus();
  }

  /** Sets the form aside for something else; it can be brought back. */
  function replace(draft, message) {
    const before = current();
    const wasEmpty = isEmpty();
    put(draft);
    save();
    if (wasEmpty) return;
    const undo = () => {
      put(before);
      save();
      focus(body);
    };
    model.tell("toast", { text: t(message), undo });
  }

  function focus(field) {
    actions.pane("form");
    field.focus();
  }

  async function send() {
    if (sending) return;
    sending = true;
    try {
      await sendOnce();
    } finally {
      sending = false;
      $("form").inert = false;
    }
  }

  async function sendOnce() {
    let addresses;
    try {
      addresses = parseList(to.value);
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      const values = Object.fromEntries(Object.entries(error.values).map(([key, value]) => [key, harmlessLine(String(value))]));
      return explain(t(`recipient-${error.why}`, values), to);
    }
    const { subject_bytes, body_bytes } = model.limits;
    const line = subject.value.replace(/\s+/gu, " ").trim();
    if (bytes(line) > subject_bytes) return explain(t("subject-too-long", { bytes: bytes(line), max: subject_bytes }), subject);
    if (bytes(body.value) > body_bytes) return explain(t("body-too-long", { bytes: bytes(body.value), max: body_bytes }), body);
    explain("");
    if (addresses.includes("Everybody") && !(await confirmEverybody())) return;
    // What is typed until it is kept would be neither in this message nor in the next.
    $("form").inert = true;
    // A draft that is written behind the message would bring it back for a second sending.
    await saved;
    const kept = await actions.send({ to: addresses, subject: line, body: body.value, inReplyTo: reply?.id ?? null });
    $("form").inert = false;
    if (!kept) return explain(t("form-not-kept"), body);
    forgetNotedDraft();
    put(null);
    proposeFor(model.view);
    if (isNarrow()) actions.close();
    else to.focus();
  }

  function confirmEverybody() {
    const dialog = $("everybody-dialog");
    const others = Math.max(0, model.people.size - 1);
    $("everybody-text").textContent = others > 0 ? t("everybody-text", { count: others }) : t("everybody-text-unknown");
    dialog.showModal();
    return new Promise((resolve) => {
      const answer = (yes) => () => {
        resolve(yes);
        dialog.close();
      };
      $("everybody-send").onclick = answer(true);
      $("everybody-cancel").onclick = answer(false);
      dialog.onclose = answer(false);
    });
  }

  /** Whoever looks at a place is likely to write to it. */
  function proposeFor(view) {
    if (!isEmpty()) return;
    const person = model.people.get(view.number)?.name;
    const room = view.place === TODOS ? shownAddress("Everybody") : view.place && `#${model.rooms.get(view.place)?.room ?? ""}`;
    proposed = { room, person, inbox: "", sent: "" }[view.kind] ?? "";
    to.value = proposed;
    setReply(null);
  }

  function suggest() {
    const at = Math.max(to.value.lastIndexOf(","), to.value.lastIndexOf(";")) + 1;
    const [before, typed] = [to.value.slice(0, at), to.value.slice(at).trim().toLowerCase()];
    const people = [...model.people.values()].filter(({ number }) => number !== model.me?.number);
    people.sort((a, b) => b.connected - a.connected || a.name.localeCompare(b.name));
    const names = [...people.map(({ name }) => name), ...[...model.rooms.values()].map(({ room }) => `#${room}`), "@todos"];
    const fitting = names.filter((name) => name.toLowerCase().includes(typed)).slice(0, SUGGESTIONS);
    const space = before && !before.endsWith(" ") ? " " : "";
    $("suggestions").replaceChildren(...fitting.map((name) => h("option", { value: `${before}${space}${name}` })));
  }

  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  $("form").addEventListener("input", () => {
    explain("");
    save();
  });
  // As in the window: Enter leads to the next field, and only the last one's button sends.
  const next = new Map([[to, subject], [subject, body]]);
  for (const [field, following] of next) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
      event.preventDefault();
      following.focus();
    });
  }
  to.addEventListener("input", suggest);
  to.addEventListener("focus", suggest);
  $("clear-form").addEventListener("click", () => {
    replace(null, "form-cleared");
    to.focus();
  });
  $("form-unreply").addEventListener("click", () => {
    setReply(null);
    save();
    body.focus();
  });
  model.on(["view"], () => proposeFor(model.view));
  model.on(["texts"], () => setReply(reply));
  put(draft);

  return {
    /** An empty form with the cursor in it. */
    fresh() {
      replace(null, "form-cleared");
      proposeFor(model.view);
      focus(to.value === "" ? to : subject);
    },
    /** An answer to a letter. */
    reply(letter, address) {
      const answered = firstWords(letter.subject, model.limits.subject_bytes);
      const title = answered === "" || answered.startsWith(REPLY) ? answered : `${REPLY} ${answered}`;
      const about = { id: letter.id, name: harmlessLine(letter.from) };
      replace({ to: address, subject: title, body: "", reply: about }, "form-cleared");
      focus(body);
    },
    /** The same message once more. */
    edit(sent) {
      replace({ to: sent.to.map(shownAddress).join(", "), subject: sent.subject, body: harmless(sent.body) }, "form-cleared");
      focus(body);
    },
    send,
  };
}
