"""All relations of a contrastive dataset: what is found is set aside, and a new network trained on what is left."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from kanrun.context import Over, never
from kanrun.data.dataset import VALIDATION_PART, Dataset, Rows, hold_back, in_all_parts
from kanrun.data.scores import scores
from kanrun.functions.builtin import Function
from kanrun.model.network import KAN
from kanrun.relations.relation import Tie, inputs_aside, real_rows, related_inputs, ties_within

log = logging.getLogger("kanrun")

FRUITLESS = 5  # networks that must find nothing before the search ends
BEYOND_CHANCE = 4.0  # standard errors of a coin's accuracy on the validation rows


@dataclass(frozen=True)
class Round:
    """One more network: the inputs set aside before, its accuracy on validation rows, what it needs, what it found."""

    set_aside: list[str]
    accuracy: float
    beyond: float  # accuracy that chance does not reach
    found: list[list[str]]


def all_relations(
    data: Dataset,
    ties: list[Tie],
    functions: list[Function],
    train_again: Callable[[Dataset, int], KAN],
    seed: int,
    over: Over = never,
) -> tuple[list[Tie], list[Round]]:
    """All that ties the inputs, beginning with the `ties` already found, and the rounds that it took.

    Each round shuffles, in the real rows too, one input of everything found, so that this tells real rows from shuffled
    ones no longer, and `train_again` trains a new network. It ends when FRUITLESS networks in a row do no better on
    validation rows than chance, or find nothing new, or when it is `over`.
    """
    found, rounds, failed = list(ties), list[Round](), 0
    names = data.inputs
    while failed < FRUITLESS and len(rounds) < FRUITLESS * len(names) and not over():
        aside = inputs_aside(data, found)
        if len(names) - len(aside) < 2:
            break
        rest = with_shuffled(data, aside, seed + len(rounds))
        rest = rest if rest.validation else hold_back(rest, VALIDATION_PART, seed)
        accuracy, beyond, new = one_round(data, rest, found, functions, train_again(rest, len(rounds) + 1))
        rounds.append(Round([names[i] for i in aside], accuracy, beyond, [[names[i] for i in t.inputs] for t in new]))
        log.info("relations: %s", rounds[-1])
        found += new
        failed = 0 if new else failed + 1
    return found, rounds


def one_round(
    data: Dataset, rest: Dataset, found: list[Tie], functions: list[Function], model: KAN
) -> tuple[float, float, list[Tie]]:
    """The network's accuracy on the validation rows, what chance does not reach there, and what it found."""
    held = rest.validation
    assert held is not None
    with torch.no_grad():
        accuracy = float(scores(rest, model(held.x).cpu(), held.y.cpu())["accuracy"] or 0.0)
    beyond = 0.5 + BEYOND_CHANCE * 0.5 / math.sqrt(len(held.x))
    new: list[Tie] = []
    if accuracy > beyond:
        # Inputs that a good network needs, but whose edges show no groups, are looked at as one.
        for group in related_inputs(model, real_rows(rest)) or [model.active_inputs()]:
            new += ties_within(data, group, functions, [*found, *new])
    return accuracy, beyond, new


def with_shuffled(data: Dataset, aside: list[int], seed: int) -> Dataset:
    """The dataset with these inputs shuffled, each on its own, in the real rows too."""
    generator = torch.Generator().manual_seed(seed)

    def shuffled(rows: Rows) -> Rows:
        x, real = rows.x.clone(), (rows.y[:, 0] > 0.5).nonzero().flatten()
        for i in aside:
            x[real, i] = x[real[torch.randperm(len(real), generator=generator).to(real.device)], i]
        return replace(rows, x=x)

    return in_all_parts(data, shuffled)
