"""Pruning a trained network: what contributes little goes, as far as the loss of a brief refit allows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanrun.config.schema import PruneConfig
from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset, Rows, at_most, of_output
from kanrun.data.losses import Loss
from kanrun.data.products import FEW
from kanrun.model.joining import alone, beside
from kanrun.model.network import KAN
from kanrun.model.pruning import prune_by_score, simplify
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.objective import Objective
from kanrun.training.smoothing import Smoothing

MOST_PARAMETERS = 500  # beyond this a refit by least squares for every removal takes too long
MOST_ROWS = 20_000  # that pruning and the choice of functions look at; more would say the same more slowly
NEGLIGIBLE = 1e-4  # part of the loss' unit (the targets' variance, or a coin's entropy) that pruning may always cost
REFIT_STEPS = 15
SMOOTHING_STEPS = 5
MOST_WORK = 1500.0  # units for removals one by one from a network of many classes
HALVINGS = 6  # of thresholds that cost too much
REMOVED, LOOKED_AT = 1.5, 3e-3  # units of work, a layer and a row, of what leads to a refit
USUAL = PruneConfig()
TEMPERATURES = tuple(2.0 ** (-k / 2) for k in range(13))  # by which logits may be too large


def prune_each_output(
    model: KAN, data: Dataset, config: PruneConfig = USUAL, context: Context = UNLIMITED, smooth: bool = False
) -> KAN:
    """A smaller network in which every output has only what it needs itself.

    Where outputs share their nodes, none of them shows its own structure, and what one needs stays for all. The same as
    `prune_and_refit` where there is one output, or a loss that is not one of each.
    """
    data = at_most(data, MOST_ROWS)
    if not data.loss.least_squares or model.n_out == 1 or len(model.layers) == 1:
        return prune_and_refit(model, data, config, context, smooth)
    parts = [
        prune_and_refit(alone(model, j, data.train.x), of_output(data, j), config, context, smooth)
        for j in range(model.n_out)
    ]
    return beside(parts)


def prune_and_refit(
    model: KAN, data: Dataset, config: PruneConfig = USUAL, context: Context = UNLIMITED, smooth: bool = False
) -> KAN:
    """A smaller network: thresholds on the scores, then single removals, as far as the refitted loss allows.

    Thresholds that cost too much are halved. The loss is that of the validation rows where the data has some: a refit
    by which they lose is undone. Every output has a limit of its own. It goes no further when the budget is used up.
    """
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y
    before = refitted(model.clone(), data, context, smooth)
    units = data.loss.units(y, data.train.weights)
    count = len(y)
    tolerance = min(config.tolerance, 1 + math.log(count) / count) if smooth else config.tolerance
    limits = [max(tolerance * b, b + NEGLIGIBLE * unit) for b, unit in zip(before, units, strict=True)]

    def beyond(network: KAN) -> float:
        """How far the refitted network is above the limits, at most 0 where it keeps them all."""
        losses = refitted(network, data, context, smooth)
        return max(loss - limit for loss, limit in zip(losses, limits, strict=True))

    pruned = model
    for halvings in range(HALVINGS):
        pruned = prune_by_score(model, x, config.node_threshold / 2**halvings, config.edge_threshold / 2**halvings)
        if beyond(pruned) <= 0:
            break
    else:
        pruned = model
    if pruned.parameter_count() <= MOST_PARAMETERS:
        ends = has_many_classes(model, data.loss)
        allowed = context.budget.meter.work + MOST_WORK if ends else math.inf
        pruned = simplify(pruned, x, beyond, 0.0, over=lambda: context.over() or context.budget.meter.work > allowed)
    return pruned


def has_many_classes(model: KAN, loss: Loss) -> bool:
    """Whether a network tells so many classes that each of its steps takes long."""
    return loss.logits and model.n_out >= FEW


def refitted(model: KAN, data: Dataset, context: Context, smooth: bool = False) -> list[float]:
    """The losses of the network on the rows that judge it, after it was trained briefly, in place."""

    def trained() -> tuple[KAN, list[float]]:
        context.spend(REMOVED * len(model.layers) + LOOKED_AT * len(data.train.x))
        return model, (smoothed if smooth else refit)(model, data, context)

    result, losses = context.once(trained)
    if result is not model:
        model.become(result)
    return losses


def refit(model: KAN, data: Dataset, context: Context) -> list[float]:
    """Trains a network briefly in place, unless it is large; gives the losses on the rows that judge it."""
    x, y, judges = data.train.x, data.train.y, data.validation or data.train
    large = model.parameter_count() > MOST_PARAMETERS
    if not (large and has_many_classes(model, data.loss)):
        model.fit_grids(x)
    if large:
        return losses_on(model, judges, data.loss)
    kept, before = model.get_vector(), losses_on(model, judges, data.loss)
    whole = levenberg_marquardt(model, x, y, data.loss, REFIT_STEPS, context=context, weights=data.train.weights).loss
    if data.validation is None and len(before) == 1 and not data.loss.logits:
        return [whole]
    after = losses_on(model, judges, data.loss)
    if data.validation is not None and not sum(after) < sum(before):
        model.set_vector(kept)
        return before
    return after


def smoothed(model: KAN, data: Dataset, context: Context) -> list[float]:
    """The same under penalties on its edges, with the losses that generalized cross-validation expects."""
    x, y, loss = data.train.x, data.train.y, data.loss
    large = model.parameter_count() > MOST_PARAMETERS
    # Held against smaller ones that are trained, and so not by its loss alone.
    if large and has_many_classes(model, loss):
        return [Smoothing(model, x, y, loss, weights=data.train.weights, smooth=True).expected]
    model.fit_grids(x)
    if large:
        return losses_on(model, data.train, loss)
    optimizer = Smoothing(model, x, y, loss, weights=data.train.weights, smooth=True)
    total, vector = optimizer.expected, model.get_vector()
    for _ in range(SMOOTHING_STEPS):
        found = None if optimizer.finished else optimizer.step(Objective(loss))
        if found is None:
            break
        context.spend(optimizer.work())
        if sum(found) < total:
            total, vector = sum(found), model.get_vector()
    model.set_vector(vector)
    plain = losses_on(model, data.train, loss)
    if not loss.nats:
        mean = max(sum(plain) / len(plain), 1e-300)
        return [own * total / mean for own in plain]
    return [total]


def losses_on(model: KAN, rows: Rows, loss: Loss) -> list[float]:
    """The losses on these rows, without regularization, output by output where the loss has one of each.

    Those of logits are `at_best_scale`.
    """
    with torch.no_grad():
        return at_best_scale(model(rows.x), rows, loss)


def at_best_scale(outputs: Tensor, rows: Rows, loss: Loss) -> list[float]:
    """The losses of outputs on these rows, of logits at the scale that suits the rows best.

    That is temperature scaling (Guo et al. 2017, sec. 4.2): a network that is too sure of itself would make one that
    can tell less look as good.
    """
    scales = TEMPERATURES if loss.logits else (1.0,)
    losses = [loss.weighted_values(scale * outputs, rows.y, rows.weights).tolist() for scale in scales]
    best: list[float] = min(losses, key=sum)
    return best
