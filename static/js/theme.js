/* Light, dark or as the system: kept in a cookie, so that the server draws the page right at once. */

import { t } from "./i18n.js";

const root = document.documentElement;
const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
const YEAR_SECONDS = 31_536_000;
const ICONS = { auto: "circle-half-stroke", light: "sun", dark: "moon" };

export const theme = () => root.dataset.theme;

export function setTheme(name) {
  document.cookie = `fedlung_theme=${name}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax`;
  try {
    localStorage.setItem("fedlung_theme", name); // tells the other tabs
  } catch {
    // Storage may be forbidden; the cookie is enough for this tab.
  }
  apply(name);
}

/** One press gives the other look; from there it goes through all three. */
export function nextTheme() {
  if (theme() === "auto") return systemIsDark.matches ? "light" : "dark";
  const other = systemIsDark.matches ? "light" : "dark";
  if (theme() === other) return systemIsDark.matches ? "dark" : "light";
  return "auto";
}

function apply(name) {
  root.dataset.theme = name;
  showTheme();
  document.dispatchEvent(new CustomEvent("themechange"));
}

function showTheme() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.querySelector(".fa-solid").className = `fa-solid fa-${ICONS[theme()]}`;
    button.querySelector("[data-words]").textContent = t(`theme.${theme()}`);
  }
  for (const input of document.querySelectorAll("input[name=theme]")) input.checked = input.value === theme();
}

export function wireTheme() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) button.addEventListener("click", () => setTheme(nextTheme()));
  for (const input of document.querySelectorAll("input[name=theme]")) input.addEventListener("change", () => setTheme(input.value));
  systemIsDark.addEventListener("change", () => document.dispatchEvent(new CustomEvent("themechange")));
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key === "fedlung_theme" && newValue && newValue !== theme()) apply(newValue);
  });
  showTheme();
}
