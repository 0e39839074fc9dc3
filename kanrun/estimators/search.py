"""The search for a formula as a regressor of scikit-learn."""

# ruff: noqa: N803 - scikit-learn's name for rows

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from kanrun.data.table.names import column_asked, name_of
from kanrun.data.units import check_unit
from kanrun.errors import ConfigError, wrong
from kanrun.estimators.base import FitEstimator, fitted, plain
from kanrun.estimators.names import symbols
from kanrun.estimators.network import weights_of
from kanrun.estimators.rows import Array, seed_of, weighted_rows


class FormulaRegressor(RegressorMixin, FitEstimator):  # type: ignore[misc]
    """A search for the formula of one target: structures and constants, with no network to choose.

    Parameters: `seconds`, time for it. `work`, units of work instead, about a thousandth of a second each: the same
    rows and parameters then give the same formula on any machine. `units`, a mapping of column names to units, or
    None: where two formulas explain as much the one that adds up is chosen, and constants have units
    (`result_.formulas[0].constants`). Columns go by their names, with or without a unit in brackets, which counts too,
    or are x_1, x_2, ...; the target by its own name, where it has one, or as y. `random_state`: a whole number, None or
    a RandomState.

    A search ends before its budget is used up where a formula is exact, or where it leaves what looks like noise. After
    `fit` there is what KANRegressor has; `n_iter_` is the number of structures tried, and `predict` evaluates the
    formula.
    """

    def __init__(
        self, seconds: float = 30, work: float | None = None, units: Mapping[str, str] | None = None,
        random_state: Any = 0,
    ) -> None:  # fmt: skip
        self.seconds = seconds
        self.work = work
        self.units = units
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Searches the formula of `y` [rows] over the columns of `X` [rows, inputs].

        `sample_weight` [rows]: a weight of 0 removes a row, whole numbers repeat it. Raises ValueError for rows and
        parameters that cannot be used.
        """
        target = getattr(y, "name", None)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        columns = getattr(self, "feature_names_in_", symbols(X.shape[1]))
        units = units_within(self.units, list(columns), target if isinstance(target, str) else "y")
        x, values = weighted_rows(X, y.astype(np.float64), weights_of(sample_weight, X))
        config = {"search": budget(plain(self.seconds), plain(self.work)), "seed": seed_of(self.random_state)}
        formulas = self._keep(fitted(x, values, config, units))
        self.n_iter_ = max(1, self.result_.metrics["search"]["structures"])
        self.front_ = self._front(formulas[0]) if formulas else []
        self.formula_ = self._named(formulas[0].rounded) if formulas else None
        return self

    def predict(self, X: Any) -> Array:
        """Values of the formula at rows [rows, inputs]: [rows]."""
        return self._outputs(X)[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.work is None  # what a search finds in so many seconds depends on the machine
        return tags


def budget(seconds: Any, work: Any) -> dict[str, Any]:
    """The settings of the search. Raises ValueError where it would have no time."""
    if work is None and isinstance(seconds, (int, float)) and seconds <= 0:
        raise ValueError(wrong("seconds", seconds, "more than 0 is needed, or units of work"))
    return {"work": work} if work is not None else {"seconds": seconds}


def units_within(units: Any, columns: list[str], target: str) -> dict[str, str]:
    """The units of x_1, x_2, ... and y, from those of the user's names and of these names themselves; none for None.

    Raises ValueError for what is no mapping of column names to units, and for columns and units that are not known.
    """
    if units is None:
        return {}
    if not isinstance(units, Mapping) or not all(isinstance(v, str) for pair in units.items() for v in pair):
        raise ValueError(wrong("units", units, "a mapping of column names to texts is needed, e.g. {'E': 'eV'}"))
    names, within = [name_of(column) for column in [*columns, target]], [*symbols(len(columns)), "y"]
    found = {own: name.unit for own, name in zip(within, names, strict=True) if name.unit}
    try:
        for name, unit in units.items():
            other = "y" if name == "y" and "y" not in columns else None  # however the target is called
            check_unit(f"units.{name}", unit)
            found[other or within[column_asked(name, names, "units")]] = unit
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return found
