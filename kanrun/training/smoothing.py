"""Training of splines that are as smooth as their rows say: penalties on every edge, whose weights the rows choose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanrun.context import Over, never
from kanrun.data.losses import Loss
from kanrun.model.bases import BASES
from kanrun.model.grids import points_within
from kanrun.model.layer import KANLayer
from kanrun.model.network import KAN
from kanrun.model.spline import spread_out
from kanrun.model.spline_derivatives import features_derivative
from kanrun.training.least_squares import LevenbergMarquardt, extent, normal_equations
from kanrun.training.objective import Objective

STEPS, GAIN = 5, 1e-4  # steps with the same weights at most, and part of the objective that each has to win
SETTLED, SETTLED_LOSS = 0.01, 1e-3  # parts of the effective parameters and the expected loss whose change is none
LEAST, MOST = 1e-8, 1e3  # bounds of weights, times the largest curvature of the likelihood
MOST_WORK = 5000.0  # units, after which the weights stay as they are
SUITING = 3  # times that the weights of a network which is smooth are chosen before the first step
PER_INTERVAL = 4  # points at which curves are looked at


@dataclass(frozen=True)
class Edges:
    """The spline edges of a layer and what is penalized of each, as quadratic forms of its entries."""

    places: Tensor  # of its coefficients, and of its base where there is one, among the trained entries: [edges, M]
    forms: Tensor  # of roughness and slope: [2, edges, M, M]
    ranks: Tensor  # of these: [2]


def forms_of(layer: KANLayer) -> Tensor:
    """Roughness and squared slope of a curve over the grid of each input, by its entries: [2, n_in, M, M].

    Roughness is the mean square of the second derivative by the way across the grid, which is 0 to 1; the slope is that
    of the closest straight line in mean squares, times the spread of such a way. Splines of order below 2 have no
    second derivative, and one of a lower order takes its place. A constant has neither.
    """
    points, order = points_within(layer.grid, PER_INTERVAL), min(2, layer.k)
    x, span = ((points[1:] + points[:-1]) / 2).contiguous(), points[-1] - points[0]
    beside, share = BASES[layer.base], points.diff(dim=0) / span
    spread = spread_out(x, layer.knots(), beside)
    bent = features_derivative(x, spread, layer.knots(), beside, order) if order else spread.values
    rough = torch.einsum("rim,rin,ri->imn", bent, bent, share) * span[:, None, None] ** (2 * order)
    way = x - (x * share).sum(0)
    slope = torch.einsum("rim,ri->im", spread.values, way * share) / (way**2 * share).sum(0)[:, None].sqrt()
    return torch.stack([rough, slope[:, :, None] * slope[:, None, :]])


def edges_of(model: KAN) -> list[Edges]:
    """Those of every layer that has some, with the forms of the grids as they are."""
    found, start = list[Edges](), 0
    for layer in model.layers:
        subs, inputs = layer.is_spline.nonzero(as_tuple=True)
        count, size = len(subs), layer.coef.shape[2]
        if count:
            places = start + torch.arange(count * size, device=subs.device).view(count, size)
            if BASES[layer.base]:
                base = start + count * size + torch.arange(count, device=subs.device)
                places = torch.cat([places, base[:, None]], dim=1)
            forms = forms_of(layer)
            ranks = torch.linalg.matrix_rank(forms[:, 0], hermitian=True)
            found.append(Edges(places, forms[:, inputs], ranks.to(forms)))
        start += layer.parameter_count()
    return found


class Smoothing:
    """Levenberg-Marquardt under penalties whose weights maximize the evidence, in place; an optimizer.

    Roughness and slope of every edge have a weight of their own, so that an edge which the rows do not ask for becomes
    a straight line or goes. A step takes a few of Levenberg-Marquardt's with the weights as they are, then chooses them
    anew by the generalized Fellner-Schall rule (Wood and Fasiolo 2017, Biometrics 73(4), eq. 4): the effective
    parameters under a penalty by its value, the noise from what is left. It is `finished` when the effective parameters
    no longer change. The penalty that a step gives is what generalized cross-validation (Craven and Wahba 1979) adds to
    the loss of the training rows, for probabilities Akaike's criterion: the sum is the loss to be expected of others.
    A network that is `smooth` already begins with the weights that suit it; of another one these would be too small, as
    it has followed the noise, and hidden nodes of about one, and outputs of the spread of the targets, say more.
    """

    def __init__(
        self, model: KAN, x: Tensor, y: Tensor, loss: Loss, cancelled: Over = never, weights: Tensor | None = None,
        smooth: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.x, self.y, self.loss = model, x, y, loss
        self.cancelled, self.rows_weights = cancelled, weights
        self.edges = edges_of(model)
        null, largest = loss.weighted_null_value(y, weights), self.largest(self.curvature())
        with torch.no_grad():
            now = float(loss.weighted_value(model(x), y, weights))
        self.likelihood = self.precision(now if smooth else null)
        last = 1.0 if loss.nats else 1 / max(null, torch.finfo(x.dtype).tiny)
        self.weights = [
            self.suiting(own.ranks[:, None].expand(own.forms.shape[:2]), own, self.likelihood * largest)
            if smooth
            else x.new_full(own.forms.shape[:2], last if own is self.edges[-1] else 1.0)
            for own in self.edges
        ]
        self.floor = LEAST * self.likelihood * largest
        self.effective, self.expected, self.spent = math.inf, math.inf, 0.0
        self.used = 0.0
        self.finished = not self.edges
        for _ in range(SUITING if smooth and self.edges else 0):
            self.chosen_anew(now, self.penalties())
        self.finished = not self.edges

    def precision(self, left: float) -> float:
        """By how much the mean loss counts in the log-likelihood where the noise has left so much of it."""
        if self.loss.nats:
            return float(len(self.y))
        return self.y.numel() / (2 * max(left, torch.finfo(self.x.dtype).tiny))

    def curvature(self) -> Tensor:
        """The Gauss-Newton matrix of the mean loss: [P, P]."""
        return normal_equations(self.model, self.x, self.y, self.loss, weights=self.rows_weights)[1]

    def suiting(self, used: Tensor, own: Edges, largest: float) -> Tensor:
        """The weights of a layer, [2, edges], by the effective parameters that it has `used`."""
        entries = self.model.get_vector()[own.places]
        values = torch.einsum("em,femn,en->fe", entries, own.forms, entries)
        tiny = torch.finfo(values.dtype).tiny
        most = largest / own.forms.diagonal(dim1=2, dim2=3).amax(2)
        return (used.clamp(min=tiny) / values.clamp(min=tiny)).clamp(LEAST * most, MOST * most)

    @staticmethod
    def largest(matrix: Tensor) -> float:
        return float(matrix.diagonal().max())

    def penalties(self) -> Tensor:
        """The sum of all weighted forms, and a little for what neither rows nor penalties decide: [P, P]."""
        size = self.model.parameter_count()
        matrix = torch.zeros(size, size, dtype=self.x.dtype, device=self.x.device)
        for own, weights in zip(self.edges, self.weights, strict=True):
            matrix[own.places[:, :, None], own.places[:, None, :]] = (weights[..., None, None] * own.forms).sum(0)
        matrix.diagonal().add_(self.floor)
        return matrix

    def step(self, objective: Objective) -> tuple[float, float] | None:
        """Steps under the weights, and other weights; gives loss and price, None where they could not be computed."""
        penalties = self.penalties()
        optimizer = LevenbergMarquardt(
            self.model, self.x, self.y, cancelled=self.cancelled, weights=self.rows_weights,
            prior=penalties / self.likelihood,
        )  # fmt: skip
        before, self.spent = optimizer.value(objective).total, 0.0
        while optimizer.accepted < STEPS and not optimizer.finished and not self.cancelled():
            optimizer.step(objective)
            self.spent += optimizer.work()
            now = optimizer.reached.total if optimizer.reached else before
            if not now < (1 - GAIN) * before:
                break
            before = now
        found = self.chosen_anew(optimizer.value(objective).loss, penalties)
        self.used += self.work()
        self.finished |= self.used > MOST_WORK
        return found

    def chosen_anew(self, loss: float, penalties: Tensor) -> tuple[float, float] | None:
        """Other weights, for the network as it is; gives its loss and price."""
        curvature = self.likelihood * self.curvature()
        factor, failed = torch.linalg.cholesky_ex(curvature + penalties)
        if int(failed):
            self.finished = True
            return None
        covariance = torch.cholesky_inverse(factor)
        effective = float((covariance * curvature).sum())
        settled = abs(effective - self.effective) <= SETTLED * effective
        count = self.y.numel()
        left = max(count - effective, 1.0)
        price = effective / count if self.loss.nats else loss * ((count / left) ** 2 - 1)
        largest = self.largest(curvature)
        weights = []  # new ones: a state that was given keeps its own
        for own, before in zip(self.edges, self.weights, strict=True):
            blocks = covariance[own.places[:, :, None], own.places[:, None, :]]
            weights.append(self.suiting(own.ranks[:, None] - before * (blocks * own.forms).sum((2, 3)), own, largest))
        self.weights = weights
        self.likelihood, self.floor = self.precision(loss * count / left), LEAST * largest
        self.finished = settled and abs(loss + price - self.expected) <= SETTLED_LOSS * self.expected
        self.effective, self.expected = effective, loss + price
        return loss, price

    def work(self) -> float:
        """Units of work in the last step: its steps, one more curvature, and the inverse."""
        return self.spent + 4e-8 * extent(self.model, len(self.x)).products + 5e-8 * self.model.parameter_count() ** 3

    def state(self) -> dict[str, Any]:
        """What it remembers beside the network."""
        names = ("weights", "likelihood", "floor", "effective", "expected", "used", "finished")
        return {name: getattr(self, name) for name in names}

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave, for the same network and rows."""
        for name, value in state.items():
            setattr(self, name, value)
