"""Which nodules a hospital sees: their number, kinds and sizes.

Everything is dealt from shuffled decks, so that even a few scans show a hospital's whole mixture and
every hospital has some of every kind. Sizes follow LUNA16 (quartiles 5.1, 6.4 and 9.7 mm over 3-30 mm),
bent towards small or large ones per hospital.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np

Card = TypeVar("Card")


class Kind(StrEnum):
    """Kinds of findings that are drawn."""

    SOLID = "solid"
    VESSEL_ATTACHED = "vessel_attached"
    PLEURAL = "pleural"
    GROUND_GLASS = "ground_glass"
    PART_SOLID = "part_solid"
    SPECK = "speck"
    """Under 3 mm, sometimes calcified: too small to be annotated, to be ignored rather than punished."""


FAINT = (Kind.GROUND_GLASS, Kind.PART_SOLID)
"""Kinds through whose outer part the lung's vessels are seen."""


@dataclass(frozen=True)
class CaseMix:
    """One hospital's patients.

    Attributes:
        kinds: deck of nodule kinds; 16 cards, about as many as 8 scans show.
        size_exponent: 1 keeps LUNA16's sizes, more makes nodules smaller, less larger.
        counts: deck of nodules per scan.
        specks: deck of specks per scan.
    """

    kinds: tuple[Kind, ...]
    size_exponent: float
    counts: tuple[int, ...] = (0, 1, 2, 2, 3, 3, 4, 4)
    specks: tuple[int, ...] = (0, 1, 1, 2)


def _deck(**cards: int) -> tuple[Kind, ...]:
    return tuple(Kind(name) for name, count in cards.items() for _ in range(count))


CASE_MIXES = (
    CaseMix(_deck(solid=8, vessel_attached=4, pleural=2, ground_glass=1, part_solid=1), size_exponent=1.6),
    CaseMix(_deck(solid=2, vessel_attached=2, pleural=6, ground_glass=1, part_solid=5), size_exponent=0.8),
    CaseMix(_deck(solid=3, vessel_attached=2, pleural=2, ground_glass=7, part_solid=2), size_exponent=1.15),
)


def case_mix(hospital_index: int) -> CaseMix:
    """Mixture of a hospital: the first three are ``CASE_MIXES``; later ones vary their sizes, always alike."""
    base = CASE_MIXES[hospital_index % len(CASE_MIXES)]
    if hospital_index < len(CASE_MIXES):
        return base
    rng = np.random.default_rng([hospital_index, 1])
    return replace(base, size_exponent=base.size_exponent * rng.uniform(0.8, 1.25))


SIZE_SHARE = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0)
SIZE_MM = (3.25, 5.1, 6.4, 9.7, 15.0, 21.0, 29.0)
"""Inverse of the distribution of LUNA16's annotated diameters, as a polygon."""
SMALLEST_FAINT_SHARE = 0.15
"""The smallest nodules are solid: a faint one of 3 mm is not seen."""


@dataclass(frozen=True)
class Wish:
    """A finding to be placed: its kind and the diameter of a ball of its volume."""

    kind: Kind
    diameter_mm: float


def wishes(hospital_index: int, scan_index: int, seed: int) -> list[Wish]:
    """What scan ``scan_index`` of a hospital shows, largest first, specks last.

    The decks belong to (seed, hospital): earlier scans have drawn the earlier cards, however many scans
    are made.
    """
    mix = case_mix(hospital_index)
    dealt = _dealt(mix.counts, scan_index + 2, np.random.default_rng([seed, hospital_index, 1]))
    if dealt[0] == 0:
        # A hospital of one scan should have something to learn from.
        dealt[:2] = dealt[1::-1]
    counts = dealt[: scan_index + 1]
    before, here = sum(counts[:-1]), counts[-1]
    kinds = _dealt(mix.kinds, before + here, np.random.default_rng([seed, hospital_index, 2]))[before:]
    shares = _dealt(range(16), before + here, np.random.default_rng([seed, hospital_index, 3]))[before:]
    rng = np.random.default_rng([seed, hospital_index, scan_index, 4])
    nodules = [
        Wish(kind, _diameter_mm(kind, (share + rng.uniform()) / 16, mix.size_exponent))
        for kind, share in zip(kinds, shares, strict=True)
    ]
    nodules.sort(key=lambda wish: -wish.diameter_mm)
    return nodules + [Wish(Kind.SPECK, rng.uniform(1.6, 2.7)) for _ in range(int(rng.choice(mix.specks)))]


def _dealt(deck: Sequence[Card], count: int, rng: np.random.Generator) -> list[Card]:
    """The first ``count`` cards of an endless row of shuffled decks."""
    cards: list[Card] = []
    while len(cards) < count:
        cards += [deck[place] for place in rng.permutation(len(deck))]
    return cards[:count]


def _diameter_mm(kind: Kind, share: float, exponent: float) -> float:
    bent = share**exponent
    if kind in FAINT:
        bent = SMALLEST_FAINT_SHARE + (1 - SMALLEST_FAINT_SHARE) * bent
    return float(np.interp(bent, SIZE_SHARE, SIZE_MM))
