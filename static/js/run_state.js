/* A run as the pages know it, and how events change it. Pure functions: the same event twice changes nothing more. */

const ROUNDS_THAT_COUNT = 6;
export const ACTIVE = ["queued", "running", "paused"];
export const isActive = (run) => Boolean(run) && ACTIVE.includes(run.state);

/** The run after `event`, which belongs to it; the same object when nothing changed. */
export function applyEvent(run, event) {
  if (!run || event.run_id !== run.id) return run;
  const change = CHANGES[event.event];
  return change ? change(run, event) : run;
}

/** Does `event` speak of a run that this page does not know? */
export function isNews(run, event) {
  return Boolean(event.run_id) && event.run_id !== run?.id && ["training_status", "round_started"].includes(event.event);
}

const CHANGES = {
  training_status: (run, { state, round, rounds, reason = "", pending = null }) => ({ ...run, state, round, rounds, reason, pending }),
  hospital_status: (run, { hospital, state, scans, reason }) => {
    if (state === "ready") return { ...run, scans: { ...run.scans, [hospital]: scans } };
    return state === "left_out" ? { ...run, left_out: { ...run.left_out, [hospital]: reason } } : run;
  },
  round_started: (run, { round, rounds, hospitals, learning_rate }) => {
    if (run.current?.round === round) return run;
    const waiting = Object.fromEntries(hospitals.map((id) => [id, { state: "waiting", fraction: 0, reason: "" }]));
    return { ...run, rounds, current: { round, learning_rate, hospitals: waiting } };
  },
  client_progress: (run, { round, hospital, state, fraction, reason }) => {
    if (run.current?.round !== round) return run;
    const before = run.current.hospitals[hospital];
    if (before && before.state !== "waiting" && before.state !== "training") return run; // its round is over
    const hospitals = { ...run.current.hospitals, [hospital]: { ...before, state, fraction, reason } };
    return { ...run, current: { ...run.current, hospitals } };
  },
  round_finished: (run, event) => {
    const records = [...run.records.filter((record) => record.round < event.round), event];
    const current = run.current && run.current.round > event.round ? run.current : null;
    return { ...run, rounds: event.rounds, round: event.round, records, current };
  },
  run_finished: (run, { state, round, reason = "", model_id: model = null }) => {
    const ended = { state, round, reason, current: null, eta_seconds: null, worked_seconds: null, pending: null };
    return { ...run, ...ended, model_id: model ?? run.model_id };
  },
};

/** Ids of the hospitals of a run, in one order everywhere. */
export function hospitalsOf(run) {
  const ids = new Set([...Object.keys(run.scans ?? {}), ...Object.keys(run.left_out ?? {})]);
  for (const record of run.records ?? []) {
    for (const result of record.hospitals) ids.add(result.hospital);
    for (const id of Object.keys(record.dropped ?? {})) ids.add(id);
  }
  for (const id of Object.keys(run.current?.hospitals ?? {})) ids.add(id);
  return [...ids].sort();
}

const LATE = /^(no answer within|late answer|still busy)/;

/** What became of one hospital in one round: {state, fraction?, reason?, seconds?}. */
export function cellOf(run, hospital, round) {
  const record = run.records.find((one) => one.round === round);
  if (record) return recordedCell(run, record, hospital);
  if (run.current?.round === round) {
    const now = run.current.hospitals[hospital];
    if (!now) return notAsked(run, hospital);
    return ["dropped", "late"].includes(now.state) ? leftOut(now.reason) : { ...now };
  }
  if (run.left_out?.[hospital]) return notAsked(run, hospital);
  return { state: isActive(run) && round > run.round ? "future" : "unasked" };
}

/** Nobody asked it: it was not drawn for this round, or could not take part in the run at all. */
function notAsked(run, hospital) {
  const reason = run.left_out?.[hospital];
  return reason ? { state: "refused", reason } : { state: "unasked" };
}

function recordedCell(run, record, hospital) {
  const result = record.hospitals.find((one) => one.hospital === hospital);
  if (result) return { state: "done", seconds: result.seconds };
  const reason = record.dropped?.[hospital];
  return reason === undefined ? notAsked(run, hospital) : leftOut(reason);
}

function leftOut(reason) {
  return { state: LATE.test(reason) ? "late" : "refused", reason };
}

/** Seconds until the run ends, from the pace of its last rounds; null when nobody can tell yet. */
export function secondsLeft(run, now = Date.now()) {
  if (run.state !== "running" || run.pending === "stop") return null;
  const times = run.records.slice(-ROUNDS_THAT_COUNT).map((record) => Date.parse(record.time));
  if (times.length < 2) return run.eta_seconds ?? null;
  const last = times[times.length - 1];
  const pace = (last - times[0]) / 1000 / (times.length - 1);
  const since = Math.min(pace, Math.max(0, (now - last) / 1000));
  return Math.max(0, pace * (run.rounds - run.round) - since);
}

/** Share of the run that is done, the current round included, 0 to 1. */
export function shareDone(run) {
  if (!run.rounds) return 0;
  const cells = Object.values(run.current?.hospitals ?? {});
  const shares = cells.map(({ state, fraction }) => (state === "waiting" || state === "training" ? fraction : 1));
  const current = shares.length ? shares.reduce((sum, share) => sum + share, 0) / shares.length : 0;
  return Math.min(1, (run.round + current) / run.rounds);
}
