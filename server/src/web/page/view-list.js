// The list of messages that the view asks for, in slices.

import { TODOS, isIn, listLetters } from "./letters.js";
import { listSent } from "./sent.js";
import { $, byKey, fill, h, walkable } from "./dom.js";
import { shownAuthor, shownList, shownName } from "./names.js";
import { presence } from "./view-side.js";
import { shownState } from "./states.js";
import { firstWords, harmlessLine } from "./text.js";
import { t, tCount } from "./texts.js";
import { fullTime, shortTime } from "./times.js";

/** Messages that are fetched at once. */
const SLICE = 50;
/** Rows that stay when new ones come in at the top; older ones are fetched again when somebody goes there. */
const ROWS = 300;
/** Characters of a message's beginning. */
const WORDS = 120;
/** Characters of a subject. Strangers' programs need not keep to the limit that ours keep to. */
const SUBJECT = 200;
/** Members that are listed. */
const MEMBERS = 200;
/** Lines about who came and went that are shown. */
const NOTICES = 3;
/** How often the times are written anew, in milliseconds. */
const TIMES_EVERY = 60_000;

/**
 * @param {IDBDatabase} db
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function showList(db, model, actions) {
  const list = $("list");
  /** The oldest row on the page; `null` where there are no older ones. */
  let oldest = Infinity;
  /** Answers to what was asked for an earlier view are thrown away. */
  let asking = 0;
  let isLoading = false;

  const end = h("li.end", { "aria-hidden": "true" });
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more()).observe(end);

  async function load() {
    const turn = (asking += 1);
    oldest = Infinity;
    isLoading = true;
    head();
    const found = await fetchSlice();
    if (turn !== asking) return;
    isLoading = false;
    fill(list, ...found.map(row), end);
    list.scrollTop = 0;
    took(found);
  }

  async function more() {
    if (oldest === null || oldest === Infinity) return;
    const turn = (asking += 1);
    const found = await fetchSlice();
    if (turn !== asking) return;
    end.before(...found.map(row));
    took(found);
  }

  function took(found) {
    oldest = found.length < SLICE ? null : found.at(-1).row;
    empty();
    // The end may be in sight still, of which an observer would not tell again.
    if (oldest !== null && end.getBoundingClientRect().top < list.getBoundingClientRect().bottom) more();
  }

  function fetchSlice() {
    return model.view.kind === "sent" ? listSent(db, oldest, SLICE) : listLetters(db, model.view, oldest, SLICE);
  }

  function row(message) {
    return model.view.kind === "sent" ? sentRow(message) : letterRow(message);
  }

  function letterRow(letter) {
    const isMine = letter.number === model.me?.number;
    const subject = letter.lost ? t("damaged-subject") : firstWords(letter.subject, SUBJECT) || t("no-subject");
    const toAll = letter.place === TODOS && model.view.kind !== "room" ? h("span.tag", {}, t("todos-tag")) : null;
    return line(letter, letter.acceptedAt, letter.unread === 1, isMine, () => actions.openLetter(letter.row), [
      h("span.name", {}, shownAuthor(model, letter), toAll),
      h("span.subject", {}, subject),
      h("span.words", {}, letter.damaged ? t("damaged") : firstWords(letter.body, WORDS)),
    ]);
  }

  function sentRow(sent) {
    return line(sent, sent.sentAt, false, false, () => actions.openSent(sent.row), [
      h("span.name", {}, t("sent-to", { name: shownList(sent.to, 3) })),
      h("span.subject", {}, harmlessLine(sent.subject) || t("no-subject")),
      h("span.words", {}, shownState(sent)),
    ]);
  }

  function line(message, at, isUnread, isMine, open, parts) {
    const current = model.open?.letter?.row ?? model.open?.sent?.row;
    const time = h("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, shortTime(at));
    const unread = isUnread ? h("span.unseen", {}, t("row-unread")) : null;
    const isHere = current === message.row ? "true" : null;
    return h(
      `li${isUnread ? ".unread" : ""}${isMine ? ".mine" : ""}`,
      { "data-at": String(at) },
      h("button", { type: "button", click: open, "data-key": String(message.row), "aria-current": isHere }, unread, ...parts, time),
    );
  }

  function arrived(messages, belongs) {
    const fresh = messages.filter((message) => belongs(message) && !byKey(list, String(message.row)));
    if (fresh.length === 0) return;
    // What is on its way was read before these came.
    if (isLoading) return load();
    const rows = fresh.map(row).reverse();
    list.prepend(...rows);
    while (list.children.length > ROWS && list.scrollTop === 0 && end.previousElementSibling) {
      end.previousElementSibling.remove();
      oldest = Number(end.previousElementSibling.querySelector("button").dataset.key);
    }
    empty();
  }

  function changed(message) {
    const button = byKey(list, String(message.row));
    if (!button) return;
    const hadFocus = button === document.activeElement;
    const fresh = row(message);
    button.parentElement.replaceWith(fresh);
    if (hadFocus) fresh.querySelector("button").focus();
  }

  function empty() {
    const none = list.querySelector("button") === null;
    $("empty").hidden = !none;
    list.hidden = none;
    const key = { inbox: "inbox", sent: "sent", room: model.place === TODOS ? "todos" : "room", person: "person" }[model.view.kind];
    $("empty-title").textContent = t(`${key}-empty`);
    $("empty-hint").textContent = t(`${key}-empty-hint`);
  }

  function head() {
    const { kind, place, number } = model.view;
    const person = model.people.get(number);
    $("list-title").textContent = {
      inbox: () => t("inbox"),
      sent: () => t("sent"),
      room: () => (place === TODOS ? t("todos") : `#${harmlessLine(model.rooms.get(place)?.room ?? place.slice(1))}`),
      person: () => t("person-title", { name: person ? shownName(model, person.name, number) : String(number) }),
    }[kind]();
    const button = (key, act) => h("button.link", { type: "button", "data-key": key, title: t(`${key}-hint`), click: act }, t(key));
    fill(
      $("list-actions"),
      kind === "inbox" ? button("clear-inbox", () => actions.clearInbox()) : null,
      kind === "room" ? button("read-all", () => actions.readAll()) : null,
      kind === "room" && place !== TODOS ? button("room-leave", () => actions.leaveRoom(place)) : null,
    );
  }

  function members() {
    const known = model.place && model.members.get(model.place);
    $("members").hidden = !known;
    if (!known) return;
    const people = [...known].map((number) => model.people.get(number)).filter((person) => person);
    people.sort((a, b) => b.connected - a.connected || a.name.localeCompare(b.name));
    const here = people.filter(({ connected }) => connected).length;
    $("members-summary").textContent = `${tCount("members", people.length)}, ${tCount("members-here", here)}`;
    const item = ({ number, name, connected }) => h("li", {}, presence(connected), shownName(model, name, number));
    fill($("members-list"), ...people.slice(0, MEMBERS).map(item));
  }

  function notices() {
    const lines = (model.place && model.notices.get(model.place)) || [];
    $("notices").hidden = lines.length === 0;
    fill($("notices"), ...lines.slice(-NOTICES).map(({ key, name, at }) =>
      h("p", {}, t(`notice-${key}`, { name: harmlessLine(name), time: shortTime(at) })),
    ));
  }

  function marks() {
    const current = String(model.open?.letter?.row ?? model.open?.sent?.row ?? "");
    for (const button of list.querySelectorAll("button")) {
      if (button.dataset.key === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  function times() {
    for (const item of list.querySelectorAll("li[data-at]")) {
      item.querySelector("time").textContent = shortTime(Number(item.dataset.at));
    }
    notices();
  }

  walkable(list);
  setInterval(times, TIMES_EVERY);
  model.on(["view", "texts"], load);
  model.on(["rooms", "people"], head);
  model.on(["letters"], (letters) => arrived(letters, (letter) => isIn(model.view, letter)));
  model.on(["sent"], (sent) => arrived([sent], () => model.view.kind === "sent"));
  model.on(["letter-changed"], (letter) => isIn(model.view, letter) && changed(letter));
  model.on(["sent-changed"], (sent) => model.view.kind === "sent" && changed(sent));
  model.on(["open"], marks);
  model.on(["members", "people", "view", "texts"], members);
  model.on(["notices", "view", "texts"], notices);
}
