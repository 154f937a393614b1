"""Static files: for ever under the hash of their content, checked each time without it, never outside their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fedlung.web.assets import CHECKED, LONG, version_of


def address(app: Flask, name: str) -> str:
    with app.test_request_context():
        return str(app.jinja_env.globals["asset"](name))


def test_an_address_from_a_page_is_kept_for_ever(app: Flask, stranger: FlaskClient) -> None:
    answer = stranger.get(address(app, "css/base.css"), buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, LONG)


@pytest.mark.parametrize("query", ["", "?v=", "?v=000000000000"])
def test_another_version_is_checked_each_time(stranger: FlaskClient, query: str) -> None:
    answer = stranger.get(f"/static/css/base.css{query}", buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, CHECKED)
    again = stranger.get(
        f"/static/css/base.css{query}", headers={"If-None-Match": answer.headers["ETag"]}, buffered=True
    )
    assert again.status_code == 304


def test_a_changed_file_has_another_address(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("old")
    os.utime(file, ns=(1, 1))
    before = version_of(tmp_path, "a.css")
    file.write_text("new")
    os.utime(file, ns=(2, 2))
    assert before != version_of(tmp_path, "a.css")


@pytest.mark.parametrize("name", ["../app.py", "/etc/passwd", "css", "", "no.css", "css/../../app.py", "a\0b"])
def test_what_is_no_file_of_ours_has_no_version(app: Flask, name: str) -> None:
    assert version_of(Path(str(app.static_folder)), name) is None


def test_a_template_with_a_wrong_name_fails_loudly(app: Flask) -> None:
    with pytest.raises(FileNotFoundError, match=r"css/bse\.css"):
        address(app, "css/bse.css")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"])
def test_nothing_outside_the_folder_is_served(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(path, buffered=True).status_code in (308, 404)
