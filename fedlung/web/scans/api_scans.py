"""The scans of the own hospital: look at them, declare them ready, delete them, and their voxels for the viewer.

Another hospital's scan does not exist, whoever asks: an id is looked up in the asking person's hospital only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request, send_file
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from werkzeug.wsgi import FileWrapper

from fedlung.accounts.permissions import READ_SCANS, UPLOAD_SCANS
from fedlung.errors import BadScan, InvalidInput, NotFound
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage_header import read_header
from fedlung.stores.audit import Action
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.users import STAFF
from fedlung.web.assets import KEPT_BY_ONE
from fedlung.web.deeds import note_deed
from fedlung.web.json_bodies import json_object, only_fields
from fedlung.web.scans.intake_queue import tell_scans_changed
from fedlung.web.scans.own_scans import flag, own_store, scan_in_audit
from fedlung.web.scans.scan_json import ScanList
from fedlung.web.scans.volume_slabs import SLAB_SLICES, VolumeReader, lps_geometry, num_slabs
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

LONGEST_LABEL = 120
WINDOWS = {  # Hounsfield units
    "lung": {"level": -600, "width": 1500},
    "mediastinum": {"level": 40, "width": 350},
    "bone": {"level": 400, "width": 1800},
}

blueprint = Blueprint("api_scans", __name__, url_prefix="/api/scans")


@blueprint.get("")
@access(READ_SCANS)
def scans() -> ResponseReturnValue:
    found = _listing(own_store())
    return jsonify(scans=found.all(), totals=found.totals(), **found.switches())


@blueprint.put("/readiness")
@access(UPLOAD_SCANS)
def readiness() -> ResponseReturnValue:
    """The hospital's own switches."""
    store, payload = own_store(), json_object()
    only_fields(payload, "is_ready", "keep_original_dicom")
    asked = {name: flag(payload, name) for name in ("is_ready", "keep_original_dicom")}
    store.readiness.set_hospital(**asked)
    note_deed(Action.READINESS_CHANGED, store.hospital_id, **{k: v for k, v in asked.items() if v is not None})
    tell_scans_changed(services().hub, store.hospital_id)
    return jsonify(_listing(store).switches())


@blueprint.get("/<scan_id>")
@access(READ_SCANS)
def one(scan_id: str) -> ResponseReturnValue:
    store = own_store()
    return jsonify(_full_json(store, scan_id))


@blueprint.patch("/<scan_id>")
@access(UPLOAD_SCANS)
def change(scan_id: str) -> ResponseReturnValue:
    store, payload = own_store(), json_object()
    store.scans.path(scan_id)
    only_fields(payload, "label", "is_ready")
    is_ready = flag(payload, "is_ready")
    if "label" in payload:
        store.scans.relabel(scan_id, _own_label(store, scan_id, payload["label"]))
    if is_ready is not None:
        if is_ready and (why := store.why_not_ready(scan_id)):
            text = _WHY_NOT[why]()
            raise InvalidInput(text, {"is_ready": text})
        store.set_ready(scan_id, is_ready, signed_in_user().username)
    # The label is not told: it may be a name.
    audited = scan_in_audit(store, scan_id)
    note_deed(Action.SCAN_CHANGED, audited, **({} if is_ready is None else {"is_ready": is_ready}))
    tell_scans_changed(services().hub, store.hospital_id)
    return jsonify(_full_json(store, scan_id))


@blueprint.get("/<scan_id>/consequences")
@access(UPLOAD_SCANS)
def consequences(scan_id: str) -> ResponseReturnValue:
    """What would go with the scan."""
    store = own_store()
    return jsonify(_consequences(store, scan_id))


@blueprint.delete("/<scan_id>")
@access(UPLOAD_SCANS)
def delete(scan_id: str) -> ResponseReturnValue:
    """Our pages let a person write the scan's name and send it along; a program that names the scan has been clear."""
    store, payload = own_store(), json_object()
    store.scans.path(scan_id)
    only_fields(payload, "confirm")
    label = _listing(store).one(scan_id)["label"]
    if payload.get("confirm", label) != label:
        text = gettext("Write the name of the scan to confirm: %(label)s", label=label)
        raise InvalidInput(text, {"confirm": text})
    audited = scan_in_audit(store, scan_id)
    services().scans.delete(store, scan_id)
    note_deed(Action.SCAN_DELETED, audited)
    tell_scans_changed(services().hub, store.hospital_id)
    return "", 204


@blueprint.get("/<scan_id>/thumbnail")
@access(READ_SCANS)
def thumbnail(scan_id: str) -> ResponseReturnValue:
    path = own_store().scans.thumbnail(scan_id)
    if path is None:
        raise NotFound(gettext("There is no such thing here."))
    answer = Response(path.read_bytes(), mimetype="image/png")
    answer.add_etag()
    answer.make_conditional(request.environ)
    return _private(answer)


@blueprint.get("/<scan_id>/volume")
@access(READ_SCANS)
def volume(scan_id: str) -> ResponseReturnValue:
    """int16 little-endian HU in LPS order: all of it, a range of it, or one slab in gzip form."""
    store, desk = own_store(), services().scans
    header = store.scans.path(scan_id)
    key = desk.voxels_key(store, scan_id)
    wanted = request.args.get("slab")
    if wanted is not None:
        slabs = num_slabs(lps_geometry(read_header(header).geometry))
        if not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 6 and int(wanted) < slabs):
            raise InvalidInput(fields={"slab": gettext("Must be a number from 0 to %(last)s.", last=slabs - 1)})
        return _slab(desk.volumes.slab(header, key, int(wanted)), f"{key}-{wanted}")
    reader = VolumeReader(desk.volumes.open(header, key))
    content = FileWrapper(cast(IO[bytes], reader), 1 << 20)
    answer = Response(content, mimetype="application/octet-stream", direct_passthrough=True)
    answer.content_length = reader.size
    answer.set_etag(key)
    answer.make_conditional(request.environ, accept_ranges=True, complete_length=reader.size)
    return _private(answer)


def _slab(path: Path, etag: str) -> Response:
    answer = send_file(path, "application/octet-stream", etag=etag, conditional=False)
    answer.headers["Content-Encoding"] = "gzip"
    answer.make_conditional(request.environ)
    return _private(answer)


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = KEPT_BY_ONE
    return answer


def _listing(store: HospitalStore) -> ScanList:
    return ScanList(store, services().scans.uncertainties(store), signed_in_user().role == STAFF)


def _full_json(store: HospitalStore, scan_id: str) -> dict[str, Any]:
    header = store.scans.path(scan_id)
    listing = _listing(store)
    found = {**listing.one(scan_id), "same_patient": listing.same_patient(scan_id)}
    try:
        geometry = lps_geometry(read_header(header).geometry)
    except BadScan:  # refused, as its checks say
        return {**found, "geometry": None, "slabs": 0, "slab_slices": SLAB_SLICES, "windows": WINDOWS}
    return {
        **found,
        "geometry": _geometry_json(geometry),
        "slabs": num_slabs(geometry),
        "slab_slices": SLAB_SLICES,
        "bytes": 2 * math.prod(geometry.shape_zyx),
        "windows": WINDOWS,
        "volume": f"/api/scans/{quote(scan_id)}/volume",
    }


def _geometry_json(geometry: Geometry) -> dict[str, Any]:
    """``world = origin + direction @ (index_xyz * spacing_xyz)``; direction by rows."""
    return {
        "shape_zyx": list(geometry.shape_zyx),
        "spacing_zyx_mm": list(geometry.spacing_zyx_mm),
        "origin_xyz_mm": list(geometry.origin_xyz_mm),
        "direction_xyz": geometry.direction.tolist(),
    }


def _label(value: object) -> str:
    label = " ".join(value.split()) if isinstance(value, str) else ""
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        text = gettext("A name of 1 to %(number)s characters is needed.", number=LONGEST_LABEL)
        raise InvalidInput(text, {"label": text})
    return label


def _own_label(store: HospitalStore, scan_id: str, value: object) -> str:
    """A label that no other scan has: people know scans by it. Raises InvalidInput."""
    label = _label(value)
    records = (store.scans.record(other) for other in store.scans.ids() if other != scan_id)
    if any(record is not None and record.label == label for record in records):
        text = gettext("Another scan of your hospital has this name.")
        raise InvalidInput(text, {"label": text})
    return label


_WHY_NOT = {
    "unusable": lambda: gettext("A check found an error: the scan cannot be trained on."),
    "not_annotated": lambda: gettext('Annotate the scan, or declare it "read, no nodules", before it is ready.'),
}


def _consequences(store: HospitalStore, scan_id: str) -> dict[str, Any]:
    scan = _listing(store).one(_known(store, scan_id))
    predictions = services().scans.num_predictions(store, scan_id)
    nodules, versions = scan["nodules"], scan["annotation_version"]
    told = [gettext("The scan and everything that was made of it are removed from the disk. This cannot be undone.")]
    if versions:
        told.append(
            ngettext(
                "Its annotations go with it: %(num)d nodule, and all earlier versions.",
                "Its annotations go with it: %(num)d nodules, and all earlier versions.",
                nodules,
            )
        )
    if predictions:
        told.append(ngettext("%(num)d prediction goes with it.", "%(num)d predictions go with it.", predictions))
    if scan["used"]:
        told.append(
            gettext("It was used in trainings. Their models stay; runs that were stopped cannot be resumed without it.")
        )
    return {
        "label": scan["label"],
        "nodules": nodules,
        "annotation_version": versions,
        "predictions": predictions,
        "used": scan["used"],
        "sentences": told,
    }


def _known(store: HospitalStore, scan_id: str) -> str:
    store.scans.path(scan_id)
    return scan_id
