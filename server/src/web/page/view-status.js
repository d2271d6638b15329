// How the connection is, what went wrong, and what can be undone.

import { $, h } from "./dom.js";
import { shownName } from "./names.js";
import { firstWords, harmlessLine } from "./text.js";
import { t, tCount } from "./texts.js";

/** For how many milliseconds something is said that asks for nothing. */
const PASSING = 6_000;
/** A connection that comes back within so many milliseconds is not worth a banner. */
const BLINK = 1_500;

/** Characters of a new message's subject that are said. */
const SUBJECT = 100;

/** Reasons after which only the person can say what to do, and the text of the button for it. */
const ANSWERS = { superseded: "use-here", version: "reload", "wrong-proof": "connect-now" };

/**
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function showStatus(model, actions) {
  let timer = 0;
  let banner = 0;
  let undo = null;

  function link() {
    const { state, why } = model.link;
    const name = model.me ? harmlessLine(model.me.name) : "";
    const here = [...model.people.values()].filter(({ connected, number }) => connected && number !== model.me?.number);
    $("status").dataset.state = state;
    const others = here.length === 0 ? t("here-nobody") : tCount("here", here.length);
    if (state === "online") $("status").replaceChildren(t("online-as", { name }), h("span.rest", {}, ` · ${others}`));
    else $("status").textContent = t(`link-${state}`);
    if (state === "online") return hideBanner();
    // While it connects again, the reason for which it has to is still worth reading.
    if (!why) return;
    clearTimeout(banner);
    const isPassing = state === "waiting" && $("banner").hidden && !why.startsWith("storage");
    banner = setTimeout(() => explain(why), isPassing ? BLINK : 0);
  }

  function explain(why) {
    $("banner").hidden = false;
    $("banner-text").textContent = t(`link-${why}`);
    const answer = ANSWERS[why] ?? "connect-now";
    $("banner-act").textContent = t(answer);
    $("banner-act").onclick = () => (answer === "reload" ? location.reload() : actions.connectNow());
  }

  function hideBanner() {
    clearTimeout(banner);
    $("banner").hidden = true;
    $("banner-text").textContent = "";
  }

  function toast({ text, undo: back = null }) {
    clearTimeout(timer);
    undo = back;
    $("toast").hidden = false;
    $("toast-text").textContent = text;
    $("toast-undo").hidden = !undo;
    // What can be undone stays until something else is said: nobody has to hurry.
    if (!undo) timer = setTimeout(hideToast, PASSING);
  }

  function hideToast() {
    clearTimeout(timer);
    $("toast").hidden = true;
    $("toast-text").textContent = "";
  }

  $("toast-undo").addEventListener("click", () => {
    hideToast();
    undo?.();
  });
  $("toast-close").addEventListener("click", hideToast);
  model.on(["link", "me", "people", "texts"], link);
  model.on(["toast"], toast);
  model.on(["problem"], (key) => toast({ text: t(`link-${key}`) }));
  model.on(["letters"], (letters) => {
    const inbox = letters.filter(({ inbox }) => inbox);
    if (inbox.length === 1) {
      const [{ from, number, subject, lost }] = inbox;
      const name = shownName(model, from, number);
      const shown = lost ? t("damaged-subject") : firstWords(subject, SUBJECT) || t("no-subject");
      $("news").textContent = t("news-one", { name, subject: shown });
    } else if (inbox.length > 1) {
      $("news").textContent = tCount("news", inbox.length);
    }
  });
}
