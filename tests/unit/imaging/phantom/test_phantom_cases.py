from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.imaging.phantom.cases import CASE_MIXES, FAINT, Kind, Wish, case_mix, wishes

NODULE_KINDS = set(Kind) - {Kind.SPECK}


def nodules(hospital: int, scan: int, seed: int) -> list[Wish]:
    return [wish for wish in wishes(hospital, scan, seed) if wish.kind is not Kind.SPECK]


@given(hospital=st.integers(0, 30), scan=st.integers(0, 40), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_nodules_are_3_to_30_mm_and_specks_smaller(hospital: int, scan: int, seed: int) -> None:
    for wish in wishes(hospital, scan, seed):
        if wish.kind is Kind.SPECK:
            assert 1 < wish.diameter_mm < 3
        else:
            assert 3 <= wish.diameter_mm <= 30


@pytest.mark.parametrize("hospital", range(5))
def test_eight_scans_show_the_whole_mixture(hospital: int) -> None:
    for seed in range(4):
        scans = [nodules(hospital, scan, seed) for scan in range(8)]
        assert sorted(map(len, scans)) == sorted(case_mix(hospital).counts)
        assert {wish.kind for scan in scans for wish in scan} == NODULE_KINDS


def test_the_first_scan_of_a_hospital_has_a_nodule() -> None:
    assert all(nodules(hospital, 0, seed) for hospital in range(3) for seed in range(40))


def test_sizes_follow_luna16() -> None:
    sizes = [
        wish.diameter_mm
        for hospital in range(3)
        for seed in range(30)
        for scan in range(8)
        for wish in nodules(hospital, scan, seed)
    ]
    # LUNA16's annotations.csv: quartiles 5.1, 6.4 and 9.7 mm.
    np.testing.assert_allclose(np.percentile(sizes, [25, 50, 75]), [5.1, 6.4, 9.7], rtol=0.15)


def test_hospitals_see_different_mixtures() -> None:
    def all_of(hospital: int) -> list[Wish]:
        return [wish for seed in range(20) for scan in range(8) for wish in nodules(hospital, scan, seed)]

    kinds = [Counter(wish.kind for wish in all_of(hospital)) for hospital in range(3)]
    assert [counter.most_common(1)[0][0] for counter in kinds] == [Kind.SOLID, Kind.PLEURAL, Kind.GROUND_GLASS]
    small, large, _ = (np.median([wish.diameter_mm for wish in all_of(hospital)]) for hospital in range(3))
    assert large > 1.25 * small


def test_later_hospitals_vary_the_first_three_the_same_way_every_time() -> None:
    assert case_mix(1) is CASE_MIXES[1]
    assert case_mix(4) == case_mix(4) != CASE_MIXES[1]
    assert case_mix(4).kinds == CASE_MIXES[1].kinds


def test_another_seed_deals_other_nodules() -> None:
    assert wishes(0, 0, 0) == wishes(0, 0, 0) != wishes(0, 0, 1)


def test_largest_first_and_specks_last() -> None:
    for scan in range(16):
        sizes = [wish.diameter_mm for wish in nodules(1, scan, 3)]
        assert sizes == sorted(sizes, reverse=True)
        are_specks = [wish.kind is Kind.SPECK for wish in wishes(1, scan, 3)]
        assert are_specks == sorted(are_specks)


def test_faint_nodules_are_not_the_smallest() -> None:
    faint = [
        wish.diameter_mm
        for seed in range(20)
        for scan in range(8)
        for wish in nodules(2, scan, seed)
        if wish.kind in FAINT
    ]
    assert min(faint) > 4
