/* Dialogs: those in the page, opened by [data-opens="id"], and questions before a step that matters. */

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

export function wireDialogs(root = document) {
  root.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) open(document.getElementById(opener.dataset.opens));
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
  });
  for (const dialog of root.querySelectorAll("dialog[data-open]")) open(dialog);
}

/** The first thing to do gets the focus, what is wrong before all. */
function open(dialog) {
  dialog.showModal();
  (dialog.querySelector("[aria-invalid]") ?? dialog.querySelector("input:not([type=hidden]), select, textarea"))?.focus();
}

/** Ask; true when the person agrees. Escape and "Cancel" are no. */
export function confirmStep({ title, text, action, danger = false }) {
  const yes = h(`button.button.${danger ? "button-danger" : "button-primary"}`, { value: "yes", "data-testid": "confirm" }, action);
  const dialog = h(
    "dialog.dialog",
    { "aria-labelledby": "confirm-title" },
    h(
      "form",
      { method: "dialog" },
      h("div.dialog-head", {}, h("h2", { id: "confirm-title" }, title), closeButton()),
      h("div.dialog-body", {}, h("p", {}, text)),
      h("div.dialog-foot", {}, h("button.button", { value: "no" }, t("action.cancel")), yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  yes.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** A dialog with content of the caller's, which shows itself. */
export function showDialog(title, ...content) {
  const dialog = h(
    "dialog.dialog",
    { "aria-labelledby": "shown-title" },
    h("div.dialog-head", {}, h("h2", { id: "shown-title" }, title), closeButton()),
    h("div.dialog-body", {}, content),
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

function closeButton() {
  return h(
    "button.button.button-quiet.button-icon.button-small",
    { type: "button", "data-closes": true, "aria-label": t("action.close") },
    icon("xmark"),
  );
}
