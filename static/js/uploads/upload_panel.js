/* The upload part of the hospital's page: choose or drop, look what belongs together, send, see what came of it. */

import { api } from "../api.js";
import { byId, whileVisible } from "../dom.js";
import { t } from "../i18n.js";
import { attempt, toast } from "../toasts.js";
import { ofDrop, ofInput } from "./chosen_files.js";
import { ChosenList } from "./chosen_list.js";
import { ResumeNotes } from "./resume_notes.js";
import { Transfer } from "./transfer.js";
import { UploadRows } from "./upload_rows.js";

const BUSY_SECONDS = 2; // between questions while the server checks something: also without a live connection

export class UploadPanel {
  #chosen;
  #rows;
  #notes;

  /**
   * @param {{hospital: string, onOpen: (scanId: string) => void, onScans: () => void, onAnnotations: (file: File) => void}} options
   *   `onScans`: new scans may be there
   */
  constructor({ hospital, onOpen, onScans, onAnnotations }) {
    this.onScans = onScans;
    this.#notes = new ResumeNotes(hospital);
    this.#chosen = new ChosenList(byId("upload-chosen"), { notes: this.#notes, onSend: (groups) => groups.forEach((group) => this.#send(group)), onAnnotations });
    this.#rows = new UploadRows(byId("upload-rows"), { onOpen, onChange: () => (byId("uploads").hidden = this.#rows.isEmpty) });
    this.#wireZone(byId("drop-zone"));
    for (const input of document.querySelectorAll("[data-choose]")) input.addEventListener("change", () => this.#take(ofInput(input)));
    window.addEventListener("beforeunload", (event) => this.#rows.isSending && event.preventDefault());
    whileVisible(BUSY_SECONDS, () => this.#rows.isBusy && this.load());
  }

  /** Ask the server what it has under way. */
  async load() {
    const wasBusy = this.#rows.isBusy;
    const answer = await api.get("/api/uploads").catch(() => null); // the state of the connection is told elsewhere
    if (!answer) return;
    this.#rows.show([...answer].reverse());
    if (wasBusy && !this.#rows.isBusy) this.onScans();
  }

  #send(group) {
    const known = group.entries.map((entry) => this.#notes.find(entry)).find(Boolean);
    const transfer = new Transfer(group, { id: known?.group ?? newId(), notes: this.#notes, onChange: () => this.#changed(transfer) });
    transfer.start();
  }

  #changed(transfer) {
    this.#rows.follow(transfer);
    if (transfer.state === "sent") this.load();
  }

  async #take(entries) {
    const found = await attempt(null, () => entries);
    if (!found) return;
    if (found.length) this.#chosen.add(found);
    else toast(t("upload.no_files"), "warn");
  }

  /** The zone takes what is dropped; a drop beside it does not make the browser leave the page. */
  #wireZone(zone) {
    const over = (is) => zone.classList.toggle("is-over", is);
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = zone.contains(event.target) ? "copy" : "none";
      over(zone.contains(event.target));
    });
    window.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
    window.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over(false);
      if (zone.contains(event.target)) this.#take(ofDrop(event.dataTransfer));
    });
  }
}

/** Without crypto.randomUUID, which plain http does not have. */
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
