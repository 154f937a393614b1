"""The words of a PDF report, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext

from fedlung.reports.marked_scan import MarkedScan, ReportedMark
from fedlung.reports.prediction_pdf import MOST_PICTURES, PdfWords
from fedlung.stores.prediction_marks import ACCEPTED, MODEL, OPEN, REJECTED
from fedlung.web.i18n import locale
from fedlung.web.model_words import card_words
from fedlung.web.predictions.words import (
    ATTENUATIONS,
    RESEARCH_USE,
    SOURCES,
    STAGES,
    STATUSES,
    agreement_words,
    category_words,
    position_words,
    warning_words,
)

NEAR = 0.005
"""Half a step of the slider: the model's own threshold may lie between two of its steps."""


def report_words(scan: MarkedScan, exported: str, exported_by: str) -> PdfWords:
    """Every sentence of the report."""
    pictured = scan.reported[:MOST_PICTURES]
    return PdfWords(
        language="zh-CN" if locale() == "zh" else "en",
        title=gettext("Lung nodule detection: marks of one scan"),
        notice=str(RESEARCH_USE),
        facts=[*_scan_facts(scan), *_model_facts(scan), *_reading_facts(scan, exported, exported_by)],
        warnings_title=gettext("Quality of the scan"),
        warnings=[warning_words(warning) for warning in scan.record.warnings],
        marks_title=gettext("Reported marks"),
        summary=summary(scan),
        columns=[
            gettext("No."),
            gettext("Judgement"),
            gettext("Probability"),
            gettext("Diameter (mm)"),
            gettext("Volume (mm³)"),
            gettext("Slice"),
            gettext("Place"),
            gettext("Density type"),
            gettext("Category hint"),
            gettext("Comment"),
        ],
        rows=[_row(item) for item in scan.reported],
        pictures_title=_pictures_title(len(scan.reported)),
        captions=[_caption(item) if item in pictured else "" for item in scan.reported],
        no_pictures=gettext("There are no pictures: the scan is not there any more, or cannot be read."),
        notes_title=gettext("How to read the numbers"),
        notes=_notes(scan),
        page=gettext("Page %(page)s"),
    )


def summary(scan: MarkedScan) -> str:
    """What was found; where nothing is reported, that this is no finding of health."""
    counts, reported = scan.version.counts(), scan.reported
    below = len(scan.marks) - len(reported) - counts[REJECTED]
    if not reported:
        nothing: str = gettext(
            "No mark is reported at the threshold of %(threshold)s; %(below)s weaker ones are below it and"
            " %(rejected)s were rejected. This does not mean that the scan has no nodules.",
            threshold=f"{scan.threshold:.2f}",
            below=below,
            rejected=counts[REJECTED],
        )
        return nothing
    text: str = gettext(
        "%(reported)s marks are reported at the threshold of %(threshold)s: %(accepted)s of the model accepted,"
        " %(open)s of the model not judged, %(added)s added by readers; %(rejected)s were rejected and %(below)s are"
        " below the threshold.",
        reported=len(reported),
        threshold=f"{scan.threshold:.2f}",
        accepted=sum(item.mark.status == ACCEPTED for item in reported if item.mark.source == MODEL),
        open=sum(item.mark.status == OPEN for item in reported if item.mark.source == MODEL),
        added=sum(item.mark.source != MODEL for item in reported),
        rejected=counts[REJECTED],
        below=below,
    )
    return text


def _pictures_title(count: int) -> str:
    title: str = gettext("Pictures: 64 mm wide, axial, coronal, sagittal")
    if count > MOST_PICTURES:
        title = gettext(
            "Pictures of the first %(count)s marks: 64 mm wide, axial, coronal, sagittal", count=MOST_PICTURES
        )
    return title


def _scan_facts(scan: MarkedScan) -> list[tuple[str, str]]:
    depth, height, width = scan.viewed.shape_zyx
    z, y, x = scan.viewed.spacing_zyx_mm
    return [
        (gettext("Scan"), scan.scan_label),
        (gettext("Scan id"), scan.record.scan_id),
        (gettext("Voxels"), f"{width} × {height} × {depth}, {x:.2f} × {y:.2f} × {z:.2f} mm"),
        (gettext("Lung volume"), f"{scan.content['lung_volume_l']:.1f} L"),
    ]


def _model_facts(scan: MarkedScan) -> list[tuple[str, str]]:
    model, point = scan.record.model, scan.operating_point
    trained = gettext(
        "%(hospitals)s hospitals, %(rounds)s rounds, %(created)s",
        hospitals=model.get("hospitals") or "?",
        rounds=model.get("round") or model.get("rounds") or "?",
        created=str(model.get("created") or "?")[:10],
    )
    meaning = gettext("not known from the model's validation")
    if point is not None:
        meaning = gettext(
            "in validation about %(rate)s false marks per scan at a sensitivity of %(sensitivity)s, on %(scans)s scans",
            rate=_with_interval(f"{round(point['fp_per_scan'], 2):g}", point.get("fp_interval")),
            sensitivity=_with_interval(f"{point['sensitivity']:.2f}", point.get("interval")),
            scans=f"{point['num_scans']:g}",
        )
        if point["threshold"] < scan.threshold - NEAR:  # at most as many of both; how many nobody measured
            meaning = gettext("at %(threshold)s, %(meaning)s", threshold=f"{point['threshold']:.3f}", meaning=meaning)
    return [
        (gettext("Model"), f"{card_words(str(model['name']))} ({model['id']})"),
        (gettext("Trained"), trained),
        (gettext("Version (SHA-256)"), str(model["sha256"])),
        (gettext("Threshold"), f"{scan.threshold:.3f}: {meaning}"),
    ]


def _with_interval(value: str, interval: Sequence[float] | None) -> str:
    if interval is None:
        return value
    low, high = (f"{end:.2f}" for end in interval)
    text: str = gettext("%(value)s (95 %% interval %(low)s to %(high)s)", value=value, low=low, high=high)
    return text


def _reading_facts(scan: MarkedScan, exported: str, exported_by: str) -> list[tuple[str, str]]:
    record = scan.record
    stages = "; ".join(f"{STAGES.get(name, name)} {value:.1f} s" for name, value in record.seconds.items())
    declared = [f"{one.author}, {_minute(one.time)}" for one in scan.version.first_reads]
    first_read = "; ".join(declared) or gettext("not declared")
    judged = gettext("version %(number)s", number=scan.version.version)
    if scan.version.version:
        judged = f"{judged}, {scan.version.author}, {_minute(scan.version.time)}"
    return [
        (gettext("Read by the model"), f"{_minute(record.finished)}, {sum(record.seconds.values()):.1f} s ({stages})"),
        (gettext("First read declared by"), first_read),
        (gettext("Judged"), judged),
        (gettext("Report made"), f"{_minute(exported)}, {exported_by}"),
    ]


def _minute(time: str) -> str:
    """``2026-01-31T12:34:56.789+00:00`` -> ``2026-01-31 12:34 UTC``"""
    return f"{time[:10]} {time[11:16]} UTC"


def _row(item: ReportedMark) -> list[str]:
    kind = ATTENUATIONS.get(item.attenuation) if item.attenuation else None
    return [
        item.name,
        f"{SOURCES[item.mark.source]}, {STATUSES[item.mark.status]}",
        "-" if item.probability is None else f"{item.probability:.2f}",
        f"{item.mark.diameter_mm:.1f}",
        f"{item.volume_mm3:.0f}",
        str(item.slice_number),
        position_words(item.position) or "-",
        "-" if kind is None else str(kind),
        item.category["value"],
        item.mark.comment,
    ]


def _caption(item: ReportedMark) -> str:
    x, y, z = item.mark.center_xyz_mm
    place = f"({x:.1f}, {y:.1f}, {z:.1f}) mm LPS"
    text: str = gettext(
        "Mark %(number)s: diameter %(diameter)s mm, slice %(slice)s, at %(place)s",
        number=item.name,
        diameter=f"{item.mark.diameter_mm:.1f}",
        slice=item.slice_number,
        place=place,
    )
    return text


def _notes(scan: MarkedScan) -> list[str]:
    rules = dict.fromkeys(category_words(item.category)["rule"] for item in scan.reported)
    by_size = sorted((item for item in scan.reported if item.is_as_found), key=lambda item: item.mark.diameter_mm)
    agreements = dict.fromkeys(agreement_words(scan.diameter_agreement(item)) for item in by_size)
    return [
        gettext("Diameter: of the ball of equal volume, by the model's mask or, where there is none, its estimate."),
        *agreements,
        gettext("Slices are counted from the feet. Places are in millimetres of the scan's world, LPS."),
        gettext("Place and type are derived from densities and the lung mask; lobes are not known."),
        *(gettext("Category hint, by size alone: %(rule)s.", rule=rule) for rule in rules),
        gettext("The marks are the output of a program for research. They do not replace the reading of a physician."),
    ]
