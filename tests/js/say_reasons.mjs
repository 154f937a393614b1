/* Reads {"reasons": [...], "ends": [...]} and writes the same sentences as the pages would show them: every text is its key. */
import { readFileSync } from "node:fs";

const { keys, reasons, ends } = JSON.parse(readFileSync(0, "utf8"));
const texts = JSON.stringify(Object.fromEntries(keys.map((key) => [key, key])));
globalThis.document = { getElementById: () => ({ textContent: texts }), documentElement: { lang: "en" }, body: { dataset: { role: "admin" } } };
const { endWords, reasonWords } = await import("../../static/js/words.js");
console.log(JSON.stringify({ reasons: reasons.map(reasonWords), ends: ends.map(endWords) }));
