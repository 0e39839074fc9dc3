"""The regressor and the classifier of networks, as users of scikit-learn have them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kanrun.estimators import KANClassifier, KANRegressor, network
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.model.attribution import attribution
from tests.estimators.few_functions import choose_among_few

QUICK: dict[str, Any] = {"grid": 3, "steps": 5, "prune": False, "formula": False}


@pytest.fixture(autouse=True)
def few_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_among_few(monkeypatch, network)


def rows(count: int = 60, inputs: int = 2, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (count, inputs))


def test_a_straight_line_is_found() -> None:
    x = rows(40, 1)
    model = KANRegressor().fit(x, 2 * x[:, 0] + 1)
    assert model.formula_ == "2*x_1 + 1"
    np.testing.assert_allclose(model.predict([[100.0], [-7.0]]), [201, -13])
    assert model.result_.metrics["width"] == [1, 1]
    assert model.n_iter_ >= 1


def test_predictions_are_those_of_the_formula_at_full_precision() -> None:
    x = rows(40)
    model = KANRegressor(width=[2, 1], grid=3, random_state=1).fit(x, x[:, 0] ** 2 + 0.123456789 * x[:, 1])
    (chosen,) = [point for point in model.front_ if point["chosen"]]
    assert chosen["formula"] == model.formula_
    new = rows(20, seed=1)
    values = evaluate(parse_formula(chosen["expression"], ["x_1", "x_2"]), {"x_1": new[:, 0], "x_2": new[:, 1]})
    np.testing.assert_allclose(model.predict(new), values, rtol=1e-12)
    assert [point["complexity"] for point in model.front_] == sorted(point["complexity"] for point in model.front_)
    np.testing.assert_allclose(model.predict(new), new[:, 0] ** 2 + 0.123456789 * new[:, 1], atol=1e-9)


def test_without_a_formula_predictions_are_those_of_the_network() -> None:
    x = rows()
    model = KANRegressor(**QUICK).fit(x, x[:, 0] ** 2)
    assert model.formula_ is None and model.front_ == []
    with torch.no_grad():
        np.testing.assert_array_equal(model.predict(x), model.result_.network(torch.tensor(x))[:, 0].numpy())


def test_where_a_formula_has_no_value_the_network_has_one() -> None:
    x = np.random.default_rng(0).uniform(0.1, 3, (40, 1))
    model = KANRegressor(width=[1, 1], grid=3).fit(x, np.log(x[:, 0]))
    assert model.formula_ == "log(x_1)"
    found = model.predict([[-0.5], [2.0]])
    with torch.no_grad():
        nearest = torch.tensor([[x.min()]], dtype=torch.float64)  # it goes on level beyond the rows
        network = model.result_.state.networks["refit"](nearest).item()
    np.testing.assert_allclose(found, [network, np.log(2)])


def test_several_outputs_have_a_formula_each() -> None:
    x = rows(50)
    y = np.column_stack([2 * x[:, 0], 1 - 3 * x[:, 1]])
    model = KANRegressor(width=[2, 2]).fit(x, y)
    assert model.formula_ == ["2*x_1", "1 - 3*x_2"]
    assert len(model.front_) == 2 and model.front_[0][-1]["chosen"]
    np.testing.assert_allclose(model.predict(x), y, atol=1e-9)
    column = KANRegressor(**QUICK).fit(x, y[:, :1])
    assert column.predict(x).shape == (50, 1)


def test_importances_are_attribution_scores() -> None:
    x = rows(40, 3)
    model = KANRegressor(width=[3, 1]).fit(x, 3 * x[:, 0] + x[:, 2])
    np.testing.assert_allclose(model.feature_importances_, [0.75, 0, 0.25], atol=0.05)
    scores = attribution(model.result_.network, model.result_.problem.data.train.x).inputs  # type: ignore[arg-type]
    np.testing.assert_allclose(model.feature_importances_, scores / scores.sum())
    constant = KANRegressor(width=[3, 1]).fit(x, np.full(40, 2.5))
    assert constant.formula_ == "5/2" and not constant.feature_importances_.any()


@pytest.mark.slow
def test_classes_have_any_labels_and_a_logit_each() -> None:
    x = rows(60)
    y = np.array(["down", "up"])[(x[:, 0] + 0.1 * np.random.default_rng(1).normal(size=60) > 0.2).astype(int)]
    model = KANClassifier(width=[2, 2], grid=3, steps=5).fit(x, y)
    assert model.classes_.tolist() == ["down", "up"] and set(model.formula_) == set(model.front_) == {"down", "up"}
    assert model.score(x, y) > 0.9
    decision, chances = model.decision_function(x), model.predict_proba(x)
    assert decision.shape == (60,) and ((decision > 0) == (model.predict(x) == "up")).all()
    np.testing.assert_allclose(chances[:, 1], 1 / (1 + np.exp(-decision)), atol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), chances)


def test_more_classes_have_a_column_of_logits_each() -> None:
    x = rows(90)
    y = 7 + np.digitize(x[:, 0], [-0.3, 0.3])
    model = KANClassifier(**QUICK).fit(x, y)
    assert model.formula_ is None and model.front_ == {}
    assert model.decision_function(x).shape == model.predict_proba(x).shape == (90, 3)
    assert (model.classes_[model.decision_function(x).argmax(1)] == model.predict(x)).all()
    assert set(model.predict(x)) <= {7, 8, 9}
    assert model.score(x, y) > 0.9


@pytest.mark.slow
def test_a_hidden_layer_is_kept_only_where_its_formula_is_better() -> None:
    x = rows(80)
    model = KANRegressor(grid=3, steps=10, prune=False).fit(x, x[:, 0] * x[:, 1])
    assert model.result_.metrics["width"] == [2, 3, 1]
    assert model.score(x, x[:, 0] * x[:, 1]) > 0.99


@pytest.mark.parametrize("estimator", [KANRegressor, KANClassifier])
def test_the_order_of_rows_makes_no_difference_and_the_seed_decides(estimator: Any) -> None:
    x = rows(50)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    order = np.random.default_rng(1).permutation(50)
    settings = {**QUICK, "width": [2, 2, 2 if estimator is KANClassifier else 1]}
    model = estimator(**settings).fit(x, y)
    again = estimator(**settings).fit(x[order], y[order])
    other = estimator(**settings, random_state=1).fit(x, y)
    drawn = [estimator(**settings, random_state=np.random.RandomState(4)).fit(x, y) for _ in range(2)]
    np.testing.assert_array_equal(model._outputs(x), again._outputs(x))
    np.testing.assert_array_equal(drawn[0]._outputs(x), drawn[1]._outputs(x))
    assert not np.array_equal(model._outputs(x), other._outputs(x))
    estimator(**settings, random_state=None).fit(x, y)


def test_weights_remove_and_repeat_rows() -> None:
    x = rows(40)
    y, weights = x[:, 0] ** 2, np.random.default_rng(1).integers(0, 3, 40)
    wild = np.where(weights == 0, 1e6, y)
    weighted = KANRegressor(**QUICK).fit(x, wild, sample_weight=weights)
    repeated = KANRegressor(**QUICK).fit(x.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_array_equal(weighted.predict(x), repeated.predict(x))
    labels = np.array(["a", "b", "c"])[np.arange(40) % 3]
    kept = labels != "c"
    classifier = KANClassifier(**QUICK).fit(x, labels, sample_weight=kept)
    assert classifier.classes_.tolist() == ["a", "b"]


def test_they_work_in_pipelines_searches_and_copies() -> None:
    x = 1000 + 50 * rows(60)
    y = (x[:, 0] - 1000) ** 2
    pipeline = make_pipeline(StandardScaler(), KANRegressor(**QUICK))
    assert cross_val_score(pipeline, x, y, cv=2).min() > 0.9
    search = GridSearchCV(pipeline, {"kanregressor__grid": np.array([2, 4]), "kanregressor__width": [(2, 1)]}, cv=2)
    assert search.fit(x, y).best_score_ > 0.9
    model = search.best_estimator_[-1]
    assert clone(model).get_params() == model.get_params() and not hasattr(clone(model), "result_")


def test_a_pickle_has_all_of_it(tmp_path: Any) -> None:
    x = rows(40, 1)
    model = KANRegressor(width=[1, 1]).fit(x, 2 * x[:, 0] + 1)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.formula_ == model.formula_ and loaded.front_ == model.front_
    loaded.result_.save(tmp_path / "run")
    assert (tmp_path / "run" / "formula.json").exists()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"grid": 0}, "^grid=0: allowed is 1"),
        ({"grid": 2.5}, "^grid=2.5: a whole number is needed$"),
        ({"k": -4}, "^k=-4: allowed is 0 to 5$"),
        ({"lamb": "x"}, "^lamb=x: a number is needed$"),
        ({"steps": -1}, "^steps=-1: allowed is 1 or more$"),
        ({"prune": "no"}, "^prune=no: true or false is needed$"),
        ({"formula": 3}, "^formula=3: true or false is needed$"),
        ({"width": [3, 1]}, r"^width=\[3,1\]: the dataset has 2 inputs, so it begins with that number$"),
        ({"random_state": "x"}, "cannot be used to seed"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(settings: dict[str, Any], complaint: str) -> None:
    x = rows(20)
    with pytest.raises(ValueError, match=complaint):
        KANRegressor(**settings).fit(x, x[:, 0])


def test_rows_that_cannot_be_used_are_refused() -> None:
    x = rows(20)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            KANRegressor().fit(np.where(x == x[3, 0], wrong, x), x[:, 0])
    with pytest.raises(ValueError, match="needs two classes or more, but the rows have 1 class"):
        KANClassifier().fit(x, np.ones(20))
    with pytest.raises(ValueError, match="1 sample"):
        KANRegressor().fit(x[:1], x[:1, 0])
    with pytest.raises(NotFittedError):
        KANRegressor().predict(x)
    with pytest.raises(ValueError, match="expecting 2 features"):
        KANRegressor(**QUICK).fit(x, x[:, 0]).predict(x[:, :1])
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        KANRegressor().fit(x, x[:, 0], sample_weight=-np.ones(20))
