"""The picture of a search: what each network leaves unexplained, the best so far, and those read as formulas."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from kanrun.discovery.state import Tried
from kanrun.report.axes import arrange, panels
from kanrun.report.look import BLUE, LOSS_FLOOR, MUTED, VERMILLION, house_style, save

WORST = 1.0  # a constant leaves all of the variance; what is worse is drawn beside it


def plot_search(tried: Sequence[Tried], path_stem: Path, *, ended: str = "") -> None:
    """The part of the variance that each network leaves unexplained, in the order in which they were fitted.

    `ended` says in the title why no more of them were.
    """
    with house_style():
        save(search_figure(tried, ended=ended), path_stem)


def search_figure(tried: Sequence[Tried], *, ended: str = "") -> Figure:
    """What `plot_search` writes."""
    figure, [axes] = panels(1, 1)
    heights = [min(max(t.unexplained, LOSS_FLOOR), WORST) for t in tried]
    number = list(itertools.accumulate(int(not t.read) for t in tried))  # a network that is read was fitted before
    fitted = [(n, y) for n, y, t in zip(number, heights, tried, strict=True) if not t.read]
    read = [(n, y) for n, y, t in zip(number, heights, tried, strict=True) if t.read]
    best = list(itertools.accumulate((y for _, y in fitted), min))
    margin = max(0.5, 0.02 * len(fitted))  # for the last network's step and mark
    steps = [n for n, _ in fitted] + [len(fitted) + margin]
    axes.step(steps, [*best, best[-1]], where="post", color=MUTED, linewidth=1.2, zorder=1, label="best so far")
    area = max(6.0, min(24.0, 3000 / len(fitted)))
    xs, ys = [n for n, _ in fitted], [y for _, y in fitted]
    axes.scatter(xs, ys, s=area, color=BLUE, linewidths=0, zorder=2, label="network")
    if read:
        xs, ys = [n for n, _ in read], [y for _, y in read]
        marks = axes.scatter(xs, ys, s=44, marker="D", label="read as a formula", zorder=3)
        marks.set(facecolors="none", edgecolors=VERMILLION, linewidths=1.3)
    axes.set_yscale("log")
    low, high = min(heights), max(heights)
    axes.set_ylim(low / max(2.0, (high / low) ** 0.06), high * max(2.0, (high / low) ** 0.06))
    axes.set_xlim(1 - margin, len(fitted) + margin)
    axes.set_xlabel("networks fitted")
    axes.set_ylabel("unexplained part of the variance")
    arrange(figure, [axes], 1, 2.6, f"ended: {ended}" if ended else "")
    return figure
