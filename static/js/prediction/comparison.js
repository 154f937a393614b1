/* This scan beside an earlier one of the same patient: what is new, what has grown, what is gone. */

import { api } from "../api.js";
import { byId, fill, h, icon } from "../dom.js";
import { locale, number, t, tn } from "../i18n.js";
import { attempt } from "../toasts.js";
import { follow, predictionPath } from "./following.js";
import { oneDigit } from "./mark_table.js";

export class Comparison {
  #prediction;
  #scanId;
  #page;

  /**
   * @param {string} predictionId
   * @param {string} scanId
   * @param {{goTo(center_xyz_mm: number[]): void, threshold(): number, flush(): Promise<void>, labelOf(id: string): string}} page
   */
  constructor(predictionId, scanId, page) {
    this.#prediction = predictionId;
    this.#scanId = scanId;
    this.#page = page;
    byId("compare").addEventListener("click", () => this.#compare());
  }

  /**
   * Earlier scans to choose from, those of the same patient first: every other scan that is not known to be newer.
   * @param {{study_date?: string, same_patient?: string[]}} own this scan
   */
  async showPriors(own) {
    const found = await attempt(null, () => Promise.all([api.get("/api/scans"), api.get("/api/predictions")]));
    if (!found) return;
    const [{ scans }, predictions] = found;
    const newest = new Map(predictions.filter(({ state }) => state === "finished").map((one) => [one.scan_id, one.id]).reverse());
    const isNewer = (scan) => own.study_date && scan.study_date > own.study_date;
    const others = scans.filter((scan) => scan.scan_id !== this.#scanId && scan.state !== "refused" && !isNewer(scan));
    others.sort((one, other) => String(other.study_date).localeCompare(String(one.study_date)) || String(one.label).localeCompare(String(other.label)));
    const option = (scan) => h("option", { value: newest.get(scan.scan_id) ?? "", "data-scan": scan.scan_id }, [scan.label, scan.study_date].filter(Boolean).join(" · "));
    const isSame = (scan) => (own.same_patient ?? []).includes(scan.scan_id);
    const groups = [["predict.priors_same", others.filter(isSame)], ["predict.priors_other", others.filter((scan) => !isSame(scan))]];
    fill(byId("prior"), groups.filter(([, members]) => members.length).map(([key, members]) => h("optgroup", { label: t(key) }, members.map(option))));
    byId("prior-choice").hidden = !others.length;
    byId("prior-words").textContent = t(others.length ? "predict.prior_help" : "predict.no_prior");
  }

  async #compare() {
    const option = byId("prior").selectedOptions[0];
    let refusal = "";
    fill(byId("comparison"));
    const compared = await attempt(byId("compare"), async () => {
      byId("prior-words").textContent = t("predict.comparing");
      await this.#page.flush();
      const prior = option.value || (await this.#readPrior(option.dataset.scan));
      option.value = prior;
      const path = `${predictionPath(this.#prediction, "/comparison")}?prior=${encodeURIComponent(prior)}&threshold=${this.#page.threshold()}`;
      return api.get(path).catch((error) => {
        refusal = error.fields?.prior ?? error.message; // why these two cannot be compared
        throw new Error(refusal);
      });
    });
    byId("prior-words").textContent = compared ? this.#words(compared) : refusal || t("predict.prior_help");
    if (compared) fill(byId("comparison"), doubts(compared), this.#table(compared), uncertainty(compared));
  }

  /** The prior scan has to be read by the model, too. */
  async #readPrior(scanId) {
    const asked = await api.post("/api/predictions", { scan_id: scanId });
    const ended = await follow(asked.id, () => {});
    if (ended.state === "failed") throw new Error(t("predict.prior_failed", { reason: ended.error.message }));
    return ended.id;
  }

  #words({ days, same_patient: isSame, same_model: isSameModel, alignment }) {
    return [
      isSame ? t("predict.same_patient") : t("predict.patient_unknown"),
      days === null ? t("predict.days_unknown") : tn("predict.days", days),
      t("predict.alignment", { shift: number(Math.hypot(...alignment.shift_xyz_mm), 1), angle: number(alignment.rotation_degrees, 1), correlation: number(alignment.correlation, 2) }),
      isSameModel ? "" : t("predict.other_model"),
    ].filter(Boolean).join(" ");
  }

  #table({ pairs, new: fresh, gone, alignment, not_in_prior: notBefore, not_in_current: notNow }) {
    const rows = [
      ...pairs.map((pair) => this.#row(pair.now, pair.prior, changeWords(pair), pair.doubling_time_days)),
      ...fresh.map((seen) => this.#row(seen, null, newWords(seen, alignment.is_doubtful), null)),
      ...gone.map((seen) => this.#row(null, seen, [icon("circle-question"), " ", seen.unreported ? unreportedWords("predict.is_unreported", seen) : t("predict.is_gone")], null)),
      ...notBefore.map((seen) => this.#row(seen, null, [icon("circle-question"), " ", t("predict.not_in_prior")], null)),
      ...notNow.map((seen) => this.#row(null, seen, [icon("circle-question"), " ", t("predict.not_in_current")], null, t("predict.compare_prior"))),
    ];
    if (!rows.length) return h("div.card-body", {}, h("p.muted", {}, t("predict.nothing_compared")));
    const heads = ["mark", "now", "prior", "change", "doubling"].map((column) => h("th", { scope: "col" }, t(`predict.compare_${column}`)));
    return h("div.table-wrap", { tabindex: "0", role: "group", "aria-label": t("predict.compared") }, h("table.table", { "data-testid": "comparison-table" }, h("caption.visually-hidden", {}, t("predict.compared")), h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows)));
  }

  #row(now, prior, change, doubling, priorLabel = t("predict.only_prior")) {
    const seen = now ?? prior;
    const label = now ? this.#page.labelOf(now.id) : priorLabel;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("button.link-button", { type: "button", onClick: () => this.#page.goTo(seen.center_xyz_mm) }, label)),
      ...[now, prior].map((one) => h("td", {}, one ? t("predict.size", { diameter: oneDigit(one.diameter_mm), volume: number(one.volume_mm3) }) : "–")),
      h("td", {}, change),
      h("td.nowrap", {}, doubling === null ? "–" : tn("predict.days_long", doubling)),
    );
  }
}

function changeWords({ diameter_change_mm: diameter, volume_change_percent: volume, has_grown: hasGrown }) {
  const words = t("predict.changed_by", { diameter: signed(diameter, 1), volume: signed(volume, 0) });
  return hasGrown ? [icon("arrow-trend-up"), " ", words, " · ", h("strong", {}, t("predict.has_grown"))] : words;
}

/** Where the scans do not fit each other, that stands above everything. */
function doubts({ alignment }) {
  if (!alignment.is_doubtful) return false;
  return h("div.card-body", {}, h("div.alert.alert-warn", { role: "alert", "data-testid": "comparison-doubtful" }, icon("triangle-exclamation"), h("p", {}, t("predict.alignment_doubtful"))));
}

/** A change is the difference of two diameters, each of them off by so much. */
function uncertainty({ diameter_texts: texts }) {
  if (!texts.length) return false;
  return h("div.card-body", {}, h("p.small.muted", { "data-testid": "comparison-uncertainty" }, [t("predict.change_uncertain"), ...texts].join(" ")));
}

function newWords(seen, isDoubtful) {
  if (seen.unreported) return [icon("circle-question"), " ", unreportedWords("predict.was_unreported", seen)];
  if (isDoubtful) return [icon("circle-question"), " ", t("predict.only_now")];
  return [icon("circle-plus"), " ", t("predict.is_new"), " · ", t("predict.category_new", { value: seen.category.value })];
}

const unreportedWords = (key, { unreported }) => t(key, { diameter: oneDigit(unreported.diameter_mm) });

function signed(value, digits) {
  return new Intl.NumberFormat(locale, { signDisplay: "exceptZero", maximumFractionDigits: digits }).format(value);
}
