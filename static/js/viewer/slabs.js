/* Fetching a volume slab by slab, the nearest to where the reader looks first; several at once. */

const AT_ONCE = 3; // the server has other things to do, too
const TRIES = 4;
const FIRST_PAUSE_MS = 500; // doubled from try to try: a server that restarts is back in seconds

/** A slab that is not what it should be. */
export class SlabError extends Error {}

/** Number of the slab that is wanted next: the one nearest to `near`, or -1 when none is left. */
export function nextSlab(wanted, near) {
  let best = -1;
  for (const slab of wanted) if (best < 0 || Math.abs(slab - near) < Math.abs(best - near)) best = slab;
  return best;
}

/**
 * Copy a stream of bytes to where they belong, piece by piece: there is never a second copy of a slab.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {Uint8Array} place is filled to its end
 */
export async function pour(stream, place) {
  let filled = 0;
  const reader = stream.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    filled += piece.value.length;
    if (filled > place.length) break;
    place.set(piece.value, filled - piece.value.length);
  }
  if (filled !== place.length) {
    reader.cancel().catch(() => {}); // the rest is of no use
    throw new SlabError(`${place.length} bytes expected, ${filled} came`);
  }
}

/**
 * Fetch what `volume` does not have yet, and put it there.
 * @param {import("./volume.js").Volume} volume
 * @param {{fetchSlab: (slab: number, place: Uint8Array) => Promise<void>, near: () => number, onSlab: (slab: number) => void,
 *   signal: AbortSignal, pause?: (milliseconds: number) => Promise<void>}} parts
 *   `fetchSlab` fills `place`; `near` is the slab that the reader looks at now; an error with `isFinal` is not tried again
 */
export async function loadSlabs(volume, { fetchSlab, near, onSlab, signal, pause = sleep }) {
  const wanted = new Set();
  for (let slab = 0; slab < volume.slabs; slab += 1) if (!volume.hasSlab(slab)) wanted.add(slab);
  let isFailed = false;

  async function takeTurns() {
    while (wanted.size && !isFailed && !signal.aborted) {
      const slab = nextSlab(wanted, near());
      wanted.delete(slab);
      await fetchPatiently(slab);
      if (signal.aborted) return;
      volume.isThere(slab);
      onSlab(slab);
    }
  }

  async function fetchPatiently(slab) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await fetchSlab(slab, volume.placeOf(slab));
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        if (error.isFinal || attempt === TRIES) {
          isFailed = true;
          throw error;
        }
        await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      }
    }
  }

  const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, takeTurns));
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed && !signal.aborted) throw failed.reason;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
