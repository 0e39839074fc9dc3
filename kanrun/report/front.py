"""The picture of the front: complexity against test error of the formulas of every output."""

from __future__ import annotations

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from kanrun.data.losses import Loss
from kanrun.report.plots import BLUE, LOSS_FLOOR, MAX_PANELS, VERMILLION, house_style, save, shortened
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative

WIDTH, LETTERS, MOST_LINES = 5.0, 58, 4  # of a panel in inches, and of its title


def plot_front(formulas: list[Formula], path_stem: Path, *, loss: Loss) -> None:
    """Complexity against test error (log scale), one panel an output, with the chosen formula marked and named.

    An output with one formula only has no panel: there is nothing to weigh. Without any panel no file is written.
    """
    shown = [f for f in formulas if len(points_of(f)) > 1]
    if shown:
        with house_style():
            save(front_figure(shown, loss=loss), path_stem)


def points_of(formula: Formula) -> list[tuple[int, float, Alternative]]:
    """Complexity and error of the formulas of a front that have one."""
    return [(p.complexity, max(p.error, LOSS_FLOOR), p) for p in formula.front if p.error is not None]


def front_figure(formulas: list[Formula], *, loss: Loss) -> Figure:
    """What `plot_front` writes; each formula has two points or more."""
    shown = formulas[:MAX_PANELS]
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(WIDTH * columns, 3.8 * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for extra in panels[len(shown) :]:
        extra.remove()
    if len(shown) < len(formulas):
        figure.suptitle(f"the first {len(shown)} of {len(formulas)} outputs")
    for formula, axes in zip(shown, panels, strict=False):
        draw_front(axes, formula)
        axes.set_xlabel("complexity (nodes of the formula's tree)")
        axes.set_ylabel(f"test {loss.title}")
    return figure


def title_of(formula: Formula) -> str:
    """The chosen formula in as many lines as it takes, up to a few, and why it was chosen."""
    chosen = next((p for p in formula.front if p.chosen), None)
    text = formula.rounded if chosen is None else chosen.rounded or chosen.expression
    whole = f"{shortened(formula.output)} = {text}"
    lines = textwrap.wrap(whole, LETTERS)
    if len(lines) > MOST_LINES:  # the middle is left out
        lines = textwrap.wrap(shortened(whole, MOST_LINES * (LETTERS - 8)), LETTERS)
    return "\n".join([*lines[:MOST_LINES], formula.reason])


def draw_front(axes: Axes, formula: Formula) -> None:
    """The points of one front, a staircase through those that no other one beats, and the chosen one's name."""
    points = points_of(formula)
    axes.set_title(title_of(formula), parse_math=False, fontsize=8)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.yaxis.set_minor_locator(NullLocator())
    sizes, errors = [x for x, _, _ in points], [y for _, y, _ in points]
    best = [(x, y) for k, (x, y, _) in enumerate(points) if y <= min(errors[: k + 1])]
    axes.step(*zip(*best, strict=True), where="post", color="0.75", linewidth=1, zorder=1)
    others = [(x, y) for x, y, p in points if not p.chosen]
    if others:
        axes.scatter([x for x, _ in others], [y for _, y in others], s=28, color=BLUE, linewidths=0, zorder=2)
    width, decades = max(sizes) - min(sizes), max(errors) / min(errors)
    axes.set_xlim(min(sizes) - max(1.0, 0.08 * width), max(sizes) + max(1.0, 0.08 * width))
    room = max(decades**0.12, 3.5)  # more than a decade in all, so that a power of ten is on the axis
    axes.set_ylim(min(errors) / room, max(errors) * room)
    for x, y, point in points:
        if point.chosen:
            axes.scatter([x], [y], s=80, color=VERMILLION, marker="D", linewidths=0, zorder=3)
            # No point lies below and left of one on a falling staircase, nor above and right of it.
            right = 2 * x > min(sizes) + max(sizes)
            axes.annotate(
                "chosen",
                (x, y),
                (-8, -2) if right else (8, 4),
                textcoords="offset points",
                ha="right" if right else "left",
                va="top" if right else "bottom",
                color=VERMILLION,
            )
