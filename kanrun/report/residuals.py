"""The picture of residuals: against what is predicted, and how they are distributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from kanrun.data.dataset import Dataset
from kanrun.report.axes import arrange, panels
from kanrun.report.look import BLUE, MUTED, VERMILLION, add_dots, house_style, labelled, save
from kanrun.report.outcome import Function, residuals, rms, rows_of, true_values, values_at, without_value

MAX_OUTPUTS = 4
FEWEST = 3  # rows that show how they are distributed


def plot_residuals(data: Dataset, name: str, function: Function, path_stem: Path) -> None:
    """What a function, called `name`, leaves of the test rows; it takes [rows, inputs] and gives [rows, outputs].

    An output has two panels: residuals against what is predicted, and their quantiles against those of a normal
    distribution, where noise lies on a line. Rows at which it is not finite are left out and counted.
    """
    with house_style():
        save(residuals_figure(data, name, function), path_stem)


def residuals_figure(data: Dataset, name: str, function: Function) -> Figure:
    """What `plot_residuals` writes."""
    predicted, truth = values_at(function, data.judged.x).numpy(), true_values(data).numpy()
    count = min(truth.shape[1], MAX_OUTPUTS)
    figure, shown = panels(2 * count, 2)
    for output in range(count):
        left, right = shown[2 * output : 2 * output + 2]
        z = predicted[:, output]
        off, there = residuals(truth[:, output], z)
        what = labelled(data, data.outputs[output], 60)
        unit = data.units.get(data.outputs[output])
        draw_residuals(left, z[there], off[there])
        draw_quantiles(right, off[there])
        spread = f"{rms(off[there] - off[there].mean()):.3g}" if there.any() else "not known"
        left.set_title(f"{what}{without_value(int((~there).sum()))}", loc="left")
        right.set_title(f"spread {spread}", loc="left")
        left.set_xlabel(f"predicted {what}")
        left.set_ylabel(f"residual{f' ({unit})' if unit else ''}")
        right.set_xlabel("normal quantile")
    more = f"; the first {count} of {truth.shape[1]} outputs" if count < truth.shape[1] else ""
    arrange(figure, shown, 2, 1.5, f"residuals of the {name}, {rows_of(data)}{more}")
    return figure


def draw_residuals(axes: Axes, predicted: np.ndarray, off: np.ndarray) -> None:
    """A dot a row, around 0."""
    axes.axhline(0, color=MUTED, linewidth=0.8)
    add_dots(axes, predicted, off, 3.0, BLUE, "residuals")
    axes.set(xlim=limits(predicted), ylim=limits(np.append(off, 0.0)))


def draw_quantiles(axes: Axes, off: np.ndarray) -> None:
    """Sorted residuals against normal quantiles (Blom 1958), and the line of a normal distribution."""
    ordered = np.sort(off)
    normal = ndtri((np.arange(1, len(off) + 1) - 0.375) / (len(off) + 0.25))
    if len(off) >= FEWEST:
        ends = np.array([normal[0], normal[-1]])
        axes.plot(ends, ordered.mean() + rms(ordered - ordered.mean()) * ends, color=VERMILLION, linewidth=1, zorder=3)
    add_dots(axes, normal, ordered, 3.0, BLUE, "quantiles")
    axes.set(xlim=limits(normal), ylim=limits(np.append(off, 0.0)))


def limits(values: np.ndarray) -> tuple[float, float]:
    """A range with some room around all the values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room
