"""A prediction as programs and pages get it: facts of the record, marks of the model, what people said to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fedlung.detection.diameter_agreement import agreement_at
from fedlung.events import FAILED, FINISHED
from fedlung.stores.prediction_marks import MarkVersion
from fedlung.stores.predictions import PredictionRecord
from fedlung.web.model_words import card_words
from fedlung.web.predictions.service import PredictionService, Progress
from fedlung.web.predictions.words import (
    ATTENUATIONS,
    RESEARCH_USE,
    STAGES,
    agreement_words,
    category_words,
    error_words,
    position_words,
    warning_words,
)

Json = dict[str, Any]


def summary_json(record: PredictionRecord, progress: Progress | None = None) -> Json:
    """One prediction of a list. ``num_candidates`` is None, never 0, for a scan that was not read to the end."""
    points = record.model.get("operating_points", [])
    facts = {name: value for name, value in record.model.items() if name != "operating_points"}
    return {
        "id": record.id,
        "notice": str(RESEARCH_USE),
        "state": record.state,
        "stage": progress.stage if progress else "",
        "progress": progress.share if progress else float(record.state in (FINISHED, FAILED)),
        "queue_position": progress.queue_position if progress else None,
        "scan_id": record.scan_id,
        "model": {**facts, "name": card_words(str(facts["name"]))},
        "threshold": record.threshold,
        "operating_points": points,
        "seconds": record.seconds,
        "total_seconds": round(sum(record.seconds.values()), 3),
        "warnings": [{**warning, "text": warning_words(warning)} for warning in record.warnings],
        "uncertainty": record.uncertainty,
        "num_candidates": record.num_candidates,
        "error": _error(record),
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
        "by": record.by,
    }


def listed_json(service: PredictionService, record: PredictionRecord) -> Json:
    """One prediction of a list, with what was offered of it last (None: nothing)."""
    offers = service.store.offers(record) if record.state == FINISHED else []
    return {**summary_json(record, service.progress(record)), "offered": _offer(offers[-1]) if offers else None}


def full_json(service: PredictionService, record: PredictionRecord, username: str) -> Json:
    """With the marks, as ``username`` gets them: None, never an empty list, until the scan was read to the end.

    Raises:
        UnreadableStore: what was found cannot be read.
    """
    found = {**summary_json(record, service.progress(record)), "candidates": None, "marks": None, "offers": []}
    found["stages"] = [{"stage": stage, "text": str(text)} for stage, text in STAGES.items() if stage != "server"]
    if record.state != FINISHED:
        return found
    content, folder = service.store.content(record), service.store.folder(record)
    marks = service.marks.newest(folder, content["candidates"])
    offers = service.store.offers(record)
    return {
        **found,
        "candidates": [_candidate(candidate, record.model) for candidate in content["candidates"]],
        "num_slices": content["viewed"]["shape_zyx"][0],
        "lung_volume_l": content["lung_volume_l"],
        "marks": marks_json(marks, username),
        "history": service.marks.history(folder),
        "offers": [_offer(offer) for offer in offers],
    }


def marks_json(marks: MarkVersion, username: str) -> Json:
    """``first_read_declared`` is about the person who asks; ``first_reads`` names everybody who declared it."""
    return {**asdict(marks), "first_read_declared": marks.has_declared(username)}


def _offer(offer: Json) -> Json:
    return {name: offer[name] for name in ("time", "by", "marks_version", "nodules")}


def _candidate(candidate: Json, model: Json) -> Json:
    attenuation = candidate["attenuation"]
    agreement = agreement_at(model.get("validation") or {}, candidate["diameter_mm"])
    return {
        **candidate,
        "position": {**candidate["position"], "text": position_words(candidate["position"])},
        "category": category_words(candidate["category"]),
        "diameter_text": agreement_words(agreement),
        "attenuation_text": str(ATTENUATIONS[attenuation]) if attenuation else "",
    }


def _error(record: PredictionRecord) -> Json | None:
    if record.error is None:
        return None
    return {
        "stage": record.error["stage"],
        "stage_text": str(STAGES.get(record.error["stage"], STAGES["server"])) if record.error["stage"] else "",
        "code": record.error["code"],
        "message": error_words(record.error),
    }
