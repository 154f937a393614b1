"""A server's queue of predictions without the web, in a process of its own to be killed (``test_prediction_kills``).

Arguments: the data folder, and ``hold`` (ask for two scans; the first waits in its network for ever), ``cancel`` (the
same, and the first is cancelled), ``tear`` (the same, and the file that says so never gets its name) or ``finish``
(work off what is there). Prints what happens.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

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


def wait_for_ever(*_: object) -> NoReturn:
    tell("held")
    threading.Event().wait()
    raise AssertionError("unreachable")


def main(data: Path, what: str) -> None:
    fake, hospitals = FakeReader(), HospitalFolders(data)
    models = ModelRegistry(data / "models")
    store = PredictionStore(hospitals)
    service = PredictionService(store, FolderScans(hospitals), models, fake.reader(), Hub())
    is_held = what != "finish"
    if is_held:
        fake.go_on.clear()
    service.start()
    if is_held:
        app = Flask("driver")
        Babel(app)
        with app.test_request_context():
            first, _ = (service.request("hospital_a", scan_id, "one", "li") for scan_id in ("first", "second"))
        assert fake.reached.wait(LONG)
        if what == "tear":
            os.replace = wait_for_ever
        if what in ("cancel", "tear"):
            service.cancel("hospital_a", first.id, "wang")
        tell("held")
        fake.go_on.wait()
    assert service.wait_until_idle(LONG)
    service.close()
    tell("idle")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
