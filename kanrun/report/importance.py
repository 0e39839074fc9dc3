"""The picture of inputs: how much each contributes to the outputs."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from kanrun.data.dataset import Dataset
from kanrun.errors import counted
from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from kanrun.report.axes import LINE, arrange, name_ticks, panels
from kanrun.report.look import BLUE, house_style, labelled, save
from kanrun.report.network_edges import some_rows

MOST = 30


def plot_importance(data: Dataset, model: KAN, path_stem: Path) -> None:
    """The attribution scores of the inputs as bars, the largest above; of more than 30 the rest is counted."""
    with house_style():
        save(importance_figure(data, model), path_stem)


def importance_figure(data: Dataset, model: KAN) -> Figure:
    """What `plot_importance` writes."""
    scores = importance(model, data.train.x)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    shown = order[:MOST]
    figure, [axes] = panels(1, 1)
    values = [scores[i] for i in shown]
    top = max(values[0], 1e-9)
    axes.barh(range(len(shown)), values, height=0.62, color=BLUE)
    for k, value in enumerate(values):
        axes.text(value + 0.02 * top, k, f"{value:.2g}" if value else "0", va="center", clip_on=False)
    axes.set(xlim=(0, 1.18 * top), ylim=(len(shown) - 0.4, -0.6))
    name_ticks(axes, "y", range(len(shown)), [labelled(data, data.inputs[i], 24) for i in shown])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("attribution (1: the whole variation of an output)")
    rest = len(order) - len(shown)
    largest = f", at most {scores[order[MOST]]:.2g} each" if rest else ""
    head = f"{counted(rest, 'more input')} not shown{largest}" if rest else ""
    arrange(figure, [axes], 1, max(0.5, (LINE + 0.04) * len(shown)), head)
    return figure


def importance(model: KAN, x: Tensor) -> list[float]:
    """The attribution score of every input on some of the rows `x` [rows, inputs]; 0 where it is not known."""
    return [max(0.0, s) for s in attribution(model, some_rows(model, x)).inputs.nan_to_num(0, 0, 0).tolist()]
