/* One live connection for the page.
 *
 * A page subscribes with `snapshot` and `event`. First comes a snapshot of everything (GET /api/status) with the number
 * `seq` of the last event in it, then events with the following numbers. After a gap or a lost connection the snapshot
 * is fetched again, so a page never shows less than the server knows. Without a socket (too many are open, a proxy
 * refuses them) the snapshot is fetched every few seconds instead. A tab that is not seen asks for nothing, and gives
 * its socket back after some minutes.
 */

import { api, ApiError } from "./api.js";
import { t } from "./i18n.js";
import { OrderedEvents } from "./ordered_events.js";
import { io } from "../vendor/socket.io-client/socket.io.esm.min.js";

const POLL_SECONDS = 5;
const REFUSED_AGAIN_SECONDS = 30;
const HIDDEN_GIVES_UP_SECONDS = 300;

/** State of the connection -> colour of the dot beside its words. */
const STATES = { connecting: "warn", live: "good", reconnecting: "warn", polling: "warn", offline: "bad", resting: "warn" };

class Live {
  #subscribers = [];
  #socket = null;
  #pollTimer = 0;
  #hiddenTimer = 0;
  #latest = null; // for those who subscribe later
  #events = new OrderedEvents({
    fetch: (since) => this.#fetch(since),
    onSnapshot: (status) => this.#tell("snapshot", (this.#latest = status)),
    onEvent: (event) => this.#tell("event", event),
  });
  state = "connecting";

  /**
   * @param {{snapshot?: (status: any) => void, event?: (event: any) => void, state?: (state: string) => void}} subscriber
   */
  subscribe(subscriber) {
    this.#subscribers.push(subscriber);
    if (this.#latest) subscriber.snapshot?.(this.#latest);
    subscriber.state?.(this.state);
  }

  start() {
    this.#connect();
    this.resync();
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
  }

  /** Fetch the snapshot (again) and go on from its number. */
  resync() {
    return this.#events.resync();
  }

  #tell(what, value) {
    for (const subscriber of this.#subscribers) subscriber[what]?.(value);
  }

  #connect() {
    this.#socket = io({ transports: ["websocket", "polling"], tryAllTransports: true, reconnectionDelayMax: 20_000 });
    this.#socket.on("connect", () => {
      this.#stopPolling();
      this.#setState("live");
      this.resync();
    });
    this.#socket.on("disconnect", (reason) => this.#disconnected(reason));
    this.#socket.on("connect_error", () => this.#refused());
    this.#socket.onAny((name, event) => this.#events.take({ event: name, ...event }));
  }

  #disconnected(reason) {
    if (reason === "io client disconnect") return;
    this.#setState("reconnecting");
    if (reason === "io server disconnect") {
      // The server ended this session, or is about to restart; the snapshot tells which: 401 leads to the sign-in page.
      this.resync().finally(() => setTimeout(() => this.#socket.connect(), 1000));
    }
  }

  #refused() {
    this.#startPolling();
    if (!this.#socket.active) setTimeout(() => this.#socket.connect(), REFUSED_AGAIN_SECONDS * 1000);
  }

  async #fetch(since) {
    try {
      const status = await api.get(since === null ? "/api/status" : `/api/status?since=${since}`);
      if (this.state === "offline") this.#setState(this.#socket.connected ? "live" : "polling");
      return status;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.#socket.connected) this.#setState("offline");
      this.#startPolling();
      return null;
    }
  }

  #startPolling() {
    if (this.#pollTimer || this.#socket.connected) return;
    if (this.state !== "offline") this.#setState("polling");
    const poll = async () => {
      if (!document.hidden) await this.resync();
      if (this.#pollTimer) this.#pollTimer = window.setTimeout(poll, POLL_SECONDS * 1000);
    };
    this.#pollTimer = window.setTimeout(poll, POLL_SECONDS * 1000);
  }

  #stopPolling() {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = 0;
  }

  #visibilityChanged() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = window.setTimeout(() => {
        this.#setState("resting");
        this.#stopPolling();
        this.#socket.disconnect();
      }, HIDDEN_GIVES_UP_SECONDS * 1000);
    } else if (this.state === "resting") {
      this.#setState("connecting");
      this.#socket.connect();
      this.resync();
    } else if (!this.#socket.connected) {
      this.resync();
    }
  }

  #setState(state) {
    this.state = state;
    this.#tell("state", state);
  }
}

export const live = new Live();

/** Show the state of the connection in every [data-connection]. */
export function showConnection() {
  live.subscribe({
    state(state) {
      for (const place of document.querySelectorAll("[data-connection]")) {
        place.dataset.state = state;
        place.querySelector(".dot").className = `dot dot-${STATES[state]}`;
        place.querySelector("[data-words]").textContent = t(`connection.${state}`);
      }
    },
  });
}
