/* One prediction on its way: what is known of it, over the live connection or by asking again. */

import { api } from "../api.js";
import { live } from "../live.js";

const ASK_AGAIN_MS = 3000; // where the live connection is away, or missed something

export const isUnderWay = ({ state }) => state === "queued" || state === "running";
export const predictionPath = (id, action = "") => `/api/predictions/${encodeURIComponent(id)}${action}`;

/**
 * Tell `onNews` of a prediction until it has ended.
 * @param {string} id
 * @param {(prediction: any) => void} onNews is given the prediction, or what changed of it: {state, stage, progress}
 * @returns {Promise<any>} the whole prediction, ended; rejects when it cannot be had at first
 */
export async function follow(id, onNews) {
  let wake = () => {};
  live.subscribe({
    event(event) {
      if (event.prediction_id !== id) return;
      if (event.event === "prediction_progress") onNews({ state: "running", stage: event.stage, progress: event.progress });
      if (event.event === "prediction_finished") wake();
    },
  });
  let prediction = await api.get(predictionPath(id));
  onNews(prediction);
  while (isUnderWay(prediction)) {
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, ASK_AGAIN_MS);
    });
    prediction = await api.get(predictionPath(id)).catch(() => prediction); // the page says that it is offline
    onNews(prediction);
  }
  return prediction;
}
