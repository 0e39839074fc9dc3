"""The picture of a training: losses step by step, with the restarts, grids and stages that they belong to."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kanrun.data.losses import Loss
from kanrun.report.axes import LINE, arrange, name_ticks, panels
from kanrun.report.look import (
    BLUE,
    FAINT,
    GREEN,
    LOSS_FLOOR,
    PURPLE,
    VERMILLION,
    WIDTH,
    house_style,
    save,
    text_width,
)
from kanrun.training.history import Record

MAX_LEVELS = 6  # of names above each other
LEFT = 0.9  # inches that numbers and a label take at most
MANY = 400  # steps beyond which a curve is drawn by the best and the worst of each few


def plot_history(history: list[Record], path_stem: Path, *, loss: Loss) -> None:
    """Train and test loss over the steps of all stages, and the regularization below them where there is any."""
    with house_style():
        save(history_figure(history, loss=loss), path_stem)


def history_figure(history: list[Record], *, loss: Loss) -> Figure:
    """What `plot_history` writes."""
    stages = parts_of(history)
    starts = np.cumsum([0] + [count for _, count in stages])[:-1]
    widths = [text_width(name) + 0.1 for name, _ in stages]
    shares = [float(start) / max(1, len(history)) for start in starts]
    room = WIDTH - LEFT
    wide = max(0.5 * room, min([room, *((room - w) / s for s, w in zip(shares, widths, strict=True) if s > 0)]))
    levels = levels_of([share * wide for share in shares], widths)
    penalty = np.array([r.regularization for r in history])
    figure, shown = panels(2 if (penalty > 0).any() else 1, 1)
    axes = shown[0]
    for one in shown:
        one.set_xlim(0.5, max(1, len(history)) + 0.5)
        for start in starts[1:]:
            one.axvline(start + 0.5, color=FAINT, linewidth=0.8, zorder=0)
    marker = "." if len(history) <= 40 else ""
    axes.set_yscale("log")
    draw_curves(axes, history, marker)
    axes.set_ylabel(loss.title)
    if len(shown) > 1:
        name_ticks(axes, "x", [], [])
        shown[1].plot(np.arange(1, len(history) + 1), penalty, color=GREEN, marker=marker)
        shown[1].set_ylim(0, 1.05 * penalty[np.isfinite(penalty)].max(initial=1e-12))
        shown[1].set_ylabel("regularization")
    shown[-1].set_xlabel("step")
    most = max([0, *(level for level in levels if level < MAX_LEVELS)])
    arrange(figure, shown, 1, 2.4, heights=[2.2, 1.0][: len(shown)], above=LINE * (most + 1), right=room - wide)
    for (name, _), start, level in zip(stages, starts, levels, strict=True):
        if level < MAX_LEVELS:
            write_name(axes, name, start + 0.5, 0.06 + LINE * level)
    return figure


def draw_curves(axes: Axes, history: list[Record], marker: str) -> None:
    """The losses of training, test and validation rows, broken between stages."""
    steps = np.arange(1, len(history) + 1, dtype=float)
    curves = [("train", "train", BLUE, "-"), ("test", "test", VERMILLION, (0, (4, 1.5)))]
    curves = [c for c in curves if c[0] == "train" or any(r.test_loss is not None for r in history)]
    if any(r.validation_loss is not None for r in history):
        curves.append(("validation", "validation", PURPLE, (0, (1, 1))))
    ends = np.cumsum([count for _, count in parts_of(history)], dtype=int)[:-1]
    for key, name, color, dashes in curves:
        values = np.array([getattr(r, f"{key}_loss") for r in history], dtype=float)
        values = np.where(np.isfinite(values), np.maximum(values, LOSS_FLOOR), np.nan)
        broken = np.insert(steps, ends, np.nan), np.insert(values, ends, np.nan)
        axes.plot(*broken, color=color, linestyle=dashes, marker=marker, label=name)


def write_name(axes: Axes, name: str, step: float, height: float) -> None:
    """A stage's name, so many inches above the axes, with a line down to where it begins."""
    tall = axes.get_window_extent().height / axes.figure.dpi
    top = 1 + height / tall
    at = axes.get_xaxis_transform()
    axes.plot([step] * 2, [1, top + 0.11 / tall], color=FAINT, linewidth=0.8, transform=at, clip_on=False)
    axes.annotate(name, (step, top), (3, 0), xycoords=at, textcoords="offset points", parse_math=False, gid="stage")


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


def levels_of(begins: list[float], widths: list[float]) -> list[int]:
    """How high each name stands so that no later stage's name or line runs through it."""
    levels = [0] * len(begins)
    for k in reversed(range(len(begins))):
        later = [levels[j] for j in range(k + 1, len(begins)) if begins[j] < begins[k] + widths[k]]
        levels[k] = max(later, default=-1) + 1
    return levels
