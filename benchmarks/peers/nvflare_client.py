"""A hospital of NVFLARE's simulator: ``nvflare_client LOG``, started by the simulator."""

from __future__ import annotations

import sys
from pathlib import Path

import nvflare.client as flare  # type: ignore[import-not-found, unused-ignore]

from benchmarks.peers.local_work import NUM_EXAMPLES, local_work


def main(log: Path) -> None:
    """Answer rounds until the job ends."""
    flare.init()
    while flare.is_running():
        model = flare.receive()
        moved = local_work(model.params, flare.get_site_name(), log)
        flare.send(flare.FLModel(params=moved, meta={"NUM_STEPS_CURRENT_ROUND": NUM_EXAMPLES}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
