"""Reading a trained network: the same network with every edge a function of the library."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from kanrun.context import UNLIMITED, Context
from kanrun.data.dataset import CLASSIFICATION, Dataset, at_most
from kanrun.functions.builtin import Function
from kanrun.model.network import KAN
from kanrun.symbolic.search import Symbolic, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.symbolic.straight import straightened
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.pruning import MOST_PARAMETERS, MOST_ROWS, REFIT_STEPS

LOGITS = 3.0  # mean size of logits with which classes are still weighed against each other
MODERATE = 1e-3  # pull on the coefficients of classes before their curves are read
STRAIGHT = 0.4  # part of the work that a network of straight lines may take
SEPARATED = 1e-6  # loss of classes, as part of the targets' variance, below which nothing is left to tell apart


def temper(model: KAN, data: Dataset) -> None:
    """Scales the logits down, in place, where they are so large that hardly a row has a say any more."""
    with torch.no_grad():
        factor = min(1.0, LOGITS / float(model(data.train.x).abs().mean()))
        if math.isfinite(factor):
            ones = data.train.x.new_ones(model.n_out)
            model.rescale_outputs(factor * ones, 0 * ones)


def find_formula(model: KAN, data: Dataset, functions: list[Function], context: Context = UNLIMITED) -> Symbolic:
    """The network with every edge one of the `functions`.

    For values the search goes on down to rounding; classes are told apart long before.
    """
    data = at_most(data, MOST_ROWS)
    x, y = data.train.x, data.train.y
    if data.loss.logits and model.parameter_count() <= MOST_PARAMETERS:
        # Logits that grew without end bend the curves where hardly a row lies; moderate ones have simpler shapes.
        model = model.clone()
        temper(model, data)
        levenberg_marquardt(model, x, y, data.loss, 2 * REFIT_STEPS, MODERATE, context=context)
    variance = float(y.double().var(0, correction=0).mean())
    return read(model, data, functions, (SEPARATED if data.task == CLASSIFICATION else EXACT) * variance, context)


def read(model: KAN, data: Dataset, functions: list[Function], enough: float, context: Context) -> Symbolic:
    """The shorter description of two: of the network with as many straight lines as it can have, and of it as it is."""
    x, y = data.train.x, data.train.y
    first = context.within(STRAIGHT)
    straight = straightened(model, x, y, data.loss, first)
    if straight is model:
        return symbolify(model, x, y, data.loss, functions, enough=enough, context=context)
    plain = symbolify(straight, x, y, data.loss, functions, enough=enough, context=first)
    if plain.loss <= enough:
        return plain
    other = symbolify(model, x, y, data.loss, functions, enough=enough, context=context)
    best, rest = (plain, other) if plain.bits <= other.bits else (other, plain)
    return replace(best, front=[*rest.front, *best.front])
