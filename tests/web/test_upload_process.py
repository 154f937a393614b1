"""Uploads against a real server: lines break, the server is killed, the disk is full, senders are slow or many."""

from __future__ import annotations

import contextlib
import io
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from fedlung.web.slow_clients import BODY_BYTES_PER_SECOND
from tests.upload_world import PIECES, TUS, a_chest, encoded, metaimage_files
from tests.web.browsers import PATIENCE_SECONDS, Browser, Server, Start, served_app, wait_until
from tests.web.conftest import PASSWORD
from tests.web.served_app import PATIENCE_SECONDS as BODY_PATIENCE_SECONDS

pytestmark = pytest.mark.slow
LONG = 60.0
MEBI = 1 << 20


@pytest.fixture
def data(tmp_path: Path, make_data: Callable[[Path], Path]) -> Path:
    return make_data(tmp_path / "data")


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    with served_app(data, 80, session_cap=10) as start_:
        yield start_


class Staff:
    """A browser of hospital_a that uploads."""

    def __init__(self, server: Server, username: str = "staff_a") -> None:
        self.browser = Browser(server.url).sign_in(username, PASSWORD)
        self.url = server.url
        self.headers = {**TUS, "X-CSRFToken": self.browser.token(), "Accept": "application/json"}

    def create(self, name: str, size: int, group: str = "g") -> str:
        metadata = {"Upload-Length": str(size), "Upload-Metadata": encoded(filename=name, group=group)}
        answer = self.browser.http.post(
            f"{self.url}/api/uploads", headers={**self.headers, **metadata}, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def patch(self, path: str, offset: int, content: Any) -> requests.Response:
        headers = {**self.headers, "Upload-Offset": str(offset), "Content-Type": PIECES}
        return self.browser.http.patch(self.url + path, data=content, headers=headers, timeout=LONG)

    def offset(self, path: str) -> int:
        answer = self.browser.http.head(self.url + path, headers=TUS, timeout=PATIENCE_SECONDS)
        return int(answer.headers["Upload-Offset"])

    def send(self, files: Mapping[str, bytes], group: str) -> None:
        paths = [self.create(name, len(content), group) for name, content in files.items()]
        for path, content in zip(paths, files.values(), strict=True):
            assert self.patch(path, 0, content).status_code == 204
        self.finish(paths)

    def finish(self, paths: list[str]) -> None:
        body = {"files": [path.rpartition("/")[2] for path in paths]}
        answer = self.browser.http.post(
            f"{self.url}{paths[0]}/finish", json=body, headers=self.headers, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 202, answer.text

    def wait_until_ended(self, group: str) -> dict[str, Any]:
        def found() -> dict[str, Any]:
            return next(each for each in self.browser.get("/api/uploads").json() if each["group"] == group)

        wait_until(lambda: found()["state"] in ("done", "refused", "duplicate"), "the upload was examined", LONG)
        return found()

    def scans(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self.browser.get("/api/scans").json()["scans"]
        return answer

    def half_a_patch(self, path: str, size: int, content: bytes) -> socket.socket:
        """A connection on which the beginning of a body was sent."""
        host, port = self.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        headers = {
            **self.headers,
            "Host": f"{host}:{port}",
            "Cookie": self.browser.cookie(),
            "Upload-Offset": "0",
            "Content-Type": PIECES,
            "Content-Length": str(size),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"PATCH {path} HTTP/1.1\r\n{lines}\r\n".encode() + content)
        return connection


def pair(tmp_path: Path, seed: int = 0, name: str = "scan") -> tuple[dict[str, bytes], str]:
    """Header and pixels, and the name of the latter."""
    folder = tmp_path / f"{name}{seed}"
    folder.mkdir()
    return metaimage_files(a_chest(seed, name), folder), f"{name}.raw"


def test_an_upload_survives_a_broken_line_and_a_killed_server(start: Start, data: Path, tmp_path: Path) -> None:
    files, raw = pair(tmp_path)
    pixels, share = files[raw], len(files[raw]) * 2 // 5
    server = start()
    staff = Staff(server)
    header = staff.create("scan.mhd", len(files["scan.mhd"]))
    staff.patch(header, 0, files["scan.mhd"])
    path = staff.create(raw, len(pixels))
    staff.half_a_patch(path, len(pixels), pixels[:share]).close()
    wait_until(lambda: staff.offset(path) == share, "what has arrived is kept")
    assert staff.scans() == []

    rest = Slowly(pixels[share:])
    thread = threading.Thread(target=_ignoring, args=(staff.patch, path, share, rest))
    thread.start()
    wait_until(lambda: Staff(server).offset(path) > share, "the rest arrives")
    _kill(staff, data)
    thread.join(LONG)

    staff = Staff(start())
    offset = staff.offset(path)
    assert share < offset < len(pixels)
    assert staff.scans() == [], "a partial upload is never a scan"
    assert staff.patch(path, offset, pixels[offset:]).status_code == 204
    staff.finish([header, path])
    assert staff.wait_until_ended("g")["state"] == "done"
    (scan,) = staff.scans()
    stored = data / "hospital_a" / "scans" / f"{scan['scan_id']}.raw"
    assert stored.read_bytes() == pixels


class Slowly:
    """A body with a length, of which a piece comes now and then."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._size = len(content)

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        time.sleep(0.3)
        return self._content.read(min(count, 50_000) if count >= 0 else -1)


def _ignoring(patch: Callable[..., object], *arguments: object) -> None:
    with contextlib.suppress(requests.RequestException):
        patch(*arguments)


def _kill(staff: Staff, data: Path) -> None:
    """The server and its worker at once, as a power cut would."""
    port = int(staff.url.rpartition(":")[2])
    for process in psutil.process_iter(["cmdline"]):
        if str(data) in (process.info["cmdline"] or ()) and str(port) in (process.info["cmdline"] or ()):
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
            return
    pytest.fail("the server is not there")


def test_a_server_killed_while_it_examines_does_it_again(start: Start, data: Path, tmp_path: Path) -> None:
    staff = Staff(start())
    staff.send(pair(tmp_path)[0], "g")
    wait_until(lambda: staff.browser.get("/api/uploads").json()[0]["state"] == "checking", "it is being checked")
    _kill(staff, data)
    staff = Staff(start())
    assert staff.wait_until_ended("g")["state"] == "done"
    assert len(staff.scans()) == 1
    assert not list(data.rglob("*.part"))


def test_the_same_scan_four_times_at_once_is_stored_once(start: Start, data: Path, tmp_path: Path) -> None:
    server = start()
    files, _ = pair(tmp_path)
    senders = [Staff(server) for _ in range(4)]
    threads = [
        threading.Thread(target=sender.send, args=(files, f"g{number}")) for number, sender in enumerate(senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    ends = sorted(senders[0].wait_until_ended(f"g{number}")["state"] for number in range(4))
    assert ends == ["done", "duplicate", "duplicate", "duplicate"]
    assert len(list((data / "hospital_a" / "scans").glob("*.mhd"))) == 1


def test_a_full_disk_is_told_and_others_go_on(start: Start, tmp_path: Path) -> None:
    server = start()
    staff, other = Staff(server), Staff(server)
    path = staff.create("scan.raw", 4 * MEBI)
    for worker in psutil.Process(server.process.pid).children():
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (2 * MEBI, 2 * MEBI))
    answer = staff.patch(path, 0, bytes(4 * MEBI))
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_space")
    assert other.browser.get("/client").status_code == 200
    assert other.offset(path) == 2 * MEBI, "what is on disk is kept"
    small = other.create("other.raw", 10, "g2")
    assert other.patch(small, 0, b"0123456789").status_code == 204


def test_slow_senders_do_not_hold_the_server(start: Start) -> None:
    staff = Staff(start())
    size = int(2 * BODY_BYTES_PER_SECOND)
    paths = [staff.create(f"{number}.raw", size, f"g{number}") for number in range(40)]
    connections = [staff.half_a_patch(path, size, b"x") for path in paths]
    begun = time.monotonic()
    for path in ("/healthz", "/client", "/api/scans"):
        assert staff.browser.get(path).status_code == 200
    assert time.monotonic() - begun < 5
    for connection in connections:
        connection.settimeout(BODY_PATIENCE_SECONDS + size / BODY_BYTES_PER_SECOND + PATIENCE_SECONDS)
        assert connection.recv(100) != b"never", "the server lets go by itself"
        connection.close()
    assert [staff.offset(path) for path in paths] == [1] * len(paths)


def test_a_large_scan_takes_no_memory(start: Start) -> None:
    """120 MB here; `benchmarks/upload_latency.py` sends 300."""
    server = start()
    staff = Staff(server)
    size, piece = 120 * MEBI, bytes(MEBI)
    path = staff.create("scan.raw", size)
    (worker,) = psutil.Process(server.process.pid).children()
    before = worker.memory_info().rss
    peak, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak.append(worker.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    answer = staff.patch(path, 0, _Body(size, piece))
    done.set()
    thread.join()
    assert answer.status_code == 204
    assert staff.offset(path) == size
    assert max(peak) - before < 30 * MEBI


class _Body:
    """``size`` bytes with a length, without holding them."""

    def __init__(self, size: int, piece: bytes) -> None:
        self._left, self._size, self._piece = size, size, piece

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        count = min(self._left, len(self._piece)) if count < 0 else min(count, self._left, len(self._piece))
        self._left -= count
        return self._piece[:count]

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece
