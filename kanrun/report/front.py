"""The picture of the front: complexity against test error of the formulas of every output."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kanrun.data.losses import Loss
from kanrun.report.axes import arrange, panels
from kanrun.report.look import BLUE, LOSS_FLOOR, MUTED, VERMILLION, WORDS, house_style, save, shortened
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative

MAX_PANELS = 8
LETTERS = {1: 200, 2: 72}  # of a formula in a title, where there are so many columns


def plot_front(formulas: list[Formula], path_stem: Path, *, loss: Loss) -> None:
    """Complexity against test error (log scale), one panel an output, with the chosen formula marked and named.

    An output with one formula only has no panel: there is nothing to weigh. Without any panel no file is written.
    """
    if any(len(points_of(f)) > 1 for f in formulas):
        with house_style():
            save(front_figure(formulas, loss=loss), path_stem)


def points_of(formula: Formula) -> list[tuple[int, float, Alternative]]:
    """Complexity and error of the formulas of a front that have one."""
    return [(p.complexity, max(p.error, LOSS_FLOOR), p) for p in formula.front if p.error is not None]


def front_figure(formulas: list[Formula], *, loss: Loss) -> Figure:
    """What `plot_front` writes; some formula has two points or more.

    A point has the id `front-<output>-<k>`: the numbers of its output and its own on the front, both from 1.
    """
    several = [(number, f) for number, f in enumerate(formulas, start=1) if len(points_of(f)) > 1]
    shown = several[:MAX_PANELS]
    columns = min(len(shown), 2)
    figure, places = panels(len(shown), columns)
    for (number, formula), axes in zip(shown, places, strict=True):
        draw_front(axes, formula, number)
        axes.set_title(title_of(formula, LETTERS[columns]), loc="left")
        axes.set_xlabel("complexity (nodes of the tree)")
        axes.set_ylabel(f"{'test ' if formula.test else 'CV ' if formula.cross_validation else ''}{loss.title}")
    head = f"the first {len(shown)} of {len(several)} outputs" if len(shown) < len(several) else ""
    arrange(figure, places, columns, 2.4 if columns == 1 else 1.6, head)
    return figure


def title_of(formula: Formula, letters: int) -> str:
    """The chosen formula in so many letters, and why it was chosen."""
    chosen = next((p for p in formula.front if p.chosen), None)
    text = formula.rounded if chosen is None else chosen.rounded or chosen.expression
    return f"{shortened(f'{shortened(formula.output)} = {text}', letters)}\nchosen: {formula.reason}"


def draw_front(axes: Axes, formula: Formula, number: int) -> None:
    """The points of one front, a staircase through those that no other one beats, and the chosen one's name."""
    points = points_of(formula)
    axes.set_yscale("log")
    sizes, errors = [x for x, _, _ in points], [y for _, y, _ in points]
    best = [(x, y) for k, (x, y, _) in enumerate(points) if y <= min(errors[: k + 1])]
    axes.step(*zip(*best, strict=True), where="post", color=MUTED, linewidth=1, zorder=1)
    width, decades = max(sizes) - min(sizes), max(errors) / min(errors)
    axes.set_xlim(min(sizes) - max(1.0, 0.08 * width), max(sizes) + max(1.0, 0.08 * width))
    room = max(decades**0.15, 3.5)  # more than a decade in all, so that a power of ten is on the axis
    axes.set_ylim(min(errors) / room, max(errors) * room)
    for x, y, point in points:
        color, mark, size = (VERMILLION, "D", 8) if point.chosen else (BLUE, "o", 5.5)
        axes.plot(
            [x], [y], mark, color=color, markersize=size, markeredgewidth=0, zorder=3 if point.chosen else 2,
            gid=f"front-{number}-{formula.front.index(point) + 1}",
        )  # fmt: skip
        if point.chosen:
            # No point lies below and left of one on a falling staircase, nor above and right of it.
            right = 2 * x > min(sizes) + max(sizes)
            axes.annotate(
                "chosen", (x, y), (-8, -2) if right else (8, 4), textcoords="offset points",
                ha="right" if right else "left", va="top" if right else "bottom", color=WORDS,
            )  # fmt: skip
