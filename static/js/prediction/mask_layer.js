/* The model's mask, fetched when somebody asks for it; only the marks that are shown have theirs drawn. */

import { ApiError } from "../api.js";
import { t } from "../i18n.js";

export class MaskLayer {
  #viewer;
  #path;
  #voxels = null;
  #geometry = null;
  #inside = []; // [index, label] of each voxel of the mask: few of millions
  #shown = "";

  constructor(viewer, predictionId) {
    this.#viewer = viewer;
    this.#path = `/api/predictions/${encodeURIComponent(predictionId)}/mask`;
  }

  /** @param {number[] | null} labels whose parts to draw; null: no mask. Candidate i of the model has label i, from 1. */
  async show(labels) {
    const key = labels === null ? "none" : labels.join(" ");
    if (key === this.#shown) return;
    this.#shown = key;
    if (labels === null) return this.#viewer.setMask(null);
    if (!this.#voxels) await this.#fetch();
    if (key !== this.#shown) return; // somebody asked for something else meanwhile
    const wanted = new Set(labels);
    for (const [index, label] of this.#inside) this.#voxels[index] = wanted.has(label) ? label : 0;
    this.#viewer.setMask(this.#voxels, this.#geometry);
  }

  async #fetch() {
    const answer = await fetch(this.#path).catch(() => null);
    if (!answer?.ok) {
      this.#shown = "";
      throw new ApiError(answer ? t("error.status", { status: answer.status }) : t("error.unreachable"));
    }
    const numbers = (name) => answer.headers.get(name).split(" ").map(Number);
    this.#geometry = {
      shape_zyx: numbers("X-Shape-Zyx"),
      spacing_zyx_mm: numbers("X-Spacing-Zyx-Mm"),
      origin_xyz_mm: numbers("X-Origin-Xyz-Mm"),
      direction_xyz: numbers("X-Direction-Xyz"),
    };
    this.#voxels = new Uint8Array(await answer.arrayBuffer());
    this.#voxels.forEach((label, index) => label && this.#inside.push([index, label]));
  }
}
