/* Which of the chosen files belong together, before anything is sent. Pure functions: what a file begins with is given.
 *
 * The server looks again and decides; here a person sees at once what will become a scan, and what is missing. */

export const HEAD_BYTES = 32_768; // a DICOM header names its series long before

/**
 * @typedef {{path: string, file: File, head: Uint8Array}} Entry a chosen file, where it lay, and its first bytes
 * @typedef {{kind: "metaimage" | "nifti" | "dicom" | "zip", key: string, name: string, entries: Entry[],
 *            problem: {key: string, values: object} | null}} Group what becomes one scan; `problem` keeps it from being sent
 * @typedef {{entry: Entry, key: string, values?: object}} Left a file that is not sent, and why
 */

const SYSTEM = /^(\.|~\$|Thumbs\.db$|desktop\.ini$|DICOMDIR$|__MACOSX$)/i;
const PREAMBLE = 128;

/**
 * @param {Entry[]} entries
 * @returns {{groups: Group[], left: Left[]}}
 */
export function grouped(entries) {
  const [groups, left] = [[], []];
  const series = new Map();
  const data = new Map(); // raw files by their path, until a header claims them
  for (const entry of entries) if (isRaw(entry)) data.set(entry.path, entry);
  for (const entry of entries) {
    const name = nameOf(entry);
    if (entry.path.split("/").some((part) => SYSTEM.test(part))) left.push({ entry, key: "upload.left_system" });
    else if (!entry.file.size) left.push({ entry, key: "upload.left_empty" });
    else if (/\.mhd$/i.test(name)) groups.push(pair(entry, entries, data));
    else if (isRaw(entry)) continue;
    else if (/\.mha$/i.test(name)) groups.push(single("metaimage", entry));
    else if (/\.nii(\.gz)?$/i.test(name)) groups.push(single("nifti", entry));
    else if (/\.zip$/i.test(name)) groups.push(single("zip", entry));
    else if (isDicom(entry)) addSlice(series, entry);
    else left.push({ entry, key: /\.(csv|xml)$/i.test(name) ? "annotations" : "upload.left_unknown" });
  }
  for (const entry of data.values()) if (entry.file.size) left.push({ entry, key: "upload.left_raw" });
  return { groups: [...groups, ...series.values()], left };
}

const nameOf = (entry) => entry.path.split("/").at(-1);
const folderOf = (entry) => entry.path.split("/").slice(0, -1).join("/");
const isRaw = (entry) => /\.z?raw$/i.test(nameOf(entry));

function single(kind, entry, problem = null) {
  return { kind, key: entry.path, name: nameOf(entry), entries: [entry], problem };
}

/** A MetaImage header with the file of voxels that it names. */
function pair(header, entries, data) {
  const named = dataFileOf(header.head);
  if (named === "LOCAL") return single("metaimage", header);
  if (!named) return single("metaimage", header, { key: "upload.no_data_file", values: {} });
  const there = entries.filter((entry) => folderOf(entry) === folderOf(header));
  const found = there.find((entry) => nameOf(entry) === named) ?? there.find((entry) => alike(nameOf(entry)) === alike(named));
  if (!found) return single("metaimage", header, { key: "upload.data_missing", values: { file: named } });
  data.delete(found.path);
  return { ...single("metaimage", header), entries: [header, found] };
}

/** Computers differ in case and in how they compose accents, and header and names may come from two. */
const alike = (name) => name.normalize("NFC").toLowerCase();

/** What `ElementDataFile` of a MetaImage header says; null where it says nothing. */
export function dataFileOf(head) {
  const text = new TextDecoder().decode(head.subarray(0, 8192));
  return /^ElementDataFile[ \t]*=[ \t]*(\S.*?)[ \t]*\r?$/m.exec(text)?.[1] ?? null;
}

function isDicom({ head, path }) {
  return String.fromCharCode(...head.subarray(PREAMBLE, PREAMBLE + 4)) === "DICM" || /\.(dcm|ima)$/i.test(path);
}

function addSlice(series, entry) {
  const folder = folderOf(entry);
  const key = seriesOf(entry.head) ?? `folder ${folder}`;
  if (!series.has(key)) series.set(key, { kind: "dicom", key, name: folder.split("/").at(-1) || nameOf(entry), entries: [], problem: null });
  series.get(key).entries.push(entry);
}

/** SeriesInstanceUID of a DICOM file, found by its tag in little endian; null where it is not among the first bytes. */
export function seriesOf(head) {
  for (let at = 0; at + 8 < head.length; at += 2) {
    if (head[at] !== 0x20 || head[at + 1] !== 0x00 || head[at + 2] !== 0x0e || head[at + 3] !== 0x00) continue;
    const isExplicit = head[at + 4] === 0x55 && head[at + 5] === 0x49; // "UI", then two bytes of length
    const length = isExplicit ? head[at + 6] | (head[at + 7] << 8) : head[at + 4] | (head[at + 5] << 8);
    const uid = String.fromCharCode(...head.subarray(at + 8, at + 8 + length)).replace(/[\0 ]+$/, "");
    if (/^[0-9.]{1,64}$/.test(uid)) return uid;
  }
  return null;
}

export const sizeOf = (group) => group.entries.reduce((sum, { file }) => sum + file.size, 0);
