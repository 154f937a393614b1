/* One plane in the page: its canvas, the picture of its slice, what is drawn over it, and a slider through the slices. */

import { h, icon } from "../dom.js";
import { number, t } from "../i18n.js";
import { drawCorner, drawCrosshair, drawLetters, drawMarks, drawRulers, drawScaleBar } from "./drawing.js";
import { wireGestures } from "./gestures.js";
import { circleOf } from "./marks.js";
import { PlaneView } from "./plane_view.js";

const MOST_PIXEL_RATIO = 2; // finer than that costs time and shows nothing
const millimetres = (digits) => (mm) => t("viewer.mm", { value: number(mm, digits) });

export class Pane {
  #bitmap = document.createElement("canvas"); // one pixel per voxel of the slice
  #maskBitmap = document.createElement("canvas");
  #drawn = ""; // what of the volume the bitmap shows
  #drawnMask = "";
  #ratio = 1;

  /**
   * @param {"axial" | "coronal" | "sagittal"} name
   * @param {{press: Function, scroll: Function, zoom: Function, pan: Function, hover: Function, leave: Function,
   *   slice: Function, enlarge: Function, resized: Function}} actions
   */
  constructor(name, actions) {
    this.name = name;
    this.view = null;
    this.shown = []; // circles of this slice, with their marks
    this.canvas = h("canvas.viewer-canvas", { tabindex: 0, role: "application", "aria-label": t(`viewer.${name}`), "data-testid": `plane-${name}` });
    this.range = h("input.range.viewer-range", { type: "range", min: 0, max: 0, value: 0, "aria-label": t("viewer.slices_of", { plane: t(`viewer.${name}`) }), "data-testid": `slice-${name}` });
    this.count = h("span.viewer-count.number", { "data-testid": `slice-number-${name}` });
    const words = t("viewer.enlarge", { plane: t(`viewer.${name}`) });
    const enlarge = h("button.button.button-quiet.button-icon.button-small", { type: "button", title: words, "aria-label": words, onClick: () => actions.enlarge(this) }, icon("up-right-from-square"));
    this.stage = h("div.viewer-stage", {}, this.canvas);
    this.element = h("div.viewer-pane", { "data-plane": name }, this.stage, h("div.viewer-foot", {}, h("span.viewer-name", {}, t(`viewer.${name}`)), this.range, this.count, enlarge));
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.range.addEventListener("input", () => actions.slice(this, Number(this.range.value)));
    wireGestures(this.canvas, {
      press: (at) => actions.press(this, at),
      scroll: (steps) => actions.scroll(this, steps),
      zoom: (factor, x, y) => actions.zoom(this, factor, x, y),
      pan: (dx, dy) => actions.pan(this, dx, dy),
      hover: (x, y) => actions.hover(this, x, y),
      leave: () => actions.leave(this),
    });
    this.observer = new ResizeObserver(() => this.#measure() && actions.resized());
    this.observer.observe(this.stage);
  }

  /** Show slices of another volume. */
  open(grid) {
    this.view = new PlaneView(this.name, grid);
    [this.#bitmap.width, this.#bitmap.height] = this.view.bitmapSize;
    this.image = new ImageData(...this.view.bitmapSize);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.#drawn = this.#drawnMask = "";
    this.range.max = String(this.view.slices - 1);
    this.#measure();
  }

  sliceAt(index) {
    return Math.round(index[this.view.axes.n]);
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height || !this.view) return false;
    this.#ratio = Math.min(window.devicePixelRatio || 1, MOST_PIXEL_RATIO);
    const [wide, high] = [Math.round(width * this.#ratio), Math.round(height * this.#ratio)];
    if (this.canvas.width === wide && this.canvas.height === high && this.view.width === width) return false;
    this.canvas.width = wide;
    this.canvas.height = high;
    this.view.resize(width, height);
    return true;
  }

  /** Draw everything. `scene` is what the viewer knows; see Viewer.#scene(). */
  draw(scene) {
    const { context, view } = this;
    const slice = this.sliceAt(scene.index);
    this.#drawSlice(scene, slice);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.fillStyle = scene.palette.ground;
    context.fillRect(0, 0, view.width, view.height);
    context.imageSmoothingEnabled = true;
    const place = view.bitmapPlace();
    context.drawImage(this.#bitmap, ...place);
    if (scene.mask && scene.isOverlayShown) {
      this.#drawMask(scene, slice);
      context.drawImage(this.#maskBitmap, ...place);
    }
    this.#drawOver(scene, slice);
    this.#tellSlice(slice);
  }

  /** The picture of a slice is made anew only when another slice, another window or new voxels are to be seen. */
  #drawSlice({ volume, table, tableNumber, slabsHere }, slice) {
    const key = `${slice} ${tableNumber} ${this.name === "axial" ? volume.hasSlice(slice) : slabsHere}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    volume.draw(this.name, slice, table, this.pixels);
    this.#bitmap.getContext("2d").putImageData(this.image, 0, 0);
  }

  #drawMask({ mask, maskColor, maskNumber }, slice) {
    const key = `${slice} ${maskNumber}`;
    if (key === this.#drawnMask) return;
    this.#drawnMask = key;
    [this.#maskBitmap.width, this.#maskBitmap.height] = this.view.bitmapSize;
    const image = new ImageData(...this.view.bitmapSize);
    mask.draw(this.view, slice, maskColor, new Uint32Array(image.data.buffer));
    this.#maskBitmap.getContext("2d").putImageData(image, 0, 0);
  }

  #drawOver({ index, palette, marks, rulers, isOverlayShown, isCrosshairShown }, slice) {
    const { context, view } = this;
    if (isCrosshairShown) drawCrosshair(context, palette, view, view.toScreen(index));
    this.shown = isOverlayShown ? marks.map((mark) => ({ mark, circle: circleOf(view, slice, mark) })).filter(({ circle }) => circle) : [];
    drawMarks(context, palette, this.shown);
    drawRulers(context, palette, view, rulers.filter((one) => one.plane === this.name && one.slice === slice), millimetres(1));
    drawLetters(context, palette, view);
    drawScaleBar(context, palette, view, millimetres(0));
    drawCorner(context, palette, [`${slice + 1} / ${view.slices}`]);
  }

  #tellSlice(slice) {
    if (this.range.dataset.slice === String(slice)) return;
    this.range.dataset.slice = String(slice);
    this.range.value = String(slice);
    const words = t("viewer.slice_of", { slice: number(slice + 1), slices: number(this.view.slices) });
    this.range.setAttribute("aria-valuetext", words);
    this.count.textContent = words;
  }

  close() {
    this.observer.disconnect();
  }
}
