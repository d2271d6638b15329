// Places, rooms and people, at the side or in a drawer.

import { TODOS } from "./letters.js";
import { $, fill, h, isNarrow, walkable } from "./dom.js";
import { givenName, learnNames, shownName } from "./names.js";
import { harmlessLine } from "./text.js";
import { t, tCount } from "./texts.js";

/** People that are listed at first, and with each further request. */
const SLICE = 100;

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function showSide(model, actions) {
  let shownPeople = SLICE;


  function entry(key, label, unread, view, ...more) {
    const isHere = JSON.stringify(model.view) === JSON.stringify(view);
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", click: () => actions.show(view), "data-key": key, "aria-current": isHere ? "true" : null },
        ...more,
        h("span.name", {}, label),
        unread > 0 ? h("span.count", {}, h("span.unseen", {}, ", "), String(unread), h("span.unseen", {}, ` ${tCount("unread", unread)}`)) : null,
      ),
    );
  }

  function places() {
    const { inbox, rooms } = model.unread;
    fill(
      $("places"),
      entry("inbox", t("inbox"), inbox, { kind: "inbox" }),
      entry("sent", t("sent"), 0, { kind: "sent" }),
      entry("todos", t("todos"), rooms.get(TODOS) ?? 0, { kind: "room", place: TODOS }),
    );
    const list = [...model.rooms.values()].sort((a, b) => a.place.localeCompare(b.place));
    fill(
      $("rooms"),
      ...list.map(({ place, room }) =>
        entry(place, `#${harmlessLine(room)}`, rooms.get(place) ?? 0, { kind: "room", place }),
      ),
    );
    document.title = inbox > 0 ? `(${inbox}) Malote` : "Malote";
  }

  function people() {
    learnNames(model.people);
    const others = [...model.people.values()].filter(({ number }) => number !== model.me?.number);
    const order = (a, b) => b.connected - a.connected || a.name.localeCompare(b.name);
    const listed = others.sort(order).slice(0, shownPeople);
    fill(
      $("people"),
      ...listed.map(({ number, name, connected }) =>
        entry(`person-${number}`, shownName(model, name, number), 0, { kind: "person", number }, presence(connected)),
      ),
    );
    $("people-more").hidden = others.length <= shownPeople;
    const here = others.filter(({ connected }) => connected).length;
    $("people-heading").textContent = here > 0 ? tCount("people-here", here) : t("people");
    who();
  }

  function who() {
    const { me } = model;
    if (!me) return;
    const given = givenName(me.number);
    const name = harmlessLine(me.name);
    $("who").textContent = me.name === given ? t("who", { name }) : t("who-given", { name, given });
    $("choose-name").textContent = t(me.name === given ? "name-choose" : "name-change");
  }

  $("people-more").addEventListener("click", () => {
    shownPeople += SLICE;
    people();
  });
  ["places", "rooms", "people"].forEach((id) => walkable($(id)));
  model.on(["unread", "rooms", "view", "me", "texts"], places);
  model.on(["people", "me", "view", "texts"], people);
  model.on(["view"], () => drawer(false));

  $("menu").addEventListener("click", () => drawer(document.body.dataset.drawer !== "open"));
  $("shade").addEventListener("click", () => drawer(false));
  matchMedia("(max-width: 68rem)").addEventListener("change", () => drawer(false));
  drawer(false);
}

/** A dot that says whether somebody is connected, also to those who do not see it. */
export function presence(connected) {
  return h(connected ? "span.dot.here" : "span.dot", {}, h("span.unseen", {}, t(connected ? "here" : "away")));
}

/** Opens or closes the drawer, where the window is too narrow for a side bar. */
export function drawer(open) {
  const isDrawer = matchMedia("(max-width: 68rem)").matches;
  const wasOpen = document.body.dataset.drawer === "open";
  document.body.dataset.drawer = isDrawer && open ? "open" : "closed";
  $("menu").setAttribute("aria-expanded", String(isDrawer && open));
  // What is out of sight, or behind the drawer, must not be reached by the tab key.
  $("side").inert = isDrawer && !open;
  $("panes").inert = isDrawer && open;
  if (isDrawer && open) $("places").querySelector("button")?.focus();
  else if (wasOpen) (isNarrow() ? $("list-title") : $("menu")).focus();
}
