/* What the scans of a hospital are like, in bars: sizes of nodules, voxels, scanners, room on the disk. */

import { fill, h } from "./dom.js";
import { sizeHistogram } from "./hospital_cards.js";
import { bytes, number, percent, t, tn } from "./i18n.js";

const MOST_MAKERS = 5;
const SLICES_MM = [0, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, Infinity]; // LIDC has 0.6 to 3 mm

/** Draw all figures of `answer`, which is GET /api/scans. */
export function drawFigures(place, { scans, totals }) {
  fill(place, sizes(totals), spacings(scans), makers(scans), room(totals));
}

const panel = (title, ...content) => h("section.figure-panel", {}, h("h3", {}, title), content);

function sizes({ nodules, size_histogram: histogram }) {
  return panel(t("scan.nodule_sizes"), nodules ? sizeHistogram(histogram) : h("p.small.muted", {}, t("scan.no_nodules_yet")));
}

function spacings(scans) {
  const counts = SLICES_MM.slice(1).map((to, index) => [SLICES_MM[index], to, scans.filter(({ spacing_zyx_mm: mm }) => mm && mm[0] >= SLICES_MM[index] && mm[0] < to).length]);
  const rows = counts.filter(([, , count]) => count).map(([from, to, count]) => [rangeWords(from, to), count]);
  return panel(t("scan.slice_distances"), bars(rows, scans.length));
}

const rangeWords = (from, to) => {
  if (to === Infinity) return t("scan.mm_from", { from: number(from, 2) });
  return from ? t("scan.mm_range", { from: number(from, 2), to: number(to, 2) }) : t("scan.mm_below", { to: number(to, 2) });
};

function makers(scans) {
  const counts = new Map();
  for (const { manufacturer } of scans) counts.set(manufacturer || t("scan.unknown"), (counts.get(manufacturer || t("scan.unknown")) ?? 0) + 1);
  const rows = [...counts].sort((a, b) => b[1] - a[1]);
  const others = rows.slice(MOST_MAKERS).reduce((sum, [, count]) => sum + count, 0);
  return panel(t("scan.scanners"), bars([...rows.slice(0, MOST_MAKERS), ...(others ? [[t("scan.others"), others]] : [])], scans.length));
}

/** A bar with its words for each [name, count]. */
function bars(rows, all) {
  if (!rows.length) return h("p.small.muted", {}, t("scan.nothing_known"));
  return h("ul.bar-list", {}, rows.map(([name, count]) => {
    const bar = h("div.bar-fill");
    bar.style.width = `${(100 * count) / all}%`;
    return h("li", {}, h("span.anywhere", {}, name), h("span.number.muted", {}, number(count)), h("div.bar", { "aria-hidden": "true" }, bar));
  }));
}

function room({ bytes: used, quota_bytes: quota, scans }) {
  const bar = h("div.bar-fill");
  const share = quota ? Math.min(1, used / quota) : 0;
  bar.style.width = `${100 * share}%`;
  bar.classList.toggle("is-warn", share > 0.8);
  bar.classList.toggle("is-bad", share > 0.95);
  return panel(
    t("scan.room"),
    h("p", {}, quota ? t("scan.room_of", { used: bytes(used), quota: bytes(quota), share: percent(share) }) : bytes(used)),
    quota > 0 && h("div.bar", { "aria-hidden": "true" }, bar),
    h("p.small.muted", {}, tn("count.scans", scans)),
  );
}
