"""One message is one line: a name with a line end in it cannot forge a second one."""

from __future__ import annotations

import logging
import sys

from fedlung.web.log_lines import FORMAT, OneLine


def line(message: str, *args: object) -> str:
    return OneLine(FORMAT).format(logging.LogRecord("fedlung.web", logging.INFO, __file__, 1, message, args, None))


def test_control_characters_are_escaped_and_words_are_not() -> None:
    shown = line("refused %s", "eve\n2026-01-01 INFO fedlung: signed in admin\r\x1b[31m\u202e医院 ä")
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert r"eve\n2026-01-01" in shown
    assert r"\x1b[31m" in shown
    assert r"\u202e" in shown
    assert "医院 ä" in shown


def test_a_traceback_keeps_its_lines() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("fedlung", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())
    shown = OneLine(FORMAT).format(record).splitlines()
    assert shown[0].endswith("it failed")
    assert shown[1].startswith("Traceback")
