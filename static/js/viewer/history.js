/* Undo and redo of whole states. A state is never changed, only replaced: it may share parts with the others. */

const MOST = 200;

export class History {
  #past = [];
  #future = [];
  #now;
  #onChange;

  /**
   * @param {any} state what there is at first
   * @param {(state: any) => void} [onChange] is told every state that comes by `push`, `undo`, `redo` or `reset`
   */
  constructor(state, onChange = () => {}) {
    this.#now = state;
    this.#onChange = onChange;
  }

  get state() {
    return this.#now;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * A new state; what was undone can no longer be redone.
   * @param {any} state
   * @param {string} [joins] a state with the same word as the one before it is one step with it: typing in one field
   */
  push(state, joins = "") {
    if (!joins || joins !== this.#past.at(-1)?.joins || this.#future.length) this.#past.push({ state: this.#now, joins });
    if (this.#past.length > MOST) this.#past.shift();
    this.#future = [];
    this.#become(state);
  }

  undo() {
    if (!this.canUndo) return;
    const { state, joins } = this.#past.pop();
    this.#future.push({ state: this.#now, joins });
    this.#become(state);
  }

  redo() {
    if (!this.canRedo) return;
    const { state, joins } = this.#future.pop();
    this.#past.push({ state: this.#now, joins });
    this.#become(state);
  }

  /**
   * What came from outside is in every state, so that no step back takes it away.
   * @param {(state: any) => any} change
   */
  rebase(change) {
    for (const step of [...this.#past, ...this.#future]) step.state = change(step.state);
    this.#become(change(this.#now));
  }

  /** Begin anew: there is nothing to undo. */
  reset(state) {
    this.#past = [];
    this.#future = [];
    this.#become(state);
  }

  #become(state) {
    this.#now = state;
    this.#onChange(state);
  }
}
