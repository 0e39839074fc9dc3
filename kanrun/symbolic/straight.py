"""Straight lines before all else: a network with every edge straight that can be, while the others take its part."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Rows
from kanrun.data.losses import Loss
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.symbolic.search import Edge, edge_curves, spline_edges
from kanrun.training.least_squares import MOST_FOR_LM, levenberg_marquardt

LINE = FUNCTIONS["x"]
MOST_EDGES = 40  # beyond this a training for each takes too long
STEPS = 15
WORSE = 2.0  # times the loss that it may be after that
NEGLIGIBLE = 1e-4  # part of the loss' unit that it may always cost: the shape of what is left tells the rest


def straightened(
    model: KAN, x: Tensor, y: Tensor, loss: Loss, context: Context = UNLIMITED, weights: Tensor | None = None
) -> KAN:
    """A copy in which as many spline edges as possible are straight lines, from the outputs on; the others follow.

    What two edges one after the other do to an input can be shared out between them in endless ways, tan and atan among
    them: where one of the two can be straight, the other shows the whole. The same network where no edge can.
    """
    edges = spline_edges(model)
    if len(edges) > MOST_EDGES or model.parameter_count() > MOST_FOR_LM:  # whose one step is longer than a reading
        return model
    rows, current = Rows(x, y, weights), model.clone()
    limit = max(WORSE * trained(current, rows, loss, context), NEGLIGIBLE * loss.unit(y, weights))
    changed = False
    for edge in reversed(edges):
        if context.over():
            break
        trial = current.clone()
        make_straight(trial, edge, x)
        if trained(trial, rows, loss, context) <= limit:
            current, changed = trial, True
    return current if changed else model


def make_straight(model: KAN, edge: Edge, x: Tensor) -> None:
    """Makes the edge the line that is closest to its curve at the rows `x`, in place."""
    inputs, outputs = (each[:, 0] for each in edge_curves(model, x, [edge]))
    middle, level = inputs.mean(), outputs.mean()
    spread = ((inputs - middle) ** 2).mean()
    slope = float(((inputs - middle) * (outputs - level)).mean() / spread) if float(spread) > 0 else 0.0
    model.put(edge, LINE, (slope or 1e-3, 0.0, 1.0), float(level) - slope * float(middle))


def trained(model: KAN, rows: Rows, loss: Loss, context: Context) -> float:
    """The loss after a brief training, in place, with the knots where the rows are."""
    model.fit_grids(rows.x)
    with torch.no_grad():
        return levenberg_marquardt(model, rows.x, rows.y, loss, STEPS, context=context, weights=rows.weights).loss
