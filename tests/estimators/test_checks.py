"""scikit-learn's own checks, with little training and no reading; benchmarks/estimator_checks.py has all of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from kanrun.estimators import FormulaRegressor, KANClassifier, KANRegressor, search, width

LITTLE: dict[str, Any] = {"grid": 2, "k": 2, "steps": 1, "prune": False, "formula": False}
ESTIMATORS = [KANRegressor(**LITTLE), KANClassifier(**LITTLE), FormulaRegressor(work=1)]

# These search rows of ten inputs and more, whose table of terms takes a second: the benchmark has them.
WIDE = {
    "check_regressors_train", "check_regressors_int", "check_regressor_data_not_an_array", "check_estimators_dtypes",
    "check_dtype_object", "check_sample_weight_equivalence_on_dense_data",
}  # fmt: skip

# These look at what all estimators inherit, and a search takes longer than a short training: the benchmark has them.
INHERITED = {
    "check_pipeline_consistency", "check_estimators_pickle", "check_f_contiguous_array_estimator",
    "check_readonly_memmap_input", "check_estimators_overwrite_params", "check_dont_overwrite_attributes",
    "check_dict_unchanged", "check_methods_sample_order_invariance", "check_methods_subset_invariance",
    "check_fit_check_is_fitted", "check_sample_weights_list",
}  # fmt: skip


@pytest.fixture(autouse=True)
def little_to_choose_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which functions formulas are made of, and whether a hidden layer suits the rows, is no matter to the checks."""
    monkeypatch.setattr(width, "MOST_HIDDEN", 0)
    plain = search.fitted

    def fitted(x: Any, y: Any, config: dict[str, Any], units: Any) -> Any:
        return plain(x, y, {**config, "symbolic": {"library": ["x"]}}, units)

    monkeypatch.setattr(search, "fitted", fitted)


def all_checks() -> Iterator[Any]:
    """Every estimator with each of its checks."""
    for estimator in ESTIMATORS:
        for number, (one, check) in enumerate(estimator_checks_generator(estimator)):
            name = getattr(check, "func", check).__name__
            if not (isinstance(estimator, FormulaRegressor) and name in WIDE | INHERITED):
                yield pytest.param(one, check, id=f"{type(estimator).__name__}-{number}-{name}")


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), list(all_checks()))
def test_scikit_learn_takes_it_for_one_of_its_own(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
