"""The log on stderr: one line per message, whatever a user name or file name in it holds."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class OneLine(logging.Formatter):
    """Control characters of a message are written as escapes, so that nobody can forge a line or colour a terminal.

    The traceback of an error keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        return "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in super().formatMessage(record)
        )


def log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It tells every attribute that it copies from a series, with the identifiers of the patient's images.
    logging.getLogger("highdicom").setLevel(logging.WARNING)
