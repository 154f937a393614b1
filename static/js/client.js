/* The page of a hospital's staff: the own data, the own rounds, own numbers beside those of the federation. */

import { byId, fill, h } from "./dom.js";
import { hospitalFigures, presence, trouble } from "./hospital_cards.js";
import { t } from "./i18n.js";
import { live } from "./live.js";
import { seriesOf } from "./metrics.js";
import { isNews } from "./run_state.js";
import { RunView, placesIn } from "./run_view.js";
import { hospitalName, learnNames } from "./words.js";

const page = byId("client");
const own = page.dataset.hospital;
const view = new RunView(placesIn(byId("run")), { metrics: ["loss", "train_dice", "sensitivity", "dice"], series: ownSeries });

/** The federation and the own hospital; nothing of others is here anyway. */
function ownSeries(run, metricId) {
  return seriesOf(run, metricId, hospitalName, { only: [own] }).map((line) => (line.id === own ? { ...line, color: "--series-1", marker: 0 } : line));
}

function showOwn(hospital) {
  const place = byId("own-data");
  if (!hospital) {
    fill(place, h("div.card-body", {}, h("p.muted", {}, t("client.no_folder"))));
    return;
  }
  fill(
    place,
    h("div.card-head", {}, h("h2", {}, hospital.name), presence(hospital)),
    h("div.card-body.stack", {}, h("div.own-figures", {}, hospitalFigures(hospital)), trouble(hospital)),
  );
}

live.subscribe({
  snapshot(status) {
    learnNames(status.hospitals);
    showOwn((status.hospitals ?? []).find(({ id }) => id === own));
    view.show(status.run, status.events);
    byId("run").hidden = !status.run;
    byId("no-run").hidden = Boolean(status.run);
    if (status.run) byId("run-link").href = `/history/${encodeURIComponent(status.run.id)}`;
  },
  event(event) {
    if (isNews(view.run, event)) live.resync();
    else view.apply(event);
  },
});
