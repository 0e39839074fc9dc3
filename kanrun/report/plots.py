"""Pictures of predictions, and the style that all pictures share."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.report.files import in_one_go

# Okabe and Ito, Color Universal Design (2008): told apart by colour-blind readers too.
BLACK, BLUE, VERMILLION = "#000000", "#0072B2", "#D55E00"
CLASSES = [BLUE, VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
MARKERS = "os^DvPX*"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # names stay text that can be searched
    "svg.hashsalt": "kanrun",
}
LOSS_FLOOR = 1e-32  # a loss of 0 has no place on a log axis
MAX_POINTS = 600
MAX_PANELS = 9

Function = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """The look of every picture, whatever the user's own matplotlib settings are; they are back afterwards."""
    with matplotlib.style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes in the PNG; the SVG has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save(figure: Figure, path_stem: Path) -> None:
    """Writes `path_stem`.png and .svg, the same bytes for the same figure."""
    path_stem.parent.mkdir(parents=True, exist_ok=True)
    save_as(figure, Path(f"{path_stem}.png"), format="png", dpi=150)
    figure.set_layout_engine("none")  # the PNG has settled the layout
    save_as(figure, Path(f"{path_stem}.svg"), format="svg", metadata={"Date": None})


def save_as(figure: Figure, path: Path, **how: Any) -> None:
    """Writes one file in one go."""
    with in_one_go(path) as part:
        figure.savefig(part, **how)


def text_width(text: str, size: float) -> float:
    """Width in inches of one line of text of `size` points."""
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0]) / 72


def shortened(name: str, limit: int = 22) -> str:
    """A name of at most `limit` letters, those in the middle left out, where there are more."""
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[len(name) + limit // 2 + 1 - limit :]}"


def labelled(data: Dataset, symbol: str, limit: int = 22) -> str:
    """What the user calls an input or an output, with its unit; of more than `limit` letters the name loses some."""
    name, unit = data.names.get(symbol, symbol), data.units.get(symbol)
    behind = f" ({unit})" if unit else ""
    return shortened(shortened(name, max(6, limit - len(behind))) + behind, limit)


def plot_predictions(data: Dataset, network: Function, formula: Function | None, path_stem: Path) -> None:
    """How well the network and, if there is one, the formula predict the test rows.

    Both functions take [rows, inputs] and give [rows, outputs]. Regression: predicted against true. Classification:
    decision regions of 2 inputs; else histograms of the output or, for logits, confusion matrices.
    Rows at which a function is not finite are left out and counted.
    """
    with house_style():
        save(predictions_figure(data, network, formula), path_stem)


def predictions_figure(data: Dataset, network: Function, formula: Function | None) -> Figure:
    """What `plot_predictions` writes."""
    functions = {"network": network} if formula is None else {"network": network, "formula": formula}
    if data.task != CLASSIFICATION:
        return _truth_figure(data, functions)
    confusion = data.loss.logits and data.judged.x.shape[1] != 2
    side = min(9.0, max(3.7, 1.2 + 0.33 * len(data.outputs))) if confusion else 3.7
    figure = Figure(figsize=(side * len(functions) + 0.3, side + 0.4), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(functions), squeeze=False)[0]
    for axes, (name, function) in zip(panels, functions.items(), strict=True):
        margins, truth = _margins(data, function, data.judged.x), _true_classes(data)
        known = torch.isfinite(margins).all(1)
        right = (margins.argmax(1) == truth)[known]
        accuracy = f"accuracy {100 * float(right.double().mean()):.4g} %" if len(right) else "no values"
        axes.set_title(f"{name}: {accuracy}{_missing(int((~known).sum()))}")
        if confusion:
            _draw_confusion(axes, data, margins[known].argmax(1), truth[known], side)
        elif data.judged.x.shape[1] == 2:
            _draw_regions(axes, data, function, torch.where(known, truth, -1))
        else:
            _draw_histogram(axes, data, margins[known, 1] + 0.5, truth[known])
    if not confusion:
        labels = axes.get_legend_handles_labels()
        figure.legend(*labels, loc="outside lower center", ncols=3 * len(functions), frameon=False)
    return figure


def _values(function: Function, x: Tensor) -> Tensor:
    """[rows, outputs], block by block: a wide network on a whole grid of points needs much memory."""
    with torch.no_grad():
        blocks = [function(x[start : start + 2**14]) for start in range(0, len(x), 2**14)]
    return torch.cat([block.detach().reshape(len(block), -1).cpu().double() for block in blocks])


def _missing(rows: int) -> str:
    return f"\n({rows} row{'s' * (rows > 1)} without a value)" if rows else ""


def _truth_figure(data: Dataset, functions: dict[str, Function]) -> Figure:
    """Predicted against true, one panel an output."""
    truth = data.judged.y.reshape(len(data.judged.y), -1).cpu().double()
    count = min(truth.shape[1], MAX_PANELS)
    columns = min(count, 3)
    size = (3.8 * columns, 3.8 * -(-count // columns))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    panels = figure.subplots(-(-count // columns), columns, squeeze=False).ravel()
    if count < truth.shape[1]:
        figure.suptitle(f"the first {count} of {truth.shape[1]} outputs")
    values = {name: _values(function, data.judged.x) for name, function in functions.items()}
    for extra in panels[count:]:
        extra.remove()
    for output, axes in enumerate(panels[:count]):
        y = truth[:, output].numpy()
        span = float(np.ptp(y)) or 1.0
        low, high = y.min() - 0.06 * span, y.max() + 0.06 * span
        axes.plot([low, high], [low, high], color="0.6", linewidth=1, zorder=1)
        for (name, predicted), (color, area) in zip(values.items(), ((BLUE, 26), (VERMILLION, 6)), strict=False):
            z = predicted[:, output].numpy()
            known = np.isfinite(z)
            rmse = f"RMSE {np.sqrt(np.mean((z - y)[known] ** 2)):.3g}" if known.any() else "no values"
            outside = known & ((z < low - span / 2) | (z > high + span / 2))
            far = f"\n({outside.sum()} outside the picture)" if outside.any() else ""
            shown = np.flatnonzero(known & ~outside)[:MAX_POINTS]
            label = f"{name}: {rmse}{_missing(int((~known).sum()))}{far}"
            axes.scatter(y[shown], z[shown], s=area, color=color, alpha=0.6, linewidths=0, label=label, zorder=2)
        axes.set_title(shortened(data.outputs[output], 40), parse_math=False)
        axes.set_xlabel(f"true {labelled(data, data.outputs[output], 40)}", parse_math=False)
        axes.set_ylabel(f"predicted {labelled(data, data.outputs[output], 40)}", parse_math=False)
        axes.legend(loc="upper left", framealpha=0.8, edgecolor="none")
    return figure


def _true_classes(data: Dataset) -> Tensor:
    """Class numbers of the test rows: [rows]."""
    return data.loss.labels(data.judged.y.cpu())


def _margins(data: Dataset, function: Function, x: Tensor) -> Tensor:
    """How far each class is ahead of the best of the others, [rows, classes]; the predicted class has the largest."""
    return data.loss.margins(_values(function, x))


def _class_names(data: Dataset) -> list[str]:
    if data.loss.logits:
        plain = [name.removeprefix("logit_") for name in data.outputs]
        names = [f"class {name}" if name.isdigit() else shortened(name, 16) for name in plain]
    else:
        names = [f"{shortened(data.outputs[0], 16)} = {c}" for c in (0, 1)]
    return [name.replace("$", r"\$") for name in names]  # two dollar signs would start a formula


def _draw_regions(axes: Axes, data: Dataset, function: Function, truth: Tensor) -> None:
    """The regions of 2 inputs where each class is predicted, and the test rows; those of class -1 are left out."""
    x = data.judged.x.cpu().double()
    rows = torch.cat([data.train.x.cpu().double(), x])
    along = torch.linspace(-0.05, 1.05, 121, dtype=torch.float64)[:, None]
    first, second = torch.lerp(rows.amin(0), rows.amax(0) + 1e-9, along).unbind(1)
    margins = _margins(data, function, torch.cartesian_prod(first, second).to(data.judged.x))
    margins = torch.where(torch.isfinite(margins).all(1, keepdim=True), margins.clamp(-1e6, 1e6), torch.nan)
    for c, name in enumerate(_class_names(data)):
        color = CLASSES[c % len(CLASSES)]
        ahead = np.ma.masked_invalid(margins[:, c].reshape(121, 121).T.numpy())
        if ahead.count() and ahead.max() > 0:
            axes.contourf(first, second, ahead, levels=[0, 2e6], colors=[color], alpha=0.25)
            if ahead.min() < 0:
                axes.contour(first, second, ahead, levels=[0], colors="0.2", linewidths=0.8, zorder=4)
        own = (truth == c).nonzero().flatten()[:MAX_POINTS]
        marker = MARKERS[(c + c // len(CLASSES)) % len(MARKERS)]
        dots = axes.scatter(x[own, 0], x[own, 1], s=14, c=color, marker=marker, label=name)
        dots.set(linewidths=0.4, edgecolors="white", zorder=3)
    axes.set_xlabel(labelled(data, data.inputs[0], 40), parse_math=False)
    axes.set_ylabel(labelled(data, data.inputs[1], 40), parse_math=False)


def _draw_histogram(axes: Axes, data: Dataset, outputs: Tensor, truth: Tensor) -> None:
    low, high = np.quantile(outputs.numpy(), [0.005, 0.995]) if len(outputs) else (0.0, 1.0)
    low, high = min(-0.1, float(low)), max(1.1, float(high))
    # Rows beyond the outer edges count in the outer bins: one wild value must not make all others one bar.
    bins = np.linspace(low, high, 41).tolist()
    for c, name in enumerate(_class_names(data)):
        axes.hist(outputs[truth == c].clamp(low, high).numpy(), bins, color=CLASSES[c], alpha=0.55, label=name)
    axes.axvline(0.5, color=BLACK, linewidth=1, linestyle="--", label="threshold")
    axes.set_xlabel("output")
    axes.set_ylabel("test rows")


def _draw_confusion(axes: Axes, data: Dataset, predicted: Tensor, truth: Tensor, side: float) -> None:
    names = _class_names(data)
    count = len(names)
    counts = torch.bincount(truth * count + predicted, minlength=count * count).reshape(count, count).numpy()
    axes.imshow(counts, cmap="Blues", vmin=0, aspect="auto")
    size = min(9.0, 33 * (side - 1.2) / count)  # in points, so that three digits fit into a field
    for (row, column), number in np.ndenumerate(counts):
        color = "white" if number > 0.6 * counts.max() else BLACK
        axes.text(column, row, str(number), ha="center", va="center", color=color, fontsize=size)
    turn = 90 if max(len(name) for name in names) * count > 40 else 0
    axes.set_xticks(range(count), names, rotation=turn, fontsize=min(9, 2 * size))
    axes.set_yticks(range(count), names, fontsize=min(9, 2 * size))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
