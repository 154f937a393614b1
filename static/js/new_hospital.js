/* The dialog in which an administrator adds a hospital (templates/_new_hospital.html). */

import { api, ApiError } from "./api.js";
import { byId } from "./dom.js";
import { showFieldError } from "./form_errors.js";
import { t } from "./i18n.js";

/** `added` is called with the card of the new hospital. */
export function wireNewHospital(added) {
  const [dialog, form] = [byId("add-hospital"), byId("add-hospital-form")];
  dialog.addEventListener("close", () => {
    form.reset();
    showErrors(form, {});
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (button.disabled) return;
    button.disabled = true;
    try {
      const card = await api.post("/api/hospitals", asked(form));
      dialog.close();
      added(card);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const hasFields = Object.keys(error.fields).length > 0;
      showErrors(form, hasFields ? error.fields : { form: error.message });
    } finally {
      button.disabled = false;
    }
  });
}

function asked(form) {
  const values = Object.fromEntries(["id", "name_en", "name_zh"].map((name) => [name, form.elements.namedItem(name).value.trim()]));
  return Object.fromEntries(Object.entries(values).filter(([name, text]) => text || name === "id"));
}

function showErrors(form, errors) {
  for (const { dataset } of form.querySelectorAll("[data-error]")) showFieldError(form, dataset.error, errors[dataset.error] ?? "");
  form.querySelector("[aria-invalid]")?.focus();
}

/** What is said afterwards. */
export const addedWords = (card) => t("hospital.added", { name: card.name });
