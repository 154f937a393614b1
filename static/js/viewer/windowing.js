/* Hounsfield units -> grey, by a table of all 65,536 values: one look-up per voxel. */

export const PRESETS = {
  lung: { level: -600, width: 1500 },
  mediastinum: { level: 40, width: 350 },
  bone: { level: 400, width: 1800 },
};
export const PRESET_NAMES = Object.keys(PRESETS);
export const WIDTHS = [1, 6000];
export const LEVELS = [-2000, 4000];

const OPAQUE = 0xff000000;

/**
 * Table from the 16 bits of an int16 to a pixel (the bytes R, G, B, A of a little-endian word).
 * The linear function of DICOM PS3.3 C.11.2.1.2: black up to level - 0.5 - (width - 1) / 2, white from there plus width - 1.
 * @param {{level: number, width: number}} window
 * @param {Uint32Array} [table] is filled and returned
 */
export function lookupTable({ level, width }, table = new Uint32Array(65_536)) {
  const low = level - 0.5 - (width - 1) / 2;
  const step = width > 1 ? 255 / (width - 1) : Infinity;
  for (let hu = -32_768; hu < 32_768; hu += 1) {
    const grey = hu <= low ? 0 : Math.min(255, Math.round((hu - low) * step));
    table[hu & 0xffff] = (OPAQUE | (grey << 16) | (grey << 8) | grey) >>> 0;
  }
  return table;
}

/** The window after a drag by so many pixels: across changes the width, down darkens. The wider, the quicker. */
export function dragged({ level, width }, dx, dy) {
  const pace = Math.max(1, width / 400);
  const within = (value, [low, high]) => Math.min(Math.max(Math.round(value), low), high);
  return { level: within(level + dy * pace, LEVELS), width: within(width + dx * pace, WIDTHS) };
}

export function presetOf({ level, width }) {
  return PRESET_NAMES.find((name) => PRESETS[name].level === level && PRESETS[name].width === width) ?? null;
}
