"""The width of a network for which none is named: as simple as the rows allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from kanrun.estimators.base import fitted
from kanrun.estimators.rows import Array, distinct

MOST_HIDDEN = 5
HELD = 4  # one row of so many judges
MOST_ROWS = 2000  # that are looked at
CLEARLY = 2.0  # standard errors by which a hidden layer has to be better


def chosen_width(x: Array, y: Array, config: Mapping[str, Any]) -> list[int]:
    """[inputs, outputs], a sum of functions of one input each, or [inputs, hidden, outputs] where that is better.

    `y` has class numbers [rows], or values [rows] or [rows, outputs]. Better means by the loss of rows that neither
    network was trained on, by twice the standard error of the difference. The hidden layer has up to 5 nodes, as long
    as there are as many targets as parameters. Other settings are those of `config`.
    """
    classes = y.dtype.kind == "i"
    n_in, n_out = x.shape[1], int(y.max()) + 1 if classes else y.reshape(len(y), -1).shape[1]
    flat = [n_in, n_out]
    x, y = distinct(x, y)
    model = config["model"]
    edge = model["grid"] + model["k"] + 1 if all(isinstance(model[key], int) for key in ("grid", "k")) else 0
    targets = len(x) * (1 if classes else n_out)
    hidden = min(MOST_HIDDEN, targets // ((n_in + n_out) * edge)) if edge > 0 else 0
    order = np.random.default_rng(config["seed"]).permutation(len(x))[:MOST_ROWS]
    held, kept = np.sort(order[::HELD]), np.sort(np.delete(order, np.s_[::HELD]))
    if hidden == 0 or (classes and len(np.unique(y[kept])) < n_out):
        return flat
    layered = [n_in, hidden, n_out]
    only_trained = {**config, "prune": {"enabled": False}, "symbolic": {"enabled": False}}
    one, other = (
        losses(x, y, kept, held, {**only_trained, "model": {**model, "width": width}}) for width in (flat, layered)
    )
    gain = one - other
    return layered if gain.mean() > CLEARLY * gain.std() / np.sqrt(len(gain)) else flat


def losses(x: Array, y: Array, kept: Array, held: Array, config: Mapping[str, Any]) -> Array:
    """The loss of each of the rows `held`, [held], of a network trained on those `kept`."""
    result = fitted(x[kept], y[kept], config)
    values = y[held] if y.dtype.kind == "i" else y[held].reshape(len(held), -1)
    loss = result.problem.data.loss
    with torch.no_grad():
        outputs = result.network(torch.tensor(x[held]))
    return np.array([float(loss.value(o[None], t[None])) for o, t in zip(outputs, torch.tensor(values), strict=True)])
