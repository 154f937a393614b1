/* Short messages at the edge of the page: what was done, or why not. */

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const ICONS = { good: "circle-check", bad: "circle-exclamation", warn: "triangle-exclamation", info: "circle-info" };
const SECONDS = { good: 5, info: 6, warn: 10, bad: 12 };

/** Show `text`; a bad one is read out at once, others when the screen reader is free. */
export function toast(text, tone = "good") {
  const region = document.getElementById(tone === "bad" ? "toasts-urgent" : "toasts");
  if (!region) return;
  const close = h("button.button.button-quiet.button-icon.button-small", { type: "button", "aria-label": t("action.close") }, icon("xmark"));
  const box = h(`div.toast.toast-${tone}`, {}, icon(ICONS[tone]), h("p", {}, text), close);
  const timer = setTimeout(() => box.remove(), SECONDS[tone] * 1000);
  close.addEventListener("click", () => {
    clearTimeout(timer);
    box.remove();
  });
  region.append(box);
  while (region.children.length > 4) region.firstElementChild?.remove();
}

/** Do `work` with `button` disabled meanwhile; a failure becomes a message. Returns the answer or undefined. */
export async function attempt(button, work) {
  button?.setAttribute("aria-busy", "true");
  if (button) button.disabled = true;
  try {
    return await work();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "bad");
    return undefined;
  } finally {
    if (button) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }
}
