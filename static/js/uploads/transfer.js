/* Sending the files of one scan: each as a resumable upload (tus 1.0), its hash meanwhile, and at the end "these belong
 * together". A broken line or a server that restarts is waited for. */

import { api, ApiError, toSignIn, token } from "../api.js";
import { t } from "../i18n.js";
import { Speed } from "./speed.js";

const PIECE_BYTES = 8 * 1024 * 1024; // of one request
const FILES_AT_ONCE = 3; // of the page; a browser has six connections to a server, and the page needs some
const WAIT_MS = [500, 1000, 2000, 3000, ...Array(360).fill(5000)]; // half an hour
const SHOWN_EVERY_MS = 250;
const FOR_EVER = new Set([507]); // a full disk: a person has to do something first

const waiting = [];
let sending = 0;

/** Run `task` when fewer than FILES_AT_ONCE are running. */
async function inTurn(task) {
  if (sending >= FILES_AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  sending += 1;
  try {
    return await task();
  } finally {
    sending -= 1;
    waiting.shift()?.();
  }
}

/** Files that the worker is hashing: id -> what waits for it. One worker for the page. */
const hashing = new Map();
let worker = null;

function hashOf(file) {
  if (!worker) {
    worker = new Worker(new URL("hash_worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, sha256 } }) => {
      hashing.get(id)(sha256);
      hashing.delete(id);
    };
    worker.onerror = () => {
      for (const tell of hashing.values()) tell(null); // the server has hashes of its own
      hashing.clear();
    };
  }
  const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  return new Promise((resolve) => {
    hashing.set(id, resolve);
    worker.postMessage({ id, file });
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Transfer {
  #parts; // one per file: {entry, upload, end, sent, url, hash}
  #notes;
  #onChange;
  #speed = new Speed();
  #shown = 0;
  state = "sending"; // then waiting (for the line), finishing, sent; or failed, cancelled
  error = "";

  /**
   * @param group of recognize.js
   * @param {{id: string, notes: any, onChange: () => void}} options `id`: what the server calls the group
   */
  constructor(group, { id, notes, onChange }) {
    this.id = id;
    this.name = group.name;
    this.#notes = notes;
    this.#onChange = onChange;
    this.#parts = group.entries.map((entry) => {
      const known = notes.find(entry);
      return { entry, upload: null, end: null, sent: 0, url: known?.group === id ? known.url : null, hash: null };
    });
    this.bytes = this.#parts.reduce((sum, { entry }) => sum + entry.file.size, 0);
  }

  get files() {
    return this.#parts.length;
  }

  get sent() {
    return this.#parts.reduce((sum, part) => sum + part.sent, 0);
  }

  get bytesPerSecond() {
    return this.state === "sending" ? this.#speed.bytesPerSecond : null;
  }

  get secondsLeft() {
    return this.state === "sending" ? this.#speed.secondsFor(this.bytes - this.sent) : null;
  }

  get isUnderWay() {
    return ["sending", "waiting", "finishing"].includes(this.state);
  }

  /** Send everything, or what is left of it. */
  async start() {
    this.#become("sending");
    try {
      await Promise.all(this.#parts.map((part) => inTurn(() => this.#send(part))));
      if (this.state === "cancelled") return;
      this.#become("finishing");
      await this.#finish();
      this.#notes.forget(this.#parts.map(({ entry }) => entry));
      this.#become("sent");
    } catch (error) {
      if (this.state === "cancelled") return;
      this.#stop();
      this.error = error instanceof Error ? error.message : String(error);
      this.#become("failed");
    }
  }

  /** End it, and take back from the server what it has. */
  async cancel() {
    this.#become("cancelled");
    this.#notes.forget(this.#parts.map(({ entry }) => entry));
    this.#stop();
    for (const { url } of this.#parts) if (url) await api.remove(new URL(url).pathname).catch(() => {}); // else it is swept later
  }

  #send(part) {
    if (this.state === "cancelled" || this.state === "failed") return null;
    part.hash ??= hashOf(part.entry.file);
    if (part.sent === part.entry.file.size && part.upload) return null; // before a second try
    return new Promise((resolve, reject) => {
      part.end = resolve;
      part.upload = new window.tus.Upload(part.entry.file, {
        endpoint: new URL("/api/uploads", location.href).href,
        uploadUrl: part.url,
        chunkSize: PIECE_BYTES,
        uploadDataDuringCreation: part.entry.file.size <= PIECE_BYTES, // one request for each slice of a DICOM folder
        retryDelays: WAIT_MS,
        storeFingerprintForResuming: false, // resume_notes.js does, without names
        headers: { "X-CSRFToken": token(), Accept: "application/json" },
        metadata: { filename: part.entry.path, group: this.id },
        onUploadUrlAvailable: () => this.#began(part),
        onProgress: (sent) => this.#progressed(part, sent),
        onShouldRetry: (error) => this.#waits(error),
        onError: (error) => reject(new ApiError(sentenceOf(error), { status: statusOf(error) })),
        onSuccess: () => {
          part.sent = part.entry.file.size;
          resolve();
        },
      });
      part.upload.start();
    });
  }

  /** Requests under way end; what waits for them goes on at once. */
  #stop() {
    for (const { upload, end } of this.#parts) {
      upload?.abort();
      end?.();
    }
  }

  #began(part) {
    part.url = part.upload.url;
    this.#notes.note(part.entry, part.url, this.id);
    if (this.state === "waiting") this.#become("sending");
  }

  #progressed(part, sent) {
    part.sent = sent;
    if (this.state === "waiting") this.#become("sending");
    const now = performance.now();
    if (now - this.#shown < SHOWN_EVERY_MS) return;
    this.#shown = now;
    this.#speed.note(this.sent, now / 1000);
    this.#onChange();
  }

  /** Whether the same is tried again: when the line or the server is away, not when the server has refused. */
  #waits(error) {
    const status = statusOf(error);
    if (status === 401) toSignIn();
    const again = !FOR_EVER.has(status) && (status === 0 || status >= 500 || [409, 423, 429, 460].includes(status));
    if (again && this.state === "sending") this.#become("waiting");
    return again;
  }

  async #finish() {
    const ids = this.#parts.map(({ url }) => new URL(url).pathname.split("/").at(-1));
    const hashes = await Promise.all(this.#parts.map(({ hash }) => hash));
    const sha256 = Object.fromEntries(ids.map((id, index) => [id, hashes[index]]).filter(([, hash]) => hash));
    for (const ms of WAIT_MS) {
      try {
        await api.post(`/api/uploads/${ids[0]}/finish`, { files: ids, sha256 });
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status && error.status < 500) || FOR_EVER.has(error.status)) throw error;
        await pause(ms);
        if (this.state === "cancelled") return;
      }
    }
    throw new ApiError(t("error.unreachable"));
  }

  #become(state) {
    this.state = state;
    this.#onChange();
  }
}

const statusOf = (error) => error.originalResponse?.getStatus() ?? 0;

/** What the server says, else in our words. */
function sentenceOf(error) {
  const status = statusOf(error);
  if (!status) return t("error.unreachable");
  try {
    return JSON.parse(error.originalResponse.getBody()).error.message;
  } catch {
    return t("error.status", { status });
  }
}
