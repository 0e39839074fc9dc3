"""The picture of a training: losses step by step, with the restarts, grids and stages that they belong to."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kanrun.data.losses import Loss
from kanrun.report.plots import BLUE, LOSS_FLOOR, VERMILLION, house_style, save, text_width
from kanrun.training.history import Record

MAX_LEVELS = 8  # of stage names above each other


def plot_history(history: list[Record], path_stem: Path, *, loss: Loss) -> None:
    """Train and test loss over the steps of all stages, and the regularization below them where there is any."""
    with house_style():
        save(history_figure(history, loss=loss), path_stem)


def history_figure(history: list[Record], *, loss: Loss) -> Figure:
    """What `plot_history` writes."""
    steps = np.arange(1, len(history) + 1)
    penalty = np.array([r.regularization for r in history])
    with_penalty = bool((penalty > 0).any())
    stages = parts_of(history)
    starts = np.cumsum([0] + [count for _, count in stages])[:-1] + 0.5

    left, wide, tall, thin, bottom = 0.9, 6.0, 2.9, 1.0 if with_penalty else 0.0, 0.55
    per_step = wide / max(1, len(history))
    widths = [text_width(name, 8) + 0.1 for name, _ in stages]
    begins = [float(s - 0.5) * per_step for s in starts]
    levels = _levels(begins, widths)
    beyond = max([0.15, *(b + w - wide for b, w in zip(begins, widths, strict=True))])
    top = 0.15 + 0.17 * (1 + max([0, *(level for level in levels if level < MAX_LEVELS)]))
    low = bottom + thin + (0.15 if with_penalty else 0)
    width, height = left + wide + beyond, low + tall + top
    figure = Figure(figsize=(width, height), facecolor="white")

    def panel(y: float, h: float) -> Axes:
        axes = figure.add_axes((left / width, y / height, wide / width, h / height))
        axes.set_xlim(0.5, max(1, len(history)) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axes.yaxis.set_label_coords(-0.75 / wide, 0.5)
        for start in starts[1:]:
            axes.axvline(start, color="0.75", linewidth=0.8, zorder=0)
        return axes

    axes = panel(low, tall)
    marker = "." if len(history) <= 40 else ""
    draw_curves(axes, history, marker)
    axes.set_yscale("log")
    axes.set_ylabel(loss.title)
    for (name, _), begin, level in zip(stages, begins, levels, strict=True):
        if level < MAX_LEVELS:
            write_name(axes, name, begin / wide, 0.04 + 0.17 * level, tall)
    lowest = axes
    if with_penalty:
        axes.tick_params(labelbottom=False)
        lowest = panel(bottom, thin)
        lowest.plot(steps, penalty, color="#009E73", linewidth=1.2, marker=marker)
        lowest.set_ylim(bottom=0)
        lowest.set_ylabel("regularization", fontsize=8)
    lowest.set_xlabel("step")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", ncols=len(labels), frameon=False)
    return figure


def draw_curves(axes: Axes, history: list[Record], marker: str) -> None:
    """The losses of training, test and validation rows, broken between stages."""
    steps = np.arange(1, len(history) + 1, dtype=float)
    curves = [("train", "train", BLUE, "-"), ("test", "test", VERMILLION, (0, (4, 1.5)))]
    curves = [c for c in curves if c[0] == "train" or any(r.test_loss is not None for r in history)]
    if any(r.validation_loss is not None for r in history):
        curves.append(("validation", "validation", "#CC79A7", (0, (1, 1))))
    ends = np.cumsum([count for _, count in parts_of(history)], dtype=int)[:-1]
    for key, name, color, dashes in curves:
        values = np.array([getattr(r, f"{key}_loss") for r in history], dtype=float)
        values = np.where(np.isfinite(values), np.maximum(values, LOSS_FLOOR), np.nan)
        broken = np.insert(steps, ends, np.nan), np.insert(values, ends, np.nan)
        axes.plot(*broken, color=color, linestyle=dashes, linewidth=1.4, marker=marker, label=name)


def write_name(axes: Axes, name: str, x: float, height: float, tall: float) -> None:
    """A stage's name, so many inches above the axes, which are `tall`, with a line down to where it begins."""
    y, at = 1 + height / tall, axes.transAxes
    axes.text(x + 0.005, y, name, transform=at, fontsize=8, parse_math=False, gid="stage")
    axes.plot([x] * 2, [1, y + 0.11 / tall], "0.75", lw=0.8, transform=at, clip_on=False)


def parts_of(history: list[Record]) -> list[tuple[str, int]]:
    """The trainings one after the other, each with its name and how many steps it took.

    A stage of several is made of restarts (counted from 1), of grids, and at last of all rows together.
    """
    parts: list[tuple[str, int]] = []
    before: Record | None = None
    for _, records in groupby(history, lambda r: (r.stage, r.attempt, r.grid, r.validation_loss is None)):
        own = list(records)
        first = own[0]
        if before is None or before.stage != first.stage:
            name = first.stage
        elif before.grid != first.grid:
            name = f"grid {first.grid}"
        elif before.attempt != first.attempt:
            name = f"restart {first.attempt + 1}"
        else:
            name = "all rows"
        parts.append((name, len(own)))
        before = own[-1]
    return parts


def _levels(begins: list[float], widths: list[float]) -> list[int]:
    """How high each name stands so that no later stage's name or line runs through it."""
    levels = [0] * len(begins)
    for k in reversed(range(len(begins))):
        later = [levels[j] for j in range(k + 1, len(begins)) if begins[j] < begins[k] + widths[k]]
        levels[k] = max(later, default=-1) + 1
    return levels
