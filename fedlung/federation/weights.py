"""Arithmetic on a model's weights, one verb a function; nothing here writes into its arguments.

``np.asarray`` keeps arrays without axes arrays: NumPy's operators would turn them into numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Weights = Mapping[str, Array]
"""Name -> array, as in a PyTorch state dict, without PyTorch."""


def zeros_like(weights: Weights) -> dict[str, Array]:
    return {name: np.zeros_like(array) for name, array in weights.items()}


def add(left: Weights, right: Weights) -> dict[str, Array]:
    return {name: np.asarray(array + right[name]) for name, array in left.items()}


def subtract(left: Weights, right: Weights) -> dict[str, Array]:
    return {name: np.asarray(array - right[name]) for name, array in left.items()}


def scale(weights: Weights, factor: float) -> dict[str, Array]:
    return {name: np.asarray(array * factor) for name, array in weights.items()}


def norm(weights: Weights) -> float:
    """Euclidean norm over all arrays together, summed in float64."""
    squares = (np.einsum("i,i", flat, flat, dtype=np.float64) for flat in map(np.ravel, weights.values()))
    return float(np.sqrt(sum(map(float, squares))))


def largest(array: Array) -> float:
    """Largest absolute value, 0 for an empty array; NaN or infinite when one of the values is."""
    return max(abs(float(array.max())), abs(float(array.min()))) if array.size else 0.0


def all_finite(weights: Weights) -> bool:
    return all(np.isfinite(largest(array)) for array in weights.values())


def read_only(weights: Weights) -> dict[str, Array]:
    """The same arrays, which nobody can write into by mistake: they are shared between threads."""
    views = {name: array.view() for name, array in weights.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def delta_between(local: Weights, global_weights: Weights) -> dict[str, Array]:
    """``local - global`` in float64.

    In float32 the difference of two weights is rounded, and ``moved(global, delta)`` would miss ``local``
    wherever a weight shrank by more than half.
    """
    return {
        name: np.asarray(np.subtract(array, global_weights[name], dtype=np.float64)) for name, array in local.items()
    }


def moved(weights: Weights, step: Weights) -> dict[str, Array]:
    """``weights + step``, computed in float64 and rounded once to the precision of ``weights``, even to infinity."""
    with np.errstate(over="ignore"):
        return {
            name: np.asarray(np.add(array, step[name], dtype=np.float64), dtype=array.dtype)
            for name, array in weights.items()
        }
