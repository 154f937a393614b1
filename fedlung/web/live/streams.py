"""Who sees which event, and how much of it: one pure function for every viewer and event.

A stream is what one kind of viewer may see: ``admin``, ``staff:<hospital_id>`` or ``clinician:<hospital_id>``.
A person belongs to exactly one. People outside the administration see the federation's numbers and those of their own
hospital; the names, reasons and numbers of other hospitals never enter their streams. Fields are listed one by one,
so that a field added to an event stays hidden until somebody decides otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Stream:
    """``role`` is admin, staff or clinician; ``hospital_id`` is empty for admin."""

    role: str
    hospital_id: str = ""

    def __str__(self) -> str:
        return f"{self.role}:{self.hospital_id}" if self.hospital_id else self.role


@dataclass(frozen=True)
class Everyone:
    """All streams, each with what it may see of the event."""


@dataclass(frozen=True)
class Admins:
    """The administration only."""


@dataclass(frozen=True)
class Hospital:
    """The staff of one hospital, and the administration."""

    hospital_id: str


@dataclass(frozen=True)
class InHouse:
    """People of one hospital, by their roles; never the administration, which sees no scan."""

    hospital_id: str
    roles: tuple[str, ...] = ("staff",)


Audience = Everyone | Admins | Hospital | InHouse
ADMIN = Stream("admin")


def stream_of(role: str, hospital_id: str | None) -> Stream:
    """The one stream of a person with this role and hospital."""
    return ADMIN if role == ADMIN.role else Stream(role, hospital_id or "")


def view_for(stream: Stream, name: str, payload: Payload, audience: Audience) -> dict[str, Any] | None:
    """What ``stream`` may see of the event ``name``: a new payload, or None when nothing."""
    if stream == ADMIN:
        return None if isinstance(audience, InHouse) else dict(payload)
    if not stream.hospital_id or not _is_addressed(stream, audience):
        return None
    view = _VIEWS.get(name)
    return view(payload, stream.hospital_id) if view else None


def _is_addressed(stream: Stream, audience: Audience) -> bool:
    if isinstance(audience, Hospital):
        return stream.role == "staff" and audience.hospital_id == stream.hospital_id
    if isinstance(audience, InHouse):
        return stream.role in audience.roles and audience.hospital_id == stream.hospital_id
    return isinstance(audience, Everyone)


def _pick(payload: Payload, *names: str) -> dict[str, Any]:
    return {name: payload[name] for name in names if name in payload}


def _state(payload: Payload, own: str) -> dict[str, Any]:
    # The reason of a failure may name hospitals.
    return _pick(payload, "run_id", "state", "round", "rounds", "pending", "model_id")


def _round_started(payload: Payload, own: str) -> dict[str, Any]:
    hospitals = [hospital for hospital in payload.get("hospitals", ()) if hospital == own]
    return {**_pick(payload, "run_id", "round", "rounds", "learning_rate"), "hospitals": hospitals}


def _round_finished(payload: Payload, own: str) -> dict[str, Any]:
    shared = ("run_id", "round", "rounds", "num_examples", "seconds", "learning_rate", "metrics", "validation_mean")
    return {
        **_pick(payload, *shared),
        "hospitals": [result for result in payload.get("hospitals", ()) if result.get("hospital") == own],
        "dropped": _pick(payload.get("dropped", {}), own),
        "validation": _pick(payload.get("validation", {}), own),
    }


def _prediction(payload: Payload, own: str) -> dict[str, Any]:
    # Which hospital it is says the audience, which is `InHouse`.
    return _pick(payload, "prediction_id", "scan_id", "state", "stage", "progress")


def _notice(payload: Payload, own: str) -> dict[str, Any] | None:
    # That the home of the accounts went or came concerns everybody who looks at a page.
    return dict(payload) if payload.get("about") == "accounts" else _own_only(payload, own)


def _own_only(payload: Payload, own: str) -> dict[str, Any] | None:
    return dict(payload) if payload.get("hospital") == own else None


_VIEWS: Mapping[str, Callable[[Payload, str], dict[str, Any] | None]] = {
    "training_status": _state,
    "run_finished": _state,
    "round_started": _round_started,
    "round_finished": _round_finished,
    "client_progress": _own_only,
    "hospital_status": _own_only,
    "notice": _notice,
    "prediction_progress": _prediction,
    "prediction_finished": _prediction,
}
