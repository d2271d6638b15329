// The start: texts, what the browser must have, one tab at a time, then everything else.

import { Actions } from "./actions.js";
import { forgetCleared } from "./letters.js";
import { $, fill, h } from "./dom.js";
import { identity, missing } from "./keys.js";
import { Model } from "./model.js";
import { Session } from "./session.js";
import { getDraft, getMeta, openStore, setMeta } from "./store.js";
import { LANGUAGES, currentLanguage, loadTexts, t, translatePage } from "./texts.js";
import { showNameDialog, showRoomDialog } from "./view-dialogs.js";
import { showForm } from "./view-form.js";
import { showLetter } from "./view-letter.js";
import { showList } from "./view-list.js";
import { showSide } from "./view-side.js";
import { showStatus } from "./view-status.js";
import { listenForKeys } from "./shortcuts.js";

/** The lock of the tab that is connected: one device has one connection, and one outbox. */
const LOCK = "malote";
/** How long a tab that is being reloaded may take to give the lock away, in milliseconds. */
const RELOAD = 700;

const THEMES = ["system", "light", "dark"];

function cover(text, label, act) {
  $("page").hidden = true;
  $("cover").hidden = false;
  fill($("cover"), h("span", {}, text), label && h("button.primary", { type: "button", id: "cover-act", click: act }, label));
}

/** Under which a tab that was pushed out remembers that it is to push back. */
const TAKE = "take";

/** Waits until this is the only tab, or the person wants it to be. */
function onlyTab(lost) {
  return new Promise((resolve) => {
    const waiting = new AbortController();
    const hold = () => new Promise(() => resolve());
    const patience = setTimeout(() => cover(t("other-tab"), t("use-here"), take), RELOAD);
    const held = (options) => navigator.locks.request(LOCK, options, () => (clearTimeout(patience), hold()));
    function take() {
      waiting.abort();
      held({ steal: true }).catch(lost);
    }
    if (sessionStorage.getItem(TAKE)) {
      sessionStorage.removeItem(TAKE);
      clearTimeout(patience);
      return take();
    }
    // It is rejected where we stop waiting, and where another tab takes the lock away.
    held({ signal: waiting.signal }).catch((error) => waiting.signal.aborted || lost(error));
  });
}

function showOptions(db, model) {
  const language = $("language");
  const theme = $("theme");
  const say = () => {
    translatePage();
    fill(language, ...LANGUAGES.map((tag) => h("option", { value: tag }, t(`language-${tag.toLowerCase()}`))));
    fill(theme, ...THEMES.map((name) => h("option", { value: name }, t(`theme-${name}`))));
    language.value = currentLanguage();
    theme.value = document.documentElement.dataset.theme;
  };
  language.addEventListener("change", async () => {
    await loadTexts(language.value);
    await setMeta(db, "language", language.value);
    say();
    model.tell("texts");
  });
  theme.addEventListener("change", () => {
    document.documentElement.dataset.theme = theme.value;
    setMeta(db, "theme", theme.value);
  });
  say();
}

async function start() {
  let session = null;
  const db = window.indexedDB && (await openStore().catch(() => null));
  await loadTexts(db && (await getMeta(db, "language")));
  document.documentElement.dataset.theme = (db && (await getMeta(db, "theme"))) ?? THEMES[0];
  const lacks = (await missing()) ?? (db ? null : "storage");
  if (lacks) return cover(t(`needs-${lacks}`));
  await onlyTab(() => {
    session?.stop();
    cover(t("other-tab"), t("use-here"), () => {
      sessionStorage.setItem(TAKE, "yes");
      location.reload();
    });
  });

  const model = new Model();
  session = new Session(db, model, await identity(db));
  const actions = new Actions(db, model, session);
  showOptions(db, model);
  showSide(model, actions);
  showList(db, model, actions);
  const form = showForm(model, actions, await getDraft(db));
  showLetter(model, actions, form);
  showStatus(model, actions);
  showNameDialog(db, model, actions);
  showRoomDialog(model, actions);
  listenForKeys(model, actions, form);
  $("new").addEventListener("click", () => form.fresh());
  $("back").addEventListener("click", () => actions.close());
  window.addEventListener("popstate", () => actions.close());
  window.addEventListener("online", () => session.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || session.hurry());

  $("cover").hidden = true;
  $("page").hidden = false;
  await forgetCleared(db);
  model.tell("view");
  await session.start();
}

start().catch((error) => {
  console.error(error);
  cover(t("needs-storage"), t("reload"), () => location.reload());
});
