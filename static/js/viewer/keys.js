/* Keys of the viewer. They count anywhere on the page, but not where somebody types, and not under an open dialog. */

const SETTING = "fedlung_letter_keys";
const WALKING = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"]);

/** Single letters can be switched off: who speaks to the computer presses them by mistake (WCAG 2.1.4). */
export function areLettersOn() {
  try {
    return localStorage.getItem(SETTING) !== "off";
  } catch {
    return true; // storage may be forbidden
  }
}

export function setLetters(isOn) {
  try {
    localStorage.setItem(SETTING, isOn ? "on" : "off");
  } catch {
    // It counts for this page only, then; nothing to do.
  }
}

/** Whether a key press belongs to the viewer, by what has the focus. */
export function isForViewer(event, root) {
  const { target, key } = event;
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return false;
  const isInside = root.contains(target);
  const kind = target.closest?.("input, textarea, select, button, a, summary, [contenteditable]");
  const isText = kind?.matches("textarea, select, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])");
  if (isText) return false;
  if (kind && (key === "Enter" || key === " ")) return false;
  if (WALKING.has(key)) return kind?.tagName !== "INPUT" && (isInside || !kind);
  if (key.length === 1 && !event.ctrlKey && !event.metaKey) return areLettersOn();
  return true;
}

/**
 * @param {HTMLElement} root
 * @param {(event: KeyboardEvent) => boolean} handle true when the key was used
 * @returns {() => void} ends it
 */
export function wireKeys(root, handle) {
  const hear = (event) => {
    if (isForViewer(event, root) && handle(event)) event.preventDefault();
  };
  document.addEventListener("keydown", hear);
  return () => document.removeEventListener("keydown", hear);
}
