"""Scans to upload, and a browser's way of uploading: what tests of uploads, scans and annotations have in common."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flask.testing import FlaskClient

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.intake.digest import voxels_sha256
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.scan_records import NewScan, ScanRecord
from fedlung.web.services import Services
from tests.web.conftest import csrf_token

TUS = {"Tus-Resumable": "1.0.0"}
PIECES = "application/offset+octet-stream"
SHAPE_ZYX, SPACING_ZYX_MM = (56, 112, 112), (5.0, 2.7, 2.7)


def a_chest(seed: int = 0, name: str = "scan", **geometry: Any) -> CTVolume:
    """A body with two lungs, and grain that differs by ``seed``: the least that passes the checks."""
    z, y, x = np.ogrid[: SHAPE_ZYX[0], : SHAPE_ZYX[1], : SHAPE_ZYX[2]]
    middle = [(count - 1) / 2 for count in SHAPE_ZYX]
    body = ((y - middle[1]) / 40) ** 2 + ((x - middle[2]) / 52) ** 2 < 1
    voxels = np.where(body & (z >= 0), 40, -1000).astype(np.int16)
    for side in (-1, 1):
        center = middle[2] + side * 24
        lung = ((z - middle[0]) / 22) ** 2 + ((y - middle[1]) / 28) ** 2 + ((x - center) / 17) ** 2 < 1
        voxels[lung] = -850
    voxels += np.random.default_rng(seed).integers(-20, 20, SHAPE_ZYX, dtype=np.int16)
    placed = {"origin_xyz_mm": (-150.0, -150.0, -140.0), **geometry}
    return CTVolume(name, voxels, Geometry(SHAPE_ZYX, SPACING_ZYX_MM, **placed))


def metaimage_files(volume: CTVolume, folder: Path) -> dict[str, bytes]:
    """Name -> content of the pair that would be sent."""
    write_metaimage(folder / f"{volume.series_uid}.mhd", volume)
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{volume.series_uid}.*"))}


def written_long_ago(scans: Path) -> None:
    """What lies there is not being copied any more."""
    for path in scans.iterdir():
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 60 * 10**9))


def encoded(**metadata: str) -> str:
    return ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in metadata.items())


class Sender:
    """A browser that uploads, signed in already."""

    def __init__(self, browser: FlaskClient) -> None:
        self.browser = browser
        self.headers = {**TUS, "X-CSRFToken": csrf_token(browser, "/account")}

    def create(self, name: str, size: int, group: str = "", **more: str) -> Any:
        metadata = encoded(filename=name, **({"group": group} if group else {}), **more)
        headers = {**self.headers, "Upload-Length": str(size), "Upload-Metadata": metadata}
        return self.browser.post("/api/uploads", headers=headers)

    def patch(self, url: str, offset: int, content: bytes, **headers: str) -> Any:
        sent = {**self.headers, "Upload-Offset": str(offset), **headers}
        return self.browser.patch(url, data=content, headers=sent, content_type=PIECES)

    def offset(self, url: str) -> int:
        return int(self.browser.head(url, headers=TUS).headers["Upload-Offset"])

    def finish(self, urls: list[str], sha256: Mapping[str, str] | None = None) -> Any:
        ids = [url.rpartition("/")[2] for url in urls]
        body = {"files": ids, "sha256": dict(sha256 or {})}
        return self.browser.post(f"{urls[0]}/finish", json=body, headers=self.headers)

    def send(self, files: Mapping[str, bytes], group: str) -> Any:
        """Everything at once; the answer of the end."""
        urls = []
        for name, content in files.items():
            answer = self.create(name, len(content), group, sha256=hashlib.sha256(content).hexdigest())
            assert answer.status_code == 201, answer.text
            urls.append(answer.headers["Location"])
            assert self.patch(urls[-1], 0, content).status_code == 204
        answer = self.finish(urls)
        assert answer.status_code == 202, answer.text
        return answer.get_json()

    def group(self, key: str) -> Any:
        return next(group for group in self.browser.get("/api/uploads").get_json() if group["group"] == key)

    def change(self, method: str, path: str, body: Any = None) -> Any:
        return self.browser.open(path, method=method, json=body, headers=self.headers)


def store_scan(sender: Sender, services: Services, files: Mapping[str, bytes], group: str = "g1") -> str:
    """Send a scan, have it examined, and return its id."""
    sender.send(files, group)
    while services.scans.intake.work_once():
        pass
    ended = sender.group(group)
    assert ended["state"] == "done", ended
    return str(ended["results"][0]["scan_id"])


def put_scan(store: HospitalStore, volume: CTVolume, label: str = "CT 0001") -> str:
    """A scan that is in the store at once, as if it had been uploaded and checked."""
    with store.uploads.own_workspace() as work:
        write_metaimage(work / f"{volume.series_uid}.mhd", volume)
        (work / f"{volume.series_uid}.png").write_bytes(b"\x89PNG")
        in_lps = reorient_to_lps(volume)
        record = ScanRecord(
            scan_id=volume.series_uid,
            label=label,
            uploaded_as="somebody's name.mhd",
            source="metaimage",
            received="2026-11-22T21:00:00.000+00:00",
            by="staff_a",
            voxels_sha256=voxels_sha256(in_lps),
            shape_zyx=in_lps.geometry.shape_zyx,
            spacing_zyx_mm=in_lps.geometry.spacing_zyx_mm,
        )
        store.add(NewScan(work, record))
    return volume.series_uid
