"""What a person says to the marks of a prediction, checked field by field: the body of ``PUT .../marks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flask_babel import gettext
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedlung.errors import InvalidInput
from fedlung.imaging.annotations import MARKED_DIAMETERS_MM
from fedlung.imaging.geometry import Geometry
from fedlung.stores.prediction_marks import MODEL, Mark
from fedlung.web.training.request import wrong_fields

MOST_MARKS, LONGEST_COMMENT = 500, 1000


class MarkItem(BaseModel):
    """One mark as a browser sends it; who changed it and when is decided by the server, whatever is sent."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)

    id: str = Field(pattern="^[A-Za-z0-9_-]{1,64}$")
    source: Literal["model", "reader"]
    center_xyz_mm: list[float] = Field(min_length=3, max_length=3)
    diameter_mm: float = Field(ge=MARKED_DIAMETERS_MM[0], le=MARKED_DIAMETERS_MM[1])
    status: Literal["open", "accepted", "rejected"]
    comment: str = Field(default="", max_length=LONGEST_COMMENT)


class MarksRequest(BaseModel):
    """``version`` is the one that was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: int = Field(ge=0)
    items: list[MarkItem] = Field(max_length=MOST_MARKS)
    first_read_declared: bool = False


def parse_marks(
    payload: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], viewed: Geometry
) -> tuple[MarksRequest, list[Mark]]:
    """The request, and its marks.

    Raises:
        InvalidInput: with a sentence for every field that is wrong.
    """
    try:
        request = MarksRequest.model_validate(dict(payload))
    except ValidationError as error:
        raise InvalidInput(fields=wrong_fields(error)) from None
    of_the_model = {candidate["id"]: candidate["center_xyz_mm"] for candidate in candidates}
    fields = {}
    for number, item in enumerate(request.items):
        if (item.source == MODEL) != (item.id in of_the_model):
            fields[f"items.{number}.id"] = gettext("Marks of the model keep their ids, and only they have them.")
        # The model's own place may lie a fraction of a voxel beyond the last slice.
        if item.center_xyz_mm != of_the_model.get(item.id) and not viewed.contains(item.center_xyz_mm):
            fields[f"items.{number}.center_xyz_mm"] = gettext("The place is outside the scan.")
    if len({item.id for item in request.items}) < len(request.items):
        fields["items"] = gettext("Each mark may be there only once.")
    if fields:
        raise InvalidInput(fields=fields)
    return request, [_mark(item) for item in request.items]


def _mark(item: MarkItem) -> Mark:
    x, y, z = item.center_xyz_mm
    return Mark(item.id, item.source, (x, y, z), item.diameter_mm, item.status, item.comment.strip())
