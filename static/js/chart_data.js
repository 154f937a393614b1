/* Arithmetic of the charts, without a canvas. */

export const MOST_POINTS = 2000;

/** Exponential moving average with the start corrected, as TensorBoard does it; weight 0 changes nothing. */
export function smoothed(points, weight) {
  if (weight <= 0) return points;
  let last = 0;
  let debias = 1;
  return points.map((point) => {
    last = last * weight + (1 - weight) * point.y;
    debias *= weight;
    return { ...point, y: last / (1 - debias) };
  });
}

/**
 * At most `most` of the points, chosen so that the line keeps its shape: the largest triangle of each bucket
 * (Steinarsson, "Downsampling time series for visual representation", 2013). First and last stay.
 */
export function decimated(points, most = MOST_POINTS) {
  if (points.length <= most || most < 3) return points;
  const size = (points.length - 2) / (most - 2);
  const chosen = [points[0]];
  for (let bucket = 0; bucket < most - 2; bucket += 1) {
    const from = Math.floor(bucket * size) + 1;
    const to = Math.floor((bucket + 1) * size) + 1;
    const next = mean(points.slice(to, Math.min(points.length, Math.floor((bucket + 2) * size) + 1)));
    const before = chosen[chosen.length - 1];
    let best = points[from];
    let area = -1;
    for (let index = from; index < to; index += 1) {
      const point = points[index];
      const twice = Math.abs((before.x - next.x) * (point.y - before.y) - (before.x - point.x) * (next.y - before.y));
      if (twice > area) [best, area] = [point, twice];
    }
    chosen.push(best);
  }
  chosen.push(points[points.length - 1]);
  return chosen;
}

function mean(points) {
  const sum = points.reduce((total, point) => ({ x: total.x + point.x, y: total.y + point.y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/** The point of a line (sorted by x) that is nearest to `x`; undefined for an empty line. */
export function nearest(points, x) {
  let low = 0;
  let high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle].x < x) low = middle;
    else high = middle;
  }
  if (high < 0) return undefined;
  return Math.abs(points[low].x - x) <= Math.abs(points[high].x - x) ? points[low] : points[high];
}

/** Rows of numbers for tables and CSV: one per x of any line. `series`: [{label, points: [{x, y}]}]. */
export function asRows(series) {
  const rows = new Map();
  series.forEach((line, index) => {
    for (const point of line.points) {
      if (!rows.has(point.x)) rows.set(point.x, new Array(series.length).fill(null));
      rows.get(point.x)[index] = point.y;
    }
  });
  return [...rows.entries()].sort(([a], [b]) => a - b).map(([x, values]) => ({ x, values }));
}

/** One cell of a CSV. Text that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function asCsv(header, rows) {
  return [header, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}
