"""``python -m benchmarks [NAME ...]``: run benchmarks, print their tables, and put them into the documents."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import federated_vs_alone, froc_speed
from benchmarks.tables import READMES, RESULTS, ROOT, put

BENCHMARKS: dict[str, Callable[[Path], str]] = {
    "froc_speed": froc_speed.run,
    "federated_vs_alone": federated_vs_alone.run,
}


def main() -> int:
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]}; there is {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names:
        work = ROOT / "build" / "bench" / name
        work.mkdir(parents=True, exist_ok=True)
        text = BENCHMARKS[name](work)
        print(f"\n{name}\n\n{text}\n")
        for document in (RESULTS, *READMES):
            put(document, name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
