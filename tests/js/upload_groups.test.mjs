import assert from "node:assert/strict";
import { test } from "node:test";
import { dataFileOf, grouped, seriesOf } from "../../static/js/uploads/recognize.js";

const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...part].map((letter) => letter.charCodeAt(0)) : part)));
const entry = (path, head = "", size = 10) => ({ path, file: { size }, head: bytes(head) });
const header = (data) => `ObjectType = Image\nNDims = 3\nElementDataFile = ${data}\n`;
const zeros = (count) => Array(count).fill(0);
const PREAMBLE = [zeros(128), "DICM"];
const explicit = (uid) => bytes(...PREAMBLE, [0x08, 0, 0x60, 0], "CS", [2, 0], "CT", [0x20, 0, 0x0e, 0], "UI", [uid.length, 0], uid, zeros(4));
const implicit = (uid) => bytes(...PREAMBLE, [0x20, 0, 0x0e, 0], [uid.length, 0, 0, 0], uid, zeros(4));
const slice = (path, uid, write = explicit) => ({ ...entry(path), head: write(uid) });
const names = (group) => group.entries.map(({ path }) => path);
const reasons = (left) => Object.fromEntries(left.map(({ entry: one, key }) => [one.path, key]));

test("a header and the voxels that it names belong together, whatever the order", () => {
  const { groups, left } = grouped([entry("a/2.raw"), entry("a/1.mhd", header("2.raw")), entry("a/2.mhd", header("1.zraw")), entry("a/1.zraw")]);
  assert.deepEqual(groups.map(names), [["a/1.mhd", "a/2.raw"], ["a/2.mhd", "a/1.zraw"]]);
  assert.deepEqual([left, groups.map(({ problem }) => problem)], [[], [null, null]]);
});

test("voxels of the same name in another folder are not taken", () => {
  const { groups, left } = grouped([entry("a/1.mhd", header("1.raw")), entry("b/1.raw")]);
  assert.deepEqual(groups[0].problem, { key: "upload.data_missing", values: { file: "1.raw" } });
  assert.deepEqual(reasons(left), { "b/1.raw": "upload.left_raw" });
});

test("a name that differs in case only is meant, an exact one is preferred", () => {
  const found = (files) => names(grouped([entry("1.mhd", header("CT.RAW")), ...files.map((path) => entry(path))]).groups[0]);
  assert.deepEqual(found(["ct.raw"]), ["1.mhd", "ct.raw"]);
  assert.deepEqual(found(["ct.raw", "CT.RAW"]), ["1.mhd", "CT.RAW"]);
});

test("names of voxels may be in any script, and composed in either way", () => {
  for (const [named, file] of [["张三的胸部CT（随访）.raw", "张三的胸部CT（随访）.raw"], ["Müller.raw", "Mu\u0308ller.raw"]]) {
    const told = { ...entry("1.mhd"), head: new TextEncoder().encode(header(named)) };
    const { groups, left } = grouped([told, entry(file)]);
    assert.deepEqual([groups.map(names), groups[0].problem, left], [[["1.mhd", file]], null, []]);
  }
});

test("a header with its voxels inside needs no other file; one that names none is told", () => {
  const { groups } = grouped([entry("1.mhd", header("LOCAL")), entry("2.mhd", "NDims = 3\n"), entry("3.mha"), entry("4.nii.gz"), entry("5.zip")]);
  assert.deepEqual(groups.map(({ kind, problem }) => [kind, problem?.key ?? null]), [
    ["metaimage", null], ["metaimage", "upload.no_data_file"], ["metaimage", null], ["nifti", null], ["zip", null],
  ]);
});

test("what a header names is read with any spacing and line end", () => {
  for (const [line, wanted] of [["ElementDataFile=x.raw\r\n", "x.raw"], ["ElementDataFile \t=  a b.raw  \n", "a b.raw"], ["ElementDataFile =\n", null], ["#\n", null]]) {
    assert.equal(dataFileOf(bytes(`NDims = 3\n${line}`)), wanted);
  }
});

test("slices are put together by their series, not by their folder", () => {
  const { groups } = grouped([slice("ct/1", "1.2.1"), slice("ct/2", "1.2.2"), slice("ct/3", "1.2.1\0"), slice("mr/4", "1.2.1", implicit)]);
  assert.deepEqual(groups.map(names), [["ct/1", "ct/3", "mr/4"], ["ct/2"]]);
  assert.deepEqual(groups.map(({ name }) => name), ["ct", "ct"]);
});

test("a DICOM file without a readable series goes by its folder", () => {
  const { groups } = grouped([entry("a/1.dcm"), entry("a/2.DCM"), entry("b/1.dcm")]);
  assert.deepEqual(groups.map(names), [["a/1.dcm", "a/2.DCM"], ["b/1.dcm"]]);
});

test("the series is found in both encodings, and only where it is a UID", () => {
  assert.equal(seriesOf(explicit("1.2.840.1")), "1.2.840.1");
  assert.equal(seriesOf(implicit("1.2.840.1")), "1.2.840.1");
  assert.equal(seriesOf(explicit("../../etc")), null);
  assert.equal(seriesOf(bytes(...PREAMBLE, [0x20, 0, 0x0e, 0])), null);
  assert.equal(seriesOf(new Uint8Array(0)), null);
});

test("what is no scan stays behind, with the reason", () => {
  const { groups, left } = grouped([entry("ct/DICOMDIR"), entry("ct/.DS_Store"), entry("__MACOSX/1.mha"), entry("notes.txt"), entry("annotations.csv"), entry("e.mha", "", 0), entry("x.raw")]);
  assert.deepEqual(groups, []);
  assert.deepEqual(reasons(left), {
    "ct/DICOMDIR": "upload.left_system", "ct/.DS_Store": "upload.left_system", "__MACOSX/1.mha": "upload.left_system", "notes.txt": "upload.left_unknown",
    "annotations.csv": "annotations", "e.mha": "upload.left_empty", "x.raw": "upload.left_raw",
  });
});
