/* Three linked planes of a CT scan on plain canvases. What pages may call is described in docs/reference/viewer.md. */

import { toSignIn } from "../api.js";
import { fill, oncePerFrame } from "../dom.js";
import { t } from "../i18n.js";
import { paletteOf } from "./drawing.js";
import { Grid } from "./grid.js";
import { usedKey } from "./keymap.js";
import { wireKeys } from "./keys.js";
import { markAt, neighbour } from "./marks.js";
import { Mask } from "./mask.js";
import { Pane } from "./pane.js";
import { PLANES } from "./plane_view.js";
import { pressed } from "./presses.js";
import { loadSlabs, pour } from "./slabs.js";
import { Progress, Toolbar } from "./toolbar.js";
import { Volume } from "./volume.js";
import { PRESETS, dragged, lookupTable } from "./windowing.js";

const TOOLS = ["browse", "add", "ruler"];

export class Viewer {
  events = new EventTarget();
  grid = null;
  index = [0, 0, 0]; // of the crosshair: array axes x, y, z, with fractions
  tool = "browse";
  #volume = null;
  #marks = [];
  #preview = null; // a mark while it is pulled; its id is that of the mark it stands for
  #rulers = [];
  #rulerPreview = null;
  #window = PRESETS.lung;
  #table = lookupTable(PRESETS.lung);
  #tableNumber = 0;
  #mask = null;
  #maskNumber = 0;
  #isOverlayShown = true;
  #isCrosshairShown = true;
  #slabsHere = 0;
  #told = ""; // the position that was told last
  #tellFirst = null; // waits for the first slice
  #palette = null;
  #loading = new AbortController();
  #draw = oncePerFrame(() => this.#drawNow());
  #readLook = () => {
    this.#palette = paletteOf(this.root);
    this.#palette.maskColor = wordOf(this.#palette.mask);
    this.draw();
  };

  /**
   * @param {HTMLElement} root an empty element; it becomes the viewer
   * @param {{editable?: boolean}} [options] whether marks can be added, moved and sized here
   */
  constructor(root, { editable = false } = {}) {
    this.root = root;
    this.isEditable = editable;
    this.toolbar = new Toolbar({
      isEditable: editable,
      setWindow: (name) => this.setWindow(name),
      setTool: (name) => this.setTool(name),
      setOverlay: (isShown) => this.setOverlay(isShown),
      setCrosshair: (isShown) => this.setCrosshair(isShown),
      fit: () => this.fit(),
    });
    this.progress = new Progress();
    this.panes = Object.keys(PLANES).map((name) => new Pane(name, this.#paneActions()));
    this.active = this.panes[0]; // where keys go: the plane that the pointer or the focus was on last
    root.classList.add("viewer");
    root.dataset.testid = "viewer";
    const planes = document.createElement("div");
    planes.className = "viewer-planes";
    fill(planes, this.panes.map((pane) => pane.element));
    this.planes = planes;
    fill(root, this.toolbar.element, this.progress.element, planes, this.toolbar.status);
    for (const pane of this.panes) pane.element.addEventListener("focusin", () => (this.active = pane));
    this.unwireKeys = wireKeys(root, (event) => this.#key(event));
    document.addEventListener("themechange", this.#readLook);
    this.#readLook();
    this.#enlarge(this.panes[0]);
    this.toolbar.showWindow(this.#window);
    this.toolbar.showTool(this.tool);
    this.toolbar.showOverlay(true);
    this.toolbar.showCrosshair(true);
    this.root.dataset.state = "empty";
  }

  // --- opening a scan -----------------------------------------------------------------------------------

  /**
   * Show a scan. Resolves when its first slice is drawn; the rest comes afterwards, see `complete`.
   * @param {{scan_id: string, geometry: object, slab_slices: number}} scan answer of GET /api/scans/<id>
   * @param {{onProgress?: (share: number) => void}} [options] is told the share of voxels that are here, up to 1
   */
  async open(scan, { onProgress = () => {} } = {}) {
    this.#loading.abort();
    this.scan = scan;
    this.grid = new Grid(scan.geometry);
    this.#volume = new Volume(this.grid.shape, scan.slab_slices);
    this.#rulers = [];
    this.#slabsHere = 0;
    this.index = this.grid.shape.map((count) => Math.floor(count / 2));
    for (const pane of this.panes) pane.open(this.grid);
    this.onProgress = onProgress;
    this.#load();
    await this.firstSlice;
  }

  /** Fetch what is missing; also after it failed. */
  #load() {
    this.root.dataset.state = "loading";
    this.progress.show(this.#volume.share);
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    const volume = this.#volume;
    let failFirst;
    this.firstSlice = new Promise((resolve, reject) => ([this.#tellFirst, failFirst] = [resolve, reject]));
    this.complete = loadSlabs(volume, {
      fetchSlab: (slab, place) => fetchSlab(this.scan.scan_id, slab, place, signal),
      near: () => volume.slabOf(Math.round(this.index[2])),
      onSlab: () => {
        this.#slabsHere += 1;
        this.progress.show(volume.share);
        this.onProgress(volume.share);
        this.draw();
      },
      signal,
    }).then(
      () => {
        if (signal.aborted) return;
        this.root.dataset.state = "ready";
        performance.mark("viewer complete");
      },
      (error) => {
        if (signal.aborted) return;
        this.root.dataset.state = "failed";
        this.progress.fail(t("viewer.failed"), () => this.#load());
        failFirst(error);
      },
    );
    this.firstSlice.catch(() => {}); // the page may look at `open` alone
    this.draw();
  }

  /** Stop fetching and listening; the viewer is not used again. */
  close() {
    this.#loading.abort();
    this.unwireKeys();
    document.removeEventListener("themechange", this.#readLook);
    for (const pane of this.panes) pane.close();
    this.#volume = null;
    fill(this.root);
  }

  // --- what pages set -----------------------------------------------------------------------------------

  /** @param {{id: string, center_xyz_mm: number[], diameter_mm: number, label?: string, style?: string, selected?: boolean, fixed?: boolean}[]} marks */
  setMarks(marks) {
    this.#marks = marks;
    this.draw();
  }

  /** Mark one as selected; null for none. It does not move the planes, and no event tells it. */
  select(id) {
    this.#marks = this.#marks.map((mark) => (Boolean(mark.selected) === (mark.id === id) ? mark : { ...mark, selected: mark.id === id }));
    this.draw();
  }

  /** Put the crosshair there in all planes; a point outside goes to the nearest one inside. */
  goTo(center_xyz_mm) {
    if (!this.grid) return;
    this.moveTo(this.grid.toIndex(center_xyz_mm));
    for (const pane of this.panes) pane.view.reveal(this.index);
  }

  /** @param {"lung" | "mediastinum" | "bone" | {level: number, width: number}} window */
  setWindow(window) {
    this.#window = PRESETS[window] ?? window;
    lookupTable(this.#window, this.#table);
    this.#tableNumber += 1;
    this.toolbar.showWindow(this.#window);
    this.draw();
  }

  /** Show or hide marks and mask. */
  setOverlay(isShown) {
    this.#isOverlayShown = isShown;
    this.toolbar.showOverlay(isShown);
    this.draw();
  }

  setCrosshair(isShown) {
    this.#isCrosshairShown = isShown;
    this.toolbar.showCrosshair(isShown);
    this.draw();
  }

  /** @param {Uint8Array | null} voxels zyx @param {object} [geometry] of the mask, as that of a scan */
  setMask(voxels, geometry) {
    this.#mask = voxels && new Mask(voxels, geometry);
    this.#maskNumber += 1;
    this.draw();
  }

  /** @param {"browse" | "add" | "ruler"} tool */
  setTool(tool) {
    if (!TOOLS.includes(tool) || (tool === "add" && !this.isEditable)) return;
    this.tool = tool;
    this.root.dataset.tool = tool;
    this.toolbar.showTool(tool);
  }

  /** The whole slice in every plane. */
  fit() {
    if (!this.grid) return;
    for (const pane of this.panes) pane.view.fit();
    this.draw();
  }

  get position_xyz_mm() {
    return this.grid?.toWorld(this.index) ?? null;
  }

  get isOverlayShown() {
    return this.#isOverlayShown;
  }

  get isCrosshairShown() {
    return this.#isCrosshairShown;
  }

  get marks() {
    return this.#marks;
  }

  // --- what hands do (presses.js) -----------------------------------------------------------------------

  #paneActions() {
    const whenOpen = (action) => (...values) => this.grid && action(...values);
    return {
      press: (pane, at) => (this.grid ? this.#press(pane, at) : {}),
      scroll: whenOpen((pane, steps) => this.walk(pane, steps * pane.view.axes.wheel)),
      slice: whenOpen((pane, slice) => this.walkTo(pane, slice)),
      zoom: whenOpen((pane, factor, x, y) => this.zoom(pane, factor, x, y)),
      pan: whenOpen((pane, dx, dy) => this.panPane(pane, dx, dy)),
      hover: whenOpen((pane, x, y) => this.#hover(pane, x, y)),
      leave: () => this.toolbar.showPointer(null, null),
      enlarge: (pane) => this.#enlarge(pane),
      resized: () => this.draw(),
    };
  }

  #press(pane, at) {
    this.active = pane;
    pane.canvas.focus({ preventScroll: true });
    return pressed(this, pane, at);
  }

  worldAt(pane, x, y) {
    return this.grid.toWorld(pane.view.toIndex(x, y, pane.sliceAt(this.index)));
  }

  /** Select by hand: as `select`, and the page is told. */
  choose(id) {
    if ((this.#marks.find(({ selected }) => selected)?.id ?? null) === id) return;
    this.select(id);
    this.#tell("select", { id });
  }

  preview(mark) {
    this.#preview = mark;
    this.draw();
  }

  previewRuler(ruler) {
    this.#rulerPreview = ruler;
    this.draw();
  }

  addRuler(ruler) {
    this.#rulers.push(ruler);
    this.draw();
  }

  panPane(pane, dx, dy) {
    pane.view.pan(dx, dy);
    this.draw();
  }

  dragWindow(dx, dy) {
    this.setWindow(dragged(this.#window, dx, dy));
  }

  tellAdd(center_xyz_mm, diameter_mm) {
    this.#tell("add", { center_xyz_mm, diameter_mm });
  }

  tellChange({ id, center_xyz_mm, diameter_mm }) {
    this.#tell("change", { id, center_xyz_mm: this.grid.toWorld(this.grid.clamped(this.grid.toIndex(center_xyz_mm))), diameter_mm });
  }

  #tell(name, detail) {
    return this.events.dispatchEvent(new CustomEvent(name, { detail, cancelable: true }));
  }

  #hover(pane, x, y) {
    this.active = pane;
    const index = pane.view.toIndex(x, y, pane.sliceAt(this.index));
    this.toolbar.showPointer(this.grid.toWorld(index), this.#volume.at(index));
    const hit = this.isEditable && this.tool !== "ruler" ? markAt(pane.shown, x, y) : null;
    pane.canvas.dataset.over = hit && !hit.mark.fixed ? hit.part : "";
  }

  zoom(pane, factor, x, y) {
    pane.view.zoomAt(factor, x, y);
    this.draw();
  }

  walk(pane, steps) {
    this.walkTo(pane, pane.sliceAt(this.index) + steps);
  }

  walkTo(pane, slice) {
    this.moveTo(this.index.map((value, axis) => (axis === pane.view.axes.n ? slice : value)));
  }

  /** The crosshair to an index, or to the nearest one inside. */
  moveTo(index) {
    this.index = this.grid.clamped(index);
    this.draw();
  }

  /** One plane is large, the others stand beside it. */
  #enlarge(pane) {
    this.planes.dataset.large = pane.name;
  }

  // --- keys -----------------------------------------------------------------------------------------------

  #key(event) {
    if (!this.grid) return false;
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isPlain && usedKey(this, event)) return true;
    return !this.#tell("key", { key: event.key, ctrl: event.ctrlKey || event.metaKey, shift: event.shiftKey, alt: event.altKey });
  }

  /** Let go of what was begun. */
  giveUp() {
    this.preview(null);
    this.#rulers = [];
    this.setTool("browse");
  }

  /** Select the mark after (1) or before (-1) the selected one, and go there. */
  nextMark(step) {
    const next = neighbour(this.#marks, this.#marks.find(({ selected }) => selected)?.id, step);
    if (!next) return;
    this.choose(next.id);
    this.goTo(next.center_xyz_mm);
  }

  // --- drawing --------------------------------------------------------------------------------------------

  /** Ask for a new picture; many wishes at once are one picture. */
  draw() {
    this.#draw();
  }


  #drawNow() {
    if (!this.#volume) return;
    const scene = this.#scene();
    for (const pane of this.panes) pane.draw(scene);
    this.#tellPosition();
    if (this.#tellFirst && this.#slabsHere) this.#firstIsDrawn();
  }

  #firstIsDrawn() {
    performance.mark("viewer first slice");
    this.#tellFirst();
    this.#tellFirst = null;
  }

  #scene() {
    const { id } = this.#preview ?? {};
    const standing = this.#preview ? this.#marks.filter((mark) => mark.id !== id) : this.#marks;
    return {
      volume: this.#volume,
      index: this.index,
      table: this.#table,
      tableNumber: this.#tableNumber,
      slabsHere: this.#slabsHere,
      mask: this.#mask,
      maskNumber: this.#maskNumber,
      maskColor: this.#palette.maskColor,
      palette: this.#palette,
      marks: this.#preview ? [...standing, this.#preview] : standing,
      rulers: this.#rulerPreview ? [...this.#rulers, this.#rulerPreview] : this.#rulers,
      isOverlayShown: this.#isOverlayShown,
      isCrosshairShown: this.#isCrosshairShown,
    };
  }

  #tellPosition() {
    const hu = this.#volume.at(this.index);
    const center_xyz_mm = this.position_xyz_mm;
    const key = `${center_xyz_mm} ${hu}`;
    if (key === this.#told) return;
    this.#told = key;
    this.toolbar.showPosition(center_xyz_mm, hu);
    this.#tell("position", { center_xyz_mm, hu });
  }
}

async function fetchSlab(scanId, slab, place, signal) {
  const answer = await fetch(`/api/scans/${encodeURIComponent(scanId)}/volume?slab=${slab}`, { signal });
  if (answer.ok) return pour(answer.body, place);
  if (answer.status === 401) toSignIn();
  const error = new Error(`slab ${slab}: status ${answer.status}`);
  error.isFinal = answer.status < 500 && answer.status !== 429;
  throw error;
}

/** "#rrggbbaa" as the word of a pixel. */
function wordOf(color) {
  const [red, green, blue, alpha] = [1, 3, 5, 7].map((from) => parseInt(color.slice(from, from + 2) || "ff", 16));
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
