/* CPU, memory and GPU of the server as meters, beside the training that uses them. */

import { api } from "./api.js";
import { fill, h, whileVisible } from "./dom.js";
import { bytes, number, percent, t, tn } from "./i18n.js";

const SECONDS = 3;

export function watchMachine(place) {
  return whileVisible(SECONDS, async () => {
    const load = await api.get("/api/system").catch(() => null);
    if (load) fill(place, meters(load));
  });
}

function meters(load) {
  const found = [
    meter(t("machine.cpu"), load.cpu_percent / 100, `${percent(load.cpu_percent / 100)} · ${tn("machine.cores", load.cores)}`),
    meter(
      t("machine.memory"),
      load.memory_used_bytes / load.memory_total_bytes,
      t("machine.of", { used: bytes(load.memory_used_bytes), total: bytes(load.memory_total_bytes) }),
    ),
  ];
  const { gpu } = load;
  if (gpu) {
    const used = gpu.memory_used_bytes / gpu.memory_total_bytes;
    if (Number.isFinite(gpu.utilization_percent)) found.push(meter(gpu.name ?? t("machine.gpu"), gpu.utilization_percent / 100, percent(gpu.utilization_percent / 100)));
    if (Number.isFinite(used)) found.push(meter(t("machine.gpu_memory"), used, t("machine.of", { used: bytes(gpu.memory_used_bytes), total: bytes(gpu.memory_total_bytes) })));
  }
  const notes = [tn("machine.threads", load.training_threads), t("machine.process", { used: bytes(load.process_memory_bytes) })];
  if (!gpu) notes.push(t("machine.no_gpu"));
  return [h("div.stack", {}, found), h("p.small.muted.machine-note", {}, notes.join(" · "))];
}

/** A labelled bar; amber above 85 %, red above 95 %. */
export function meter(label, share, words) {
  const filled = h(`div.bar-fill${share > 0.95 ? ".is-bad" : share > 0.85 ? ".is-warn" : ""}`);
  filled.style.width = `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`;
  const attributes = { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": number(share * 100), "aria-valuetext": words };
  return h(
    "div.meter",
    {},
    h("div.meter-head", {}, h("span", {}, label), h("span.meter-value", {}, words)),
    h("div.bar", attributes, filled),
  );
}
