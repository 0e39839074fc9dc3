"""The picture of edges: each one's curve beside the function that took its place, the strongest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from kanrun.data.dataset import Dataset
from kanrun.errors import counted
from kanrun.model.network import KAN
from kanrun.report.axes import LINE, PAD, linear_ticks
from kanrun.report.look import (
    BLUE,
    MUTED,
    SKY,
    VERMILLION,
    WIDTH,
    WORDS,
    fitted,
    house_style,
    labelled,
    save,
    wrapped,
)
from kanrun.report.network_edges import Edge, Point, curves_of, edges_of, scores_of, some_rows, unit
from kanrun.report.numbers import part_shown

MOST, COLUMNS = 21, 3
TALL = 0.8  # inches of a curve
GAP = 0.16
BOTH = "curve (blue), function (orange), strength in brackets"
ALONE = "curves over the range of their inputs"


@dataclass(frozen=True)
class Panel:
    """One edge: its curve, and that of its function over the same inputs with how much of the curve it explains."""

    edge: Edge
    curve: tuple[Tensor, Tensor]
    function: tuple[Tensor, Tensor] | None
    r2: float | None


def plot_edges(data: Dataset, network: KAN, symbolic: KAN | None, labels: Mapping[tuple[int, int, int], Sequence[str]],
               path_stem: Path) -> None:  # fmt: skip
    """The curves of the edges of a network, and of the functions that the `symbolic` one has in their place."""
    with house_style():
        save(edges_figure(data, network, symbolic, labels), path_stem)


def edges_figure(
    data: Dataset, network: KAN, symbolic: KAN | None, labels: Mapping[tuple[int, int, int], Sequence[str]]
) -> Figure:  # fmt: skip
    """What `plot_edges` writes. `labels` are ways to write the functions, the best first.

    Where both networks do not have the same edges there are the curves of the symbolic one alone.
    """
    pairs = symbolic is not None and same_edges(network, symbolic)
    shown = panels_of(data.train.x, network if pairs or symbolic is None else symbolic, symbolic if pairs else None)
    total, shown = len(shown), shown[:MOST]
    columns = 2 if len(shown) <= 4 else COLUMNS
    wide = (WIDTH - 2 * PAD - (columns - 1) * GAP) / columns
    rows = -(-len(shown) // columns)
    known = BOTH if pairs else ALONE
    rest = f"; {total - len(shown)} weaker of {counted(total, 'edge')} not shown" if total > len(shown) else ""
    head = wrapped(known + rest, WIDTH - 2 * PAD, 3)
    above = LINE * (head.count("\n") + 1) + 2 * PAD
    step = 4 * LINE + TALL + GAP
    height = above + rows * step
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axes.axis("off")
    axes.text(PAD, height - PAD, head, va="top", parse_math=False)
    for k, panel in enumerate(shown):
        left = PAD + (k % columns) * (wide + GAP)
        draw_panel(axes, panel, (left, height - above - (k // columns) * step), wide, data, labels, k + 1)
    return figure


def same_edges(one: KAN, other: KAN) -> bool:
    """Whether two networks have the same edges."""
    return one.width == other.width and all(
        torch.equal(a.alive.cpu(), b.alive.cpu()) for a, b in zip(one.layers, other.layers, strict=True)
    )


def panels_of(x: Tensor, network: KAN, symbolic: KAN | None) -> list[Panel]:
    """The edges of a network with their curves, the strongest first; of the first layers first where they are equal."""
    x = some_rows(network, x)
    edges = sorted(edges_of(network, scores_of(network, x)), key=lambda e: -round(e.score, 6))[:10_000]
    curves = curves_of(network, x, edges)
    if symbolic is None:
        return [Panel(edge, curve, None, None) for edge, curve in zip(edges, curves, strict=True)]
    traces, functions = network.trace(x), curves_of(symbolic, x, edges)
    scales, values = functions_at(symbolic, x, [trace.inputs for trace in traces])
    as_they_are = [trace.edges for trace in symbolic.trace(x)]
    panels = []
    for edge, curve, (along, value) in zip(edges, curves, functions, strict=True):
        own = traces[edge.layer].edges[:, edge.sub, edge.input]
        # A sharp function needs the node of its own network, as nodes of both are never quite alike.
        pairs = (line(found[edge.layer][:, edge.sub, edge.input], own) for found in (values, as_they_are))
        factor, shift, r2 = max(pairs, key=lambda one: -1.0 if one[2] is None else one[2])
        a, b = scales[edge.layer][edge.input] if edge.layer else (1.0, 0.0)
        panels.append(Panel(edge, curve, (a * along + b, factor * value + shift), r2))
    return panels


def functions_at(
    symbolic: KAN, x: Tensor, inputs: Sequence[Tensor]
) -> tuple[list[list[tuple[float, float]]], list[Tensor]]:
    """Edges of the symbolic network, [rows, n_sub, n_in] a layer, where the other network has `inputs` [rows, n_in].

    Inner nodes may have other scales in each: their factors and constants, layer by layer, come with them.
    """
    scales, values = [], []
    for layer, trace, given in zip(symbolic.layers, symbolic.trace(x), inputs, strict=True):
        scales.append([line(trace.inputs[:, i], given[:, i])[:2] for i in range(given.shape[1])])
        columns = [(given[:, i] - b) / a if a else trace.inputs[:, i] for i, (a, b) in enumerate(scales[-1])]
        with torch.no_grad():
            values.append(layer.trace(torch.stack(columns, 1)).edges)
    return scales, values


def line(given: Tensor, wanted: Tensor) -> tuple[float, float, float | None]:
    """Factor and constant that bring `given` [rows] closest to `wanted`, and how much that explains (R2)."""
    there = torch.isfinite(given) & torch.isfinite(wanted)
    a, b = given[there].double().cpu(), wanted[there].double().cpu()
    if not len(a):
        return 1.0, 0.0, None
    off, size = a - a.mean(), float(((a - a.mean()) ** 2).sum())
    factor = float((off * (b - b.mean())).sum()) / size if size > 0 else 0.0
    shift = float(b.mean()) - factor * float(a.mean())
    variation = float(((b - b.mean()) ** 2).sum())
    left = float(((factor * a + shift - b) ** 2).sum())
    return factor, shift, 1 - left / variation if variation > 0 else None


# ---- one panel -----------------------------------------------------------------------------------------------------


def draw_panel(
    axes: Axes, panel: Panel, corner: Point, wide: float, data: Dataset,
    labels: Mapping[tuple[int, int, int], Sequence[str]], number: int,
) -> None:  # fmt: skip
    """An edge below and right of its upper left `corner`: function, R2 and strength; the curves; the input."""
    edge, (left, top) = panel.edge, corner
    ways = labels.get(edge.key) or ([edge.function] if edge.function else ["spline"])
    name = next((way for way in ways if fitted(way, wide) == way), fitted(ways[-1], wide))
    share = f"{100 * edge.score:.0f} %"
    strength = f"strength {share}" if panel.r2 is None else f"R² {part_shown(panel.r2)} ({share})"
    lines = {name: 0.0, fitted(strength, wide): LINE}
    for text, below in lines.items():
        color = WORDS if below == 0.0 and ways != ["spline"] else MUTED
        axes.text(left, top - below, text, va="top", color=color, parse_math=False)
    bottom = top - 2 * LINE - 0.02 - TALL
    axes.add_artist(
        Rectangle((left, bottom), wide, TALL, fill=False, edgecolor=MUTED, linewidth=0.6, gid=f"edges-{number}")
    )
    draw_curves(axes, panel, (left, bottom), wide)
    if edge.layer == 0:
        given = labelled(data, data.inputs[edge.input], 40)
    else:
        given = f"node {edge.input + 1} of layer {edge.layer}"
    x = panel.curve[0]
    ends = end_texts(x)
    axes.text(left, bottom - 0.03, ends[0], va="top", color=MUTED)
    axes.text(left + wide, bottom - 0.03, ends[1], va="top", ha="right", color=MUTED)
    axes.text(left + wide / 2, bottom - 0.03 - LINE, fitted(given, wide), va="top", ha="center", parse_math=False)


def end_texts(x: Tensor) -> tuple[str, str]:
    """The ends of a range to three digits."""
    if not len(x):
        return "no values", ""
    low, high = float(x.min()), float(x.max())
    step = linear_ticks(low, high, 5)[0]
    return (f"{low:.3g}", f"{high:.3g}") if len(step) > 1 else (f"{low:.6g}", f"{high:.6g}" if high > low else "")


def draw_curves(axes: Axes, panel: Panel, corner: Point, wide: float) -> None:
    """The curve, and its function beside it on the same scale."""
    both = [panel.curve] if panel.function is None else [panel.curve, panel.function]
    finite = [torch.isfinite(x) & torch.isfinite(y) for x, y in both]
    xs = unit(torch.cat([x[f] for (x, _), f in zip(both, finite, strict=True)])) if any(map(len, finite)) else []
    ys = unit(torch.cat([y[f] for (_, y), f in zip(both, finite, strict=True)])) if xs else []
    first = int(finite[0].sum())
    places = [
        (corner[0] + (0.04 + 0.92 * a) * wide, corner[1] + (0.06 + 0.88 * b) * TALL)
        for a, b in zip(xs, ys, strict=True)
    ]
    styles: list[tuple[str, float, Any]]
    if panel.function is None:
        styles = [(VERMILLION if panel.edge.function else BLUE, 1.4, "-")]
    else:
        styles = [(SKY, 3.2, "-"), (VERMILLION, 1.2, (0, (3, 1.5)))]
    for part, (color, width, dashes) in zip((places[:first], places[first:]), styles, strict=False):
        if len(part) > 1:
            order = sorted(part)
            axes.add_collection(
                LineCollection([order], colors=[color], linewidths=width, linestyles=[dashes]), autolim=False
            )
