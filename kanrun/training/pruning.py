"""Pruning a trained network: what goes is decided by what a brief refit without it costs."""

from __future__ import annotations

import torch

from kanrun.config.schema import PruneConfig
from kanrun.context import Context
from kanrun.data.dataset import Dataset, Rows, at_most
from kanrun.data.losses import Loss
from kanrun.model.network import KAN
from kanrun.model.pruning import prune_by_score, simplify
from kanrun.training.least_squares import levenberg_marquardt

MOST_PARAMETERS = 500  # beyond this a refit by least squares for every removal takes too long
MOST_ROWS = 20_000  # that pruning and the choice of functions look at; more would say the same more slowly
NEGLIGIBLE = 1e-4  # part of the loss' unit (the targets' variance, or a coin's entropy) that pruning may always cost
REFIT_STEPS = 15


def prune_and_refit(model: KAN, data: Dataset, config: PruneConfig, context: Context | None = None) -> KAN:
    """A smaller network: thresholds on the scores, then single removals, as far as the refitted loss allows.

    Thresholds that cost too much are halved. The loss is that of the validation rows where the data has some: a refit
    by which they lose is undone. It goes no further when the budget of `context` is over.
    """
    context = context or Context()
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y
    judges = data.validation or data.train

    def refit(network: KAN) -> float:
        network.fit_grids(x)
        if network.parameter_count() > MOST_PARAMETERS:
            return loss_on(network, judges, data.loss)
        kept, before = network.get_vector(), loss_on(network, judges, data.loss)
        after = levenberg_marquardt(network, x, y, data.loss, REFIT_STEPS).loss
        if data.validation is None:
            return after
        after = loss_on(network, judges, data.loss)
        if not after < before:
            network.set_vector(kept)
        return min(after, before)

    before = refit(model.clone())
    limit = max(config.tolerance * before, before + NEGLIGIBLE * data.loss.unit(y))
    pruned = model
    for halvings in range(6):
        pruned = prune_by_score(model, x, config.node_threshold / 2**halvings, config.edge_threshold / 2**halvings)
        if refit(pruned) <= limit:
            break
    else:
        pruned = model
    if pruned.parameter_count() <= MOST_PARAMETERS:
        pruned = simplify(pruned, x, refit, limit, over=context.over)
    return pruned


def loss_on(model: KAN, rows: Rows, loss: Loss) -> float:
    """The loss on these rows, without regularization."""
    with torch.no_grad():
        return float(loss.value(model(rows.x), rows.y))
