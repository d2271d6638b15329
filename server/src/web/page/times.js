// Points in time as people read them, in this computer's time zone.

import { currentLanguage, t } from "./texts.js";

const MINUTE = 60_000;

/** The longest age of what is called so many minutes old. */
const RECENT = 60 * MINUTE;

/**
 * A time in a list: as short as its age allows.
 * @param {number} at milliseconds since 1970
 * @param {number} now
 */
export function shortTime(at, now = Date.now()) {
  const language = currentLanguage();
  const age = now - at;
  // Another computer's clock may be ahead of ours.
  if (age < MINUTE && age > -MINUTE) return t("time-now");
  if (age >= MINUTE && age < RECENT) {
    return new Intl.RelativeTimeFormat(language, { style: "narrow" }).format(-Math.floor(age / MINUTE), "minute");
  }
  const [date, today] = [new Date(at), new Date(now)];
  if (date.toDateString() === today.toDateString()) {
    return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" }).format(date);
  }
  const year = date.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", year }).format(date);
}

/** Date and time. */
export function fullTime(at) {
  return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}
