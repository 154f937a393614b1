/* What is drawn over a slice: crosshair, circles, rulers, letters, the scale bar. Sizes are CSS pixels. */

import { distance } from "./grid.js";

const DASHES = { nodule: [], accepted: [], ignore: [6, 4], suggestion: [2, 3], rejected: [8, 3, 2, 3], prior: [1, 4] };
const GAP = 14; // of the crosshair around its middle
const MARGIN = 8;
const BARS_MM = [1, 2, 5, 10, 20, 50, 100, 200];
const WIDEST_BAR = 140;

/** Colours and fonts by the names of tokens.css, read once per look of the page. */
export function paletteOf(element) {
  const style = getComputedStyle(element);
  const value = (name) => style.getPropertyValue(name).trim();
  const names = ["nodule", "ignore", "suggestion", "accepted", "rejected", "prior"];
  return {
    ink: value("--scan-ink"),
    ground: value("--scan-ground"),
    crosshair: value("--scan-crosshair"),
    ruler: value("--scan-ruler"),
    mask: value("--scan-mask"),
    marks: Object.fromEntries(names.map((name) => [name, value(`--mark-${name}`)])),
    font: value("--font") || "sans-serif",
  };
}

/** Text that can be read on black and on white. */
function write(canvas, palette, text, x, y, { align = "left", baseline = "alphabetic", color = palette.ink, size = 12, weight = 600 } = {}) {
  canvas.font = `${weight} ${size}px ${palette.font}`;
  canvas.textAlign = align;
  canvas.textBaseline = baseline;
  canvas.lineWidth = 3;
  canvas.lineJoin = "round";
  canvas.setLineDash([]);
  canvas.strokeStyle = palette.ground;
  canvas.strokeText(text, x, y);
  canvas.fillStyle = color;
  canvas.fillText(text, x, y);
}

export function drawCrosshair(canvas, palette, view, [x, y]) {
  canvas.strokeStyle = palette.crosshair;
  canvas.lineWidth = 1;
  canvas.setLineDash([]);
  canvas.beginPath();
  const [across, along] = [Math.round(x) + 0.5, Math.round(y) + 0.5];
  canvas.moveTo(0, along);
  canvas.lineTo(across - GAP, along);
  canvas.moveTo(across + GAP, along);
  canvas.lineTo(view.width, along);
  canvas.moveTo(across, 0);
  canvas.lineTo(across, along - GAP);
  canvas.moveTo(across, along + GAP);
  canvas.lineTo(across, view.height);
  canvas.stroke();
}

/** @param {{circle: {x: number, y: number, radius: number}, mark: any}[]} shown */
export function drawMarks(canvas, palette, shown) {
  for (const { circle, mark } of shown) {
    const color = palette.marks[mark.style] ?? palette.marks.nodule;
    if (mark.selected) ring(canvas, palette.ground, circle, 5, []);
    ring(canvas, color, circle, mark.selected ? 2.5 : 1.5, DASHES[mark.style] ?? []);
    if (mark.label) {
      const reach = circle.radius * Math.SQRT1_2 + 3;
      write(canvas, palette, String(mark.label), circle.x + reach, circle.y - reach, { color });
    }
  }
}

function ring(canvas, color, { x, y, radius }, width, dash) {
  canvas.strokeStyle = color;
  canvas.lineWidth = width;
  canvas.setLineDash(dash);
  canvas.beginPath();
  canvas.arc(x, y, radius, 0, 2 * Math.PI);
  canvas.stroke();
}

/** @param {{from: number[], to: number[]}[]} rulers ends in world mm @param {(mm: number) => string} words */
export function drawRulers(canvas, palette, view, rulers, words) {
  for (const { from, to } of rulers) {
    const [x1, y1] = view.toScreen(view.grid.toIndex(from));
    const [x2, y2] = view.toScreen(view.grid.toIndex(to));
    for (const [color, width] of [[palette.ground, 4], [palette.ruler, 2]]) {
      canvas.strokeStyle = color;
      canvas.lineWidth = width;
      canvas.setLineDash([]);
      canvas.beginPath();
      canvas.moveTo(x1, y1);
      canvas.lineTo(x2, y2);
      canvas.stroke();
    }
    for (const [x, y] of [[x1, y1], [x2, y2]]) ring(canvas, palette.ruler, { x, y, radius: 3 }, 1.5, []);
    write(canvas, palette, words(distance(from, to)), Math.max(x1, x2) + 6, (y1 + y2) / 2, { color: palette.ruler, baseline: "middle" });
  }
}

export function drawLetters(canvas, palette, view) {
  const { left, right, top, bottom } = view.edges();
  const [middle, half] = [view.height / 2, view.width / 2];
  write(canvas, palette, left, MARGIN, middle, { baseline: "middle" });
  write(canvas, palette, right, view.width - MARGIN, middle, { align: "right", baseline: "middle" });
  write(canvas, palette, top, half, MARGIN, { align: "center", baseline: "top" });
  write(canvas, palette, bottom, half, view.height - MARGIN, { align: "center", baseline: "bottom" });
}

/** A bar of a round number of millimetres, at the lower right. */
export function drawScaleBar(canvas, palette, view, words) {
  const most = Math.min(WIDEST_BAR, view.width / 3) / view.scale;
  const mm = BARS_MM.filter((one) => one <= most).at(-1);
  if (!mm) return;
  const [right, y] = [view.width - MARGIN, view.height - MARGIN];
  const left = right - mm * view.scale;
  canvas.setLineDash([]);
  for (const [color, width] of [[palette.ground, 4], [palette.ink, 1.5]]) {
    canvas.strokeStyle = color;
    canvas.lineWidth = width;
    canvas.beginPath();
    canvas.moveTo(left, y - 5);
    canvas.lineTo(left, y);
    canvas.lineTo(right, y);
    canvas.lineTo(right, y - 5);
    canvas.stroke();
  }
  write(canvas, palette, words(mm), (left + right) / 2, y - 6, { align: "center", size: 11 });
}

export function drawCorner(canvas, palette, lines) {
  lines.forEach((line, row) => write(canvas, palette, line, MARGIN, MARGIN + row * 15, { baseline: "top", size: 11, weight: 500 }));
}
