"""What the card of a model says, in the reader's language.

Cards are written once, in English. The names of trained models are made of facts, and made again here; what the card of
the shipped model says is known, sentence by sentence. Anything else is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext

from fedlung.imaging.intake.texts import N_
from fedlung.web.i18n import locale
from fedlung.web.js_texts import JS_TEXTS

SENTENCES = ("name", "intended_use", "data", "limits")  # fields of a card that are sentences
TRAINED = N_("Research use only; not for diagnosis.")  # `fedlung.web.training.model_cards.INTENDED_USE`
SHIPPED = (  # as benchmarks/pretrained.py writes them; a test compares with the card of the shipped model
    N_("Lung nodules, three simulated LIDC-IDRI hospitals"),
    N_("Research use only, not for diagnosis. Marks places in a chest CT that may be nodules of 3 to 30 mm."),
    N_(
        "Trained on few patients of one collection. False marks were counted on three scans only: on scanners, doses,"
        " slice thicknesses and diseases unlike theirs it may show many more, or miss nodules. Nodules under 3 mm and"
        " over 30 mm, ground glass and scans of children were not judged."
    ),
    N_(
        "LIDC-IDRI (CC BY 3.0, doi:10.7937/K9/TCIA.2015.LO9QL9SX): %(scans)s full scans and %(cubes)s nodule cubes of"
        " 51 mm of other patients, split by patient over %(hospitals)s simulated hospitals; LUNA16 annotations and"
        " excluded findings (CC BY 4.0)"
    ),
)
_MADE = re.compile(r"(?P<strategy>\w+), round (?P<round>\d+) of (?P<rounds>\d+), run \S+")
_DATA = re.compile(
    re.escape(SHIPPED[3])
    .replace(r"%\(scans\)s", r"(?P<scans>\d+)")
    .replace(r"%\(cubes\)s", r"(?P<cubes>\d+)")
    .replace(r"%\(hospitals\)s", r"(?P<hospitals>\d+)")
)


def card_words(sentence: str) -> str:
    """A sentence of a card; an English reader gets it as it is."""
    if locale() == "en" or not sentence:
        return sentence
    made = _MADE.fullmatch(sentence)
    if made:
        strategy = str(JS_TEXTS.get(f"strategy.{made['strategy']}", made["strategy"]))
        return str(JS_TEXTS["model.name"]).format(strategy=strategy, round=made["round"], rounds=made["rounds"])
    data = _DATA.fullmatch(sentence)
    if data:
        return str(gettext(SHIPPED[3])) % data.groupdict()
    return str(gettext(sentence)) if sentence in (TRAINED, *SHIPPED) else sentence


def with_words(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card, its sentences in the reader's language."""
    told = {name: card_words(card[name]) for name in SENTENCES if isinstance(card.get(name), str)}
    return {**card, **told}
