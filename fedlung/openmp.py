"""Set before torch loads OpenMP: threads that wait for each other spin briefly, and then sleep.

Two OpenMP threads on two cores are quick only while both cores are free. When anything else wants a core (another
hospital's training, the web server), GNU OpenMP's default burns the other core in a loop until the late one comes;
threads that sleep at once lose time at every one of a training step's hundreds of short waits when the cores are free.
A short spin has most of both; ``docs/adr/0010-openmp-spin.md`` has the times. A program that sets one of
the two variables itself is left alone.

Imported by every front, first, for this effect only.
"""

from __future__ import annotations

import os

SPIN_COUNT = 2000
"""Turns of GNU OpenMP's waiting loop before a thread sleeps: some microseconds."""

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
