"""Text in PDFs, Latin and Chinese, without a font file: Helvetica, and for what it lacks the CID font of PDF readers.

``STSong-Light`` is one of Adobe's predefined fonts for simplified Chinese: the file names it and the reader brings it.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

LATIN, CHINESE = "Helvetica", "STSong-Light"
UNKNOWN = "\N{WHITE SQUARE}"
_BEYOND_LATIN = re.compile(r"[^\x20-\x7e\xa0-\xff]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")

pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))


def paragraph(text: str, style: ParagraphStyle, *, bold: bool = False) -> Paragraph:
    """Plain text as a paragraph: nothing in it is taken for markup, and lines may break between Chinese characters."""
    markup = _BEYOND_LATIN.sub(lambda found: f'<font name="{CHINESE}">{found[0]}</font>', escape(plain(text)))
    return Paragraph(f"<b>{markup}</b>" if bold else markup, style)


def plain(text: str) -> str:
    """Without characters that a person cannot see, and with a box for what no font of the report has: another
    character, or none, would stand in its place."""
    return _BEYOND_LATIN.sub(lambda found: "".join(map(_known, found[0])), _UNPRINTABLE.sub(" ", text))


def _known(character: str) -> str:
    """STSong-Light has what GBK has."""
    try:
        character.encode("gbk")
    except UnicodeEncodeError:
        return UNKNOWN
    return character


def draw_line(canvas: Canvas, x: float, y: float, text: str, size: float, *, from_right: bool = False) -> None:
    """One line outside the flow of the page, part by part in the font that has it."""
    parts = [(part, LATIN if not _BEYOND_LATIN.match(part) else CHINESE) for part in _runs(plain(text))]
    if from_right:
        x -= sum(pdfmetrics.stringWidth(part, font, size) for part, font in parts)
    for part, font in parts:
        canvas.setFont(font, size)
        canvas.drawString(x, y, part)
        x += pdfmetrics.stringWidth(part, font, size)


def _runs(text: str) -> list[str]:
    """``"a 结节 b"`` -> ``["a ", "结节", " b"]``"""
    return [run for run in re.split(f"({_BEYOND_LATIN.pattern})", text) if run]
