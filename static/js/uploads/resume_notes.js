/* What this browser remembers of unfinished uploads, so that the same files go on where they stopped.
 *
 * Only a hash stands for a file: names of files may be names of patients, and the computer may be shared. */

import { sha256 } from "../../vendor/noble-hashes/sha2.js";

const KEY = "fedlung_uploads";
const KEPT_MS = 72 * 3_600_000; // the server sweeps what is older

export class ResumeNotes {
  #hospital;

  constructor(hospital) {
    this.#hospital = hospital;
  }

  /** {url, group} of an unfinished upload of this file; undefined where none is known. */
  find(entry) {
    return this.#read()[this.#nameless(entry)];
  }

  note(entry, url, group) {
    this.#change((notes) => (notes[this.#nameless(entry)] = { url, group, time: Date.now() }));
  }

  forget(entries) {
    this.#change((notes) => entries.forEach((entry) => delete notes[this.#nameless(entry)]));
  }

  #nameless({ path, file }) {
    const text = JSON.stringify([this.#hospital, path, file.size, file.lastModified]);
    return Array.from(sha256(new TextEncoder().encode(text)).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #read() {
    try {
      const notes = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      return Object.fromEntries(Object.entries(notes).filter(([, { time }]) => time > Date.now() - KEPT_MS));
    } catch {
      return {}; // storage is forbidden, or somebody else's writing
    }
  }

  #change(change) {
    const notes = this.#read();
    change(notes);
    try {
      localStorage.setItem(KEY, JSON.stringify(notes));
    } catch {
      // Without storage an upload goes on as long as the page is open.
    }
  }
}
