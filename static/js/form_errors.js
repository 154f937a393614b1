/* What is wrong with a field of a form, under the field: its place is marked data-error="NAME". */

/** Put a sentence there (and open the part of the form where it is); an empty one takes it away. False when there is no such field. */
export function showFieldError(form, name, text) {
  const place = [...form.querySelectorAll("[data-error]")].find((one) => one.dataset.error === name);
  if (!place) return false;
  place.textContent = text;
  const field = place.closest(".field");
  field?.classList.toggle("has-error", Boolean(text));
  for (const input of field?.querySelectorAll("input, select") ?? []) {
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
  if (text && place.closest("details")) place.closest("details").open = true;
  return true;
}
