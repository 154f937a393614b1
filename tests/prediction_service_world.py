"""A prediction service on real stores, with a reader that knows no torch: what tests of it have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.predictions import PredictionRecord, PredictionStore
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import ADMIN, Stream
from fedlung.web.predictions.scan_files import FolderScans
from fedlung.web.predictions.service import PredictionService
from tests.fake_reader import LONG, FakeReader, write_scan
from tests.web.fake_launcher import write_model

STAFF_A, CLINICIAN_A = Stream("staff", "hospital_a"), Stream("clinician", "hospital_a")
STRANGERS = (ADMIN, Stream("staff", "hospital_b"), Stream("clinician", "hospital_b"))


class World:
    """A service on real stores, and a restart: a second service on the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for hospital in ("hospital_a", "hospital_b"):
            write_scan(folder / hospital)
        self.models = ModelRegistry(folder / "models")
        self.models.add("one", write_model(folder / "one.pth", b"sound one"), {"created": "2026-01-01"})
        self.models.promote("one", "boss")
        self.fake = FakeReader()
        self.hub = Hub(first_seq=0)
        for stream in (STAFF_A, CLINICIAN_A, *STRANGERS):
            self.hub.seq(stream)
        self.services: list[PredictionService] = []
        self.service = self.restarted()

    def restarted(self) -> PredictionService:
        hospitals = HospitalFolders(self.folder)
        store = PredictionStore(hospitals)
        made = PredictionService(store, FolderScans(hospitals), self.models, self.fake.reader(), self.hub)
        self.services.append(made)
        return made

    def ask(self, scan_id: str = "scan", hospital_id: str = "hospital_a", model: str | None = None) -> PredictionRecord:
        return self.service.request(hospital_id, scan_id, model, "li")

    def ended(self, record: PredictionRecord) -> PredictionRecord:
        assert self.service.wait_until_idle(LONG)
        return self.service.store.get(record.hospital_id, record.id)

    def heard(self, stream: Stream) -> list[dict[str, Any]]:
        self.hub.drain(lambda *event: None)
        return self.hub.since(stream, 0) or []
