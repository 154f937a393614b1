"""Beside a scan that shows less of the body: what it cannot show is neither new nor gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.volume import CTVolume
from fedlung.settings import Settings
from fedlung.web.services import Services
from tests.fake_reader import DIAMETERS_MM, FLIPPED, LONG, FakeReader, chest
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import FakeLauncher, write_model
from tests.web.reading_people import CARD, Person, reading_services

PLAIN = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
FIRST_KEPT = 26
"""Slices below are cut away. Marks lie at 0.3 and 0.5 of a scan's height: the whole chest's first one at 22 of 74."""


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher) -> Iterator[Services]:
    with reading_services(settings, launcher, FakeReader()) as made:
        yield made


@pytest.fixture
def compared(signed_in: SignedIn, services: Services, settings: Settings) -> Callable[..., dict[str, Any]]:
    """What is said of two volumes, read as two scans of hospital_a."""

    def compare(now: CTVolume, before: CTVolume) -> dict[str, Any]:
        person, ids = Person(signed_in("staff_a")), []
        for name, volume in (("now", now), ("before", before)):
            write_metaimage(settings.data / "hospital_a" / "scans" / f"{name}.mhd", volume)
            ids.append(person.ask(name)["id"])
        assert services.predictions.wait_until_idle(LONG)
        answer = person.get(f"/api/predictions/{ids[0]}/comparison?prior={ids[1]}")
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    return compare


def without_its_foot(volume: CTVolume) -> CTVolume:
    d, h, w = volume.geometry.shape_zyx
    geometry = volume.geometry.crop((FIRST_KEPT, 0, 0), (d - FIRST_KEPT, h, w))
    return replace(volume, voxels_zyx=volume.voxels_zyx[FIRST_KEPT:].copy(), geometry=geometry)


@pytest.mark.parametrize("direction", [FLIPPED, PLAIN], ids=["flipped", "plain"])
def test_a_mark_below_the_prior_scan_is_not_called_new(
    compared: Callable[..., dict[str, Any]], direction: tuple[float, ...]
) -> None:
    found = compared(chest(), without_its_foot(chest(direction_xyz=direction)))
    assert [mark["diameter_mm"] for mark in found["not_in_prior"]] == [DIAMETERS_MM[0]]
    assert "category" not in found["not_in_prior"][0]
    assert DIAMETERS_MM[0] not in [mark["diameter_mm"] for mark in found["new"]]
    assert found["not_in_current"] == []


@pytest.mark.parametrize("direction", [FLIPPED, PLAIN], ids=["flipped", "plain"])
def test_a_mark_below_this_scan_is_not_called_gone(
    compared: Callable[..., dict[str, Any]], direction: tuple[float, ...]
) -> None:
    found = compared(without_its_foot(chest(direction_xyz=direction)), chest())
    assert [mark["diameter_mm"] for mark in found["not_in_current"]] == [DIAMETERS_MM[0]]
    assert DIAMETERS_MM[0] not in [mark["diameter_mm"] for mark in found["gone"]]
    assert found["not_in_prior"] == []


def test_a_change_stands_beside_how_far_diameters_are_off(
    compared: Callable[..., dict[str, Any]], services: Services, settings: Settings
) -> None:
    """The limits are those of the card, for the sizes of the pairs (8 and 5 mm)."""
    bounds = ((0, 6), (6, 8), (8, 15), (15, None))
    bins = [
        {"bounds_mm": list(each), "num_nodules": 40, "bias_mm": 0.0, "limits_of_agreement_mm": [-number - 0.5, 2.5]}
        for number, each in enumerate(bounds)
    ]
    card = {**CARD, "metrics": {"validation_pooled": {"diameter_agreement": {"bins": bins}}}}
    services.models.add("measured", write_model(settings.data / "measured.pth", b"sound measured"), card)
    services.models.promote("measured", "admin")
    found = compared(chest(), chest(seed=1))
    assert sorted(pair["now"]["diameter_mm"] for pair in found["pairs"]) == sorted(DIAMETERS_MM[:2])
    below_6, from_8 = found["diameter_texts"]
    assert "0.5 mm too small and 2.5 mm too large" in below_6
    assert "2.5 mm too small and 2.5 mm too large" in from_8


def test_a_model_without_measured_diameters_says_so_once(compared: Callable[..., dict[str, Any]]) -> None:
    found = compared(chest(), chest(seed=1))
    assert len(found["pairs"]) == 2
    (text,) = found["diameter_texts"]
    assert "is not known" in text
