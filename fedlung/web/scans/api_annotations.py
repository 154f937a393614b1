"""Annotations of the own hospital's scans: read and save them in versions, bring a table along, take one away."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung.accounts.permissions import READ_SCANS, UPLOAD_SCANS
from fedlung.errors import BadScan, Conflict, InvalidInput
from fedlung.imaging.intake.annotation_import import AnnotationReport, ImportedFinding, ScanPlace, read_annotation_file
from fedlung.imaging.intake.deidentify import uid_remapper
from fedlung.imaging.intake.lung_files import load_lungs
from fedlung.imaging.metaimage_header import read_header
from fedlung.stores.annotation_versions import AnnotationVersion, Change, Kind, ScanFinding
from fedlung.stores.audit import Action
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.secret_key import secret_key
from fedlung.web.body_sizes import largest_body
from fedlung.web.deeds import note_deed
from fedlung.web.json_bodies import json_object
from fedlung.web.scans.annotation_request import parse_annotations
from fedlung.web.scans.intake_queue import tell_scans_changed
from fedlung.web.scans.own_scans import own_store, scan_in_audit, sentence
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

LARGEST_TABLE = 20_000_000  # bytes
CONFLICT = 409

blueprint = Blueprint("api_annotations", __name__, url_prefix="/api")


@blueprint.get("/scans/<scan_id>/annotations")
@access(READ_SCANS)
def newest(scan_id: str) -> ResponseReturnValue:
    store = own_store()
    store.scans.path(scan_id)
    return jsonify(_json(store, scan_id))


@blueprint.put("/scans/<scan_id>/annotations")
@access(UPLOAD_SCANS)
def save(scan_id: str) -> ResponseReturnValue:
    store, payload = own_store(), json_object()
    geometry = read_header(store.scans.path(scan_id)).geometry
    asked = parse_annotations(payload, geometry)
    try:
        saved = store.annotate(
            scan_id,
            asked.version,
            asked.findings,
            is_read=asked.is_read,
            origin=asked.origin,
            author=signed_in_user().username,
        )
    except Conflict:
        return _conflict(store, scan_id)
    told = {"version": saved.version, "nodules": saved.nodules, "origin": saved.origin}
    note_deed(Action.ANNOTATIONS_CHANGED, scan_in_audit(store, scan_id), **told)
    tell_scans_changed(services().hub, store.hospital_id)
    return jsonify(_json(store, scan_id))


@blueprint.post("/annotations/import")
@access(UPLOAD_SCANS)
@largest_body(LARGEST_TABLE)
def bring() -> ResponseReturnValue:
    """With ``dry_run=1`` only the report; findings that are there already are not doubled."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise InvalidInput(fields={"file": gettext("Choose a file.")})
    store = own_store()
    with store.uploads.own_workspace() as work:
        path = work / "table"
        sent.save(path)
        report = _read(store, path, sent.filename, as_ignored=request.form.get("as_ignored") == "1")
    is_dry = request.form.get("dry_run", "1") != "0"
    added = Counter[Kind]()
    if not is_dry and report.findings:
        added = _apply(store, report)
        note_deed(Action.ANNOTATIONS_IMPORTED, "", findings=added.total(), scans=len(report.findings))
        tell_scans_changed(services().hub, store.hospital_id)
    return jsonify(
        _report_json(report, applied=not is_dry) | {"added": {"nodule": added["nodule"], "ignore": added["ignore"]}}
    )


@blueprint.get("/annotations/export.csv")
@access(UPLOAD_SCANS)
def export() -> ResponseReturnValue:
    store = own_store()
    note_deed(Action.ANNOTATIONS_DOWNLOADED, store.hospital_id)
    answer = make_response(store.annotations.to_csv())
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = 'attachment; filename="annotations.csv"'
    return answer


def _json(store: HospitalStore, scan_id: str) -> dict[str, Any]:
    newest = store.annotations.newest(scan_id)
    history = store.annotations.history(scan_id)
    return {
        "version": newest.version,
        "is_read": store.is_read(scan_id, newest),
        "author": newest.author,
        "time": newest.time,
        "origin": newest.origin,
        "findings": [asdict(finding) for finding in newest.findings],
        "history": [_version_json(version) for version in history],
    }


def _version_json(version: AnnotationVersion) -> dict[str, Any]:
    told = {name: getattr(version, name) for name in ("version", "author", "time", "origin", "is_read", "nodules")}
    return {**told, "findings": [asdict(finding) for finding in version.findings]}


def _conflict(store: HospitalStore, scan_id: str) -> Response:
    """The error, and beside it what somebody else has saved."""
    found = _json(store, scan_id)
    message = gettext("%(author)s has saved other annotations of this scan meanwhile.", author=found["author"])
    return make_response(jsonify(error={"code": Conflict.code, "message": message}, newest=found), CONFLICT)


def _read(store: HospitalStore, path: Path, name: str, *, as_ignored: bool) -> AnnotationReport:
    """Raises BadAnnotations."""
    remap = uid_remapper(secret_key(services().scans.secret_file), store.hospital_id)
    return read_annotation_file(path, name, scans=_places(store), remap=remap, as_ignored=as_ignored)


def _places(store: HospitalStore) -> dict[str, ScanPlace]:
    """Scans whose header can be read."""
    places = {}
    for scan_id in store.scans.ids():
        lungs = store.scans.lungs(scan_id)
        try:
            geometry = read_header(store.scans.path(scan_id)).geometry
        except BadScan:
            continue
        places[scan_id] = ScanPlace(geometry, load_lungs(lungs) if lungs else None)
    return places


def _apply(store: HospitalStore, report: AnnotationReport) -> Counter[Kind]:
    """How many findings were not there before, by kind.

    Raises:
        Conflict: somebody saves annotations of one of the scans at this moment.
    """
    changes = {}
    added = Counter[Kind]()
    for scan_id, imported in report.findings.items():
        before = store.annotations.newest(scan_id)
        new = [found for found in imported if not _is_there(found, before.findings)]
        added.update(found.kind for found in new)
        made = tuple(
            ScanFinding(uuid4().hex, found.kind, found.center_xyz_mm, found.diameter_mm, report.origin) for found in new
        )
        is_read = store.is_read(scan_id, before) or any(found.kind == "nodule" for found in imported) or not imported
        if made or is_read != before.is_read:
            changes[scan_id] = Change(before.version, (*before.findings, *made), is_read)
    store.annotations.save_all(changes, report.origin, signed_in_user().username)
    return added


def _is_there(found: ImportedFinding, known: Sequence[ScanFinding]) -> bool:
    """The same finding, perhaps marked by hand: the centre of one lies within the ball of the other."""
    return any(
        other.kind == found.kind
        and math.dist(other.center_xyz_mm, found.center_xyz_mm) < max(other.diameter_mm, found.diameter_mm) / 2
        for other in known
    )


def _report_json(report: AnnotationReport, *, applied: bool) -> dict[str, Any]:
    return {
        "origin": report.origin,
        "rows": report.rows,
        "matched": report.matched,
        "unknown_uids": list(report.unknown_uids),
        "outside": report.outside,
        "wrong_size": report.wrong_size,
        "in_lungs_share": report.in_lungs_share,
        "hints": [sentence(hint.text, hint.values) for hint in report.hints],
        "scans": [
            {"scan_id": scan_id, "nodules": sum(found.kind == "nodule" for found in findings)}
            for scan_id, findings in report.findings.items()
        ],
        "applied": applied,
    }
