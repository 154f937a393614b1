"""Whether an update may enter the global model. One hospital's damage must not become everybody's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fedlung.errors import RefusedUpdate
from fedlung.federation.updates import ClientUpdate, Instruction
from fedlung.federation.weights import Weights, largest, norm


@dataclass(frozen=True)
class UpdateLimits:
    """What is still believed. Defaults are far above honest training, far below what would spoil a model.

    Attributes:
        max_examples: scans of one hospital.
        max_change: largest change of a single weight in one round.
        max_norm: Euclidean norm of the whole delta; None: not checked.
        declared: number of scans that each hospital declared before the run; an update may not claim more.
    """

    max_examples: int = 100_000
    max_change: float = 100.0
    max_norm: float | None = None
    declared: Mapping[str, int] = field(default_factory=dict)


def check_update(update: ClientUpdate, instruction: Instruction, limits: UpdateLimits) -> None:
    """Refuse an update that does not answer ``instruction`` or is not plausible.

    Raises:
        RefusedUpdate: one sentence that says what is wrong, without the hospital's name.
    """
    reason = refusal_or_none(update, instruction, limits)
    if reason is not None:
        raise RefusedUpdate(reason)


def refusal_or_none(update: ClientUpdate, instruction: Instruction, limits: UpdateLimits) -> str | None:
    """The reason to refuse ``update`` as an answer to ``instruction``, or None for an update that is fine."""
    if update.round != instruction.round:
        return f"late answer: it belongs to round {update.round}, and this is round {instruction.round}"
    if not isinstance(update.metrics, Mapping):
        return f"metrics must map names to numbers, got {type(update.metrics).__name__}"
    return (
        _bad_examples(update, limits)
        or unlike_or_none(update.delta, instruction.weights, "delta")
        or _bad_values(update.delta, limits)
    )


def _bad_examples(update: ClientUpdate, limits: UpdateLimits) -> str | None:
    count = update.num_examples
    if not isinstance(count, int | np.integer) or isinstance(count, bool):
        return f"num_examples must be a whole number, got {count!r:.40}"
    most = min(limits.max_examples, limits.declared.get(update.client_id, limits.max_examples))
    if not 1 <= count <= most:
        return f"num_examples must be in 1..{most}, got {count}"
    return None


def unlike_or_none(arrays: object, like: Weights, what: str) -> str | None:
    """The reason why ``arrays`` has not the names and shapes of ``like``, or None; ``what`` is its name in words."""
    if not isinstance(arrays, Mapping):
        return f"{what} must map names to arrays, got {type(arrays).__name__}"
    if arrays.keys() != like.keys():
        missing, extra = sorted(like.keys() - arrays.keys()), sorted(map(str, arrays.keys() - like.keys()))
        return f"{what} lacks array {missing[0]}" if missing else f"{what} has an unknown array {extra[0]:.80}"
    for name, array in arrays.items():
        if type(array) is not np.ndarray or array.dtype not in (np.float32, np.float64):
            kind = array.dtype if type(array) is np.ndarray else type(array).__name__
            return f"{what} of {name} must be a float32 or float64 array, got {kind}"
        if array.shape != like[name].shape:
            return f"{what} of {name} must have shape {like[name].shape}, got {array.shape}"
    return None


def _bad_values(delta: Weights, limits: UpdateLimits) -> str | None:
    for name, array in delta.items():
        change = largest(array)
        if not math.isfinite(change):
            return f"delta of {name} holds NaN or infinite values"
        if change > limits.max_change:
            return f"delta of {name} changes a weight by {change:.3g}; at most {limits.max_change:g} is plausible"
    if limits.max_norm is not None and (length := norm(delta)) > limits.max_norm:
        return f"delta has norm {length:.3g}; at most {limits.max_norm:g} is plausible"
    return None
