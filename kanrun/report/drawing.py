"""The picture of a network: every edge a line through a small box with its curve, its score as opacity.

All lengths are inches from the lower left corner of the picture, so that one can see beforehand what fits.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from torch import Tensor

from kanrun.model.attribution import attribution
from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN
from kanrun.report.plots import BLACK, BLUE, VERMILLION, house_style, save, shortened, text_width

FAINT, MARGIN = "0.82", 0.1
MAX_BOXES = 120  # with more edges than this the boxes are too small to be read
MAX_LINES = 5000  # more lines than this are one grey surface and a large file
MAX_ROWS, POINTS = 1000, 101  # rows that give the scores and ranges, and points of one curve
NAME_SIZE, FUNCTION_SIZE = 10.0, 7.0  # in points

Point = tuple[float, float]


@dataclass(frozen=True)
class Edge:
    """One edge that is left; `function` is the library function it is fixed to, empty for a spline."""

    layer: int
    sub: int
    input: int
    opacity: float
    function: str

    def color(self, least: float) -> tuple[float, float, float, float]:
        """Colour and opacity; `least` keeps a weak edge visible, and orange needs more of it than black."""
        color, least = (VERMILLION, 2 * least) if self.function else (BLACK, least)
        return to_rgba(color, max(self.opacity, least))


@dataclass(frozen=True)
class Box:
    """An edge's frame: a square for its curve, `x` its middle and `y` its lower side, and `label` inches for a name.

    From `stem` inches below the square on the line is upright, as the name may be.
    """

    x: float
    y: float
    side: float
    label: float
    stem: float
    upright: bool


@dataclass
class Layout:
    """Centres of nodes [boundary][node] and of sums [layer][subnode], and the boxes of the edges."""

    width: float
    height: float = 0.0
    nodes: list[list[Point]] = field(default_factory=list)
    sums: list[list[Point]] = field(default_factory=list)
    boxes: dict[Edge, Box] = field(default_factory=dict)


def draw_network(
    model: KAN, x: Tensor, path_stem: Path, *, inputs: list[str], outputs: list[str], beta: float = 3.0, title: str = ""
) -> None:
    """Writes the network's picture as `path_stem`.png and .svg; the curves go over the range of the rows `x`.

    `x` is [rows, inputs]. Inputs lie at the bottom. An edge's opacity is tanh(beta * its attribution score); an edge
    that is a library function has another colour and its name; the factors of a product have a row of their own.
    """
    with house_style():
        save(network_figure(model, x, inputs=inputs, outputs=outputs, beta=beta, title=title), path_stem)


def network_figure(
    model: KAN, x: Tensor, *, inputs: list[str], outputs: list[str], beta: float = 3.0, title: str = ""
) -> Figure:
    """What `draw_network` writes; `x` is [rows, inputs]."""
    x = _some_rows(model, x)
    edges, alive = _edges(model, x, beta), _alive_nodes(model)
    with_boxes = len(edges) <= MAX_BOXES
    if not with_boxes:
        drawn = f"the strongest {MAX_LINES} drawn, " if len(edges) > MAX_LINES else ""
        title = f"{title} ({len(edges)} edges, {drawn}too many for their curves)".strip()
        edges = sorted(edges, key=lambda e: -e.opacity)[:MAX_LINES]
    layout = _layout(model, edges, alive, with_boxes, inputs, outputs)
    title = textwrap.fill(title, max(16, int(layout.width * 11)))
    height = layout.height + (0.2 * (title.count("\n") + 1) + 0.1 if title else 0.0)
    figure = Figure(figsize=(layout.width + 2 * MARGIN, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-MARGIN, layout.width + MARGIN), ylim=(0, height))
    axes.axis("off")
    axes.text(layout.width / 2, height - 0.08, title, ha="center", va="top", fontsize=11, parse_math=False)
    _draw_lines(axes, layout, edges)
    if with_boxes:
        _draw_boxes(axes, layout, edges, _curves(model, x, edges))
    _draw_nodes(axes, model, layout, alive)
    _draw_names(axes, inputs, layout.nodes[0], alive[0], layout.width, top=False)
    _draw_names(axes, outputs, layout.nodes[-1], alive[-1], layout.width, top=True)
    return figure


def _some_rows(model: KAN, x: Tensor) -> Tensor:
    """At most MAX_ROWS rows of `x` [rows, inputs], fewer where a layer has very many edges: a trace keeps them all."""
    rows = min(MAX_ROWS, max(20, 4_000_000 // max(layer.alive.numel() for layer in model.layers)))
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:rows].to(x.device)]


def _edges(model: KAN, x: Tensor, beta: float) -> list[Edge]:
    """The edges that are left, a layer after the other, ordered by input and then by subnode."""
    with torch.no_grad():
        scores = attribution(model, x).edges
    edges = []
    for depth, layer in enumerate(model.layers):
        opacity = torch.tanh(beta * scores[depth].nan_to_num()).tolist()
        for i, sub in layer.alive.T.nonzero().tolist():
            edges.append(Edge(depth, sub, i, opacity[sub][i], layer.functions.get((sub, i), "")))
    return edges


def _curves(model: KAN, x: Tensor, edges: list[Edge]) -> list[list[Point]]:
    """Each edge's output over the range of its input, both scaled to 0..1; points that are not finite are left out."""
    along = torch.linspace(0, 1, POINTS, dtype=x.dtype, device=x.device)
    values = []
    for layer, trace in zip(model.layers, model.trace(x), strict=True):
        rows = trace.inputs.nan_to_num(0, 0, 0)
        with torch.no_grad():
            values.append(layer.trace(torch.lerp(rows.amin(0), rows.amax(0), along[:, None])).edges.cpu())
    curves: list[list[Point]] = []
    for edge in edges:
        finite = torch.isfinite(values[edge.layer][:, edge.sub, edge.input])
        y = values[edge.layer][finite, edge.sub, edge.input]
        low, high = (float(y.min()), float(y.max())) if len(y) else (0.0, 0.0)
        flat = high - low <= 1e-9 * max(abs(high), abs(low))
        scaled = torch.full_like(y, 0.5) if flat else (y - low) / (high - low)
        curves.append(list(zip(along.cpu()[finite].tolist(), scaled.tolist(), strict=True)))
    return curves


def _alive_nodes(model: KAN) -> list[list[bool]]:
    """Whether any edge enters or leaves each node, [boundary][node] from the inputs to the outputs."""
    alive = [torch.zeros(model.n_in, dtype=torch.bool)]
    for layer in model.layers:
        alive[-1] |= layer.alive.any(0).cpu()
        entered = layer.alive.any(1).cpu()
        alive.append(torch.cat([entered[: layer.n_sum], entered[layer.n_sum :].reshape(-1, FACTORS).any(1)]))
    return [boundary.tolist() for boundary in alive]


def _layout(
    model: KAN, edges: list[Edge], alive: list[list[bool]], with_boxes: bool, inputs: list[str], outputs: list[str]
) -> Layout:
    rows = [[e for e in edges if e.layer == depth] for depth in range(len(model.layers))]
    widest = max(1, *(len(row) for row in rows)) if with_boxes else 1
    width = max(2.4, widest * min(0.85, max(0.2, 14 / widest)), min(16.0, 0.5 * model.n_in))
    width = max([width, *(min(16.0, (0.75 if layer.n_mult else 0.5) * layer.n_out) for layer in model.layers)])
    for names in (inputs, outputs):
        upright, _, needed = _name_size(names, 6.0)
        width = width if upright else max(width, needed)

    layout = Layout(width)
    y = 0.22 + _name_size(inputs, width)[1]
    layout.nodes.append([(x, y) for x in _columns(alive[0], width)])
    for depth, layer in enumerate(model.layers):
        if with_boxes:
            room = min(width / max(1, len(rows[depth])), 1.0)
            side = min(0.6, 0.78 * room)
            widths = [text_width(e.function, FUNCTION_SIZE) for e in rows[depth]]
            upright = max(widths, default=0.0) > side - 0.04
            labels = [0.0 if not w else w + 0.07 if upright else 0.13 for w in widths]
            stem = max(labels, default=0.0)
            y += min(0.7, max(0.35, 0.04 * width)) + stem
            middles = _near([layout.nodes[-1][e.input][0] for e in rows[depth]], room, width)
            for edge, x, label in zip(rows[depth], middles, labels, strict=True):
                layout.boxes[edge] = Box(x, y, side, label, stem if upright else label, upright)
            y += side + min(1.3, max(0.35, 0.07 * width))
        else:
            y += min(2.4, max(0.8, 0.15 * width))
        columns = _columns(alive[depth + 1], width)
        apart = min(0.2, width / layer.n_out / 4)
        factors = [x + apart * (2 * f - FACTORS + 1) for x in columns[layer.n_sum :] for f in range(FACTORS)]
        layout.sums.append([(x, y) for x in columns[: layer.n_sum] + factors])
        y += 0.4 if layer.n_mult else 0.0
        layout.nodes.append([(x, y) for x in columns])
    layout.height = y + 0.22 + _name_size(outputs, width)[1]
    return layout


def _columns(alive: list[bool], width: float) -> list[float]:
    """Places of a boundary's nodes: evenly, but where it is narrow, nodes without edges leave room to the others."""
    even, wide = width / len(alive), max(0.3, width / len(alive))
    narrow = (width - wide * sum(alive)) / max(1, alive.count(False))
    rooms = [even if wide == even or narrow < 0.2 * even else wide if a else narrow for a in alive]
    return [end - own / 2 for end, own in zip(accumulate(rooms), rooms, strict=True)]


def _near(targets: list[float], room: float, width: float) -> list[float]:
    """The places closest to the increasing `targets` that are `room` apart and lie within the width.

    Isotonic regression of targets[k] - k * room by pooling neighbours in the wrong order.
    """
    pools: list[tuple[float, int]] = []  # sum and count
    for k, target in enumerate(targets):
        total, count = target - k * room, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    low, high = room / 2, width - room * (len(targets) - 0.5)
    starts = [min(max(total / count, low), max(low, high)) for total, count in pools for _ in range(count)]
    return [start + k * room for k, start in enumerate(starts)]


def _name_size(names: list[str], width: float) -> tuple[bool, float, float]:
    """Whether the names stand upright, since side by side they are too wide; how high they are, and how wide in all."""
    longest = max(text_width(shortened(name), NAME_SIZE) for name in names)
    needed = (longest + 0.15) * len(names)
    upright = needed > width + 1e-9
    return upright, longest + 0.05 if upright else 0.2, needed


def _draw_lines(axes: Axes, layout: Layout, edges: list[Edge]) -> None:
    """From the lower node to the box and from the box to the sum; all the way where there are no boxes."""
    lines, colors = [], []
    for edge in edges:
        below, above = layout.nodes[edge.layer][edge.input], layout.sums[edge.layer][edge.sub]
        box = layout.boxes.get(edge)
        if box:  # upright for the last bit, so that no line runs behind a neighbour's name
            lines.append([below, (box.x, box.y - box.stem), (box.x, box.y - box.label)])
            below = (box.x, box.y + box.side)
        lines.append([below, above])
        colors += [edge.color(0.14 if box else 0.04)] * (2 if box else 1)
    width = 1.2 if layout.boxes else max(0.25, min(1.0, 20 / max(1, len(edges)) ** 0.5))
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=width, zorder=1, gid="lines"))


def _draw_boxes(axes: Axes, layout: Layout, edges: list[Edge], curves: list[list[Point]]) -> None:
    frames, lines, colors = [], [], [edge.color(0.25) for edge in edges]
    for edge, curve in zip(edges, curves, strict=True):
        box = layout.boxes[edge]
        left, right, bottom, top = box.x - box.side / 2, box.x + box.side / 2, box.y - box.label, box.y + box.side
        frames.append([(left, bottom), (right, bottom), (right, top), (left, top)])
        lines.append([(left + (0.1 + 0.8 * u) * box.side, box.y + (0.1 + 0.8 * v) * box.side) for u, v in curve])
        if edge.function:
            y, turn = (box.y - box.label / 2, 90) if box.upright else (box.y - box.label / 2 + 0.03, 0)
            name = axes.text(box.x, y, edge.function, ha="center", va="center", rotation=turn, zorder=5)
            name.set(fontsize=FUNCTION_SIZE, color=VERMILLION, gid="function")
    thin = 1.0 if layout.width < 10 else 0.7  # in points
    axes.add_collection(PolyCollection(frames, fc="white", ec=colors, linewidths=thin, zorder=2, gid="frames"))
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=1.3 * thin, zorder=3, gid="curves"))


def _draw_nodes(axes: Axes, model: KAN, layout: Layout, alive: list[list[bool]]) -> None:
    """Inputs as dots, sums as circles with a plus, products as filled circles with a cross, linked to their factors."""

    def dots(places: list[Point], shown: list[bool], size: float, color: str, mark: str, gid: str) -> None:
        edge = [color if s else FAINT for s in shown]
        xs, ys, area = [p[0] for p in places], [p[1] for p in places], (72 * size) ** 2
        axes.scatter(xs, ys, s=area, c="white" if mark == "+" else edge, edgecolors=edge, zorder=4, gid=gid)
        axes.scatter(xs, ys, s=0.35 * area, c=edge if mark == "+" else "white", marker=mark, linewidths=1.1, zorder=5)

    dots(layout.nodes[0], alive[0], min(0.11, 0.5 * layout.width / model.n_in), BLACK, "", "inputs")
    for depth, layer in enumerate(model.layers):
        nodes, sums, shown, n = layout.nodes[depth + 1], layout.sums[depth], alive[depth + 1], layer.n_sum
        size = min(0.18, 0.7 * layout.width / layer.n_out)
        dots(nodes[:n], shown[:n], size, BLACK, "+", "sums")
        if layer.n_mult:
            entered = layer.alive.any(1).tolist()
            parents = nodes[:n] + [p for p in nodes[n:] for _ in range(FACTORS)]
            links, colors = list(zip(sums, parents, strict=True)), [BLACK if e else FAINT for e in entered]
            axes.add_collection(LineCollection(links, colors=colors, linewidths=1.2, zorder=1, gid="links"))
            dots(sums[n:], entered[n:], min(0.14, 0.43 * size / 0.7), BLACK, "+", "factors")
            dots(nodes[n:], shown[n:], size, BLUE, "x", "products")


def _draw_names(axes: Axes, names: list[str], places: list[Point], alive: list[bool], width: float, top: bool) -> None:
    """Names beside their nodes. Where not even upright ones all fit, those of nodes with edges go first."""
    upright = _name_size(names, width)[0]
    size = min(NAME_SIZE, 60 * max(0.12, width / len(names))) if upright else NAME_SIZE
    taken: list[float] = []
    for i in sorted(range(len(names)), key=lambda i: not alive[i]):
        x, y = places[i]
        if not upright or all(abs(x - other) > 1.2 * size / 72 - 1e-9 for other in taken):
            taken.append(x)
            axes.text(
                x, y + (0.16 if top else -0.16), shortened(names[i]), ha="center", va="bottom" if top else "top",
                rotation=90 if upright else 0, fontsize=size, color=BLACK if alive[i] else "0.6", parse_math=False,
            )  # fmt: skip
