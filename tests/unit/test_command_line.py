"""Exit codes, one plain line, and Ctrl-C as a request instead of an exception."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from fedlung.command_line import Arguments, interrupts_call, make_room_for, run_command
from fedlung.errors import BadScan, Stopped, WrongArgument


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (WrongArgument("no such folder"), 2, "no such folder"),
        (BadScan("DimSize is\n  missing"), 1, "DimSize is missing"),
        (Stopped("stopped in epoch 2"), 1, "stopped in epoch 2"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (MemoryError(), 1, "not enough memory for this work"),
    ],
)
def test_a_failure_is_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    def command(argv: Sequence[str] | None) -> None:
        raise error

    assert run_command(command) == code
    assert capsys.readouterr().err == line + "\n"


def test_success_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda argv: None) == 0
    assert capsys.readouterr().err == ""


def test_a_wrong_option_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        Arguments("tool", "A tool.").parse_args(["--no-such"])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_once_and_a_second_ctrl_c_interrupts(number: signal.Signals) -> None:
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interrupts_call(lambda: asked.append(1)):
        os.kill(os.getpid(), number)
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_place_for_the_result_is_made_or_refused_before_the_work(tmp_path: Path) -> None:
    make_room_for(tmp_path / "new" / "folder" / "model.pth")
    assert (tmp_path / "new" / "folder").is_dir()
    with pytest.raises(WrongArgument, match="is a folder"):
        make_room_for(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongArgument, match="cannot be made"):
        make_room_for(tmp_path / "file" / "model.pth")
