/* Files and folders that a person drops or chooses, with the first bytes of each. */

import { HEAD_BYTES } from "./recognize.js";

const AT_ONCE = 16; // files whose beginning is read at the same time

/** Entries of what was dropped; folders are walked through. `transfer` must be asked at once, within the event. */
export function ofDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const found = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return Promise.all(found.map((one) => (one instanceof File ? [{ path: one.name, file: one }] : walked(one)))).then((lists) => withHeads(lists.flat()));
}

/** Entries of an <input type="file">, of single files or of a folder. */
export function ofInput(input) {
  const files = [...input.files];
  input.value = ""; // choosing the same again is a change again
  return withHeads(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

async function walked(entry, folder = "") {
  if (!entry) return [];
  const path = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path, file }];
  }
  const lists = [];
  for (const child of await children(entry.createReader())) lists.push(await walked(child, `${path}/`));
  return lists.flat();
}

/** A reader gives some entries at a time, and none at the end. */
async function children(reader) {
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

async function withHeads(found) {
  const entries = [];
  for (let at = 0; at < found.length; at += AT_ONCE) {
    entries.push(...(await Promise.all(found.slice(at, at + AT_ONCE).map(withHead))));
  }
  return entries;
}

async function withHead({ path, file }) {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  return { path, file, head };
}
