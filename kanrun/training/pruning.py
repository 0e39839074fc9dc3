"""Pruning a trained network: what contributes little goes, as far as the loss of a brief refit allows."""

from __future__ import annotations

import torch

from kanrun.config.schema import PruneConfig
from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import Dataset, Rows, at_most
from kanrun.data.losses import Loss
from kanrun.model.network import KAN
from kanrun.model.pruning import prune_by_score, simplify
from kanrun.training.least_squares import levenberg_marquardt

MOST_PARAMETERS = 500  # beyond this a refit by least squares for every removal takes too long
MOST_ROWS = 20_000  # that pruning and the choice of functions look at; more would say the same more slowly
NEGLIGIBLE = 1e-4  # part of the loss' unit (the targets' variance, or a coin's entropy) that pruning may always cost
REFIT_STEPS = 15
HALVINGS = 6  # of thresholds that cost too much
REMOVED, LOOKED_AT = 1.5, 3e-3  # units of work, a layer and a row, of what leads to a refit
USUAL = PruneConfig()


def prune_and_refit(model: KAN, data: Dataset, config: PruneConfig = USUAL, context: Context = UNLIMITED) -> KAN:
    """A smaller network: thresholds on the scores, then single removals, as far as the refitted loss allows.

    Thresholds that cost too much are halved. The loss is that of the validation rows where the data has some: a refit
    by which they lose is undone. It goes no further when the budget is used up.
    """
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y

    def refit(network: KAN) -> float:
        return refitted(network, data, context)

    before = refit(model.clone())
    limit = max(config.tolerance * before, before + NEGLIGIBLE * data.loss.unit(y))
    pruned = model
    for halvings in range(HALVINGS):
        pruned = prune_by_score(model, x, config.node_threshold / 2**halvings, config.edge_threshold / 2**halvings)
        if refit(pruned) <= limit:
            break
    else:
        pruned = model
    if pruned.parameter_count() <= MOST_PARAMETERS:
        pruned = simplify(pruned, x, refit, limit, over=context.over)
    return pruned


def refitted(model: KAN, data: Dataset, context: Context) -> float:
    """The loss of the network on the rows that judge it, after it was trained briefly, in place."""

    def trained() -> tuple[KAN, float]:
        context.spend(REMOVED * len(model.layers) + LOOKED_AT * len(data.train.x))
        return model, refit(model, data, context)

    result, loss = context.once(trained)
    if result is not model:
        model.become(result)
    return loss


def refit(model: KAN, data: Dataset, context: Context) -> float:
    """Trains a network briefly in place, unless it is large; gives the loss on the rows that judge it."""
    x, y, judges = data.train.x, data.train.y, data.validation or data.train
    model.fit_grids(x)
    if model.parameter_count() > MOST_PARAMETERS:
        return loss_on(model, judges, data.loss)
    kept, before = model.get_vector(), loss_on(model, judges, data.loss)
    after = levenberg_marquardt(model, x, y, data.loss, REFIT_STEPS, context=context).loss
    if data.validation is None:
        return after
    after = loss_on(model, judges, data.loss)
    if not after < before:
        model.set_vector(kept)
    return min(after, before)


def loss_on(model: KAN, rows: Rows, loss: Loss) -> float:
    """The loss on these rows, without regularization."""
    with torch.no_grad():
        return float(loss.value(model(rows.x), rows.y))
