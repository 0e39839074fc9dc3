"""Widths of a network for which none is named: as simple as the rows allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from kanrun.estimators.base import fitted
from kanrun.estimators.rows import Array, distinct

MOST_HIDDEN = 5
MOST_ROWS = 2000  # that are looked at
HELD = 4  # one of so many of them judges
CLEARLY = 2.0  # standard errors by which a hidden layer has to be better


def suitable_widths(x: Array, y: Array, config: Mapping[str, Any]) -> list[list[int]]:
    """Widths of networks of which the best is to be kept, for sorted rows `x` [rows, inputs].

    `y` has class numbers [rows], or values [rows] or [rows, outputs]. They are [inputs, outputs], a sum of functions of
    one input each, and, only where it is better, [inputs, hidden, outputs]: by twice the standard error of the
    difference in loss of rows that neither network was trained on. Where nothing is to be read the sum is then left
    out. Other settings are those of `config`.
    """
    x, y = distinct(x, y)
    classes = y.dtype.kind == "i"
    n_in, n_out = x.shape[1], int(y.max()) + 1 if classes else y.reshape(len(y), -1).shape[1]
    order = np.random.default_rng(config["seed"]).permutation(len(x))[:MOST_ROWS]
    held, kept = np.sort(order[::HELD]), np.sort(np.delete(order, np.s_[::HELD]))
    hidden = hidden_nodes(n_in, n_out, len(order) * (1 if classes else n_out), config["model"])
    if hidden == 0 or (classes and len(np.unique(y[kept])) < n_out):
        return [[n_in, n_out]]
    flat, layered = [n_in, n_out], [n_in, hidden, n_out]
    trained = {**config, "prune": {"enabled": False}, "symbolic": {"enabled": False}}
    rivals = [
        outputs_of(x, y, kept, held, {**trained, "model": {**config["model"], "width": width}})
        for width in (flat, layered)
    ]
    constant, one, other = (errors(outputs, y[kept], y[held]) for outputs in (None, *rivals))
    if not (clearly_less(other, one) and clearly_less(other, constant)):
        return [flat]
    return [layered, flat] if config["symbolic"]["enabled"] else [layered]


def hidden_nodes(n_in: int, n_out: int, targets: int, model: Mapping[str, Any]) -> int:
    """Nodes of a hidden layer, up to 5, whose edges have no more parameters than there are targets."""
    if not all(isinstance(model[key], int) for key in ("grid", "k")):  # which is complained of in the fit
        return 0
    parameters = model["grid"] + model["k"] + 1  # of an edge
    return min(MOST_HIDDEN, targets // ((n_in + n_out) * parameters)) if parameters > 0 else 0


def outputs_of(x: Array, y: Array, kept: Array, held: Array, config: Mapping[str, Any]) -> Array:
    """Outputs at the rows `held` [held, outputs] of a network trained on those `kept`."""
    with torch.no_grad():
        return fitted(x[kept], y[kept], config).network(torch.tensor(x[held])).numpy()


def errors(outputs: Array | None, known: Array, wanted: Array) -> Array:
    """How far `outputs` are from what was `wanted`, row by row: [rows]; without outputs those of the best constant.

    Values are judged by absolute errors in spreads of those `known`, logits by squared errors of the probabilities
    (Brier 1950): a network that is wild at a few rows is no less of use at the others.
    """
    if known.dtype.kind == "i":
        shares = np.bincount(known) / len(known)
        return ((np.eye(len(shares))[wanted] - (shares if outputs is None else softmax(outputs, axis=1))) ** 2).sum(1)
    known, wanted = known.reshape(len(known), -1), wanted.reshape(len(wanted), -1)
    spread = known.std(axis=0)
    return (
        np.abs(wanted - (known.mean(axis=0) if outputs is None else outputs)) / np.where(spread > 0, spread, 1)
    ).mean(1)


def clearly_less(one: Array, other: Array) -> bool:
    """Whether errors [rows] are less than others of the same rows, by more than they differ by chance."""
    gain = other - one
    return bool(gain.mean() > CLEARLY * gain.std(ddof=1) / np.sqrt(len(gain)))
