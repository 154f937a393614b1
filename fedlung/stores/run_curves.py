"""``curves.png`` of a run: loss and Dice over the rounds, the mean and every hospital."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

PANELS = {"loss": "training loss", "dice": "Dice of the mask (training patches)"}


def draw_curves(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the complete rounds of ``rounds.jsonl`` into a PNG file; works in any thread and without a display."""
    rounds = [record for record in records if record["round"] > 0]
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (metric, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        _panel(axes, rounds, metric, title)
    figure.savefig(path, dpi=120)


def _panel(axes: Axes, rounds: Sequence[Mapping[str, Any]], metric: str, title: str) -> None:
    hospitals = sorted({result["hospital"] for record in rounds for result in record["hospitals"]})
    for hospital in hospitals:
        points = [
            (record["round"], result["metrics"][metric])
            for record in rounds
            for result in record["hospitals"]
            if result["hospital"] == hospital and metric in result["metrics"]
        ]
        axes.plot(*_columns(points), marker=".", linewidth=1, alpha=0.6, label=hospital)
    mean = [(record["round"], record["metrics"][metric]) for record in rounds if metric in record["metrics"]]
    axes.plot(*_columns(mean), marker="o", linewidth=2, color="black", label="mean, weighted by scans")
    axes.set(title=title, xlabel="round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
