/* What every page has: theme, menu, dialogs, tables, local times, the live connection and banners. */

import { leave } from "./api.js";
import { wireDialogs } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { ago, clockTime, dateTime, t } from "./i18n.js";
import { live, showConnection } from "./live.js";
import { wireTables } from "./tables.js";
import { wireTheme } from "./theme.js";

const BANNER_ICONS = { info: "circle-info", good: "circle-check", warn: "triangle-exclamation", bad: "circle-exclamation" };
const LEVELS = { warning: "warn", error: "bad", danger: "bad", success: "good" };

/** The side bar of small screens: a drawer that closes by Escape, by the veil and by going somewhere. */
function wireMenu() {
  const [button, bar] = [document.querySelector("[data-menu]"), document.getElementById("sidebar")];
  if (!button || !bar) return;
  const veil = h("div.veil", { hidden: true });
  bar.before(veil);
  const set = (open) => {
    bar.classList.toggle("is-open", open);
    veil.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) bar.querySelector("a, button").focus();
  };
  const close = () => {
    if (!bar.classList.contains("is-open")) return;
    set(false);
    button.focus();
  };
  button.addEventListener("click", () => set(!bar.classList.contains("is-open")));
  veil.addEventListener("click", close);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && close());
  bar.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !bar.contains(relatedTarget) && relatedTarget !== button) set(false);
  });
}

/** <time datetime data-format="date-time|ago|clock"> in the reader's own time zone. */
export function showTimes(root = document) {
  const formats = { "date-time": dateTime, ago, clock: clockTime };
  for (const element of root.querySelectorAll("time[data-format]")) {
    element.textContent = formats[element.dataset.format](element.dateTime);
    if (element.dataset.format !== "date-time") element.title = dateTime(element.dateTime);
  }
}

function showBanners(banners) {
  const place = document.getElementById("banners");
  if (!place || !banners) return;
  const key = JSON.stringify(banners);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  fill(place, banners.map(({ level, text }) => {
    const tone = LEVELS[level] ?? level;
    return h(`div.alert.alert-${tone}`, {}, icon(BANNER_ICONS[tone] ?? "circle-info"), h("p", {}, text));
  }));
}

/** A button [data-reveals="input-id"] shows and hides a password. */
function wirePasswords() {
  for (const button of document.querySelectorAll("[data-reveals]")) {
    button.addEventListener("click", () => {
      const input = document.getElementById(button.dataset.reveals);
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      button.setAttribute("aria-pressed", String(shown));
      button.querySelector(".fa-solid").className = `fa-solid fa-${shown ? "eye-slash" : "eye"}`;
    });
  }
}

/** Forms that are sent once, however often the button is pressed. */
function wireForms() {
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", () => {
      leave();
      const button = form.querySelector("[type=submit]");
      setTimeout(() => button && (button.disabled = true));
    });
  }
  window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
}

/** [data-copies="id"] copies the text of an element. */
function wireCopies() {
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard?.writeText(document.getElementById(button.dataset.copies).textContent.trim());
      button.querySelector("[data-words]").textContent = t("action.copied");
    });
  }
}

wireTheme();
wireMenu();
wireDialogs();
wireTables();
wirePasswords();
wireForms();
wireCopies();
showTimes();
if (document.body.dataset.signedIn === "true") {
  showConnection();
  live.subscribe({
    snapshot: (status) => showBanners(status.banners),
    event: ({ event, about }) => event === "notice" && about === "accounts" && live.resync(),
  });
  live.start();
}
