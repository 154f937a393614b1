/* The marks of a prediction as states that are never changed: {items, isDeclared}. Pure; undo keeps whole states.
 *
 * An item: {id, source: "model" | "reader", center_xyz_mm, diameter_mm, status: "open" | "accepted" | "rejected", comment}.
 * Who changed it, and when, is the server's to say (`signaturesOf`), and no part of a state.
 */

export const NOTHING = { items: [], isDeclared: false };
const COMPARED = ["center_xyz_mm", "diameter_mm", "status", "comment"];

/** What the server tells -> a state. */
export function stateOf({ items, first_read_declared: isDeclared }) {
  return { items: items.map(({ author, time, ...item }) => item), isDeclared };
}

/** Id -> {author, time} of the last change. */
export function signaturesOf({ items }) {
  return new Map(items.filter(({ author }) => author).map(({ id, author, time }) => [id, { author, time }]));
}

export function added(state, { id, center_xyz_mm, diameter_mm }) {
  const item = { id, source: "reader", center_xyz_mm, diameter_mm, status: "accepted", comment: "" };
  return { ...state, items: [...state.items, item] };
}

export function changed(state, id, change) {
  return { ...state, items: state.items.map((item) => (item.id === id ? { ...item, ...change } : item)) };
}

/** Only a reader's own mark can go; one of the model can be rejected. */
export function removed(state, id) {
  return { ...state, items: state.items.filter((item) => item.id !== id || item.source !== "reader") };
}

export const declared = (state) => ({ ...state, isDeclared: true });

export function isAlike(one, other) {
  return COMPARED.every((field) => JSON.stringify(one[field]) === JSON.stringify(other[field]));
}

/** Whether two states say the same about the scan, in whatever order. */
export function isSame(one, other) {
  if (one.isDeclared !== other.isDeclared || one.items.length !== other.items.length) return false;
  const there = byId(other);
  return one.items.every((item) => there.has(item.id) && isAlike(item, there.get(item.id)));
}

/** What has to be sent: readers' marks (who is missing was removed), and those of the model that changed. */
export function toSend(state, saved) {
  const before = byId(saved);
  return state.items.filter((item) => item.source === "reader" || !before.has(item.id) || !isAlike(item, before.get(item.id)));
}

/**
 * Own changes on top of what somebody else saved in the meantime; of a mark that both changed, the own stays.
 * @returns {{state: any, theyChanged: number}}
 */
export function rebased(base, mine, theirs) {
  const [was, here, there] = [base, mine, theirs].map(byId);
  const touched = (now, id) => (was.has(id) !== now.has(id) ? true : was.has(id) && !isAlike(was.get(id), now.get(id)));
  const ids = [...new Set([...there.keys(), ...here.keys()])];
  const items = ids.map((id) => (touched(here, id) ? here.get(id) : there.get(id))).filter(Boolean);
  const theyChanged = [...new Set([...was.keys(), ...there.keys()])].filter((id) => touched(there, id)).length;
  return { state: { items, isDeclared: mine.isDeclared || theirs.isDeclared }, theyChanged };
}

/** Whether a mark is where and as large as the model said: only then its measures hold. */
export function isAsFound(item, candidate) {
  return Boolean(candidate) && item.diameter_mm === candidate.diameter_mm && JSON.stringify(item.center_xyz_mm) === JSON.stringify(candidate.center_xyz_mm);
}

export const ballVolume = (diameter_mm) => (Math.PI / 6) * diameter_mm ** 3;

/**
 * The rows of the table: marks that people judged or added, and open ones from the threshold on; the surest first.
 * @param {any} state
 * @param {any[]} candidates of the model, the surest first
 * @param {{threshold: number, isHidden: boolean, isOwn?: (id: string) => boolean}} view `isHidden`: only what this reader added
 * @returns {{rows: any[], numBelow: number}} `numBelow`: open marks under the threshold
 */
export function rowsOf(state, candidates, { threshold, isHidden, isOwn = () => true }) {
  const numbers = new Map(candidates.map((candidate, place) => [candidate.id, { candidate, label: String(place + 1) }]));
  let readers = 0;
  const all = state.items.map((item) => {
    const { candidate = null, label = `R${(readers += 1)}` } = numbers.get(item.id) ?? {};
    const measured = isAsFound(item, candidate);
    return { ...item, label, candidate, isMeasured: measured, probability: candidate?.probability ?? null, volume_mm3: measured ? candidate.volume_mm3 : ballVolume(item.diameter_mm) };
  });
  const own = all.filter(({ source }) => source === "reader");
  if (isHidden) return { rows: own.filter(({ id }) => isOwn(id)), numBelow: 0 }; // a colleague may have seen the model's
  const models = all.filter(({ source }) => source !== "reader");
  const isShown = ({ status, probability }) => status !== "open" || probability >= threshold;
  const shown = models.filter(isShown).sort((one, other) => other.probability - one.probability);
  return { rows: [...shown, ...own], numBelow: models.length - shown.length };
}

const byId = ({ items }) => new Map(items.map((item) => [item.id, item]));
