/* Events on top of a snapshot, in the order of their numbers and without a hole. */

const MOST_BUFFERED = 2000;

export class OrderedEvents {
  #seq = null; // number of the last event that was applied; null: no snapshot yet
  #early = []; // events that came while a snapshot is on its way
  #fetching = null;
  #fetch;
  #onSnapshot;
  #onEvent;

  /**
   * @param {{fetch: (since: number | null) => Promise<any>, onSnapshot: (status: any) => void, onEvent: (event: any) => void}} parts
   *   `fetch` gives a snapshot with the number `seq` of the last event in it, or null when there is none to be had
   */
  constructor({ fetch, onSnapshot, onEvent }) {
    this.#fetch = fetch;
    this.#onSnapshot = onSnapshot;
    this.#onEvent = onEvent;
  }

  /** Take an event that came. What is older than the snapshot is in it already; after a hole the snapshot is fetched again. */
  take(event) {
    if (typeof event.seq !== "number") return;
    if (this.#seq === null || this.#fetching) {
      if (this.#early.length >= MOST_BUFFERED) this.#early = []; // the next snapshot will have it all, or show the hole
      this.#early.push(event);
    } else if (event.seq === this.#seq + 1) {
      this.#seq = event.seq;
      this.#onEvent(event);
    } else if (event.seq > this.#seq) {
      this.resync();
    }
  }

  /** Fetch the snapshot (again) and go on from its number; true when there was one. */
  resync() {
    this.#fetching ??= this.#fetchSnapshot();
    return this.#fetching;
  }

  async #fetchSnapshot() {
    let status = null;
    try {
      status = await this.#fetch(this.#seq);
    } finally {
      this.#fetching = null;
    }
    if (status === null) return false;
    this.#seq = status.seq;
    this.#onSnapshot(status);
    const early = this.#early;
    this.#early = [];
    for (const event of early) this.take(event);
    return true;
  }
}
