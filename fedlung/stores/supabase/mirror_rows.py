"""From what stands on disk to rows of the mirror's tables. Counts, names of accounts and checksums; never a finding."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from fedlung.stores.model_registry import ModelEntry, Promotion
from fedlung.stores.run_listing import RunRecord
from fedlung.stores.supabase.connection import Row

LONGEST_REASON = 2000  # characters
FIRST_ROUND = 1  # round 0 is the model before the training


@dataclass(frozen=True)
class Site:
    """Which data folder a row comes from. ``secret`` (hexadecimal digits) never leaves it."""

    id: UUID
    secret: str

    def key_of(self, *parts: object) -> str:
        """The same words give the same id: a row that is sent twice is there once."""
        return str(uuid5(self.id, json.dumps([str(part) for part in parts])))

    def scan_key(self, hospital_id: str, scan_id: str) -> str:
        """Stands for a scan where its id, which may be that of the hospital's archive, must not be known."""
        digest = hmac.digest(bytes.fromhex(self.secret), f"{hospital_id}/{scan_id}".encode(), hashlib.sha256)
        return str(UUID(bytes=digest[:16]))


def run_row(site: Site, run: RunRecord) -> Row:
    return {
        "site_id": str(site.id),
        "id": run.run_id,
        "state": run.state,
        "reason": run.reason[:LONGEST_REASON],
        "round": run.round,
        "rounds": run.rounds,
        "started": moment(run.created),
        "ended": moment(run.ended),
        "started_by": run.started_by,
        "arguments": dict(run.arguments),
        "scans": dict(run.scans),
        "left_out": dict(run.left_out),
        "note": run.note.text,
    }


def round_row(site: Site, run_id: str, record: Mapping[str, Any]) -> Row:
    """``record`` is a line of ``rounds.jsonl``."""
    return {
        "site_id": str(site.id),
        "run_id": run_id,
        "round": int(record["round"]),
        "time": moment(record.get("time")),
        "num_examples": int(record.get("num_examples") or 0),
        "seconds": float(record.get("seconds") or 0),
        **{name: record.get(name) or {} for name in ("metrics", "dropped", "validation")},
        "hospitals": record.get("hospitals") or [],
    }


def model_row(site: Site, model: ModelEntry) -> Row:
    return {
        "site_id": str(site.id),
        "id": model.model_id,
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "made": moment(model.created),
        "card": dict(model.card),
    }


def promotion_row(site: Site, promotion: Promotion) -> Row:
    return {
        "id": site.key_of("promotion", promotion.model_id, promotion.sha256, promotion.by, promotion.time),
        "site_id": str(site.id),
        "model_id": promotion.model_id,
        "sha256": promotion.sha256,
        "promoted_by": promotion.by,
        "time": moment(promotion.time),
    }


def audit_row(site: Site, record: Mapping[str, Any]) -> Row:
    """``record`` is a line of ``audit.jsonl``."""
    texts = {name: str(record.get(name, "")) for name in ("actor", "action", "target", "hospital_id")}
    return {
        "id": site.key_of("audit", json.dumps(record, sort_keys=True)),
        "site_id": str(site.id),
        "seq": int(record["seq"]),
        "time": moment(record.get("time")),
        **texts,
        "details": record.get("details") or {},
    }


def annotation_row(site: Site, hospital_id: str, scan_id: str, version: Mapping[str, Any]) -> Row:
    """``version`` is a file of `fedlung.stores.annotations`; how many findings it has is all that is told of them."""
    kinds = [finding.get("kind") for finding in version.get("findings") or []]
    scan_key = site.scan_key(hospital_id, scan_id)
    number, time = int(version["version"]), str(version.get("time", ""))
    return {
        "id": site.key_of("annotations", scan_key, number, time),
        "site_id": str(site.id),
        "hospital_id": hospital_id,
        "scan_key": scan_key,
        "annotation_version": number,
        "author": str(version.get("author", "")),
        "time": moment(time),
        "origin": str(version.get("origin", "")),
        "is_read": bool(version.get("is_read")),
        "nodules": kinds.count("nodule"),
        "ignored": kinds.count("ignore"),
    }


def moment(text: Any) -> str | None:
    """A time as PostgreSQL reads it; None for anything else, since one bad time must not keep a record away."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def storable(value: Any) -> Any:
    """``value`` as JSON that PostgreSQL takes: no NUL, no half of a surrogate pair, no infinite number."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
