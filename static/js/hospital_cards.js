/* Cards of hospitals: who is there, with how many scans and nodules, and what was wrong last. Never the scans. */

import { fill, h, icon } from "./dom.js";
import { ago, dateTime, number, t, tn } from "./i18n.js";
import { reasonWords } from "./words.js";

/** Draw one card per hospital; `empty` is shown when there is none. */
export function drawHospitals(place, hospitals, empty) {
  if (!hospitals.length) {
    fill(place, empty);
    return;
  }
  fill(place, hospitals.map(hospitalCard));
}

function hospitalCard(hospital) {
  return h(
    "article.card",
    { "data-hospital": hospital.id, "aria-label": hospital.name },
    h("div.card-head", {}, h("h3", {}, hospital.name), presence(hospital)),
    h("div.card-body.stack", {}, hospitalFigures(hospital), trouble(hospital)),
  );
}

/** What went wrong last: with the folder, or in a round. */
export function trouble({ last_error: error, ready, declared_ready: isDeclared = true }) {
  if (!isDeclared) return h("div.alert.alert-info.small", {}, icon("hourglass-half"), h("p", {}, t("hospital.not_declared")));
  if (!error) return null;
  const words = reasonWords(error);
  return h("div.alert.alert-warn.small", {}, icon("triangle-exclamation"), h("p.anywhere", {}, ready ? t("hospital.left_out", { reason: words }) : words));
}

/** Whether it can take part, as a pill. */
export function presence({ online, ready, last_seen: seen }) {
  if (!online) return h("span.pill.pill-bad", { title: seen ? dateTime(seen) : null }, icon("plug-circle-xmark"), t("hospital.offline"));
  if (!ready) return h("span.pill.pill-warn", {}, icon("hourglass-half"), t("hospital.not_ready"));
  return h("span.pill.pill-good", {}, icon("circle-check"), t("hospital.ready"));
}

/** Scans, nodules and their sizes. */
const hospitalFigures = (hospital) => [hospitalCounts(hospital), sizeHistogram(hospital.size_histogram)];

/** Scans and nodules; also on the page of the hospital's own staff. */
export function hospitalCounts(hospital) {
  const figure = (label, value, note) => h("div", {}, h("div.stat-label", {}, label), h("div.stat-value", {}, value), note && h("div.stat-note", {}, note));
  return h(
    "div.stats",
    {},
    figure(t("hospital.scans"), number(hospital.scans), [tn("hospital.annotated", hospital.annotated_scans ?? 0), hospital.scans_not_ready > 0 && ["; ", tn("hospital.held_back", hospital.scans_not_ready)]]),
    figure(t("hospital.nodules"), number(hospital.nodules), !hospital.online && hospital.last_seen && t("hospital.seen", { when: ago(hospital.last_seen) })),
  );
}

/** Diameters of the nodules as bars, with the numbers for those who cannot see them. */
export function sizeHistogram(histogram) {
  const { edges_mm: edges = [], counts = [] } = histogram ?? {};
  const most = Math.max(...counts, 0);
  if (!most) return null;
  const isLast = (index) => index === counts.length - 1; // which holds all that is larger, too
  const range = (index) => (isLast(index) ? `${number(edges[index], 1)}+` : `${number(edges[index], 1)}–${number(edges[index + 1], 1)}`);
  const border = (index) => h("span", {}, `${number(edges[index], 1)}${isLast(index) ? "+" : ""}`); // the bins are not equally wide
  const bars = counts.map((count, index) => {
    const bar = h("span.histogram-bar", { title: t("hospital.size_bar", { range: range(index), count: number(count) }) });
    bar.style.height = `${(100 * count) / most}%`;
    return bar;
  });
  const words = counts.map((count, index) => `${range(index)} mm: ${number(count)}`).join("; ");
  return h(
    "figure",
    {},
    h("div.histogram", { role: "img", "aria-label": t("page.pair", { name: t("hospital.sizes"), value: words }) }, bars),
    h("div.histogram-axis", { "aria-hidden": "true" }, counts.map((_, index) => border(index))),
    h("figcaption.small.muted", {}, `${t("hospital.sizes")} · mm`),
  );
}
