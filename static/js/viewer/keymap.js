/* What each key of the viewer does. */

import { NEW_DIAMETER_MM } from "./presses.js";
import { PRESET_NAMES } from "./windowing.js";

const BIG_STEP = 10; // slices of PageUp and PageDown
const ZOOM = 1.25;

/** Arrow -> axis of the screen ("u" across, "v" along) and direction on the screen. */
const ARROWS = { ArrowLeft: ["u", -1], ArrowRight: ["u", 1], ArrowUp: ["v", -1], ArrowDown: ["v", 1] };

const ACTIONS = {
  ArrowUp: (viewer, pane) => viewer.walk(pane, -pane.view.axes.wheel),
  ArrowLeft: (viewer, pane) => viewer.walk(pane, -pane.view.axes.wheel),
  ArrowDown: (viewer, pane) => viewer.walk(pane, pane.view.axes.wheel),
  ArrowRight: (viewer, pane) => viewer.walk(pane, pane.view.axes.wheel),
  PageUp: (viewer, pane) => viewer.walk(pane, -pane.view.axes.wheel * BIG_STEP),
  PageDown: (viewer, pane) => viewer.walk(pane, pane.view.axes.wheel * BIG_STEP),
  Home: (viewer, pane) => viewer.walk(pane, -pane.view.axes.wheel * pane.view.slices),
  End: (viewer, pane) => viewer.walk(pane, pane.view.axes.wheel * pane.view.slices),
  n: (viewer) => viewer.nextMark(1),
  p: (viewer) => viewer.nextMark(-1),
  o: (viewer) => viewer.setOverlay(!viewer.isOverlayShown),
  x: (viewer) => viewer.setCrosshair(!viewer.isCrosshairShown),
  m: (viewer) => viewer.setTool(viewer.tool === "ruler" ? "browse" : "ruler"),
  "+": (viewer, pane) => zoom(viewer, pane, ZOOM),
  "=": (viewer, pane) => zoom(viewer, pane, ZOOM),
  "-": (viewer, pane) => zoom(viewer, pane, 1 / ZOOM),
  0: (viewer) => viewer.fit(),
  Escape: (viewer) => viewer.giveUp(),
};

function zoom(viewer, pane, factor) {
  viewer.zoom(pane, factor, ...pane.view.toScreen(viewer.index));
}

/**
 * Do what a key means to the viewer.
 * @param {import("./viewer.js").Viewer} viewer
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it means anything
 */
export function usedKey(viewer, { key, shiftKey }) {
  const pane = viewer.active;
  const name = key.length === 1 ? key.toLowerCase() : key;
  if (shiftKey && name in ARROWS) step(viewer, pane.view, ...ARROWS[name]);
  else if (PRESET_NAMES[Number(name) - 1]) viewer.setWindow(PRESET_NAMES[Number(name) - 1]);
  else if (name === "Enter" && viewer.tool === "add") viewer.tellAdd(viewer.position_xyz_mm, NEW_DIAMETER_MM);
  else if (Object.hasOwn(ACTIONS, name)) ACTIONS[name](viewer, pane);
  else return false;
  return true;
}

/** The crosshair by one voxel. */
function step(viewer, view, side, direction) {
  const axis = view.axes[side];
  const by = side === "v" ? direction * view.axes.down : direction;
  viewer.moveTo(viewer.index.map((value, one) => (one === axis ? Math.round(value) + by : value)));
}
