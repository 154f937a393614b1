"""A data folder in which hospitals, runs, models and people leave their records, and a mirror of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedlung.events import RoundFinished, TrainingStatus
from fedlung.stores.annotation_versions import ScanFinding
from fedlung.stores.annotations import FileAnnotationStore
from fedlung.stores.audit import Action, AuditLog
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelEntry, ModelRegistry
from fedlung.stores.runs import RunFolder
from fedlung.stores.supabase.connection import Row, SupabaseConnection
from fedlung.stores.supabase.mirror import Mirror, open_mirror
from tests.supabase_stack import SupabaseStack
from tests.web.fake_launcher import write_model

SCAN = "1.3.6.1.4.1.14519.5.2.1.6279.6001.1"  # an id as the hospital's archive knows it
HOSPITAL = "hospital_a"


class MirrorWorld:
    """``folder`` is empty. `close` ends the connection; the mirror's thread runs only when a test starts it."""

    def __init__(self, folder: Path, supa: SupabaseStack) -> None:
        self.folder, self.supa = folder, supa
        (folder / HOSPITAL / "scans").mkdir(parents=True)
        (folder / HOSPITAL / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
        self.audit = AuditLog(folder / "audit.jsonl")
        self.models = ModelRegistry(folder / "models")
        self.annotations = FileAnnotationStore(folder / HOSPITAL)
        self.connection = SupabaseConnection(supa.url, supa.secret_key)

    def mirror(self) -> Mirror:
        """As after a start of the server."""
        return open_mirror(self.connection, self.folder, HospitalFolders(self.folder), self.models)

    def run(self, run_id: str, **config: Any) -> RunFolder:
        arguments = {"rounds": 9, "strategy": "fedavg"}
        created = "2026-01-01T00:00:00+00:00"
        return RunFolder.create(self.folder / "runs", run_id, {"created": created, "arguments": arguments, **config})

    def add_model(self, model_id: str) -> ModelEntry:
        file = write_model(self.folder / f"{model_id}.pth", model_id.encode())
        return self.models.add(model_id, file, {"created": "2026-01-02T00:00:00+00:00"})

    def annotate(self, nodules: int, author: str = "staff_a") -> None:
        findings = [
            ScanFinding(f"{number:032x}", "nodule", (1.5, 2.5, 3.5), 4.25, "click", comment="left of the aorta")
            for number in range(nodules)
        ]
        base = self.annotations.newest(SCAN).version
        self.annotations.save(SCAN, base, findings, is_read=True, origin="click", author=author)

    def note(self, target: str, **details: Any) -> None:
        self.audit.append("admin", Action.RUN_STARTED, target, details)

    def rows(self, table: str, *order: str) -> list[Row]:
        query = self.connection.table(table).select("*")
        for column in order:
            query = query.order(column)
        return self.connection.execute(query)

    def count(self, table: str) -> int:
        return int(self.supa.sql(f"select count(*) from {table}"))

    def close(self) -> None:
        self.connection.close()


def add_round(run: RunFolder, number: int, loss: float = 0.5) -> None:
    run.append_round(RoundFinished(run.run_id, number, 9, 10, 2.5, 0.1, {"loss": loss}, ()).to_json())


def tell(run: RunFolder, state: str, round_: int) -> None:
    run.append_event(TrainingStatus(run.run_id, state, round_, 9))
