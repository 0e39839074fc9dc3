"""The pictures of classes: which are taken for which, and how well each is told from the others."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kanrun.data.dataset import Dataset
from kanrun.report.axes import LINE, arrange, name_ticks, panels
from kanrun.report.look import CLASSES, INK, MUTED, PAPER, SIZE, WIDTH, house_style, save, text_width
from kanrun.report.numbers import part_shown
from kanrun.report.outcome import (
    Function,
    class_names,
    margins_at,
    rows_of,
    true_classes,
    values_at,
    without_value,
)

COUNTED = 12  # with more classes than this there is no room for counts in the fields
MAX_CURVES = 8  # of classes; the worst of more
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def plot_confusion(data: Dataset, name: str, function: Function, path_stem: Path) -> None:
    """True against predicted classes of the test rows by a function, called `name`, from [rows, inputs].

    A field is as dark as its share of the true class. Rows at which it is not finite are left out and counted.
    """
    with house_style():
        save(confusion_figure(data, name, function), path_stem)


def plot_roc(data: Dataset, name: str, function: Function, path_stem: Path) -> None:
    """Receiver operating characteristics on the test rows, each class against the rest, with the area below them."""
    with house_style():
        save(roc_figure(data, name, function), path_stem)


# ---- which are taken for which -------------------------------------------------------------------------------------


def confusion_figure(data: Dataset, name: str, function: Function) -> Figure:
    """What `plot_confusion` writes."""
    margins, truth = margins_at(data, function, data.judged.x), true_classes(data)
    known = torch.isfinite(margins).all(1)
    count = margins.shape[1]
    pairs = truth[known] * count + margins[known].argmax(1)
    counts = torch.bincount(pairs, minlength=count * count).reshape(count, count).numpy()
    figure, [axes] = panels(1, 1)
    draw_fields(axes, counts)
    names = class_names(data)
    widest = max(text_width(one) for one in names)
    step = max(1, math.ceil(LINE * count / (WIDTH - widest - 0.6)))  # so that lines of text do not touch
    name_ticks(axes, "y", range(0, count, step), names[::step])
    name_ticks(axes, "x", range(0, count, step), names[::step])
    if (widest + 0.1) * len(names[::step]) > WIDTH - widest - 0.5:
        axes.tick_params(axis="x", rotation=90)
    axes.tick_params(length=0)
    right = f"{part_shown(100 * np.trace(counts) / counts.sum(), 100)} %" if counts.sum() else "no values"
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    head = f"{name}: accuracy {right}, {rows_of(data)}{without_value(int((~known).sum()))}"
    arrange(figure, [axes], 1, min(WIDTH - 1.2, max(0.8, (LINE + 0.05) * len(names[::step]), 0.45 * count)), head)
    return figure


def draw_fields(axes: Axes, counts: np.ndarray) -> None:
    """A field for every pair of classes, with its count where there is room."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    pale, dark = np.array([1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.447, 0.698, 1.0])  # nothing, BLUE
    colors = pale + share[..., None] * (dark - pale)
    colors[..., :3], colors[..., 3] = dark[:3], share
    count = len(counts)
    edges = np.arange(count + 1) - 0.5
    axes.pcolormesh(edges, edges, colors, edgecolors=MUTED, linewidth=0.4)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    if count <= COUNTED:
        size = min(SIZE, 1.6 * (WIDTH - 1.2) / count / max(len(str(counts.max())), 1) * 72 / 1.2)
        for (row, column), number in np.ndenumerate(counts):
            color = PAPER if share[row, column] > 0.6 else INK
            axes.text(column, row, str(number), ha="center", va="center", color=color, fontsize=size)


# ---- how well each is told -----------------------------------------------------------------------------------------


def roc_figure(data: Dataset, name: str, function: Function) -> Figure:
    """What `plot_roc` writes."""
    curves, left_out, missing = curves_of(data, function)
    figure, [axes] = panels(1, 1)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    for k, (label, area, false, true) in enumerate(curves[:MAX_CURVES]):
        axes.plot(
            false, true, color=CLASSES[k % len(CLASSES)], linestyle=DASHES[k % len(DASHES)], drawstyle="steps-post",
            label=f"{label}: AUC {part_shown(area, digits=3)}", gid=f"roc-{k + 1}", clip_on=False,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    head = f"{name}, {rows_of(data)}, each class against the rest{without_value(missing)}"
    if len(curves) > MAX_CURVES:
        head += f"\nthe {MAX_CURVES} classes that are told worst of {len(curves)}"
    if left_out:
        head += f"\n{left_out} without rows or without others have no curve"
    arrange(figure, [axes], 1, 2.8, head)
    return figure


def curves_of(data: Dataset, function: Function) -> tuple[list[tuple[str, float, np.ndarray, np.ndarray]], int, int]:
    """Name, area, false and true positive rates of the classes, the worst first; how many classes and rows have none.

    Of two classes the second has a curve: that of the first is the same, turned.
    """
    values, truth = values_at(function, data.judged.x), true_classes(data).numpy()
    known = torch.isfinite(values).all(1).numpy()
    margins = data.loss.margins(values)
    scores = (torch.softmax(values, 1) if margins.shape[1] > 2 else margins).numpy()
    names, found, lost = class_names(data, 30), [], 0
    for c in range(len(names)) if len(names) > 2 else (1,):
        own = truth[known] == c
        if not own.any() or own.all():
            lost += 1
            continue
        false, true = rates(own, scores[known, c])
        found.append((names[c], float(np.trapezoid(true, false)), false, true))
    return sorted(found, key=lambda one: one[1]), lost, int((~known).sum())


def rates(own: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every score from the highest on: [scores + 1] each, from 0 to 1.

    `own` [rows] says which rows are of the class, of which there are some but not all (Fawcett 2006).
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of rows that have the same score
    true = np.append(0, np.cumsum(own[order])[last])
    false = np.append(0, np.arange(1, len(order) + 1)[last] - true[1:])
    return false / false[-1], true / true[-1]
