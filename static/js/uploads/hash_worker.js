/* SHA-256 of files, piece by piece, beside the page: {id, file} -> {id, sha256 | null}. */

import { sha256 } from "../../vendor/noble-hashes/sha2.js";

const PIECE_BYTES = 4 * 1024 * 1024;
let last = Promise.resolve();

self.onmessage = ({ data: { id, file } }) => {
  last = last.then(() => hashed(file)).then((hash) => self.postMessage({ id, sha256: hash }));
};

async function hashed(file) {
  const state = sha256.create();
  try {
    for (let at = 0; at < file.size; at += PIECE_BYTES) {
      state.update(new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer()));
    }
  } catch {
    return null; // the file has changed or gone; sending it fails as well, with words
  }
  return Array.from(state.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
