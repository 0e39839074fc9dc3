"""Numbers on axes, and panels laid out in inches: what constrained layout does, without drawing everything twice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from kanrun.report.look import SIZE, WIDTH, fitted, text_width, wrapped

LINE = 0.165  # inches from one line of text to the next
PAD = 0.06
TICK = 0.1  # inches from an axis to its numbers, with some room behind them
BESIDE = 0.12  # inches kept free right of a panel
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
TITLE_LINES = 7


# ---- numbers -------------------------------------------------------------------------------------------------------


def linear_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """At most so many round numbers from `low` to `high` in equal steps, and how they are written."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low], [f"{low:.4g}"]
    power = 10.0 ** math.floor(math.log10(span / most))
    steps = [f * power for f in (1, 2, 5, 10, 20, 50)]  # of which the last is more than the span, if most is 1
    ranges = [range(math.ceil(low / s - 1e-9), math.floor(high / s + 1e-9) + 1) for s in steps]
    step, numbers = next((s, found) for s, found in zip(steps, ranges, strict=True) if len(found) <= most)
    values = [k * step for k in numbers]
    return values, written(values, step)


def written(values: Sequence[float], step: float) -> list[str]:
    """The numbers with as many digits as tell them apart."""
    largest = max((abs(v) for v in values), default=0.0)
    places = -math.floor(math.log10(step) + 1e-9)
    if 1e-3 <= largest < 1e5 or largest == 0:
        return [f"{v + 0.0:.{max(0, places)}f}" for v in values]
    digits = max(0, math.floor(math.log10(largest) + 1e-9) + places)
    return ["0" if v == 0 else scientific(v, digits) for v in values]


def scientific(value: float, digits: int) -> str:
    """1.5e6."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def log_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """The same for a log axis: powers of ten, or 1, 2 and 5 times these."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        step = max(1, math.ceil((last - first + 1) / most))
        powers = range(-(-first // step) * step, last + 1, step)
        return [10.0**k for k in powers], [f"10{str(k).translate(RAISED)}" for k in powers]
    values = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    values = [v for v in values if low <= v <= high]
    return (values, [f"{v:.3g}" for v in values]) if len(values) > 1 else linear_ticks(low, high, min(most, 3))


def number(axes: Axes, which: str, inches: float) -> float:
    """Writes the numbers of an axis ("x" or "y") of that length, as many as have room; gives the widest in inches.

    An axis that has labels already keeps them.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    known = axis.get_major_formatter()
    if isinstance(known, FixedFormatter):
        return max((text_width(t) for t in known.seq), default=0.0)
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    ticks = log_ticks if axis.get_scale() == "log" else linear_ticks
    for most in range(max(2, min(7, int(inches / 0.3))), 0, -1):
        values, labels = ticks(low, high, most)
        widest = max((text_width(t) for t in labels), default=0.0)
        if (widest + 0.12 if which == "x" else 0.15) * len(labels) <= inches + 0.1:
            break
    if which == "x":
        labels = [t if reaches(v, low, high, axis.get_scale()) * inches + text_width(t) / 2 <= inches + BESIDE else ""
                  for v, t in zip(values, labels, strict=True)]  # fmt: skip
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter(labels))
    return widest


def reaches(value: float, low: float, high: float, scale: str) -> float:
    """Where a number lies on an axis, as a part of its length."""
    if scale == "log":
        value, low, high = math.log10(value), math.log10(low), math.log10(high)
    return (value - low) / (high - low) if high > low else 0.5


def name_ticks(axes: Axes, which: str, values: Sequence[float], labels: Sequence[str]) -> None:
    """Gives an axis its labels; a dollar sign in them is one."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(list(values)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter([t.replace("$", r"\$") for t in labels]))


# ---- panels --------------------------------------------------------------------------------------------------------


def panels(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, to be drawn into before they are arranged."""
    figure = Figure(figsize=(WIDTH, WIDTH))
    return figure, [figure.add_axes((0.1, 0.1, 0.8, 0.8), label=f"{k} of {count} in {columns}") for k in range(count)]


def arrange(
    figure: Figure, shown: Sequence[Axes], columns: int, tall: float, head: str = "", heights: Sequence[float] = (),
    above: float = 0.0, right: float = 0.0,
) -> None:  # fmt: skip
    """Gives the panels their numbers and places, row by row, each `tall` inches high (or as `heights` says of rows).

    Titles and labels are cut to the room that there is. `head` stands above all; the legend of the first panel's
    handles stands below, where there are any with labels. `above` and `right` are inches that are kept free.
    """
    width = WIDTH
    rows = [shown[k : k + columns] for k in range(0, len(shown), columns)]
    tall_of = list(heights) or [tall] * len(rows)
    lefts = [0.0] * columns
    for row, high in zip(rows, tall_of, strict=True):
        for k, axes in enumerate(row):
            label = wrapped(axes.get_ylabel(), high)
            axes.set_ylabel(label, parse_math=False)
            lines = label.count("\n") + 1 if label else 0
            ticks = number(axes, "y", high)
            axes.yaxis.set_label_coords(0, 0.5)  # moved once the width is known
            lefts[k] = max(lefts[k], (ticks + TICK if ticks else 0.0) + PAD + LINE * lines)
    wide = (width - right - sum(lefts)) / columns - BESIDE
    handles, labels = shown[0].get_legend_handles_labels() if shown else ([], [])
    foot = legend_of(figure, handles, labels, width)
    head = wrapped(head, width - 0.2, 4)
    top = LINE * (head.count("\n") + 1) + 0.08 if head else 0.0
    tops, bottoms = zip(
        *(settled(row, high, wide, lefts) for row, high in zip(rows, tall_of, strict=True)), strict=True
    )
    top += above
    height = top + sum(tops) + sum(tall_of) + sum(bottoms) + foot
    figure.set_size_inches(width, height)
    if head:
        figure.text(PAD / width, 1 - 0.06 / height, head, va="top", ha="left", parse_math=False)
    y = height - top
    for row, above, high, below in zip(rows, tops, tall_of, bottoms, strict=True):
        y -= above + high
        x = 0.0
        for left, axes in zip(lefts, row, strict=False):
            x += left
            axes.set_position((x / width, y / height, wide / width, high / height))
            axes.yaxis.set_label_coords((PAD / 2 - left) / wide, 0.5)
            axes.yaxis.label.set(va="center", ha="left", rotation_mode="default")
            x += wide + BESIDE
        y -= below
    for axes in shown:
        axes.xaxis.label.set_verticalalignment("top")


def settled(row: Sequence[Axes], high: float, wide: float, lefts: Sequence[float]) -> tuple[float, float]:
    """The numbers, title and label of the panels of a row, cut to `wide` inches; the room they take above and below."""
    above, below = 0.1, 0.05
    for axes, left in zip(row, lefts, strict=False):
        title = wrapped(axes.get_title(loc="left"), wide + left - PAD, TITLE_LINES)
        back = (PAD - left) / wide
        axes.set_title(title, loc="left", parse_math=False, x=back, y=1 + 0.1 / high, pad=0)
        above = max(above, LINE * (title.count("\n") + 1) + 0.18 if title else 0.0)
        ticks = number(axes, "x", wide)
        about = axes.xaxis.get_tick_params()
        turned = about.get("labelrotation", about.get("rotation"))  # as versions of matplotlib have it
        ticks = 0.0 if not ticks else ticks + TICK if turned else LINE + TICK - 0.03
        label = wrapped(axes.get_xlabel(), wide)
        axes.set_xlabel(label, parse_math=False)
        axes.xaxis.set_label_coords(0.5, -(ticks + 0.05) / high)
        below = max(below, ticks + 0.1 + (LINE * (label.count("\n") + 1) if label else 0.0))
    return above, below


def legend_of(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], width: float) -> float:
    """A legend at the lower edge, in as many columns as have room; gives its height."""
    if not handles:
        return 0.05
    labels = [fitted(label, width - 0.6) for label in labels]
    columns = max(1, min(len(labels), int((width - 0.1) / (max(map(text_width, labels)) + 0.48))))
    rows = -(-len(labels) // columns)
    texts = [label.replace("$", r"\$") for label in labels]
    figure.legend(
        handles, texts, loc="lower center", ncols=columns, borderpad=0.2, borderaxespad=0.2, labelspacing=0.3,
        handlelength=1.8, handletextpad=0.5, columnspacing=1.0, fontsize=SIZE, bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip
    return rows * LINE + 0.12
