"""A server's queue of predictions without the web, in a process of its own to be killed (``test_prediction_kills``).

Arguments: the data folder, and ``hold`` (ask for two scans; the first waits in its network for ever) or ``finish``
(work off what is there). Prints what happens.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Flask
from flask_babel import Babel

from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.predictions import PredictionStore
from fedlung.web.live.hub import Hub
from fedlung.web.predictions.scan_files import FolderScans
from fedlung.web.predictions.service import PredictionService
from tests.fake_reader import LONG, FakeReader


def tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(data: Path, what: str) -> None:
    fake, hospitals = FakeReader(), HospitalFolders(data)
    models = ModelRegistry(data / "models")
    store = PredictionStore(hospitals)
    service = PredictionService(store, FolderScans(hospitals), models, fake.reader(), Hub())
    if what == "hold":
        fake.go_on.clear()
    service.start()
    if what == "hold":
        app = Flask("driver")
        Babel(app)
        with app.test_request_context():
            for scan_id in ("first", "second"):
                service.request("hospital_a", scan_id, "one", "li")
        assert fake.reached.wait(LONG)
        tell("held")
        fake.go_on.wait()
    assert service.wait_until_idle(LONG)
    service.close()
    tell("idle")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
