/* What happens in a run, in plain words: newest first. */

import { fill, h, icon } from "./dom.js";
import { clockTime, dateTime, list, metric, t, tn } from "./i18n.js";
import { endWords, hospitalName, reasonWords, seesAll } from "./words.js";

const MOST_LINES = 300;

/** {tone, icon, text} of an event, or null for one that says nothing to a person. */
export function sentence(event) {
  return SENTENCES[event.event]?.(event) ?? null;
}

const line = (tone, mark, text) => ({ tone, icon: mark, text });

const SENTENCES = {
  training_status({ state, round }) {
    if (state === "queued") return line("info", "hourglass-half", t("feed.queued"));
    if (state === "paused") return line("warn", "pause", t("feed.paused", { round }));
    if (state !== "running") return null; // the end has an event of its own
    return round ? line("info", "play", t("feed.continues", { round })) : line("info", "play", t("feed.starts"));
  },
  round_started: ({ round, hospitals }) =>
    line("info", "paper-plane", seesAll ? tn("feed.round_sent", hospitals.length, { round }) : t(hospitals.length ? "feed.round_sent_own" : "feed.round_sent_others", { round })),
  client_progress({ round, hospital, state, reason }) {
    const name = hospitalName(hospital);
    if (state === "done") return line("good", "check", t("feed.returned", { round, hospital: name }));
    if (state === "late") return line("warn", "clock", t("feed.late", { round, hospital: name }));
    if (state === "dropped") return line("bad", "xmark", t("feed.left_out", { round, hospital: name, reason: reasonWords(reason) }));
    return null;
  },
  round_finished({ round, hospitals, dropped, metrics, num_examples }) {
    const absent = Object.keys(dropped ?? {});
    const asked = hospitals.length + absent.length;
    const parts = [seesAll ? tn("feed.round_done", asked, { round, returned: hospitals.length, asked }) : t("feed.round_done_others", { round })];
    if (absent.length) parts.push(t("feed.without", { hospitals: list(absent.map(hospitalName)) }));
    if (metrics?.loss !== undefined) parts.push(t("feed.loss", { loss: metric(metrics.loss) }));
    if (!seesAll) parts.push(tn("count.scans", num_examples));
    return line(absent.length ? "warn" : "good", "flag", parts.join(t("feed.separator")));
  },
  run_finished({ state, round, rounds, reason }) {
    if (state === "finished") return line("good", "flag-checkered", tn("feed.run_finished", rounds));
    if (state === "failed") return line("bad", "circle-xmark", t("feed.run_failed", { round, reason: endWords(reason) }));
    return line("warn", "stop", round ? t("feed.run_stopped", { round, rounds }) : t("feed.run_stopped_early"));
  },
  notice: ({ message }) => line("warn", "circle-exclamation", noticeWords(message)),
  hospital_status({ hospital, state, scans, reason }) {
    const name = hospitalName(hospital);
    if (state === "opening") return line("info", "hospital", t("feed.opening", { hospital: name }));
    if (state === "ready") return line("good", "hospital", tn("feed.ready", scans, { hospital: name }));
    return line("bad", "hospital", t("feed.not_taking_part", { hospital: name, reason: reasonWords(reason) }));
  },
};

const NOTICES = [
  [/^(\S+) came to the end of (?:round|validation) (\d+) too late; its answer is refused$/, "notice.late"],
  [/^(\S+) did not validate: (.*)$/s, "notice.validation"],
];

function noticeWords(message) {
  for (const [pattern, key] of NOTICES) {
    const found = pattern.exec(message ?? "");
    if (found) return t(key, { hospital: hospitalName(found[1]), round: found[2], reason: reasonWords(found[2]) });
  }
  return message;
}

/** The feed in an element; screen readers hear what is added. */
export class Feed {
  #list;
  #log;
  #seen = new Set();
  #pauseAsked = new Set(); // runs that are to pause, and have not yet

  constructor(element) {
    this.element = element;
    this.#list = h("ol.feed-list");
    this.#log = h("div.feed", { role: "log", "aria-live": "polite", "aria-label": t("feed.title"), tabindex: 0, "data-testid": "feed" }, this.#list);
    this.clear();
  }

  clear() {
    this.#seen.clear();
    fill(this.#list);
    fill(this.element, h("p.muted.small.feed-none", {}, t("feed.none")));
  }

  /** Show events in order of time, each once. */
  add(events) {
    for (const event of events) this.#addOne(event);
    while (this.#list.children.length > MOST_LINES) this.#list.lastElementChild.remove();
  }

  /** Whether this only says that a pause is asked for, or no longer is: the training went on all the while. */
  #isOfPausing({ event, run_id: run, pending, state }) {
    if (event !== "training_status") return false;
    const wasAsked = this.#pauseAsked.delete(run);
    if (pending === "pause") this.#pauseAsked.add(run);
    return pending ? true : wasAsked && state === "running";
  }

  #addOne(event) {
    const words = this.#isOfPausing(event) ? null : sentence(event);
    const key = `${event.run_id}|${event.event}|${event.round}|${event.hospital ?? ""}|${event.state ?? ""}|${event.message ?? ""}`;
    if (!words || this.#seen.has(key)) return;
    this.#seen.add(key);
    if (!this.#list.isConnected) fill(this.element, this.#log);
    this.#list.prepend(
      h(
        `li.feed-item.feed-${words.tone}`,
        {},
        h("span.feed-mark", {}, icon(words.icon)),
        h("div.feed-text", {}, words.text, h("time.feed-time", { datetime: event.time, title: dateTime(event.time) }, clockTime(event.time))),
      ),
    );
  }
}
