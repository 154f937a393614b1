/* What is marked in a scan, as states that are never changed: {findings, isRead, dealt}. Pure; undo keeps whole states.
 *
 * `dealt` says of the model's candidates which were accepted or rejected here: id -> "accepted" | "rejected".
 */

import { distance } from "../viewer/grid.js";
import { heldDiameter } from "../viewer/marks.js";

export const NOTHING = { findings: [], isRead: false, dealt: {} };
const COMPARED = ["kind", "center_xyz_mm", "diameter_mm", "comment"];

export function added(state, finding) {
  return { ...state, findings: [...state.findings, { kind: "nodule", comment: "", origin: "click", ...finding }] };
}

export function changed(state, id, change) {
  return { ...state, findings: state.findings.map((one) => (one.id === id ? { ...one, ...change } : one)) };
}

export function removed(state, id) {
  return { ...state, findings: state.findings.filter((one) => one.id !== id) };
}

/** Candidates become findings, with ids of their own. */
export function accepted(state, candidates) {
  const dealt = { ...state.dealt };
  for (const { id } of candidates) dealt[id] = "accepted";
  const found = candidates.map(({ center_xyz_mm, diameter_mm }) => ({ id: newId(), kind: "nodule", center_xyz_mm, diameter_mm: heldDiameter(diameter_mm), comment: "", origin: "prediction" }));
  return { ...state, findings: [...state.findings, ...found], dealt };
}

export function rejected(state, id) {
  return { ...state, dealt: { ...state.dealt, [id]: "rejected" } };
}

/** Candidates that nobody has dealt with, from this probability on, and that are not marked already. */
export function openSuggestions(state, candidates, threshold) {
  const isMarked = (candidate) => state.findings.some((one) => distance(one.center_xyz_mm, candidate.center_xyz_mm) <= Math.max(one.diameter_mm, candidate.diameter_mm) / 2);
  return candidates.filter((one) => one.probability >= threshold && !state.dealt[one.id] && !isMarked(one));
}

/** Whether two states say the same about the scan. */
export function isSame(one, other) {
  return one.isRead === other.isRead && one.findings.length === other.findings.length && one.findings.every((finding, place) => finding.id === other.findings[place].id && isAlike(finding, other.findings[place]));
}

function isAlike(one, other) {
  return COMPARED.every((field) => JSON.stringify(one[field] ?? "") === JSON.stringify(other[field] ?? ""));
}

/**
 * Own changes put on top of what somebody else saved in the meantime. Of a finding that both changed, the own stays.
 * @param {{findings: any[], isRead: boolean}} base what both began with
 * @param {{findings: any[], isRead: boolean, dealt: object}} mine
 * @param {{findings: any[], isRead: boolean}} theirs
 * @returns {{state: any, theyAdded: number, theyChanged: number, theyRemoved: number, clashes: number}}
 */
export function rebased(base, mine, theirs) {
  const [was, here, there] = [base, mine, theirs].map(({ findings }) => new Map(findings.map((one) => [one.id, one])));
  const touched = (now, id) => (was.has(id) !== now.has(id) ? true : was.has(id) && !isAlike(was.get(id), now.get(id)));
  const ids = [...new Set([...there.keys(), ...here.keys()])];
  const findings = ids.map((id) => (touched(here, id) ? here.get(id) : there.get(id))).filter(Boolean);
  const all = [...new Set([...was.keys(), ...ids])];
  const isRead = mine.isRead === base.isRead ? theirs.isRead : mine.isRead;
  return {
    state: { ...mine, findings, isRead },
    theyAdded: [...there.keys()].filter((id) => !was.has(id)).length,
    theyChanged: [...there.keys()].filter((id) => was.has(id) && touched(there, id)).length,
    theyRemoved: [...was.keys()].filter((id) => !there.has(id)).length,
    clashes: all.filter((id) => touched(here, id) && touched(there, id)).length,
  };
}

/** 32 hexadecimal digits. Not crypto.randomUUID: a browser has that only on https. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
