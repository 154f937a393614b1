"""The hospitals as the dashboard shows them: counts from their folders, and the last trouble from the runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from fedlung.stores.hospitals import SIZE_EDGES_MM, HospitalFolders
from fedlung.stores.run_listing import RunListing, RunRecord


class HospitalCards:
    """Hospitals of this machine: one is online while its folder can be read."""

    def __init__(self, folders: HospitalFolders, runs: RunListing) -> None:
        self._folders = folders
        self._runs = runs

    def ids(self) -> list[str]:
        return self._folders.ids()

    def not_ready_ids(self) -> list[str]:
        """Hospitals that have declared that their data is not ready for training."""
        return [known for known in self.ids() if not self._folders.summary(known).is_ready]

    def without_scans(self) -> list[str]:
        """Hospitals that have brought nothing yet, as those that were added a moment ago."""
        return self._folders.without_scans()

    def add(self, hospital_id: str, names: Mapping[str, str]) -> None:
        """A new hospital. Raises as `HospitalFolders.add`."""
        self._folders.add(hospital_id, names)

    def name(self, hospital_id: str, locale: str) -> str:
        """Display name; one is made from the id where none is written down. ``locale`` is en or zh."""
        return self._folders.name(hospital_id, locale)

    def cards(self, hospital_ids: Collection[str] | None, locale: str) -> list[dict[str, Any]]:
        """What ``GET /api/hospitals`` answers, for these hospitals (None: all), in the order of their ids."""
        newest = self._runs.newest()
        wanted = [known for known in self.ids() if hospital_ids is None or known in hospital_ids]
        return [self._card(hospital_id, locale, newest) for hospital_id in wanted]

    def _card(self, hospital_id: str, locale: str, newest: RunRecord | None) -> dict[str, Any]:
        summary = self._folders.summary(hospital_id)
        return {
            "id": hospital_id,
            "name": summary.names.get(locale, summary.names["en"]),
            "online": summary.is_readable,
            "scans": summary.scans,
            "nodules": summary.nodules,
            "annotated_scans": summary.annotated_scans,
            "size_histogram": {"edges_mm": list(SIZE_EDGES_MM), "counts": list(summary.size_counts)},
            "last_error": summary.problem or (last_trouble(newest, hospital_id) if newest else "") or None,
            "ready": summary.is_ready and not summary.problem,
            "declared_ready": summary.is_ready,
            "scans_not_ready": summary.scans_not_ready,
            "last_seen": datetime.now(UTC).isoformat(timespec="seconds") if summary.is_readable else None,
        }


def last_trouble(run: RunRecord, hospital_id: str) -> str:
    """Why the hospital was left out when it was last asked in ``run``; empty when it answered."""
    for record in reversed(run.records):
        if hospital_id in record.get("dropped", {}):
            return str(record["dropped"][hospital_id])
        if any(result.get("hospital") == hospital_id for result in record.get("hospitals", ())):
            return ""
    return run.left_out.get(hospital_id, "")
