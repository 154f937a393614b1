/* Making elements. Text goes in as text only, so a hospital called "<img onerror=...>" is shown, not run. */

/**
 * @param {string} tag "tag.class-a.class-b"
 * @param {Record<string, unknown>} [properties] attributes; onX adds a listener; true/false set and leave out
 * @param {...(Node | string | number | null | undefined | false | Array<any>)} children
 * @returns {any} the new element
 */
export function h(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) setProperty(element, key, value);
  append(element, children);
  return element;
}

function setProperty(element, key, value) {
  if (value === false || value === null || value === undefined) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2).toLowerCase(), value);
  else if (key === "class") element.classList.add(...String(value).split(" ").filter(Boolean));
  else element.setAttribute(key, value === true ? "" : String(value));
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** A decorative icon; the words beside it carry the meaning. */
export function icon(name) {
  return h(`span.fa-solid.fa-${name}`, { "aria-hidden": "true" });
}

/** Replace the children of `element`. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** The element with this id; a page without it is a mistake in a template. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/** Run `task` once before the next paint, however often it is asked for. A hidden tab never paints, so it stays quiet. */
export function oncePerFrame(task) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      task();
    });
  };
}

/** Call `task` now and every `seconds` while the tab can be seen; returns a function that ends it. */
export function whileVisible(seconds, task) {
  let timer = 0;
  const tick = () => {
    clearTimeout(timer);
    if (document.hidden) return;
    Promise.resolve(task()).finally(() => {
      timer = window.setTimeout(tick, seconds * 1000);
    });
  };
  document.addEventListener("visibilitychange", tick);
  tick();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", tick);
  };
}

/** Offer `content` as a file. */
export function download(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
