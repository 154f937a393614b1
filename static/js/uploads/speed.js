/* How fast bytes go, seen over the last seconds. */

const WINDOW_SECONDS = 8;

export class Speed {
  #samples = [];

  /** Note that `bytes` in all were sent at `seconds`. A lower number (begun again) forgets what was. */
  note(bytes, seconds) {
    if (this.#samples.length && bytes < this.#samples.at(-1).bytes) this.#samples = [];
    this.#samples.push({ bytes, seconds });
    while (this.#samples.length > 2 && this.#samples[1].seconds <= seconds - WINDOW_SECONDS) this.#samples.shift();
  }

  /** Bytes per second; null as long as it cannot be known. */
  get bytesPerSecond() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || last.seconds - first.seconds < 0.5) return null;
    return (last.bytes - first.bytes) / (last.seconds - first.seconds);
  }

  /** Seconds that `bytes` more will take; null as long as it cannot be known. */
  secondsFor(bytes) {
    const speed = this.bytesPerSecond;
    return speed ? bytes / speed : null;
  }
}
