/* What was not saved is kept in this browser, per person and scan, with the version that it began from. */

const MOST_DAYS = 14;
const PREFIX = "fedlung_marks";
const keyOf = (user, scan) => `${PREFIX} ${user} ${scan}`;

/** @param {{version: number, base: object, mine: object}} draft */
export function keepDraft(user, scan, draft) {
  try {
    localStorage.setItem(keyOf(user, scan), JSON.stringify({ ...draft, time: Date.now() }));
  } catch {
    // Storage is full or forbidden: the page says "not saved yet" anyway.
  }
}

/** @returns {{version: number, base: object, mine: object, time: number} | null} */
export function draftOf(user, scan, now = Date.now()) {
  try {
    dropOldDrafts(now);
    return JSON.parse(localStorage.getItem(keyOf(user, scan)) ?? "null");
  } catch {
    return null;
  }
}

export function dropDraft(user, scan) {
  try {
    localStorage.removeItem(keyOf(user, scan));
  } catch {
    // Nothing was kept, then.
  }
}

function dropOldDrafts(now) {
  for (const key of Object.keys(localStorage).filter((one) => one.startsWith(`${PREFIX} `))) {
    const { time = 0 } = JSON.parse(localStorage.getItem(key)) ?? {};
    if (now - time > MOST_DAYS * 86_400_000) localStorage.removeItem(key);
  }
}
