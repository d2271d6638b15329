// Choosing a name, and entering rooms.

import { AddressError, folded, parseName } from "./address.js";
import { $, fill, h, walkable } from "./dom.js";
import { givenName } from "./names.js";
import { getMeta, setMeta } from "./store.js";
import { harmlessLine } from "./text.js";
import { t, tCount } from "./texts.js";

/** Rooms that are listed. */
const ROOMS = 200;

/** A name as typed, or nothing where it is none: then the reason stands below the field. */
function typedName(field, error) {
  try {
    return parseName(field.value.replace(/^\s*#/, ""));
  } catch (reason) {
    if (!(reason instanceof AddressError)) throw reason;
    const values = Object.fromEntries(Object.entries(reason.values).map(([key, value]) => [key, harmlessLine(String(value))]));
    // What is said of several recipients does not help here.
    const key = { empty: "name-empty", space: "name-space", character: "name-character", "too-long": "name-too-long" }[reason.why];
    error.textContent = t(key, values);
    field.focus();
    return null;
  }
}

/** Why the server says no, in words. */
function refusal(kind, why) {
  const [key, body] = typeof why === "string" ? [why, ""] : Object.entries(why)[0];
  const values = typeof body === "string" ? { name: harmlessLine(body) } : {};
  return t(`${kind}-refused-${key.replace(/[A-Z]/g, (letter, at) => (at ? "-" : "") + letter.toLowerCase())}`, values);
}

/**
 * @param {IDBDatabase} db
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function showNameDialog(db, model, actions) {
  const [dialog, field, error] = ["name-dialog", "name", "name-error"].map($);

  function open(isWelcome) {
    const given = givenName(model.me.number);
    const hasChosen = model.me.name !== given;
    field.value = hasChosen ? model.me.name : "";
    error.textContent = "";
    $("name-explain").textContent = t(isWelcome ? "name-welcome" : "name-explain", { given });
    $("name-give-up").hidden = !hasChosen;
    $("name-give-up").textContent = t("name-give-up", { given });
    $("name-skip").textContent = t(isWelcome ? "name-skip" : "cancel");
    if (!dialog.open) dialog.showModal();
    field.focus();
  }

  $("choose-name").addEventListener("click", () => model.me && open(false));
  $("name-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = typedName(field, error);
    if (name === null) return;
    if (name === model.me.name) return dialog.close();
    if (!actions.isOnline) return void (error.textContent = t("needs-connection"));
    actions.takeName(name);
  });
  $("name-give-up").addEventListener("click", () => actions.takeName(null));
  $("name-skip").addEventListener("click", () => dialog.close());
  model.on(["NameRefused"], ({ why }) => {
    if (!dialog.open) return;
    error.textContent = refusal("name", why);
    field.focus();
  });
  model.on(["named"], () => {
    dialog.close();
    model.tell("toast", { text: t("named", { name: harmlessLine(model.me.name) }) });
  });
  model.on(["link"], async () => {
    // Asked once, on the first visit; whoever skips it finds it at the side.
    if (model.link.state !== "online" || (await getMeta(db, "askedName"))) return;
    await setMeta(db, "askedName", true);
    if (model.me.name === givenName(model.me.number)) open(true);
  });
}

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function showRoomDialog(model, actions) {
  const [dialog, field, error] = ["room-dialog", "room", "room-error"].map($);
  let rooms = [];

  function enter(create) {
    const room = typedName(field, error);
    if (room === null) return;
    if (!actions.isOnline) return void (error.textContent = t("needs-connection"));
    actions.enterRoom(room, create);
  }

  function list() {
    const others = rooms.filter(({ name }) => !model.rooms.has(`#${folded(name)}`) && folded(name) !== "todos");
    $("room-list").parentElement.querySelector("h3").hidden = others.length === 0;
    fill(
      $("room-list"),
      ...others.slice(0, ROOMS).map(({ name, members }) =>
        h("li", {}, h("button", { type: "button", "data-key": name, click: () => actions.enterRoom(name, false) }, h("span.name", {}, `#${harmlessLine(name)}`), h("span.weak", {}, tCount("members", members)))),
      ),
    );
  }

  $("enter-room").addEventListener("click", () => {
    field.value = "";
    error.textContent = "";
    $("room-create").hidden = true;
    rooms = [];
    list();
    actions.askRooms();
    dialog.showModal();
    field.focus();
  });
  walkable($("room-list"));
  $("room-form").addEventListener("submit", (event) => {
    event.preventDefault();
    enter(false);
  });
  field.addEventListener("input", () => ($("room-create").hidden = true));
  $("room-create").addEventListener("click", () => enter(true));
  $("room-cancel").addEventListener("click", () => dialog.close());
  model.on(["Rooms"], ({ rooms: page, more }) => {
    if (!dialog.open) return;
    rooms = [...rooms, ...page];
    list();
    if (more && rooms.length < ROOMS) actions.askRooms(page.at(-1).name);
  });
  model.on(["RoomRefused"], ({ room, why }) => {
    const text = why === "Unknown" ? t("room-refused-unknown", { name: harmlessLine(room) }) : refusal("room", why);
    if (!dialog.open) return model.tell("toast", { text });
    error.textContent = text;
    // A typing mistake must not found a room, so that is asked.
    $("room-create").hidden = why !== "Unknown";
    ($("room-create").hidden ? field : $("room-create")).focus();
  });
  model.on(["entered"], (place) => {
    if (!dialog.open) return;
    dialog.close();
    actions.show({ kind: "room", place });
  });
  model.on(["left"], (place) => model.place === place && actions.show({ kind: "inbox" }));
}
