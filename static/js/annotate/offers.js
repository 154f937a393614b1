/* Marks that a clinician accepted in a reading of this scan and offered to the staff: they decide. */

import { api } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { dateTime, t, tn } from "../i18n.js";
import { openSuggestions } from "./findings.js";

/** The newest offer for a scan: {by, time, findings}; null when there is none. */
async function newestOffer(scanId) {
  const readings = await api.get(`/api/predictions?scan_id=${encodeURIComponent(scanId)}`);
  const offering = readings.filter(({ offered }) => offered).sort((one, other) => other.offered.time.localeCompare(one.offered.time));
  return offering.length ? api.get(`/api/predictions/${encodeURIComponent(offering[0].id)}/offer`) : null;
}

/**
 * Say what was offered and is not marked yet, with a button that takes it over.
 * @param {string} scanId
 * @param {HTMLElement} place
 * @param {{state(): any, take(findings: any[]): void}} page
 */
export async function showOffer(scanId, place, page) {
  const offer = await newestOffer(scanId).catch(() => null); // the page is whole without it
  if (!offer) return;
  const fresh = openSuggestions(page.state(), offer.findings.map((one) => ({ ...one, probability: 1 })), 0);
  if (!fresh.length) return;
  const take = h("button.button.button-small", { type: "button", "data-testid": "take-offer" }, icon("check-double"), t("annotate.take_offer"));
  take.addEventListener("click", () => {
    page.take(fresh.map(({ id, kind, center_xyz_mm, diameter_mm, comment }) => ({ id, kind, center_xyz_mm, diameter_mm, comment, origin: "prediction" })));
    fill(place);
  });
  const words = h("p", {}, tn("annotate.offer", fresh.length, { author: offer.by, when: dateTime(offer.time) }));
  fill(place, h("div.alert.alert-info", { "data-testid": "offer" }, icon("stethoscope"), h("div.stack.stack-s", {}, words, h("div", {}, take))));
}
