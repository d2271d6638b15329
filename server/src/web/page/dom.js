// Making elements. What people wrote gets onto the page as text, and in no other way.

/**
 * @param {string} id of an element that index.html has
 * @returns {HTMLElement}
 */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {string} name as in `button.row`: the tag and classes
 * @param {Record<string, any>} properties attributes; functions are listeners; what is null, undefined or false is left out
 * @param {...(Node | string | null)} children strings become text
 * @returns {HTMLElement}
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces what an element holds, and keeps the focus on the child with the same `data-key`. */
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...children.filter((child) => child));
  if (key !== undefined) byKey(element, key)?.focus();
}

/** The descendant with this `data-key`. */
export function byKey(element, key) {
  return element.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

/**
 * Lets the arrow keys, Home and End walk over the buttons of a list.
 * @param {HTMLElement} list
 */
export function walkable(list) {
  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const buttons = [...list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at === -1 || to === undefined) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(to, buttons.length - 1))].focus();
  });
}

/** Whether one pane fills the screen, as on a phone. */
export const isNarrow = () => matchMedia("(max-width: 45rem)").matches;
