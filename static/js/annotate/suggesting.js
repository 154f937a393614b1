/* Asking the model in use for candidates: a prediction is queued, its progress comes over the live connection. */

import { api } from "../api.js";
import { live } from "../live.js";

const ASK_AGAIN_SECONDS = 3; // where the live connection is away, or missed something

/** Progress, end or failure of one prediction; resolves with the whole prediction when it has ended. */
export class Suggesting {
  #id = null;
  #wake = () => {};

  /** @param {(prediction: {state: string, stage?: string, progress?: number, queue_position?: number}) => void} onProgress */
  constructor(onProgress) {
    this.onProgress = onProgress;
    live.subscribe({ event: (event) => this.#hear(event) });
  }

  async ask(scanId) {
    let prediction = await api.post("/api/predictions", { scan_id: scanId });
    this.#id = prediction.id;
    while (prediction.state === "queued" || prediction.state === "running") {
      this.onProgress(prediction);
      await this.#news();
      prediction = await api.get(`/api/predictions/${encodeURIComponent(this.#id)}`);
    }
    this.#id = null;
    // The answer of POST tells the state only.
    return prediction.candidates || prediction.state === "failed" ? prediction : api.get(`/api/predictions/${encodeURIComponent(prediction.id)}`);
  }

  #hear(event) {
    if (event.prediction_id !== this.#id || !this.#id) return;
    if (event.event === "prediction_progress") this.onProgress({ state: "running", ...event });
    if (event.event === "prediction_finished") this.#wake();
  }

  #news() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ASK_AGAIN_SECONDS * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
