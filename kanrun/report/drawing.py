"""The picture of a network, as in arXiv 2404.19756: every edge a line through a small box with its curve.

How strong an edge is shows in its darkness and width; of a network that is too large the strongest paths are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from torch import Tensor

from kanrun.model.attribution import Scores
from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN
from kanrun.report.axes import LINE, PAD
from kanrun.report.look import BLUE, FAINT, INK, MUTED, PAPER, SIZE, VERMILLION, WORDS, house_style, save, wrapped
from kanrun.report.network_edges import (
    Edge,
    Point,
    alive_nodes,
    curves_of,
    edges_of,
    in_words,
    node_of,
    number_of_paths,
    scores_of,
    some_rows,
    strongest_paths,
    unit_curve,
)
from kanrun.report.network_layout import Layout, layout_of, names_of

MAX_BOXES, MAX_NODES = 260, 40  # of a layer; with more the strongest PATHS are drawn
PATHS = 24
MARGIN = 0.08
Labels = Mapping[tuple[int, int, int], Sequence[str]]


def draw_network(
    model: KAN, x: Tensor, path_stem: Path, *, inputs: list[str], outputs: list[str], beta: float = 3.0,
    title: str = "", labels: Labels | None = None,
) -> None:  # fmt: skip
    """Writes the network's picture as `path_stem`.png and .svg; the curves go over the range of the rows `x`.

    `x` is [rows, inputs]. Inputs lie at the bottom. An edge's opacity is tanh(beta * its attribution score); an edge
    that is a library function has another colour and its name, or the first of its `labels` that fits; the factors of a
    product have a row of their own.
    """
    with house_style():
        figure = network_figure(model, x, inputs=inputs, outputs=outputs, beta=beta, title=title, labels=labels)
        save(figure, path_stem)


def network_figure(
    model: KAN, x: Tensor, *, inputs: list[str], outputs: list[str], beta: float = 3.0, title: str = "",
    labels: Labels | None = None,
) -> Figure:  # fmt: skip
    """What `draw_network` writes; `x` is [rows, inputs]."""
    x = some_rows(model, x)
    scores = scores_of(model, x)
    edges, shown, left_out = chosen(model, scores)
    names = ([inputs[i] for i in shown[0]], [outputs[o] for o in shown[-1]])
    written = {e.key: [e.function] for e in edges if e.function} | dict(labels or {})
    layout = layout_of(model, edges, shown, names, written)
    size = SIZE * layout.unit
    title = wrapped("\n".join(part for part in (title, left_out) if part), layout.width, 6, size)
    above = LINE * layout.unit * (title.count("\n") + 1) + PAD if title else 0.0
    width, height = layout.width + 2 * MARGIN, layout.height + above + MARGIN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-MARGIN, width - MARGIN), ylim=(0, height))
    axes.axis("off")
    if title:
        axes.text(0, height - PAD, title, va="top", fontsize=size, parse_math=False)
    draw_edges(axes, layout, edges, curves_of(model, x, edges), beta)
    draw_nodes(axes, model, layout, alive_nodes(model))
    alive = alive_nodes(model)
    write_names(axes, names[0], [layout.nodes[0][n] for n in shown[0]], [alive[0][n] for n in shown[0]], layout, False)
    write_names(
        axes, names[1], [layout.nodes[-1][n] for n in shown[-1]], [alive[-1][n] for n in shown[-1]], layout, True
    )
    return figure


def chosen(model: KAN, scores: Scores) -> tuple[list[Edge], list[list[int]], str]:
    """The edges and nodes [boundary] that are drawn, and a sentence on what is not."""
    edges, alive = edges_of(model, scores), alive_nodes(model)
    if len(edges) <= MAX_BOXES and max(map(sum, alive)) <= MAX_NODES:
        shown = [[n for n, a in enumerate(own) if a or len(own) <= MAX_NODES] for own in alive]
        lost = model.n_in - len(shown[0])
        return edges, shown, f"{lost} inputs without an edge are not shown" if lost else ""
    kept = {e.key: e for path in strongest_paths(model, scores, edges, PATHS) for e in path}
    drawn = [e for e in edges if e.key in kept]
    nodes: list[set[int]] = [set() for _ in alive]
    for e in drawn:
        nodes[e.layer].add(e.input)
        nodes[e.layer + 1].add(node_of(model, e.layer, e.sub))
    nodes[-1] |= set(range(model.n_out)) if model.n_out <= MAX_NODES else set()
    rest, inputs = len(edges) - len(drawn), sum(alive[0]) - len(nodes[0])
    paths = number_of_paths(model)
    text = f"the {min(PATHS, int(paths))} strongest of {in_words(paths)} paths; {rest} of {len(edges)} edges not shown"
    text += f", {inputs} of {sum(alive[0])} inputs not on them" if inputs > 0 else ""
    return drawn, [sorted(own) or [0] for own in nodes], text


# ---- edges ---------------------------------------------------------------------------------------------------------


def draw_edges(
    axes: Axes, layout: Layout, edges: Sequence[Edge], curves: Sequence[tuple[Tensor, Tensor]], beta: float
) -> None:
    """Lines from the lower node to the box and on to the sum, the frames, and the curves in them."""
    u = layout.unit
    strongest = max((e.score for e in edges), default=1.0) or 1.0
    lines, widths, colors, frames, drawn = [], [], [], [], []
    for edge, curve in zip(edges, curves, strict=True):
        box = layout.boxes[edge.key]
        least = 0.3 if edge.function else 0.16  # keeps a weak edge visible; a colour needs more of it than black
        color = to_rgba(VERMILLION if edge.function else INK, max(math.tanh(beta * edge.score), least))
        way = line_of(layout, edge)
        lines += way
        colors.append(color)
        widths += [min(u, 2.5 * box.side) * (0.5 + 1.5 * edge.score / strongest)] * len(way)
        left, right, bottom, top = box.x - box.wide / 2, box.x + box.wide / 2, box.y - box.label, box.y + box.side
        frames.append([(left, bottom), (right, bottom), (right, top), (left, top)])
        points = np.array(unit_curve(curve)).reshape(-1, 2)
        drawn.append((0.8 * points + (-0.4, 0.1)) * box.side + (box.x, box.y))
        text, size = layout.labels[edge.key]
        if text:
            name = axes.text(box.x, bottom + 0.38 * size / 72, text, ha="center", parse_math=False)
            name.set(fontsize=size, color=WORDS, gid="function")
    thin = min(1.0, 2.2 * min((b.side for b in layout.boxes.values()), default=1.0))
    both = [c for c in colors for _ in (0, 1)]
    axes.add_collection(LineCollection(lines, colors=both, linewidths=widths, zorder=1, gid="lines"), autolim=False)
    axes.add_collection(
        PolyCollection(frames, facecolors="none", edgecolors=colors, linewidths=0.8 * thin, zorder=2, gid="frames"),
        autolim=False,
    )
    axes.add_collection(
        LineCollection(drawn, colors=colors, linewidths=1.4 * thin, zorder=3, gid="curves"), autolim=False
    )


def line_of(layout: Layout, edge: Edge) -> list[list[Point]]:
    """The way of an edge below its box and above it."""
    box = layout.boxes[edge.key]
    start, end = layout.nodes[edge.layer][edge.input], layout.sums[edge.layer][edge.sub]
    bottom, top = (box.x, box.y - box.label), (box.x, box.y + box.side)
    if box.lane is None:
        return [[start, bottom], [top, end]]
    away = min(0.07 * layout.unit, 0.25 * box.side)
    below = [start, (box.lane, box.low), (box.lane, bottom[1] - away), bottom]
    return [below, [top, (box.lane, top[1] + away), (box.lane, box.high), end]]


# ---- nodes ---------------------------------------------------------------------------------------------------------


def draw_nodes(axes: Axes, model: KAN, layout: Layout, alive: list[list[bool]]) -> None:
    """Inputs as dots, sums as circles with a plus, products as filled circles with a cross, linked to their factors."""
    u = layout.unit

    def dots(places: list[Point], shown: list[bool], size: float, color: str, mark: str, gid: str) -> None:
        if not places:
            return
        edge = [color if s else FAINT for s in shown]
        xs, ys, area = [p[0] for p in places], [p[1] for p in places], (72 * size) ** 2
        fill = PAPER if mark == "+" else edge
        axes.scatter(xs, ys, s=area, c=fill, edgecolors=edge, zorder=4, gid=gid, plotnonfinite=False)
        if mark:
            inner = edge if mark == "+" else PAPER
            axes.scatter(xs, ys, s=0.35 * area, c=inner, marker=mark, linewidths=1.1, zorder=5)

    def size(most: float, boundary: int) -> float:
        return min(most * u, 0.6 * layout.width / max(1, len(layout.nodes[boundary])))

    own = layout.nodes[0]
    dots(list(own.values()), [alive[0][n] for n in own], size(0.1, 0), INK, "", "inputs")
    for depth, layer in enumerate(model.layers):
        nodes, sums, shown = layout.nodes[depth + 1], layout.sums[depth], alive[depth + 1]
        side = size(0.17, depth + 1)
        plain, products = ([n for n in nodes if (n >= layer.n_sum) == kind] for kind in (False, True))
        dots([nodes[n] for n in plain], [shown[n] for n in plain], side, INK, "+", "sums")
        if products:
            entered = layer.alive.any(1).tolist()
            factors = [s for s in sums if s >= layer.n_sum]
            ends = [[sums[s], nodes[node_of(model, depth, s)]] for s in sums]
            links = LineCollection(ends, colors=[INK if entered[s] else FAINT for s in sums], gid="links")
            links.set(linewidths=1.2 * u, zorder=1)
            axes.add_collection(links, autolim=False)
            small = min(0.13 * u, side * 1.3 / FACTORS)
            dots([sums[s] for s in factors], [entered[s] for s in factors], small, INK, "+", "factors")
            dots([nodes[n] for n in products], [shown[n] for n in products], side, BLUE, "x", "products")


def write_names(
    axes: Axes, names: list[str], places: list[Point], alive: list[bool], layout: Layout, top: bool
) -> None:  # fmt: skip
    """Names beside their nodes; those of nodes without edges are pale."""
    how, away = names_of(names, layout), 0.13 * layout.unit
    for name, (x, y), lives in zip(how.texts, places, alive, strict=True):
        axes.text(
            x, y + (away if top else -away), name, ha="center", va="bottom" if top else "top",
            rotation=90 if how.upright else 0, fontsize=how.size, color=INK if lives else MUTED, parse_math=False,
        )  # fmt: skip
