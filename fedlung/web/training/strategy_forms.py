"""The strategies as a form shows them: a name, what it is good for, and its numbers with their ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from flask_babel import gettext, lazy_gettext

from fedlung.federation.strategies import STRATEGIES


@dataclass(frozen=True)
class Option:
    """One number of a strategy: from ``low`` to ``high``; ``open_low`` and ``open_high``: the border is left out."""

    label: Any
    help: Any
    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)


LABELS: Mapping[str, tuple[Any, Any]] = {  # strategy -> label, help
    "fedavg": (
        lazy_gettext("Federated averaging"),
        lazy_gettext("The mean of the hospitals' models, weighted by scans. The one to begin with."),
    ),
    "fedprox": (
        lazy_gettext("FedProx"),
        lazy_gettext("Holds local models near the global one: for hospitals whose scans differ much."),
    ),
    "fedavgm": (
        lazy_gettext("Averaging with momentum"),
        lazy_gettext("The server keeps going in a direction that several rounds agree on: often faster."),
    ),
}
OPTIONS: Mapping[str, Option] = {
    "server_learning_rate": Option(
        lazy_gettext("Server learning rate"),
        lazy_gettext("How far the global model moves towards the mean: 1 is all the way."),
        0,
        10,
        open_low=True,
    ),
    "mu": Option(
        lazy_gettext("Proximal weight μ"),
        lazy_gettext("How strongly local models are held near the global one: 0 is plain averaging."),
        0,
        1e4,
    ),
    "momentum": Option(
        lazy_gettext("Momentum"),
        lazy_gettext("Share of the last step that is added to the next one: 0 is plain averaging."),
        0,
        1,
        open_high=True,
    ),
}


def strategy_forms() -> list[dict[str, Any]]:
    """Every strategy with its fields, in the reader's language."""
    forms = []
    for name, factory in STRATEGIES.items():
        label, help_ = LABELS[name]
        options = [_form(field.name, field.default) for field in fields(factory)]  # type: ignore[arg-type]
        forms.append({"name": name, "label": str(label), "help": str(help_), "fields": options})
    return forms


def wrong_options(strategy: str, options: Mapping[str, float]) -> dict[str, str]:
    """Field of the request -> what is wrong with it."""
    if strategy not in STRATEGIES:
        return {"strategy": gettext("Must be one of %(expected)s.", expected=", ".join(STRATEGIES))}
    known = {field.name for field in fields(STRATEGIES[strategy])}  # type: ignore[arg-type]
    wrong = {}
    for name, value in options.items():
        if name not in known:
            wrong[f"strategy_options.{name:.40}"] = gettext("This strategy has no such option.")
        elif not OPTIONS[name].holds(value):
            wrong[f"strategy_options.{name}"] = _range_words(OPTIONS[name], value)
    return wrong


def _range_words(option: Option, value: float) -> str:
    """A border that is left out is not named as if it were allowed."""
    low, high = f"{option.low:g}", f"{option.high:g}"
    sentence: str = gettext("Must be from %(low)s to %(high)s.", low=low, high=high)
    if option.open_low and value <= option.low:
        sentence = gettext("Must be more than %(gt)s.", gt=low)
    elif option.open_high and value >= option.high:
        sentence = gettext("Must be less than %(lt)s.", lt=high)
    return sentence


def _form(name: str, default: Any) -> dict[str, Any]:
    option = OPTIONS[name]
    return {
        "name": name,
        "label": str(option.label),
        "help": str(option.help),
        "default": default,
        "min": option.low,
        "max": option.high,
        "above_min": option.open_low,
        "below_max": option.open_high,
    }
