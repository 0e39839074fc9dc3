"""Kolmogorov-Arnold networks that end in formulas, as a regressor and a classifier of scikit-learn."""

# ruff: noqa: N803 - scikit-learn's name for rows

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from kanrun.estimators.base import FitEstimator, fitted, plain, training_loss
from kanrun.estimators.rows import Array, seed_of, weighted_rows
from kanrun.estimators.width import suitable_widths
from kanrun.symbolic.formula import Formula

READING_OF_ROW, READING_OF_EDGE, MOST_READING = 15.0, 20.0, 15_000.0  # units of work


class KANEstimator(FitEstimator):
    """What the regressor and the classifier share: the parameters of the network and of its training."""

    def __init__(
        self, width: Any = None, grid: int = 5, k: int = 3, lamb: float = 0.0, steps: int | None = None,
        prune: bool = True, formula: bool = True, random_state: Any = 0,
    ) -> None:  # fmt: skip
        self.width = width
        self.grid = grid
        self.k = k
        self.lamb = lamb
        self.steps = steps
        self.prune = prune
        self.formula = formula
        self.random_state = random_state

    def _trained(self, x: Array, y: Array, weights: Array | None) -> list[Formula]:
        """Trains the network that was asked for, or what suits the rows: that is, of several the best on them.

        The formula of a network with a hidden layer can be far worse than the network itself, and worse than that of a
        sum.
        """
        x, y = weighted_rows(x, y, weights)
        steps = {} if self.steps is None else {"steps": plain(self.steps), "refit_steps": plain(self.steps)}
        config: dict[str, Any] = {
            "model": {"grid": plain(self.grid), "k": plain(self.k)},
            "optimizer": steps, "regularization": {"lamb": plain(self.lamb)}, "prune": {"enabled": plain(self.prune)},
            "symbolic": {"enabled": plain(self.formula)}, "seed": seed_of(self.random_state),
        }  # fmt: skip
        if self.width is not None:
            config["model"]["width"] = plain(self.width)
            return self._keep(fitted(x, y, config))
        results = []
        for width in suitable_widths(x, y, config):
            symbolic = {**config["symbolic"], "work": reading_work(len(x), width)}
            results.append(fitted(x, y, {**config, "model": {**config["model"], "width": width}, "symbolic": symbolic}))
        return self._keep(min(results, key=training_loss))


class KANRegressor(RegressorMixin, KANEstimator):  # type: ignore[misc]
    """A network of splines for one or several targets, pruned and read as formulas.

    Parameters: `width`, nodes of each layer, inputs first, e.g. [2, 5, 1]; None chooses between a sum of functions of
    one input each and a network with a hidden layer (estimators.width). `grid`, `k`: intervals and order of the
    splines. `lamb`: strength of the regularization. `steps`: training steps, and as many after pruning; None: what the
    optimizer takes. `prune`: whether to remove what contributes little. `formula`: whether to read a formula, which
    then is what `predict` evaluates; without it `predict` is the network, which goes on level beyond the training rows.
    `random_state`: a whole number, None or a RandomState.

    After `fit`: `formula_`, text with constants to four digits, a list of texts for targets [rows, outputs], None
    without a formula. `front_`, the simpler and more exact formulas (a list for each output where these are several):
    `complexity`, `error` (mean squared error of the training rows), `formula`, `expression` (at full precision) and
    whether it is the `chosen` one. `feature_importances_` [inputs], attribution scores of the network with a sum of 1.
    `result_`, the FitResult, over x_1, x_2, ...; what it calls test rows are the training rows again. `n_iter_`,
    training steps. `n_features_in_`, and `feature_names_in_` where columns have names: those that are no identifiers
    stand in backquotes in formulas.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains on rows `X` [rows, inputs] and `y` [rows] or [rows, outputs].

        `sample_weight` [rows]: a weight of 0 removes a row, whole numbers repeat it. Raises ValueError for rows and
        parameters that cannot be used.
        """
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )  # fmt: skip
        y = y.astype(np.float64)
        formulas = self._trained(X, y, weights_of(sample_weight, X))
        self._is_flat = y.ndim == 1
        fronts, texts = [self._front(f) for f in formulas], [self._named(f.rounded) for f in formulas]
        self.front_ = (fronts or [[]])[0] if self._is_flat else fronts
        self.formula_ = None if not texts else texts[0] if self._is_flat else texts
        return self

    def predict(self, X: Any) -> Array:
        """Values at rows [rows, inputs], [rows] or [rows, outputs] as the targets were.

        Those of the formula, if one was asked for; of the network on rows where the formula has no value.
        """
        values = self._outputs(X)
        return values[:, 0] if self._is_flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class KANClassifier(ClassifierMixin, KANEstimator):  # type: ignore[misc]
    """A network of splines with a logit for each class, pruned and read as formulas.

    Parameters and what there is after `fit` are those of KANRegressor, but `formula_` and `front_` have an entry for
    each class: {class: formula of its logit}. The class with the largest logit is predicted; `error` is the cross
    entropy of the training rows. `classes_` are the classes in order.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains on rows `X` [rows, inputs] and classes `y` [rows].

        `sample_weight` [rows]: a weight of 0 removes a row, whole numbers repeat it. Raises ValueError for rows and
        parameters that cannot be used, and for less than two classes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        y, weights = column_or_1d(y, warn=True), weights_of(sample_weight, X)
        kept = slice(None) if weights is None or not (weights > 0).any() else weights > 0
        self.classes_, labels = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs two classes or more, but the rows have 1 class")
        formulas = self._trained(X[kept], labels, None if weights is None else weights[kept])
        names = self.classes_.tolist()
        self.formula_ = {c: self._named(f.rounded) for c, f in zip(names, formulas, strict=True)} if formulas else None
        self.front_ = {c: self._front(f) for c, f in zip(names, formulas, strict=False)}
        return self

    def decision_function(self, X: Any) -> Array:
        """Logits [rows, classes]; of two classes that of the second less that of the first, [rows]."""
        logits = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X: Any) -> Array:
        """The class with the largest logit: [rows]."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, softmax of the logits: [rows, classes]."""
        return softmax(self._outputs(X), axis=1)

    def predict_log_proba(self, X: Any) -> Array:
        """Its logarithm: [rows, classes]."""
        return log_softmax(self._outputs(X), axis=1)


def reading_work(rows: int, width: list[int]) -> float:
    """Units of work for reading a network: few rows cannot tell apart what a longer reading would find."""
    edges = sum(before * behind for before, behind in pairwise(width))
    return min(MOST_READING, READING_OF_ROW * rows + READING_OF_EDGE * edges)


def weights_of(given: Any, x: Array) -> Array | None:
    """The weights as an array [rows]. Raises ValueError for those that are none."""
    return None if given is None else _check_sample_weight(given, x, dtype=np.float64, ensure_non_negative=True)
