"""What a person asks of a run, checked field by field: the body of ``POST /api/runs``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from flask_babel import gettext, lazy_gettext
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedlung.errors import InvalidInput
from fedlung.web.training.strategy_forms import wrong_options

MOST_ROUNDS, MOST_LOCAL_EPOCHS = 500, 50
MOST_SEED = 2**32 - 1


class RunRequest(BaseModel):
    """A run as it is asked for; ``hospitals`` None: all. See `fedlung.federation.options.RunOptions` for the rest."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    rounds: int = Field(default=10, ge=1, le=MOST_ROUNDS)
    local_epochs: int = Field(default=1, ge=1, le=MOST_LOCAL_EPOCHS)
    strategy: str = Field(default="fedavg", max_length=40)
    strategy_options: dict[str, float] = Field(default_factory=dict, max_length=20)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    hospitals: list[str] | None = Field(default=None, min_length=1, max_length=1000)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    deadline_seconds: float = Field(default=3600.0, ge=1, le=604_800)
    quorum: int | None = Field(default=None, ge=1, le=1000)
    fraction: float = Field(default=1.0, gt=0, le=1)
    held_out_share: float = Field(default=0.2, ge=0, le=0.5)
    validate_every: int = Field(default=1, ge=0, le=MOST_ROUNDS)


_SENTENCES = {  # kind of pydantic's error -> what to say about it
    "extra_forbidden": lazy_gettext("This field is not known."),
    "int_type": lazy_gettext("A whole number is needed."),
    "float_type": lazy_gettext("A number is needed."),
    "finite_number": lazy_gettext("A number is needed."),
    "string_type": lazy_gettext("A text is needed."),
    "list_type": lazy_gettext("A list is needed."),
    "dict_type": lazy_gettext("A table of names and numbers is needed."),
    "greater_than_equal": lazy_gettext("Must be at least %(ge)s."),
    "greater_than": lazy_gettext("Must be more than %(gt)s."),
    "less_than_equal": lazy_gettext("Must be at most %(le)s."),
    "literal_error": lazy_gettext("Must be one of %(expected)s."),
    "too_short": lazy_gettext("Choose at least one."),
    "too_long": lazy_gettext("At most %(max_length)s."),
    "string_too_long": lazy_gettext("At most %(max_length)s characters."),
}
_WRONG = lazy_gettext("This value is not right.")


def parse_request(
    payload: Mapping[str, Any],
    known_hospitals: Collection[str],
    not_ready: Collection[str] = (),
    empty: Collection[str] = (),
) -> RunRequest:
    """The request in ``payload``.

    Where it asks for all hospitals, those in ``not_ready`` are left out, and those in ``empty`` unless all are.

    Raises:
        InvalidInput: with a sentence for every field that is wrong.
    """
    try:
        request = RunRequest.model_validate(dict(payload))
    except ValidationError as error:
        raise InvalidInput(fields=wrong_fields(error)) from None
    fields = wrong_options(request.strategy, request.strategy_options)
    if request.hospitals is None and (not_ready or empty):
        able = set(known_hospitals) - set(not_ready)
        request = request.model_copy(update={"hospitals": sorted(able - set(empty) or able)})
    wanted = known_hospitals if request.hospitals is None else request.hospitals
    if unknown := sorted(set(wanted) - set(known_hospitals)):
        fields["hospitals"] = gettext("There is no hospital %(name)s.", name=f"{unknown[0]:.64}")
    elif len(set(wanted)) < len(wanted):
        fields["hospitals"] = gettext("Choose each hospital once.")
    elif not wanted:
        fields["hospitals"] = gettext("There is no hospital with scans yet.")
        if not_ready:
            fields["hospitals"] = gettext("No hospital has declared its data ready for training.")
    elif unready := sorted(set(wanted) & set(not_ready)):
        fields["hospitals"] = gettext("%(name)s has declared that its data is not ready.", name=unready[0])
    elif request.quorum is not None and request.quorum > len(wanted):
        fields["quorum"] = gettext("Only %(number)s hospitals take part.", number=len(wanted))
    if fields:
        raise InvalidInput(fields=fields)
    return request


def wrong_fields(error: ValidationError) -> dict[str, str]:
    """Every field that pydantic refused, with a sentence."""
    return dict(map(_in_words, error.errors()))


def _in_words(error: Any) -> tuple[str, str]:
    sentence = str(_SENTENCES.get(error["type"], _WRONG))
    return ".".join(str(part) for part in error["loc"])[:80], sentence % error.get("ctx", {})


def limits() -> dict[str, dict[str, Any]]:
    """Least and most of each number, for the form."""
    names = {"minimum": "min", "exclusiveMinimum": "above", "maximum": "max"}
    found: dict[str, dict[str, Any]] = {}
    for name, schema in RunRequest.model_json_schema()["properties"].items():
        options = [schema, *schema.get("anyOf", ())]
        bounds = {short: option[long] for option in options for long, short in names.items() if long in option}
        if bounds:
            found[name] = bounds
    return found
