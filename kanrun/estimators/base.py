"""What the estimators share: a fit of kanrun, what is told of it, and the outputs at other rows."""

# ruff: noqa: N803 - scikit-learn's name for rows

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from kanrun.errors import ConfigError
from kanrun.estimators.names import shown, symbols
from kanrun.estimators.rows import Array
from kanrun.functions.parser import parse_formula
from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from kanrun.pipeline.fit import FitResult, fit
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.values import OWN_LENGTH, evaluate_all

# settings of kanrun by the parameters that they stand for
PARAMETERS = {
    "model.width": "width", "model.grid": "grid", "model.k": "k", "regularization.lamb": "lamb",
    "optimizer.steps": "steps", "optimizer.refit_steps": "steps", "prune.enabled": "prune",
    "symbolic.enabled": "formula", "search.seconds": "seconds", "search.work": "work",
}  # fmt: skip


def fitted(x: Array, y: Array, config: Mapping[str, Any], units: Mapping[str, str] | None = None) -> FitResult:
    """kanrun.fit on all rows; its scores are those of these same rows. Raises ValueError for wrong parameters.

    Without test rows the scores would be cross-validated, which scikit-learn does itself.
    """
    try:
        return fit(x, y, config, test=(x, y), names=symbols(x.shape[1]), units=units)
    except ConfigError as error:
        complaints: dict[str, str] = {}
        for problem in error.problems:
            key, _, rest = problem.partition("=")
            complaints.setdefault(PARAMETERS.get(key, key), rest)
        raise ValueError("\n".join(f"{key}={rest}" if rest else key for key, rest in complaints.items())) from error


def plain(value: Any) -> Any:
    """A parameter as kanrun takes it: NumPy's numbers and arrays, and tuples, as Python's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


class FitEstimator(BaseEstimator):  # type: ignore[misc]
    """The part of an estimator that holds a FitResult."""

    def _keep(self, result: FitResult) -> list[Formula]:
        """Keeps what came of a fit; gives the formulas, one an output."""
        formulas, network = result.formulas, result.network
        self.result_ = result
        self.n_iter_ = max(1, len(result.state.history))
        assert isinstance(network, KAN)
        scores = attribution(network, result.problem.data.train.x).inputs.detach().nan_to_num(0.0, 0.0, 0.0)
        self.feature_importances_ = (scores / scores.sum() if scores.sum() > 0 else scores).double().numpy()
        names = symbols(self.n_features_in_)
        self._expressions = [parse_formula(f.expression, names, "expression", OWN_LENGTH) for f in formulas]
        return formulas

    def _named(self, text: str) -> str:
        """A formula with the names of the user's columns."""
        names = getattr(self, "feature_names_in_", None)
        return shown(text, names if names is None else names.tolist())

    def _front(self, formula: Formula) -> list[dict[str, Any]]:
        """The front of one output as plain entries, simplest first."""
        return [
            {
                "complexity": point.complexity, "error": point.error, "formula": self._named(point.rounded),
                "expression": self._named(point.expression), "chosen": point.chosen,
            }
            for point in formula.front
        ]  # fmt: skip

    def _outputs(self, X: Any) -> Array:
        """Values at rows [rows, inputs]: [rows, outputs], those of the formulas where there are any.

        Rows on which a formula has no value get those of the last network before it.
        """
        check_is_fitted(self)
        x = torch.tensor(validate_data(self, X, reset=False, dtype=np.float64))
        if not self._expressions:
            return values_of(self.result_, x)
        values: Array = evaluate_all(self._expressions, x, symbols(self.n_features_in_)).numpy()
        lost = ~np.isfinite(values).all(axis=1)
        if lost.any():
            values[lost] = values_of(self.result_, x[torch.tensor(lost)])
        return values


def training_loss(result: FitResult) -> float:
    """The loss that a fit ends with on its rows; infinite where it has no value on some."""
    loss = result.metrics["stages"][-1]["train"][result.problem.data.loss.name]
    return math.inf if loss is None or math.isnan(loss) else float(loss)


def values_of(result: FitResult, x: torch.Tensor) -> Array:
    """Outputs of the last network of splines at the rows `x`: [rows, outputs].

    Inputs beyond those of the training rows count as the nearest one there: a few rows at the border tell splines a
    value, but hardly a slope to go on with.
    """
    network = [network for stage, network in result.state.networks.items() if stage != "symbolic"][-1]
    rows = result.problem.data.train.x
    with torch.no_grad():
        return network(x.clamp(rows.amin(0), rows.amax(0))).numpy()
