/* The administrator's page: hospitals, the form for a run, and the run itself, live. */

import { api } from "./api.js";
import { byId, fill, h, oncePerFrame } from "./dom.js";
import { drawHospitals } from "./hospital_cards.js";
import { t, tn } from "./i18n.js";
import { live } from "./live.js";
import { watchMachine } from "./machine.js";
import { addedWords, wireNewHospital } from "./new_hospital.js";
import { RunForm } from "./run_form.js";
import { isActive, isNews } from "./run_state.js";
import { RunView, placesIn } from "./run_view.js";
import { toast } from "./toasts.js";
import { hospitalName, learnNames } from "./words.js";

const noHospitals = byId("no-hospitals").content.firstElementChild;
const view = new RunView(placesIn(byId("main")), { leads: true, metrics: ["loss", "train_dice", "sensitivity", "dice"], changed: () => arrange() });
const form = new RunForm(byId("run-form"), started);
let hospitals = [];

const arrange = oncePerFrame(() => {
  const { run } = view;
  byId("run").hidden = !run;
  for (const place of document.querySelectorAll("[data-of-run]")) place.hidden = !run;
  byId("new-run").hidden = isActive(run);
  byId("run-title").textContent = isActive(run) ? t("run.current") : t("run.latest");
  if (run) byId("run-link").href = `/history/${encodeURIComponent(run.id)}`;
});

function showHospitals(cards) {
  hospitals = cards;
  learnNames(hospitals);
  drawHospitals(byId("hospitals"), hospitals, noHospitals);
  form.setHospitals(hospitals);
  byId("hospitals-count").textContent = hospitals.length ? tn("count.hospitals", hospitals.length) : "";
}

function showOnline(online) {
  const people = online.map((one) => h(
    "li.row",
    {},
    h("span.avatar", { "aria-hidden": "true" }, [...(one.display_name || one.username)][0]?.toUpperCase()),
    h("div.grow", {}, h("div.strong", {}, one.display_name || one.username), h("div.small.muted", {}, [t(`role.${one.role}`), one.hospital && hospitalName(one.hospital)].filter(Boolean).join(" · "))),
    one.tabs > 1 && h("span.small.muted", {}, tn("count.tabs", one.tabs)),
  ));
  fill(byId("online"), people.length ? h("ul.stack.stack-s", {}, people) : h("p.small.muted", {}, t("online.nobody")));
}

async function started(run) {
  toast(t("run.has_started"));
  await live.resync();
  if (view.run?.id !== run.id) view.show({ records: [], current: null, scans: {}, ...run });
  arrange();
  requestAnimationFrame(() => {
    // After it is arranged: what is hidden takes no focus.
    byId("run").scrollIntoView({ block: "start" });
    byId("run-title").focus({ preventScroll: true });
  });
}

live.subscribe({
  snapshot(status) {
    showHospitals(status.hospitals ?? []);
    showOnline(status.online ?? []);
    arrange(); // before the run is drawn: what is hidden has no size
    view.show(status.run, status.events);
  },
  event(event) {
    if (event.event === "online_users") showOnline(event.online);
    else if (event.hospitals_changed || isNews(view.run, event)) live.resync();
    else view.apply(event);
    if (event.event === "run_finished" && event.run_id === view.run?.id) live.resync(); // when it ended and whether it can go on, the server knows
    arrange();
  },
});

wireNewHospital((card) => {
  toast(addedWords(card));
  live.resync();
});

watchMachine(byId("machine"));

api.get("/api/strategies").then(
  ({ strategies, defaults, limits }) => {
    form.setStrategies(strategies);
    form.setDefaults(defaults, limits);
  },
  (error) => toast(error.message, "bad"),
);
