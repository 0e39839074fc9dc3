"""The picture of predictions: against the truth, or as regions of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.report.axes import arrange, panels
from kanrun.report.look import (
    BLUE,
    CLASSES,
    INK,
    MARKERS,
    MAX_POINTS,
    MUTED,
    PAPER,
    SKY,
    VERMILLION,
    add_dots,
    house_style,
    labelled,
    save,
)
from kanrun.report.numbers import part_shown
from kanrun.report.outcome import (
    Function,
    class_names,
    margins_at,
    residuals,
    rms,
    rows_of,
    true_classes,
    true_values,
    values_at,
    without_value,
)

MAX_PANELS = 8
FINE = 101  # points along each side of the map of classes
DOTS = ((SKY, 5.5), (VERMILLION, 2.2))  # of the network and, smaller and over them, of the formula


def plot_predictions(data: Dataset, network: Function, formula: Function | None, path_stem: Path) -> None:
    """How well the network and, if there is one, the formula predict the test rows.

    Both functions take [rows, inputs] and give [rows, outputs]. Regression: predicted against true. Classification:
    decision regions of 2 inputs; else how far the class that is true is ahead. Rows at which a function is not finite
    are left out and counted.
    """
    with house_style():
        save(predictions_figure(data, network, formula), path_stem)


def predictions_figure(data: Dataset, network: Function, formula: Function | None) -> Figure:
    """What `plot_predictions` writes."""
    functions = {"network": network} if formula is None else {"network": network, "formula": formula}
    return (classes_figure if data.task == CLASSIFICATION else truth_figure)(data, functions)


# ---- values --------------------------------------------------------------------------------------------------------


def truth_figure(data: Dataset, functions: dict[str, Function]) -> Figure:
    """Predicted against true, one panel an output."""
    truth = true_values(data).numpy()
    count = min(truth.shape[1], MAX_PANELS)
    columns = min(count, 2)
    figure, shown = panels(count, columns)
    values = {name: values_at(function, data.judged.x).numpy() for name, function in functions.items()}
    for output, axes in enumerate(shown):
        draw_truth(axes, truth[:, output], {name: found[:, output] for name, found in values.items()})
        name = labelled(data, data.outputs[output], 60)
        about = axes.get_title(loc="left")
        axes.set_title(f"{name}\n{about}" if truth.shape[1] > 1 else about, loc="left")
        axes.set_xlabel(f"true {name}")
        axes.set_ylabel(f"predicted {name}")
    head = f"the first {count} of {truth.shape[1]} outputs" if count < truth.shape[1] else ""
    arrange(figure, shown, columns, 3.0 if columns == 1 else 1.6, head)
    return figure


def draw_truth(axes: Axes, y: np.ndarray, predicted: dict[str, np.ndarray]) -> None:
    """The line where both are equal, and a dot a row; errors in the title."""
    known = y[np.isfinite(y)]
    span = float(np.ptp(known)) if len(known) else 0.0
    middle = float(known.mean()) if len(known) else 0.0
    span = span or abs(middle) or 1.0
    low, high = (middle - span, middle + span) if not len(known) else (known.min(), known.max())
    low, high = low - 0.06 * span, high + 0.06 * span
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, zorder=1)
    about, bottom, top = [], low, high
    for (name, z), (color, size) in zip(predicted.items(), DOTS, strict=False):
        off, there = residuals(y, z)
        error = f"RMSE {rms(off[there]):.3g}" if there.any() else "no values"
        inside = there & (z > low - span / 2) & (z < high + span / 2)
        far = f"\n({int((there & ~inside).sum())} outside the picture)" if (there & ~inside).any() else ""
        about.append(f"{name}: {error}{without_value(int((~there).sum()))}{far}")
        dots = add_dots(axes, y[inside], z[inside], size, color, name)
        dots.set(label=name, zorder=2)
        if inside.any():
            bottom, top = min(bottom, z[inside].min()), max(top, z[inside].max())
    axes.set(xlim=(low, high), ylim=(bottom, top))
    axes.set_title("\n".join(about), loc="left")


# ---- classes -------------------------------------------------------------------------------------------------------


def classes_figure(data: Dataset, functions: dict[str, Function]) -> Figure:
    """Regions of 2 inputs, else how far the true class is ahead; a panel for each function."""
    columns = len(functions)
    figure, shown = panels(columns, columns)
    regions = data.judged.x.shape[1] == 2
    for axes, (name, function) in zip(shown, functions.items(), strict=True):
        margins, truth = margins_at(data, function, data.judged.x), true_classes(data)
        known = torch.isfinite(margins).all(1)
        right = (margins.argmax(1) == truth)[known]
        accuracy = f"accuracy {part_shown(100 * float(right.double().mean()), 100)} %" if len(right) else "no values"
        axes.set_title(f"{name}: {accuracy}{without_value(int((~known).sum()))}", loc="left")
        if regions:
            draw_regions(axes, data, function, torch.where(known, truth, -1))
        else:
            draw_lead(axes, data, margins[known], truth[known])
    arrange(figure, shown, columns, 3.0 if columns == 1 else 1.75)
    return figure


def draw_regions(axes: Axes, data: Dataset, function: Function, truth: Tensor) -> None:
    """The regions of 2 inputs where each class is predicted, and the test rows; those of class -1 are left out."""
    x = data.judged.x.cpu().double().numpy()
    rows = torch.cat([data.train.x, data.judged.x]).cpu().double()
    along = torch.linspace(-0.05, 1.05, FINE, dtype=torch.float64)[:, None]
    low, high = rows.amin(0), rows.amax(0)
    points = torch.lerp(low, torch.where(high > low, high, low + 1), along)
    margins = margins_at(data, function, torch.cartesian_prod(*points.unbind(1)).to(data.judged.x))
    margins = torch.where(torch.isfinite(margins).all(1, keepdim=True), margins.clamp(-1e6, 1e6), torch.nan)
    first, second = points.numpy().T
    names = class_names(data)
    most = -(-MAX_POINTS // len(names))
    for c, name in enumerate(names):
        color = CLASSES[c % len(CLASSES)]
        ahead = np.ma.masked_invalid(margins[:, c].reshape(FINE, FINE).T.numpy())
        if ahead.count() and ahead.max() > 0:
            axes.contourf(first, second, ahead, levels=[0, 2e6], colors=[color], alpha=0.25)
            if ahead.min() < 0:
                axes.contour(first, second, ahead, levels=[0], colors=INK, linewidths=0.8, zorder=4)
        own = (truth == c).numpy()
        marker = MARKERS[(c + c // len(CLASSES)) % len(MARKERS)]
        how = {"marker": marker, "markeredgecolor": PAPER, "markeredgewidth": 0.4, "label": name, "zorder": 3}
        add_dots(axes, x[own, 0], x[own, 1], 3.8, color, f"class-{c + 1}", most, **how)
    axes.set(xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
    axes.set_xlabel(labelled(data, data.inputs[0], 60))
    axes.set_ylabel(labelled(data, data.inputs[1], 60))


def draw_lead(axes: Axes, data: Dataset, margins: Tensor, truth: Tensor) -> None:
    """A histogram of how far the class that is true is ahead: what lies below 0 is told wrong."""
    ahead = margins[torch.arange(len(truth)), truth].numpy() if len(truth) else np.zeros(0)
    low, high = np.quantile(ahead, [0.005, 0.995]) if len(ahead) else (-1.0, 1.0)
    size = max(abs(float(low)), abs(float(high)), 1e-9)
    low, high = min(float(low), -0.1 * size), max(float(high), 0.1 * size)
    # Rows beyond the outer edges count in the outer bins: one wild value must not make all others one bar.
    bins = 30
    at = np.clip(((ahead - low) / (high - low) * bins).astype(int), 0, bins - 1)
    middles = low + (np.arange(bins) + 0.5) * (high - low) / bins
    counts = np.bincount(at, minlength=bins)
    axes.bar(middles, counts, (high - low) / bins, color=np.where(middles < 0, VERMILLION, BLUE).tolist())
    axes.axvline(0, color=INK, linewidth=1, linestyle="--")
    axes.set(xlim=(low, high), ylim=(0, max(1.0, 1.05 * float(counts.max()))))
    what = "logit" if data.loss.logits else "output"
    axes.set_xlabel(f"lead of the true class ({what})")
    axes.set_ylabel(rows_of(data))
