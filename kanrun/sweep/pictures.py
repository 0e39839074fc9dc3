"""Pictures of a sweep: the score against every value that was varied, and all of them beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kanrun.report.look import BLUE, MUTED, VERMILLION, content_of, house_style, shortened
from kanrun.sweep.adding_up import HIGHER, scored, varied
from kanrun.sweep.rows import Row

MOST_VALUES, MOST_LINES, MOST_POINTS = 12, 300, 2000
DECADES = 50.0  # ratio of the largest to the smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Axis:
    """What was varied, or the score: where each job lies on it, and its marks if they are no numbers."""

    title: str
    places: NDArray[np.float64]
    marks: Sequence[str]
    log: bool = False

    @property
    def scaled(self) -> NDArray[np.float64]:
        """Places from 0 to 1."""
        places = np.log10(self.places) if self.log else self.places
        low, high = places.min(), places.max()
        return (places - low) / ((high - low) or 1.0)


def figures_of(rows: Sequence[Row], key: str | None) -> dict[str, str]:
    """SVG texts with what they show: the score by each varied value, then parallel coordinates; `rows` the best first.

    Nothing where fewer than two jobs have the score, or nothing but seeds was varied.
    """
    rows = scored(rows, key)
    keys = varied(rows)
    if len(rows) < 2 or not key or not keys:
        return {}
    score = axis_of(key.replace("_", " "), [row.scores[key] for row in rows])
    axes = {one: axis_of(one, [row.values.get(one) for row in rows]) for one in keys}
    found = {}
    with house_style():
        for one, axis in axes.items():
            found[f"{score.title} by {one}: every job, and mean and standard deviation."] = svg(by_value(axis, score))
        if len(keys) > 1:
            best = "the lowest" if key.split("_")[-1] not in HIGHER else "the highest"
            about = f"Every job as a line through its values; {best} {score.title} is the thick one."
            if len(rows) > MOST_LINES:
                about += f" {MOST_LINES} of {len(rows)} jobs, evenly from the best to the worst."
            found[about] = svg(parallel([*axes.values(), score]))
    return found


def axis_of(title: str, values: Sequence[Any]) -> Axis:
    """Numbers in their places, everything else in the order of its appearance."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == len(values) and all(map(math.isfinite, numbers)):
        places = np.array(numbers, dtype=float)
        return Axis(title, places, (), bool(places.min() > 0 and places.max() > DECADES * places.min()))
    texts = list(dict.fromkeys(map(str, values)))
    return Axis(title, np.array([texts.index(str(value)) for value in values], dtype=float), texts)


def by_value(axis: Axis, score: Axis) -> Figure:
    """Points of the jobs, and the means with their spread."""
    figure = Figure(figsize=(3.6, 2.7), layout="constrained")
    axes = figure.subplots()
    axes.scatter(axis.places[:MOST_POINTS], score.places[:MOST_POINTS], s=12, color=BLUE, alpha=0.5, linewidths=0)
    at = np.unique(axis.places)
    if len(at) <= MOST_VALUES:
        groups = [score.places[axis.places == place] for place in at]
        means = np.array([group.mean() for group in groups])
        spread = np.array([group.std(ddof=1) if len(group) > 1 else 0.0 for group in groups])
        below = np.minimum(spread, 0.9 * means) if score.log else spread
        line = "none" if axis.marks else "-"
        axes.errorbar(at, means, np.stack([below, spread]), color=VERMILLION, linestyle=line, marker="o", markersize=4,
                      capsize=3, linewidth=1)  # fmt: skip
    marked(axes, axis, score)
    return figure


def marked(axes: Axes, axis: Axis, score: Axis) -> None:
    """Scales and titles."""
    axes.set_xlabel(shortened(axis.title, 40), parse_math=False)
    axes.set_ylabel(score.title)
    if score.log:
        axes.set_yscale("log")
    if axis.log:
        axes.set_xscale("log")
    if axis.marks:
        step = -(-len(axis.marks) // MOST_VALUES)
        names = [shortened(mark, 14).replace("$", r"\$") for mark in axis.marks[::step]]
        turned = sum(map(len, names)) > 30
        axes.set_xticks(range(0, len(axis.marks), step), names, rotation=90 if turned else 0)
        axes.set_xlim(-0.5, len(axis.marks) - 0.5)


def parallel(axes: Sequence[Axis]) -> Figure:
    """Parallel coordinates; the jobs come the best first, and better ones are drawn over worse."""
    figure = Figure(figsize=(max(4.0, 1.35 * len(axes)), 3.2), layout="constrained")
    panel = figure.subplots()
    heights = np.stack([axis.scaled for axis in axes])  # [axes, jobs]
    chosen = np.unique(np.linspace(0, heights.shape[1] - 1, MOST_LINES).round().astype(int))[::-1]
    colours = matplotlib.colormaps["viridis"]
    for job in chosen:
        part = job / max(1, heights.shape[1] - 1)
        best = job == 0
        panel.plot(heights[:, job], color=VERMILLION if best else colours(0.9 * part), alpha=1.0 if best else 0.5,
                   linewidth=2.2 if best else 0.8)  # fmt: skip
    for place, axis in enumerate(axes):
        panel.axvline(place, color=MUTED, linewidth=0.8, zorder=0)
        for height, text in ends_of(axis):
            panel.text(place, 1.04 if height else -0.04, text, ha="center", va="bottom" if height else "top",
                       fontsize=8, parse_math=False)  # fmt: skip
    names = [shortened(axis.title, 18).replace("$", r"\$") for axis in axes]
    turned = max(map(len, names)) > 14
    panel.set_xticks(range(len(axes)), names, rotation=20 if turned else 0, ha="right" if turned else "center")
    panel.set_yticks([])
    panel.set_ylim(-0.12, 1.12)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    return figure


def ends_of(axis: Axis) -> list[tuple[int, str]]:
    """What stands at the lower and the upper end of an axis of parallel coordinates."""
    if axis.marks:
        return [(0, shortened(axis.marks[0], 14)), (1, shortened(axis.marks[-1], 14))]
    return [(0, f"{axis.places.min():.3g}"), (1, f"{axis.places.max():.3g}")]


def svg(figure: Figure) -> str:
    """The text of a picture; its page gives it a name."""
    return content_of(figure, "svg", "sweep").decode()
