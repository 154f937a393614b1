"""How long pages take while twenty scans are uploaded and examined during a training; whether all of them arrive whole.

The real server process. Twenty browsers send a scan each at the same time, in pieces as our own page does, while a
training goes on and pages are asked for at a steady rate; it ends when the last scan was examined and stored. Then one
scan of 300 MB is sent alone. Memory is that of the process that serves, without the one that examines.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.tables import table
from benchmarks.timing import conditions, load
from benchmarks.web_latency import PASSWORD, Visit, Visitors, _cells, _wait_until
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.phantom import write_hospitals
from fedlung.imaging.volume import CTVolume
from tests.upload_world import PIECES, TUS, a_chest, encoded
from tests.web.browsers import Browser, Server, free_port

UPLOADS = 20
REPEATS_ZYX = (2, 4, 4)  # of a small chest's voxels: 112 x 448 x 448, 45 MB
LARGE_BYTES = 300_000_000
BEFORE_SECONDS = 60
PIECE_BYTES = 8 << 20
MEBI = 1 << 20


@dataclass(frozen=True)
class Memory:
    """Of the serving process, in MiB: at first, and the most."""

    before: float
    peak: float


class MemoryWatch:
    """Looks at a process twenty times a second until `stop`."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._seen = [process.memory_info().rss]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> Memory:
        self._done.set()
        self._thread.join()
        return Memory(self._seen[0] / MEBI, max(self._seen) / MEBI)

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self._seen.append(self._process.memory_info().rss)


class Sender:
    """A browser of hospital_a's staff that uploads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = Browser(url).sign_in("staff_a", PASSWORD)
        self._headers = {**TUS, "X-CSRFToken": self._browser.token(), "Accept": "application/json"}

    def send(self, files: Sequence[Path], group: str) -> float:
        """Seconds until everything was acknowledged."""
        begun = time.perf_counter()
        paths = [self._one(file, group) for file in files]
        ids = [path.rpartition("/")[2] for path in paths]
        self._ask("POST", f"{paths[0]}/finish", json={"files": ids})
        return time.perf_counter() - begun

    def send_bytes(self, size: int, group: str) -> float:
        begun = time.perf_counter()
        path = self._create("large.raw", size, group)
        for offset in range(0, size, PIECE_BYTES):
            self._patch(path, offset, bytes(min(PIECE_BYTES, size - offset)))
        seconds = time.perf_counter() - begun
        self._ask("DELETE", path)
        return seconds

    def states(self) -> dict[str, str]:
        return {group["group"]: group["state"] for group in self._browser.get("/api/uploads").json()}

    def scan_ids(self) -> dict[str, str]:
        groups = self._browser.get("/api/uploads").json()
        return {group["group"]: group["results"][0]["scan_id"] for group in groups if group["results"]}

    def _one(self, file: Path, group: str) -> str:
        path = self._create(file.name, file.stat().st_size, group)
        with file.open("rb") as content:
            while piece := content.read(PIECE_BYTES):
                self._patch(path, content.tell() - len(piece), piece)
        return path

    def _create(self, name: str, size: int, group: str) -> str:
        metadata = {"Upload-Length": str(size), "Upload-Metadata": encoded(filename=name, group=group)}
        return str(self._ask("POST", "/api/uploads", headers=metadata).headers["Location"])

    def _patch(self, path: str, offset: int, piece: bytes) -> None:
        self._ask("PATCH", path, headers={"Upload-Offset": str(offset), "Content-Type": PIECES}, data=piece)

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        sent = {**self._headers, **(headers or {})}
        answer = self._browser.http.request(method, self._url + path, headers=sent, timeout=300, **more)
        answer.raise_for_status()
        return answer


SENDERS: list[Sender] = []  # of the process that sends


def run(work: Path) -> str:
    """Start the server, measure, and return the tables."""
    before = load()
    phantoms, data = work / "phantoms", work / "data"
    if not (phantoms / "hospital_c").is_dir():
        write_hospitals(phantoms, 3, 3, seed=0, scale=0.7)
    shutil.rmtree(data, ignore_errors=True)  # scans of an earlier run would be duplicates
    shutil.copytree(phantoms, data)
    files = _scans(work / "files")
    environment = {**os.environ, "FEDLUNG_DEMO_PASSWORD": PASSWORD, "FEDLUNG_LOG_LEVEL": "ERROR"}
    server = Server(["app.py", "--demo", "--data", str(data)], free_port(), environment)
    try:
        server.wait_until_ready(180)
        return _measured(server, files, data) + f"\n\n{conditions(before)}"
    finally:
        server.end(signal.SIGTERM, 60)


def _scans(folder: Path) -> list[tuple[Path, Path]]:
    """Header and pixels of scans that differ in their grain; made once."""
    folder.mkdir(exist_ok=True)
    small = a_chest()
    voxels = small.voxels_zyx
    for axis, count in enumerate(REPEATS_ZYX):
        voxels = np.repeat(voxels, count, axis)
    spacing = tuple(mm / count for mm, count in zip(small.geometry.spacing_zyx_mm, REPEATS_ZYX, strict=True))
    d, h, w = voxels.shape
    geometry = Geometry((d, h, w), (spacing[0], spacing[1], spacing[2]), small.geometry.origin_xyz_mm)
    for number in range(UPLOADS):
        path = folder / f"scan{number}.mhd"
        if not path.exists():
            write_metaimage(path, CTVolume(path.stem, voxels + np.int16(number), geometry))
    return [(folder / f"scan{number}.mhd", folder / f"scan{number}.raw") for number in range(UPLOADS)]


def _measured(server: Server, files: Sequence[tuple[Path, Path]], data: Path) -> str:
    admin = Browser(server.url).sign_in("admin", PASSWORD)
    people = {"admin": admin} | {who: Browser(server.url).sign_in(who, PASSWORD) for who in ("staff_a", "clinician_b")}
    visitors = Visitors(server.url, {who: person.cookie() for who, person in people.items()})
    run_id = admin.post("/api/runs", {"rounds": 500}).json()["id"]
    _wait_until(lambda: admin.get(f"/api/runs/{run_id}").json()["round"] >= 1)
    worker = psutil.Process(server.process.pid).children()[0]
    sender, batch = Sender(server.url), f"{time.time():.0f}"
    # In a process of their own: who sends must not share an interpreter with who measures. Signing in is slow on
    # purpose and no part of this; it comes before.
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=sign_in, initargs=(server.url,)
    ) as other:
        other.submit(len, SENDERS).result()
        end = time.monotonic() + BEFORE_SECONDS
        before = visitors.come(until=lambda: time.monotonic() > end)
        watch = MemoryWatch(worker)
        sent = other.submit(send_all, files, batch)
        visits = visitors.come(until=lambda: sent.done() and _all_ended(sender, batch))
    memory, sending = watch.stop(), sent.result()
    lost = _lost(sender, files, data / "hospital_a" / "scans", batch)
    training = admin.get(f"/api/runs/{run_id}").json()["state"]
    admin.post(f"/api/runs/{run_id}/stop")
    _wait_until(lambda: admin.get(f"/api/runs/{run_id}").json()["state"] == "stopped")
    large_watch = MemoryWatch(worker)
    large = sender.send_bytes(LARGE_BYTES, f"{batch}-large")
    return "\n\n".join(
        [
            _latencies(before, visits),
            _uploads(sending, memory, large, large_watch.stop(), files),
            f"{lost} of {UPLOADS} scans lost or changed on the way; the training was {training} all the time.",
        ]
    )


def sign_in(url: str) -> None:
    """Twenty browsers, in the process that sends."""
    SENDERS.extend(Sender(url) for _ in range(UPLOADS))


def send_all(files: Sequence[Sequence[Path]], batch: str) -> float:
    """Every scan from a browser of its own, all at the same time; seconds until the last was acknowledged."""
    with ThreadPoolExecutor(len(files)) as pool:
        return max(pool.map(Sender.send, SENDERS, files, [f"{batch}-{number}" for number in range(len(files))]))


def _all_ended(sender: Sender, batch: str) -> bool:
    own = [state for key, state in sender.states().items() if key.startswith(f"{batch}-")]
    return len(own) == UPLOADS and all(state in ("done", "refused", "duplicate") for state in own)


def _lost(sender: Sender, files: Sequence[tuple[Path, Path]], scans: Path, batch: str) -> int:
    """How many of the stored scans have other voxels than the file that was sent."""
    ids = sender.scan_ids()
    return sum(
        _digest(scans / f"{ids.get(f'{batch}-{number}')}.raw") != _digest(pixels)
        for number, (_, pixels) in enumerate(files)
    )


def _digest(path: Path) -> str:
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _latencies(before: Sequence[Visit], during: Sequence[Visit]) -> str:
    header = ("while three hospitals train", "requests", "p50 ms", "p95 ms", "p99 ms", "longest ms")
    rows = []
    for title, visits in (("no uploads", before), (f"**{UPLOADS} scans are sent and examined**", during)):
        pages = [visit for visit in visits if not visit.path.startswith("/api/")]
        rows += [(f"{title}: pages", *_cells(pages)), (f"{title}: everything", *_cells(visits))]
    return table(header, rows)


def _uploads(
    sending: float, memory: Memory, large: float, large_memory: Memory, files: Sequence[tuple[Path, Path]]
) -> str:
    total = sum(pixels.stat().st_size for _, pixels in files)
    header = ("upload", "MB", "seconds", "MB/s", "server before, MiB", "at most, MiB")
    rows = [
        _row(f"{UPLOADS} scans at once, and a training in the same process", total, sending, memory),
        _row("one file, no training", LARGE_BYTES, large, large_memory),
    ]
    return table(header, rows)


def _row(name: str, size: int, seconds: float, memory: Memory) -> tuple[str, ...]:
    megabytes = size / 1e6
    numbers = (megabytes, seconds, megabytes / seconds, memory.before, memory.peak)
    return name, *(f"{number:.0f}" for number in numbers)
