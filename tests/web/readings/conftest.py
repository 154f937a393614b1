"""Readings of a scan in hospital_a, by a reader whom a test can hold back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fedlung.settings import Settings
from fedlung.web.services import Services
from tests.fake_reader import LONG, FakeReader
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import FakeLauncher
from tests.web.reading_people import Person, reading_services


@pytest.fixture
def fake() -> FakeReader:
    return FakeReader()


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher, fake: FakeReader) -> Iterator[Services]:
    with reading_services(settings, launcher, fake) as made:
        yield made


@pytest.fixture
def person(signed_in: SignedIn) -> Callable[[str], Person]:
    return lambda name: Person(signed_in(name))


@pytest.fixture
def done(person: Callable[[str], Person], services: Services) -> str:
    """A finished prediction of hospital_a's scan."""
    asked = person("clinician_a").ask()
    assert services.predictions.wait_until_idle(LONG)
    return str(asked["id"])
