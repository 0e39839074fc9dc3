"""Predictions of formulas and networks: values, the errors that follow from those of the constants, classes, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kanrun.errors import ConfigError
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.model.protocol import Network, without_gradient
from kanrun.predictions.inputs import Array, Input, beyond
from kanrun.symbolic.constants import MOST
from kanrun.symbolic.uncertainty import errors_of_values
from kanrun.symbolic.values import OWN_LENGTH


@dataclass(frozen=True)
class Predictions:
    """`values` [rows, outputs]: of the outputs themselves, or logits of classes.

    `errors` has for every output the standard errors [rows] of its values, or None where they are not known. `beyond`
    [rows, inputs] says which inputs lie outside the range of the training rows, or are texts that these had not.
    `heads` are those of the outputs and of their errors in a table; `notes` is what there is to say of the rows.
    """

    outputs: list[str]
    values: Array
    errors: list[Array | None]
    beyond: Array
    classes: bool = False
    heads: list[tuple[str, str]] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The class of each row; empty where it has no value."""
        names = [name.removeprefix("logit_") for name in self.outputs]
        known = np.array(np.isfinite(self.values).all(axis=1))
        best = np.where(known, np.nan_to_num(self.values).argmax(1), 0)
        return [names[k] if fine else "" for k, fine in zip(best.tolist(), known.tolist(), strict=True)]

    @property
    def probabilities(self) -> Array:
        """That of the predicted class: [rows]."""
        odds = np.exp(self.values - self.values.max(1, keepdims=True))
        chances: Array = odds.max(1) / odds.sum(1)
        return chances


def of_formulas(
    entries: Sequence[Mapping[str, Any]], x: Array, inputs: Sequence[Input], classes: bool = False
) -> Predictions:
    """What formulas, entries of formula.json, give at rows `x` [rows, inputs], by their texts.

    Raises ConfigError for a text that is no formula over the inputs.
    """
    names = [one.identifier for one in inputs]
    columns = {name: x[:, i] for i, name in enumerate(names)}
    values, errors = [], []
    for entry in entries:
        expression = parse_formula(entry["expression"], names, entry["output"], OWN_LENGTH)
        values.append(evaluate(expression, columns))
        errors.append(None if classes else errors_at(entry, expression, columns))
    outputs = [str(entry["output"]) for entry in entries]
    return Predictions(outputs, np.stack(values, axis=1), errors, beyond(x, inputs), classes)


def errors_at(entry: Mapping[str, Any], expression: Any, columns: Mapping[str, Array]) -> Array | None:
    """Standard errors of the values of one formula, [rows]; None where its covariance is not known."""
    covariance = entry.get("covariance")
    if not isinstance(covariance, list) or not 0 < len(covariance) <= MOST:
        return None
    try:
        return errors_of_values(expression, columns, covariance, entry.get("undetermined") or [])
    except (TypeError, ValueError):
        problem = "its covariance does not fit its constants; formula.json has been changed"
        raise ConfigError(f"{entry['output']}: {problem}") from None


def of_network(
    network: Network, outputs: Sequence[str], x: Array, inputs: Sequence[Input], classes: bool = False
) -> Predictions:
    """What a network gives at rows `x` [rows, inputs], whose errors are not known."""
    values = without_gradient(network)(torch.as_tensor(x)).double().cpu().numpy()
    return Predictions([*outputs], values, [None] * values.shape[1], beyond(x, inputs), classes)
