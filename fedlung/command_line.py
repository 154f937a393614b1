"""What every command of the project shares: exit codes, and one plain line instead of a traceback.

0 done; 1 the work failed; 2 wrong arguments (DESIGN section 4).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from fedlung import __version__
from fedlung.errors import FedLungError, WrongArgument

DONE, FAILED, WRONG_ARGUMENTS = 0, 1, 2


class Arguments(argparse.ArgumentParser):
    """An argument parser that answers a wrong argument with one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        self.add_argument("--version", action="version", version=f"FedLung {__version__}")

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_ARGUMENTS, f"{self.prog}: {message} (see --help)\n")


def run_command(command: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> int:
    """Run ``command(argv)`` and return the exit code; the reason of a failure goes to stderr in one line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        command(argv)
    except WrongArgument as error:
        return _say(str(error), WRONG_ARGUMENTS)
    except FedLungError as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt:
        return _say("interrupted", FAILED)
    except OSError as error:
        return _say(f"{error.filename or 'file system'}: {error.strerror or error}", FAILED)
    except MemoryError:
        return _say("not enough memory for this work", FAILED)
    return DONE


def make_room_for(out: Path) -> None:
    """Make the folder of a file that a long work is going to write, so that a wrong path is told before it.

    Raises:
        WrongArgument: the path is a folder, or its folder cannot be made.
    """
    if out.is_dir():
        raise WrongArgument(f"--out: {out} is a folder; a file name is needed")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongArgument(f"--out: {out.parent} cannot be made: {error.strerror}") from None


def _say(message: str, code: int) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return code
