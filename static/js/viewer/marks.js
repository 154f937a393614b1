/* Marks are balls in the world; a plane cuts them to circles. Pure arithmetic: where a circle lies, and what a finger meets. */

export const STYLES = ["nodule", "ignore", "suggestion", "accepted", "rejected", "prior"];
export const DIAMETERS_MM = [1, 100];

const RIM_PX = 6; // so near to the rim a press takes the rim
const SMALLEST_PX = 3; // radius under which a circle could not be seen

/**
 * The circle that a plane's slice cuts out of a mark, on the screen; null where they do not meet.
 * @param {import("./plane_view.js").PlaneView} view
 * @param {number} slice
 * @param {{center_xyz_mm: number[], diameter_mm: number}} mark
 */
export function circleOf(view, slice, { center_xyz_mm, diameter_mm }) {
  const { grid, axes } = view;
  const index = grid.toIndex(center_xyz_mm);
  const away = Math.abs(index[axes.n] - slice) * grid.spacing[axes.n];
  const radius = diameter_mm / 2;
  // A mark thinner than the distance of the slices is seen on the one that is nearest to it.
  if (away >= radius && Math.round(index[axes.n]) !== slice) return null;
  const cut = Math.sqrt(Math.max(radius * radius - away * away, 0));
  const [x, y] = view.toScreen(index);
  return { x, y, radius: Math.max(cut * view.scale, SMALLEST_PX) };
}

/**
 * What lies under (x, y): the mark whose circle is there and, among several, the smallest; the selected one before all.
 * @param {{circle: {x: number, y: number, radius: number}, mark: any}[]} shown
 * @returns {{mark: any, part: "rim" | "inside"} | null}
 */
export function markAt(shown, x, y) {
  let best = null;
  for (const { circle, mark } of shown) {
    const away = Math.hypot(x - circle.x, y - circle.y);
    if (away > circle.radius + RIM_PX) continue;
    // Of a small circle the inner half is left for moving it.
    const part = away > Math.max(circle.radius - RIM_PX, circle.radius / 2) ? "rim" : "inside";
    const found = { mark, part, radius: circle.radius, isSelected: Boolean(mark.selected) };
    if (!best || found.isSelected > best.isSelected || (found.isSelected === best.isSelected && found.radius < best.radius)) best = found;
  }
  return best && { mark: best.mark, part: best.part };
}

/** The mark after its rim was pulled to a world point: the ball reaches that point. */
export function resized(mark, point_xyz_mm) {
  const radius = Math.hypot(...point_xyz_mm.map((value, axis) => value - mark.center_xyz_mm[axis]));
  return { ...mark, diameter_mm: heldDiameter(2 * radius) };
}

/** The mark after it was pulled from one world point to another. */
export function moved(mark, from_xyz_mm, to_xyz_mm) {
  return { ...mark, center_xyz_mm: mark.center_xyz_mm.map((value, axis) => value + to_xyz_mm[axis] - from_xyz_mm[axis]) };
}

/** A diameter that the server takes, to a tenth of a millimetre. */
export function heldDiameter(diameter_mm) {
  const [least, most] = DIAMETERS_MM;
  return Math.round(Math.min(Math.max(diameter_mm, least), most) * 10) / 10;
}

/** The mark after (`step` 1) or before (-1) the selected one, around the end; null where there is none. */
export function neighbour(marks, selectedId, step) {
  if (!marks.length) return null;
  const at = marks.findIndex(({ id }) => id === selectedId);
  const next = at < 0 ? (step > 0 ? 0 : marks.length - 1) : at + step;
  return marks[(next + marks.length) % marks.length];
}
