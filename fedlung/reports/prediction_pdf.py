"""A prediction as a report on paper: what was read and by which model, the marks in a table, a picture of each.

The sentences are handed in (`PdfWords`), so that the report speaks the reader's language.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image as Picture
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, KeepTogether, PageTemplate, Spacer, Table

from fedlung.reports.marked_scan import MarkedScan, ReportedMark
from fedlung.reports.pdf_text import LATIN, draw_line, paragraph

MARGIN, HEAD, FOOT = 16 * mm, 26 * mm, 20 * mm
WIDTH = A4[0] - 2 * MARGIN
MOST_PICTURES = 20
INK, QUIET, LINE, ALARM = HexColor("#1c2733"), HexColor("#5a6875"), HexColor("#c9d2da"), HexColor("#b3401f")
SHADE, CAUTION = HexColor("#eef2f5"), HexColor("#fdf3e3")

_BODY = ParagraphStyle("body", fontName=LATIN, fontSize=9, leading=12.5, textColor=INK)
_SMALL = ParagraphStyle("small", parent=_BODY, fontSize=7.5, leading=10, textColor=QUIET)
_CELL = ParagraphStyle("cell", parent=_BODY, fontSize=8, leading=10)
_TITLE = ParagraphStyle("title", parent=_BODY, fontSize=16, leading=21)
_HEADING = ParagraphStyle("heading", parent=_BODY, fontSize=11.5, leading=15, spaceBefore=9, spaceAfter=4)

COLUMNS = ("number", "judgement", "probability", "diameter", "volume", "slice", "place", "kind", "category", "comment")
_COLUMN_SHARES = (0.05, 0.14, 0.11, 0.11, 0.11, 0.07, 0.20, 0.11, 0.10)
"""Of all but the comment, which has a line of its own: in a column, a long one would be higher than a page."""


@dataclass(frozen=True)
class PdfWords:
    """All words of one report, in one language.

    Attributes:
        language: as in ``xml:lang``, for programs that read aloud.
        facts: label and value, about scan, model and reading, in the order of the page.
        warnings: sentences about the quality of the scan.
        summary: what was found, in a sentence or two; says so where nothing reaches the threshold.
        columns: one heading for each of `COLUMNS`.
        rows: for each reported mark, one text for each of `COLUMNS`.
        captions: for each reported mark, a line for its picture.
        notes: how to read the numbers.
        page: with ``%(page)s``.
    """

    language: str
    title: str
    notice: str
    facts: Sequence[tuple[str, str]]
    warnings_title: str
    warnings: Sequence[str]
    marks_title: str
    summary: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    pictures_title: str
    captions: Sequence[str]
    no_pictures: str
    notes_title: str
    notes: Sequence[str]
    page: str


def to_pdf(scan: MarkedScan, words: PdfWords, pictures: Mapping[int, Picture.Image]) -> bytes:
    """The report.

    Args:
        pictures: number of a mark -> its picture; marks without one are only in the table.
    """
    target = io.BytesIO()
    document = BaseDocTemplate(
        target,
        pagesize=A4,
        title=words.title,
        author="FedLung",
        subject=words.notice,
        lang=words.language,
        invariant=True,  # the same report has the same bytes
    )
    frame = Frame(
        MARGIN, FOOT, WIDTH, A4[1] - HEAD - FOOT, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
    )
    draw = partial(_draw_frame, words=words, prediction_id=scan.record.id)
    document.addPageTemplates([PageTemplate(frames=[frame], onPage=draw)])
    document.build([*_first_part(words), *_table(words), *_pictures(scan.reported, words, pictures), *_notes(words)])
    return target.getvalue()


def _draw_frame(canvas: Canvas, document: BaseDocTemplate, words: PdfWords, prediction_id: str) -> None:
    """The notice stands above and below every page."""
    left, right, top = MARGIN, A4[0] - MARGIN, A4[1] - 15 * mm
    canvas.setFillColor(QUIET)
    draw_line(canvas, left, top, "FedLung", 9)
    canvas.setFillColor(ALARM)
    draw_line(canvas, right, top, words.notice, 9, from_right=True)
    draw_line(canvas, left, 11 * mm, words.notice, 8)
    canvas.setFillColor(QUIET)
    draw_line(canvas, right, 11 * mm, f"{prediction_id}   {words.page % {'page': document.page}}", 8, from_right=True)
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.5)
    canvas.line(left, top - 3 * mm, right, top - 3 * mm)
    canvas.line(left, 15 * mm, right, 15 * mm)


def _first_part(words: PdfWords) -> list[Flowable]:
    facts = [[paragraph(name, _CELL), paragraph(value, _CELL)] for name, value in words.facts]
    parts: list[Flowable] = [paragraph(words.title, _TITLE), Spacer(0, 3 * mm)]
    parts.append(Table(facts, colWidths=[0.24 * WIDTH, 0.76 * WIDTH], style=_grid()))
    if words.warnings:
        rows = [[paragraph(text, _BODY)] for text in words.warnings]
        parts.append(paragraph(words.warnings_title, _HEADING))
        parts.append(Table(rows, colWidths=[WIDTH], style=_grid(CAUTION)))
    return parts


def _table(words: PdfWords) -> list[Flowable]:
    parts: list[Flowable] = [paragraph(words.marks_title, _HEADING), paragraph(words.summary, _BODY), Spacer(0, 2 * mm)]
    if words.rows:
        heading = [paragraph(text, _CELL, bold=True) for text in words.columns[:-1]]
        rows, style = [heading], _grid(heading=True)
        for *cells, comment in words.rows:
            rows.append([paragraph(text, _CELL) for text in cells])
            if comment:
                place = len(rows)
                said = paragraph(f"{words.columns[-1]}: {comment}", _CELL)
                rows.append(["", said, *[""] * (len(cells) - 2)])
                style += [("SPAN", (1, place), (-1, place)), ("NOSPLIT", (0, place - 1), (0, place))]
                style.append(("LINEBELOW", (0, place - 1), (-1, place - 1), 0.4, Color(1, 1, 1)))
        widths = [share * WIDTH for share in _COLUMN_SHARES]
        parts.append(Table(rows, colWidths=widths, style=style, repeatRows=1))
    return parts


def _pictures(
    reported: Sequence[ReportedMark], words: PdfWords, pictures: Mapping[int, Picture.Image]
) -> list[Flowable]:
    if not reported:
        return []
    parts: list[Flowable] = []
    for item, caption in zip(reported, words.captions, strict=True):
        if item.number in pictures:
            shown = [_picture(pictures[item.number]), Spacer(0, 1 * mm), paragraph(caption, _SMALL), Spacer(0, 4 * mm)]
            title = [paragraph(words.pictures_title, _HEADING)] if not parts else []
            parts.append(KeepTogether([*title, *shown]))
    return parts or [Spacer(0, 3 * mm), paragraph(words.no_pictures, _BODY)]


def _picture(picture: Picture.Image) -> Image:
    content = io.BytesIO()
    picture.save(content, "PNG")
    content.seek(0)
    width, height = ImageReader(content).getSize()
    content.seek(0)
    return Image(content, width=WIDTH, height=WIDTH * height / width)


def _notes(words: PdfWords) -> list[Flowable]:
    return [paragraph(words.notes_title, _HEADING), *(paragraph(text, _SMALL) for text in words.notes)]


def _grid(shade: Color | None = None, *, heading: bool = False) -> list[tuple[object, ...]]:
    every = ((0, 0), (-1, -1))
    style: list[tuple[object, ...]] = [
        ("VALIGN", *every, "TOP"),
        ("LINEBELOW", *every, 0.4, LINE),
        ("TOPPADDING", *every, 2.5),
        ("BOTTOMPADDING", *every, 2.5),
        ("LEFTPADDING", *every, 4),
        ("RIGHTPADDING", *every, 3),
    ]
    if shade is not None:
        style.append(("BACKGROUND", *every, shade))
    if heading:
        style.append(("BACKGROUND", (0, 0), (-1, 0), SHADE))
    return style
