"""scikit-learn's own checks, with little training and no reading; benchmarks/estimator_checks.py has all of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from kanrun.estimators import FormulaRegressor, KANClassifier, KANRegressor

LITTLE: dict[str, Any] = {"grid": 2, "k": 2, "steps": 3, "prune": False, "formula": False}
ESTIMATORS = [KANRegressor(**LITTLE), KANClassifier(**LITTLE), FormulaRegressor(work=20)]


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
