"""Set before torch loads OpenMP: threads that wait for each other sleep instead of spinning.

Two OpenMP threads on two cores are quick only while both cores are free. When anything else wants a core (another
hospital's training, the web server), GNU OpenMP's default burns the other core in a loop until the late one comes:
reading one window beside two busy processes took 25.9 s in the median, and 5.4 s with sleeping threads. A program that
sets ``OMP_WAIT_POLICY`` itself is left alone.

Imported by every front, first, for this effect only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
