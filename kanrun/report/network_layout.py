"""Where the parts of a network's picture lie: nodes, and boxes of edges in as many rows as leave them large enough.

All lengths are inches from the lower left corner of the picture, so that one can see beforehand what fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN
from kanrun.report.look import SIZE, WIDTH, fitted, shortened, text_width
from kanrun.report.network_edges import Edge, Point, node_of

COLUMNS, MOST_ROWS = 10, 8  # boxes side by side, as far as there are not too many rows of them
LEAST_ROOM = 0.42  # inches for a box where there are more columns than that
SWEEPS = 4  # of ordering nodes
LYING = 1.2  # inches from which on a name that does not fit is shortened rather than turned
LEAST_SIZE = 5.0  # points of a name of a function


@dataclass(frozen=True)
class Box:
    """An edge's frame: a square for its curve, `x` its middle and `y` its lower side, with `label` inches for a name.

    It is as `wide` as its name needs. Where boxes lie in several rows, its line runs along `lane` from `low` to `high`.
    """

    x: float
    y: float
    side: float
    wide: float
    label: float
    lane: float | None = None
    low: float = 0.0
    high: float = 0.0


@dataclass
class Layout:
    """Centres of nodes [boundary] and of subnodes [layer], by number, and the boxes of the edges.

    `unit` is how much larger all is than in a picture of the usual width; `sizes` are those of the names in points.
    """

    width: float
    unit: float
    height: float = 0.0
    nodes: list[dict[int, Point]] = field(default_factory=list)
    sums: list[dict[int, Point]] = field(default_factory=list)
    boxes: dict[tuple[int, int, int], Box] = field(default_factory=dict)
    labels: dict[tuple[int, int, int], tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """Names at one side: their texts and size in points, whether they stand upright, and how high they are in all."""

    texts: list[str]
    size: float
    upright: bool
    height: float


def layout_of(
    model: KAN, edges: Sequence[Edge], shown: Sequence[Sequence[int]], names: tuple[list[str], list[str]],
    labels: Mapping[tuple[int, int, int], Sequence[str]],
) -> Layout:  # fmt: skip
    """Places for the `shown` nodes [boundary] and the `edges`; `names` are those of the shown inputs and outputs.

    `labels` are ways to write an edge's function, the best first.
    """
    widest = max([1, *(sum(e.layer == depth for e in edges) for depth in range(len(model.layers)))])
    width = max(WIDTH, LEAST_ROOM * columns_for(widest), 0.145 * max(len(n) for n in shown))
    layout = Layout(width, width / WIDTH)
    u = layout.unit
    orders = ordered(model, edges, shown)
    y = 0.14 * u + names_of(names[0], layout).height
    layout.nodes.append({n: (x, y) for n, x in zip(orders[0], evenly(len(orders[0]), width), strict=True)})
    for depth, layer in enumerate(model.layers):
        own = [e for e in edges if e.layer == depth]
        y = place_boxes(layout, placed(model, own, orders, depth), y, labels)
        xs = dict(zip(orders[depth + 1], evenly(len(orders[depth + 1]), width), strict=True))
        apart = min(0.2 * u, width / max(1, len(xs)) / 4)
        layout.sums.append({})
        for sub in range(layer.n_sub):
            node = node_of(model, depth, sub)
            if node in xs:
                factor = (sub - layer.n_sum) % FACTORS if sub >= layer.n_sum else None
                x = xs[node] + (0.0 if factor is None else apart * (2 * factor - FACTORS + 1))
                layout.sums[-1][sub] = (x, y)
        y += 0.32 * u if layer.n_mult and any(n >= layer.n_sum for n in xs) else 0.0
        layout.nodes.append({n: (x, y) for n, x in xs.items()})
    layout.height = y + 0.16 * u + names_of(names[1], layout).height
    return layout


# ---- nodes ---------------------------------------------------------------------------------------------------------


def evenly(count: int, width: float) -> list[float]:
    """Places of so many nodes, evenly."""
    return [width * (k + 0.5) / count for k in range(count)]


def ordered(model: KAN, edges: Sequence[Edge], shown: Sequence[Sequence[int]]) -> list[list[int]]:
    """The shown nodes from left to right: inner ones by the means of their neighbours' places, so that few lines cross.

    Inputs and outputs keep their order (Sugiyama, Tagawa and Toda 1981, barycentres).
    """
    orders = [list(nodes) for nodes in shown]
    ends = [(e.layer, e.input, node_of(model, e.layer, e.sub)) for e in edges]

    def places(boundary: int) -> dict[int, float]:
        return {n: (k + 0.5) / len(orders[boundary]) for k, n in enumerate(orders[boundary])}

    for sweep in range(SWEEPS):
        inner = range(1, len(orders) - 1)
        for boundary in inner if sweep % 2 == 0 else reversed(inner):
            below, above, here = places(boundary - 1), places(boundary + 1), places(boundary)
            near: dict[int, list[float]] = {n: [] for n in orders[boundary]}
            for layer, low, high in ends:
                if layer == boundary - 1 and high in near:
                    near[high].append(below[low])
                elif layer == boundary and low in near and sweep:
                    near[low].append(above[high])
            middle = {n: sum(own) / len(own) if own else here[n] for n, own in near.items()}
            orders[boundary].sort(key=lambda n: middle[n])
    return orders


def names_of(names: list[str], layout: Layout) -> Names:
    """How names fit side by side, each in the middle of its share of the width: lying, upright, or small as well."""
    size = SIZE * layout.unit
    share = layout.width / max(1, len(names)) - 0.08 * layout.unit
    texts = [fitted(name, share, size) for name in names]
    if texts == names or share > LYING * layout.unit:
        return Names(texts, size, False, 1.5 * size / 72)
    texts = [shortened(name) for name in names]
    size = min(size, 0.95 * 72 * layout.width / len(names))
    return Names(texts, size, True, max(text_width(name, size) for name in texts) + 0.06 * layout.unit)


# ---- boxes ---------------------------------------------------------------------------------------------------------


def placed(model: KAN, edges: Sequence[Edge], orders: list[list[int]], depth: int) -> list[tuple[Edge, float]]:
    """The edges of a layer from left to right, each with where it wants to be, as a part of the width."""
    below = {n: (k + 0.5) / len(orders[depth]) for k, n in enumerate(orders[depth])}
    above = {n: (k + 0.5) / len(orders[depth + 1]) for k, n in enumerate(orders[depth + 1])}

    def key(edge: Edge) -> tuple[float, float, int]:
        return below[edge.input], above[node_of(model, depth, edge.sub)], edge.sub

    return [(edge, below[edge.input]) for edge in sorted(edges, key=key)]


def place_boxes(
    layout: Layout, edges: Sequence[tuple[Edge, float]], y: float, labels: Mapping[tuple[int, int, int], Sequence[str]]
) -> float:  # fmt: skip
    """Puts the boxes of a layer above `y`, in as few rows as leave room; gives the height at which its sums lie."""
    u, count = layout.unit, len(edges)
    fan = 0.3 * u + 0.045 * layout.width * (count > 1)
    if not edges:
        return y + 2 * fan
    rows = -(-count // columns_for(count))
    texts = {e.key: labels.get(e.key) or [""] for e, _ in edges}
    size = SIZE * u
    if rows == 1:
        wanted = max(text_width(options[0], size) for options in texts.values())
        room = min(layout.width / count, max(0.85 * u, wanted + 0.14 * u))
        side, lanes = min(0.62 * u, 0.8 * room), 0.0
        widest = room - 0.1 * u
    else:
        room = layout.width / -(-count // rows)
        lanes = min(0.3 * room, 0.035 * u * rows)
        side = min(0.62 * u, room - lanes - 0.1 * room)
        widest = side - 0.02 * u
    for key, options in texts.items():
        layout.labels[key] = named(options, widest, size)
    label = 1.35 / 72 * max(s if text else 0.0 for text, s in (layout.labels[e.key] for e, _ in edges))
    low = y + fan
    away = min(0.07 * u, 0.25 * side)
    step = side + label + 2 * away
    high = low + rows * step - 2 * away
    middles = near([place * layout.width for _, place in edges], room, layout.width)
    for k, (edge, _) in enumerate(edges):
        bottom = low + (k % rows) * step + label
        if rows == 1:
            text, own = layout.labels[edge.key]
            wide = max(side, text_width(text, own) + 0.08 * u if text else 0.0)
            layout.boxes[edge.key] = Box(middles[k], bottom, side, wide, label)
            continue
        left = (k // rows) * room
        lane = left + lanes * (k % rows + 0.5) / rows
        x = left + lanes + 0.05 * room + side / 2
        layout.boxes[edge.key] = Box(x, bottom, side, side, label, lane, low - away, high + away)
    return high + fan


def columns_for(count: int) -> int:
    """How many boxes of a layer lie side by side at most."""
    return max(COLUMNS, -(-count // MOST_ROWS))


def named(options: Sequence[str], inches: float, size: float) -> tuple[str, float]:
    """The first way to write a function that fits, and its size in points; the last one smaller, or not at all."""
    for text in options:
        if text_width(text, size) <= inches:
            return text, size
    needed = text_width(options[-1], size)
    smaller = size * inches / needed if needed else size
    return (options[-1], smaller) if smaller >= LEAST_SIZE else ("", 0.0)


def near(targets: Sequence[float], room: float, width: float) -> list[float]:
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
