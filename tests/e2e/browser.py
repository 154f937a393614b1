"""The program as people meet it: the real server as a process, and real Chromium in front of it.

A `Visitor` is one person's browser. It notes whatever no page may do: errors on the console, violations of the content
security policy, requests to anybody but our server.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from fedlung.imaging.phantom import write_hospitals
from tests.web.browsers import ROOT, free_port, wait_until

PASSWORD = "a lantern over the harbour"
PATIENCE_MS = 30_000  # of every expectation: the cores may be shared with a training
START_SECONDS = 90.0  # torch is loaded
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`))"""
SERVER_IS_AWAY = (
    r"ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED|INCOMPLETE_CHUNKED_ENCODING)"
    r"|WebSocket connection|status of 503"
)
REFUSED = r"status of 40[0-9]"  # what the server refuses, Chromium writes to the console

expect.set_options(timeout=PATIENCE_MS)


def chromium_path() -> str:
    """Debian's Chromium. A machine that checks everything must have it; on any other the tests are skipped."""
    path = shutil.which("chromium")
    if path is None:
        reason = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("CI") or os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def small_hospitals(data: Path, scans: int = 2) -> Path:
    """Three hospitals of small phantoms, so that a round takes seconds."""
    write_hospitals(data, 3, scans, seed=0, scale=0.5)
    return data


def empty_hospitals(data: Path) -> Path:
    """Three hospitals without a scan, for what needs no training."""
    for letter in "abc":
        (data / f"hospital_{letter}" / "scans").mkdir(parents=True)
        (data / f"hospital_{letter}" / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
    return data


class WebServer:
    """``python app.py`` on a data folder, at the same address through all its lives."""

    def __init__(self, data: Path, *options: str, password: str | None = PASSWORD) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = [sys.executable, "app.py", "--data", str(data), "--port", str(self.port), *options]
        self._environment = {**os.environ, **({"FEDLUNG_DEMO_PASSWORD": password} if password else {})}
        self._log = data.parent / f"{data.name}-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lives = 0

    def start(self) -> Self:
        self._lives += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._is_ready, f"the server answers; see {self._log}", START_SECONDS)
        return self

    def kill(self) -> None:
        """As ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def terminate(self) -> int:
        """End it in order; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def output(self) -> str:
        """Everything that was printed, in all its lives."""
        return self._log.read_text(encoding="utf-8")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.terminate()

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output()
        if self.output().count(f" is at {self.url}") < self._lives:
            return False  # who answers may be the one that was killed a moment ago
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False


class Visitor:
    """One person's browser, with cookies of its own; further tabs by ``context.new_page()``."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        language: str = "en",
        theme: str = "light",
        size: tuple[int, int] = (1440, 900),
    ) -> None:
        self.url = url
        self.wrongs: list[str] = []
        self.context = browser.new_context(
            base_url=url,
            locale={"en": "en-GB", "zh": "zh-CN"}[language],
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": size[0], "height": size[1]},
        )
        self.context.add_init_script(TELL_VIOLATIONS)
        self.context.on("console", self._hear)
        self.context.on("weberror", lambda error: self.wrongs.append(f"uncaught: {error.error}"))
        self.context.on("request", self._look)
        self.context.on("page", lambda page: page.on("websocket", lambda socket: self._allow(socket.url)))
        self.context.on("page", lambda page: page.on("dialog", lambda dialog: self.wrongs.append("a script's dialog")))
        self.page = self.context.new_page()

    def sign_in(self, username: str, password: str = PASSWORD) -> Self:
        page = self.page
        page.goto("/login")
        page.get_by_test_id("login-form").locator("#username").fill(username)
        page.get_by_test_id("login-form").locator("#password").fill(password)
        page.get_by_test_id("login-form").locator("[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return self

    def opens(self, path: str, tab: Page | None = None) -> Page:
        """Go there, and wait until the page is live."""
        page = tab or self.page
        page.goto(path)
        is_live(page)
        return page

    def asks(self, path: str) -> Any:
        """What the API answers this person."""
        answer = self.page.request.get(path)
        assert answer.ok, f"{path}: {answer.status} {answer.text()}"
        return answer.json()

    def posts(self, path: str, body: Any = None) -> Any:
        return self._sends("POST", path, body)

    def puts(self, path: str, body: Any) -> Any:
        return self._sends("PUT", path, body)

    def patches(self, path: str, body: Any) -> Any:
        return self._sends("PATCH", path, body)

    def saw_nothing_wrong(self, except_for: str = "") -> None:
        """Nothing that no page may do has happened; ``except_for`` is a pattern of what the test itself provoked."""
        wrongs = [wrong for wrong in self.wrongs if not except_for or not re.search(except_for, wrong)]
        assert wrongs == [], wrongs

    def leave(self) -> None:
        self.context.close()

    def _sends(self, method: str, path: str, body: Any) -> Any:
        token = self.page.locator("meta[name=csrf-token]").get_attribute("content") or ""
        answer = self.page.request.fetch(path, method=method, data=body or {}, headers={"X-CSRFToken": token})
        assert answer.ok, f"{path}: {answer.status} {answer.text()}"
        return answer.json()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrongs.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _look(self, request: Request) -> None:
        self._allow(request.url)

    def _allow(self, url: str) -> None:
        own = (self.url, self.url.replace("http://", "ws://"), "data:", "blob:")
        if not url.startswith(own):
            self.wrongs.append(f"asked for {url}")


def is_live(page: Page) -> None:
    expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "live")


def run_state(page: Page, *states: str) -> None:
    """Wait until the run of the page is in one of these states."""
    pattern = re.compile("|".join(states))
    expect(page.get_by_test_id("run-state")).to_have_attribute(
        "data-state", pattern, timeout=14 * PATIENCE_MS
    )  # a slow machine trains slowly


def round_cells(page: Page, round_: int, state: str, count: int) -> None:
    """Wait until so many hospitals are in this state in this round of the grid."""
    cells = page.get_by_test_id("round-grid").locator(f"tbody td:nth-child({round_ + 1})[data-state={state}]")
    expect(cells).to_have_count(count, timeout=14 * PATIENCE_MS)  # a slow machine trains slowly


def confirm(page: Page) -> None:
    page.get_by_test_id("confirm").click()


def tab_to(page: Page, selector: str, at_most: int = 60) -> None:
    """Press the tabulator until the element has the focus, and see that the focus can be seen."""
    for _ in range(at_most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"{at_most} times Tab do not lead to {selector}")


def printed_passwords(output: str) -> dict[str, str]:
    """Account -> password, from the table that a first start prints."""
    rows = re.finditer(r"^(\S+)\s+(?:admin|staff|clinician)\s+\S+\s+(\S.*)$", output, re.MULTILINE)
    return {row[1]: row[2].strip() for row in rows}
