"""Reading a trained network: the same network with every edge a function of the library."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import CLASSIFICATION, Dataset, at_most, of_output
from kanrun.functions.builtin import Function
from kanrun.model.joining import alone, beside
from kanrun.model.network import KAN
from kanrun.model.pruning import prune_to_count
from kanrun.symbolic.search import Symbolic, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.symbolic.straight import straightened
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.pruning import MOST_PARAMETERS, MOST_ROWS, REFIT_STEPS

LOGITS = 3.0  # mean size of logits with which classes are still weighed against each other
FAR = 3.0  # times the size of logits in the middle row that a row counts with at most
SURE = 4.0  # the same for those of a formula: odds of about fifty to one
MODERATE = 1e-3  # pull on the coefficients of classes before their curves are read
MOST_READ, READ = 300, 50  # edges of a network that is read whole, and of what is read of larger ones
STRAIGHT = 0.4  # part of the work that a network of straight lines may take
SEPARATED = 1e-6  # loss of classes, as part of the targets' variance, below which nothing is left to tell apart


def temper(model: KAN, data: Dataset, most: float = LOGITS) -> None:
    """Scales the logits down, in place, to a mean size of `most` around the mean of each row.

    Where classes can be told apart their scale is free, and hardly a row has a say any more where it is large. A row
    beside a pole, which may be larger than all others together, has none about these.
    """
    with torch.no_grad():
        logits = model(data.train.x)
        sizes = (logits - logits.mean(1, keepdim=True)).abs().mean(1)
        size = float(sizes.clamp(max=FAR * sizes.median()).mean())
        if most < size < math.inf:
            factor = most / size
            ones = data.train.x.new_ones(model.n_out)
            model.rescale_outputs(factor * ones, 0 * ones)


def tempered(found: Symbolic, data: Dataset) -> Symbolic:
    """What was read, with logits of a moderate size: no row tells a larger one, whose constants would say nothing."""
    models = [model.clone() for model in (found.model, *found.front)]
    for model in models:
        temper(model, data, SURE)
    with torch.no_grad():
        rows = data.train
        loss = float(data.loss.weighted_value(models[0](rows.x), rows.y, rows.weights))
    return replace(found, model=models[0], loss=loss, front=models[1:])


def find_formula(model: KAN, data: Dataset, functions: list[Function], context: Context = UNLIMITED) -> Symbolic:
    """The network with every edge one of the `functions`.

    For values the search goes on down to rounding; classes are told apart long before. Of a network with more edges
    than anybody would read as a formula only the strongest are.
    """
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y
    if model.active_edges() > MOST_READ:
        model = prune_to_count(model, x, READ)
    if data.loss.logits and model.parameter_count() <= MOST_PARAMETERS:
        # Logits that grew without end bend the curves where hardly a row lies; moderate ones have simpler shapes.
        model = model.clone()
        temper(model, data)
        levenberg_marquardt(
            model, x, y, data.loss, 2 * REFIT_STEPS, MODERATE, context=context, weights=data.train.weights
        )
    if data.loss.least_squares and model.n_out > 1:
        return read_each_output(model, data, functions, context)
    variance = float(y.double().var(0, correction=0).mean())
    found = read(model, data, functions, (SEPARATED if data.task == CLASSIFICATION else EXACT) * variance, context)
    return tempered(found, data) if data.loss.logits else found


def read_each_output(model: KAN, data: Dataset, functions: list[Function], context: Context) -> Symbolic:
    """Every output read as a network of its own, in its share of the work, and all of them as one network."""
    found = []
    for j in range(model.n_out):
        own = replace(context, budget=context.budget.share(1 / (model.n_out - j)))
        found.append(find_formula(alone(model, j, data.train.x), of_output(data, j), functions, own))
    fronts = [each.front or [each.model] for each in found]
    longest = max(map(len, fronts))
    # The n-th from the end of every output together: there would be too many ways to combine them.
    front = [beside([front[max(0, len(front) - n)] for front in fronts]) for n in range(longest, 0, -1)]
    loss, bits = sum(each.loss for each in found) / len(found), sum(each.bits for each in found)
    return Symbolic(beside([each.model for each in found]), loss, bits, front)


def read(model: KAN, data: Dataset, functions: list[Function], enough: float, context: Context) -> Symbolic:
    """The shorter description of two: of the network with as many straight lines as it can have, and of it as it is."""
    x, y, weights = data.train.x, data.train.y, data.train.weights

    def found(network: KAN, own: Context) -> Symbolic:
        return symbolify(network, x, y, data.loss, functions, enough=enough, context=own, weights=weights)

    first = context.within(STRAIGHT)
    straight = straightened(model, x, y, data.loss, first, weights)
    if straight is model:
        return found(model, context)
    plain = found(straight, first)
    if plain.loss <= enough:
        return plain
    other = found(model, context)
    best, rest = (plain, other) if plain.bits <= other.bits else (other, plain)
    return replace(best, front=[*rest.front, *best.front])
