/* Keeps the marks on the server, a moment after each change; of two people who change them, both keep what they did. */

import { api } from "../api.js";
import { NOTHING, isSame, rebased, stateOf, toSend } from "./marks.js";

const REST_MS = 500; // typing and pulling go on for so long without a change
const AGAIN_MS = 5000; // after the server could not be reached

export class Saver {
  #path;
  #hooks;
  #saved = NOTHING;
  #wanted = NOTHING;
  #version = null; // null: there is nothing yet that could be saved
  #timer = 0;
  #sending = null;

  /**
   * @param {string} predictionId
   * @param {{onMerge: (merge: (state: any) => any, theyChanged: number, author: string) => void,
   *   onSaved: (marks: any) => void, onWord: (word: "saved" | "saving" | "unsaved", message?: string) => void}} hooks
   *   `onMerge`: every state of the page has to go through `merge`; `onSaved`: the answer of the server
   */
  constructor(predictionId, hooks) {
    this.#path = `/api/predictions/${encodeURIComponent(predictionId)}/marks`;
    this.#hooks = hooks;
  }

  get isClean() {
    return isSame(this.#wanted, this.#saved);
  }

  /** A first read that was declared stays declared, whatever is undone: the marks have been seen. */
  get isDeclared() {
    return this.#wanted.isDeclared || this.#saved.isDeclared;
  }

  get version() {
    return this.#version;
  }

  /** What the server has: at first, and after a conflict. */
  take(marks) {
    const theirs = stateOf(marks);
    const before = this.#saved;
    const { theyChanged } = rebased(before, this.#wanted, theirs);
    this.#saved = theirs;
    this.#version = marks.version;
    this.#hooks.onSaved(marks);
    this.#hooks.onMerge((mine) => rebased(before, mine, theirs).state, theyChanged, marks.author);
  }

  /** The page's marks are these now. */
  want(state) {
    this.#wanted = { ...state, isDeclared: state.isDeclared || this.isDeclared };
    if (this.#version === null) return;
    if (this.isClean && !this.#sending) return this.#hooks.onWord("saved");
    this.#hooks.onWord("unsaved");
    this.#later(REST_MS);
  }

  /** Save now what is not saved yet; resolves when it is. Rejects with the sentence why not. */
  async flush() {
    clearTimeout(this.#timer);
    while (this.#version !== null && (this.#sending || !this.isClean)) {
      this.#sending ??= this.#send().finally(() => (this.#sending = null));
      await this.#sending;
    }
  }

  #later(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush().catch((error) => this.#failed(error)), milliseconds);
  }

  async #send() {
    const sent = this.#wanted;
    this.#hooks.onWord("saving");
    const body = { version: this.#version, items: toSend(sent, this.#saved), first_read_declared: sent.isDeclared };
    try {
      const marks = await api.put(this.#path, body);
      // What was sent, not what came back: the server trims comments, and that is no reason to send them again.
      this.#saved = sent;
      this.#version = marks.version;
      this.#hooks.onSaved(marks);
      if (this.isClean) this.#hooks.onWord("saved");
    } catch (error) {
      if (error.status !== 409 || !error.content?.marks) throw error;
      this.take(error.content.marks);
    }
  }

  #failed(error) {
    this.#hooks.onWord("unsaved", error.message);
    const isOurFault = error.status >= 400 && error.status < 500 && error.status !== 429;
    if (!isOurFault) this.#later(AGAIN_MS);
  }
}
