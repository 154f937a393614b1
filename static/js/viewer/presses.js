/* What a press on a plane begins: looking, moving a mark, pulling its rim, a new mark, a ruler, another window. */

import { distance } from "./grid.js";
import { heldDiameter, markAt, moved, resized } from "./marks.js";

export const NEW_DIAMETER_MM = 8; // of a mark that was set by a click alone

/**
 * @param {import("./viewer.js").Viewer} viewer
 * @param {import("./pane.js").Pane} pane
 * @param {{x: number, y: number, button: number, shift: boolean}} at
 * @returns {{move?: Function, end?: Function, cancel?: Function}} see wireGestures
 */
export function pressed(viewer, pane, at) {
  if (at.button === 2) return { move: ({ dx, dy }) => viewer.dragWindow(dx, dy) };
  if (at.button === 1) return panning(viewer, pane);
  if (at.button !== 0) return {};
  if (viewer.tool === "ruler") return measuring(viewer, pane, at);
  const hit = markAt(pane.shown, at.x, at.y);
  if (hit) return onMark(viewer, pane, at, hit);
  if (viewer.tool === "add") return adding(viewer, pane, at);
  return at.shift ? following(viewer, pane, at) : looking(viewer, pane);
}

const panning = (viewer, pane) => ({ move: ({ dx, dy }) => viewer.panPane(pane, dx, dy) });

/** A click moves the crosshair, a pull the picture. */
function looking(viewer, pane) {
  return {
    ...panning(viewer, pane),
    end: ({ x, y, isMoved }) => {
      if (isMoved) return;
      viewer.choose(null);
      viewer.goTo(viewer.worldAt(pane, x, y));
    },
  };
}

/** The crosshair goes along with the pointer. */
function following(viewer, pane, at) {
  viewer.goTo(viewer.worldAt(pane, at.x, at.y));
  return { move: ({ x, y }) => viewer.goTo(viewer.worldAt(pane, x, y)) };
}

function onMark(viewer, pane, at, { mark, part }) {
  viewer.choose(mark.id);
  if (!viewer.isEditable || mark.fixed) return { end: ({ isMoved }) => isMoved || viewer.goTo(mark.center_xyz_mm) };
  const from = viewer.worldAt(pane, at.x, at.y);
  const after = (x, y) => {
    const to = viewer.worldAt(pane, x, y);
    return part === "rim" ? resized(mark, to) : moved(mark, from, to);
  };
  return {
    move: ({ x, y }) => viewer.preview(after(x, y)),
    end: ({ x, y, isMoved }) => {
      viewer.preview(null);
      if (isMoved) viewer.tellChange(after(x, y));
      else viewer.goTo(mark.center_xyz_mm);
    },
    cancel: () => viewer.preview(null),
  };
}

/** From the middle outwards; a click alone gives a usual size. */
function adding(viewer, pane, at) {
  const center = viewer.worldAt(pane, at.x, at.y);
  if (!viewer.grid.contains(center)) return {};
  const style = "nodule";
  const ball = (diameter_mm) => ({ id: "", center_xyz_mm: center, diameter_mm, label: "", style, selected: true });
  const diameterTo = (x, y) => heldDiameter(2 * distance(center, viewer.worldAt(pane, x, y)));
  return {
    move: ({ x, y }) => viewer.preview(ball(diameterTo(x, y))),
    end: ({ x, y, isMoved }) => {
      viewer.preview(null);
      viewer.goTo(center);
      viewer.tellAdd(center, isMoved ? diameterTo(x, y) : NEW_DIAMETER_MM);
    },
    cancel: () => viewer.preview(null),
  };
}

function measuring(viewer, pane, at) {
  const from = viewer.worldAt(pane, at.x, at.y);
  const ruler = (x, y) => ({ plane: pane.name, slice: pane.sliceAt(viewer.index), from, to: viewer.worldAt(pane, x, y) });
  return {
    move: ({ x, y }) => viewer.previewRuler(ruler(x, y)),
    end: ({ x, y, isMoved }) => {
      viewer.previewRuler(null);
      if (isMoved) viewer.addRuler(ruler(x, y));
    },
    cancel: () => viewer.previewRuler(null),
  };
}
