"""The search for a formula, as users of scikit-learn have it, and frames with names of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags

from kanrun.estimators import FormulaRegressor, KANClassifier, network, search
from kanrun.estimators.search import units_within
from tests.estimators.few_functions import choose_among_few


@pytest.fixture(autouse=True)
def few_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, network):
        choose_among_few(monkeypatch, module)


def rows(count: int = 80) -> Any:
    return np.random.default_rng(0).uniform(0.5, 2, (count, 2))


def test_a_law_is_found_and_holds_elsewhere() -> None:
    x = rows()
    model = FormulaRegressor(work=2000).fit(x, 3 * x[:, 0] / x[:, 1] ** 2)
    assert model.formula_ == "3*x_1/x_2**2"
    np.testing.assert_allclose(model.predict([[10.0, 20.0]]), [30 / 400])
    assert model.n_iter_ >= 1 and model.front_[-1]["chosen"]
    assert (model.feature_importances_ > 0.1).all()


def test_a_straight_line_is_found() -> None:
    x = rows()
    model = FormulaRegressor(work=500).fit(x, 2 * x[:, 0] + 1)
    assert model.formula_ == "2*x_1 + 1"
    np.testing.assert_allclose(model.feature_importances_, [1, 0], atol=1e-9)
    assert cross_val_score(model, x, 2 * x[:, 0] + 1, cv=2) == pytest.approx(1)


def test_the_default_is_a_time_that_an_exact_formula_does_not_use_up() -> None:
    x = rows(30)
    model = FormulaRegressor().fit(x, x[:, 0] * x[:, 1])
    assert model.formula_ == "x_1*x_2"
    assert model.result_.metrics["search"]["stopped"] == "exact"


def test_a_budget_of_work_gives_the_same_formula_again() -> None:
    x = rows(20)
    y = x[:, 0] + 0.3 * np.random.default_rng(1).normal(size=20)
    one, other = (FormulaRegressor(work=20).fit(x, y) for _ in range(2))
    assert one.formula_ == other.formula_
    np.testing.assert_array_equal(one.predict(x), other.predict(x))
    assert get_tags(FormulaRegressor()).non_deterministic and not get_tags(one).non_deterministic


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"units": "eV"}, "^units=eV: a mapping of column names to texts is needed"),
        ({"units": {"x": 1}}, "^units=.*: a mapping of column names to texts is needed"),
        ({"units": {"E": "eV"}}, "^units=E: no such column; there are x_1, x_2, y$"),
        ({"units": {"x_1": "kelvinn"}}, r"^units\.x_1=kelvinn: no unit that is known; did you mean kelvin\?$"),
        ({"seconds": 0}, "^seconds=0: more than 0 is needed, or units of work$"),
        ({"seconds": None}, "^seconds=null: a number is needed$"),
        ({"seconds": -1.5}, "^seconds=-1.5: more than 0"),
        ({"work": -1}, "^work=-1"),
        ({"work": "long"}, "^work=long: a number is needed$"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FormulaRegressor(**settings).fit(rows(20), np.ones(20))


def test_with_units_constants_have_theirs_and_formulas_are_asked_to_add_up() -> None:
    x = rows(30)
    y = 8.31446261815 * x[:, 0] * x[:, 1]
    given = {"x_1": "mol", "x_2": "K", "y": "J"}
    model = FormulaRegressor(work=500, units=given).fit(x, y)
    assert model.units is given
    [formula] = model.result_.formulas
    assert [(c.value, c.unit) for c in formula.constants] == [(pytest.approx(8.31446261815), "J/(mol K)")]
    assert model.result_.problem.data.units_matter == "prefer"
    assert not FormulaRegressor(work=500).fit(x, y).result_.problem.data.units


def test_units_go_by_names_with_or_without_those_in_the_header() -> None:
    assert units_within({"E": "J", "law": "m"}, ["E (eV)", "t (s)", "q"], "law") == {"x_1": "J", "x_2": "s", "y": "m"}
    assert units_within({"y": "m"}, ["a"], "law") == {"y": "m"}
    assert units_within({"y": "m", "z": "s"}, ["y"], "z") == {"x_1": "m", "y": "s"}
    assert units_within({}, ["a"], "b (kg)") == {"y": "kg"} and units_within(None, ["a (s)"], "b (kg)") == {}


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_give_formulas_the_names_of_their_columns(library: str) -> None:
    frames = pytest.importorskip(library)
    x = rows(50)
    columns = {"E (eV)": x[:, 0], "lambda": x[:, 1], "mass": x[:, 0] + x[:, 1] ** 2}
    frame = frames.table(columns) if library == "pyarrow" else frames.DataFrame(columns)
    y = columns["E (eV)"] * columns["lambda"]
    model = FormulaRegressor(work=1000).fit(frame, y, sample_weight=frame["mass"])
    assert model.formula_ == "`E (eV)`*`lambda`"
    assert model.feature_names_in_.tolist() == list(columns)
    np.testing.assert_allclose(model.predict(frame), y)
    labels = np.where(columns["lambda"] > 1, "long", "short")
    classifier = KANClassifier(width=[3, 2], grid=2, steps=2).fit(frame, labels)
    assert any("`lambda`" in text for text in classifier.formula_.values())
