"""Predictions to take away: CSV, JSON, PDF, and DICOM where the scan came as DICOM; and two scans side by side.

``threshold`` in the query is where the reader's slider stands; without it the model's own holds.
"""

from __future__ import annotations

import gzip
import json
import logging
import math

import numpy as np
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from numpy.typing import NDArray
from PIL.Image import Image

from fedlung.accounts.permissions import DETECT_NODULES
from fedlung.errors import BadScan, Conflict, InvalidInput, NotFound
from fedlung.imaging.metaimage import read_metaimage
from fedlung.reports.dicom_source import DicomSource, read_source
from fedlung.reports.marked_scan import MarkedScan, marked_scan
from fedlung.reports.nodule_pictures import picture_of
from fedlung.reports.prediction_csv import to_csv
from fedlung.reports.prediction_export import to_export
from fedlung.reports.prediction_pdf import MOST_PICTURES, to_pdf
from fedlung.stores.audit import Action
from fedlung.stores.clock import utc_now
from fedlung.web.predictions.api_predictions import attachment, finished_prediction
from fedlung.web.predictions.comparison import compare
from fedlung.web.predictions.report_words import report_words
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

CSV, JSON, PDF = "text/csv; charset=utf-8", "application/json", "application/pdf"
DICOM = "application/dicom"

logger = logging.getLogger(__name__)
blueprint = Blueprint("api_exports", __name__, url_prefix="/api/predictions")


@blueprint.get("/<prediction_id>/export.csv")
@access(DETECT_NODULES)
def as_csv(prediction_id: str) -> ResponseReturnValue:
    scan = _marked(prediction_id)
    return _given(scan, to_csv(scan).encode(), CSV, "csv")


@blueprint.get("/<prediction_id>/export.json")
@access(DETECT_NODULES)
def as_json(prediction_id: str) -> ResponseReturnValue:
    scan = _marked(prediction_id)
    content = json.dumps(to_export(scan, utc_now(), signed_in_user().username), ensure_ascii=False, indent=2)
    return _given(scan, content.encode() + b"\n", JSON, "json")


@blueprint.get("/<prediction_id>/export.pdf")
@access(DETECT_NODULES)
def as_pdf(prediction_id: str) -> ResponseReturnValue:
    scan = _marked(prediction_id)
    words = report_words(scan, utc_now(), signed_in_user().display_name)
    return _given(scan, to_pdf(scan, words, _pictures(scan)), PDF, "pdf")


@blueprint.get("/<prediction_id>/export/seg.dcm")
@access(DETECT_NODULES)
def as_seg(prediction_id: str) -> ResponseReturnValue:
    # Here and not above, as below: highdicom takes a quarter of a second of every start.
    from fedlung.reports.dicom_export import to_seg

    scan = _marked(prediction_id)
    return _given(scan, to_seg(scan, _source(scan), _mask(scan)), DICOM, "seg.dcm")


@blueprint.get("/<prediction_id>/export/sr.dcm")
@access(DETECT_NODULES)
def as_sr(prediction_id: str) -> ResponseReturnValue:
    from fedlung.reports.dicom_export import to_sr

    scan = _marked(prediction_id)
    return _given(scan, to_sr(scan, _source(scan), _mask(scan)), DICOM, "sr.dcm")


@blueprint.get("/<prediction_id>/comparison")
@access(DETECT_NODULES)
def comparison(prediction_id: str) -> ResponseReturnValue:
    """Beside ``prior``, a prediction of an earlier scan."""
    current = _marked(prediction_id)
    prior = _marked(request.args.get("prior", ""))
    if prior.record.model["sha256"] != current.record.model["sha256"]:  # the slider says nothing about another model
        prior = _marked(prior.record.id, at_slider=False)
    return jsonify(compare(services().predictions, current, prior))


def _marked(prediction_id: str, *, at_slider: bool = True) -> MarkedScan:
    """The finished prediction with its newest marks, at the threshold of the query or at the model's own."""
    service, threshold = services().predictions, _threshold() if at_slider else None
    record = finished_prediction(prediction_id)
    content = service.store.content(record)
    version = service.marks.newest(service.store.folder(record), content["candidates"])
    label = ""
    try:
        label = service.scans.find(record.hospital_id, record.scan_id).label
    except NotFound:
        logger.info("the scan of prediction %s is gone", record.id)
    return marked_scan(record, content, version, threshold, label)


def _threshold() -> float | None:
    text = request.args.get("threshold")
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InvalidInput(fields={"threshold": gettext("A number from 0 to 1 is needed.")})
    return value


def _pictures(scan: MarkedScan) -> dict[int, Image]:
    """Of the reported marks; none where the scan is gone or damaged, and the report says so."""
    try:
        path = services().predictions.scans.find(scan.record.hospital_id, scan.record.scan_id).path
        volume = read_metaimage(path)
    except (NotFound, BadScan):
        return {}
    shown = scan.reported[:MOST_PICTURES]
    return {item.number: picture_of(volume, item.mark.center_xyz_mm, item.mark.diameter_mm) for item in shown}


def _source(scan: MarkedScan) -> DicomSource:
    found = services().predictions.scans.find(scan.record.hospital_id, scan.record.scan_id)
    if not found.originals:
        raise Conflict(gettext("DICOM needs the original series, and it was not kept for this scan."))
    return read_source(found.originals)


def _mask(scan: MarkedScan) -> NDArray[np.uint8]:
    content = gzip.decompress(services().predictions.store.mask_gzip(scan.record))
    return np.frombuffer(content, dtype=np.uint8).reshape(scan.content["prepared"]["shape_zyx"])


def _given(scan: MarkedScan, content: bytes, media_type: str, ending: str) -> ResponseReturnValue:
    record, user = scan.record, signed_in_user()
    details = {"file": ending, "threshold": scan.threshold, "version": scan.version.version}
    services().audit.append(user.username, Action.PREDICTION_EXPORTED, record.id, details, record.hospital_id)
    return attachment(content, media_type, f"fedlung-{record.id[:12]}.{ending}")
