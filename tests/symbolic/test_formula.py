from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from sklearn import metrics
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.symbolic.forms import FormulaError, expressions_of
from kanrun.symbolic.formula import write_formulas
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.values import evaluate_texts
from tests.helpers import Array, fixed_network, formula_values, uniform_rows

HELLO = [
    (0, 0, 0, "sin", math.pi, 1e-13, 1.0),
    (0, 1, 0, "x^2", 1.0, -2e-14, 1.0),
    (1, 0, 0, "exp", 1.0, 0.0, 1.0, 1e-15),
]


def dataset(
    truth: list[str], inputs: int, noise: float = 0.0, low: float = -1.0, high: float = 1.0, **other: Any
) -> Dataset:
    """Rows of these formulas; targets differ between training and test by `noise`."""
    parts = []
    for seed in (1, 2):
        x = uniform_rows(120, inputs, seed, low, high)
        y = np.stack([formula_values(t, x.numpy()) for t in truth], axis=1)
        y = y + noise * np.random.default_rng(seed).normal(size=y.shape)
        parts.append(Rows(x, torch.from_numpy(y)))
    names = ["y"] if len(truth) == 1 else [f"y_{j + 1}" for j in range(len(truth))]
    columns = [f"x_{i + 1}" for i in range(inputs)]
    domain = [(low, high)] * inputs
    return Dataset("d", parts[0], parts[1], columns, names, REGRESSION, MSE, other.get("known", truth), domain)


def symbolic(model: KAN, *front: KAN) -> Symbolic:
    """What a search would hand over."""
    return Symbolic(model, 0.0, 0.0, list(front))


def error(text: str, rows: Rows, j: int = 0) -> float:
    """The mean squared error of a text, by Python and scikit-learn."""
    return float(metrics.mean_squared_error(rows.y[:, j].numpy(), formula_values(text, rows.x.numpy())))


def test_rounding_errors_of_a_true_formula_are_mended_and_it_is_exact() -> None:
    data = dataset(["exp(sin(pi*x_1)+x_2**2)"], 2)
    (formula,) = write_formulas(symbolic(fixed_network([2, 1, 1], HELLO)), data)
    assert parse_formula(formula.expression) == parse_formula("exp(sin(pi*x_1)+x_2**2)")
    assert formula.exact is True
    assert formula.output == "y"
    assert formula.complexity == 9
    assert formula.test["r2"] == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [1.0, 1.01, 3.7])
def test_scores_are_those_of_the_text(factor: float) -> None:
    data = dataset(["exp(sin(pi*x_1)+x_2**2)", "x_1*x_2"], 2, noise=0.1)
    edges = [
        (0, 0, 0, "sin", 3.1 * factor, 0.1, 1.0),
        (0, 1, 0, "x^2", 1.0, 0.0, 2.0),
        (0, 0, 1, "tanh", factor, 0.3, 0.5),
    ]
    for j, formula in enumerate(write_formulas(symbolic(fixed_network([2, 2], edges)), data)):
        found, aims = formula_values(formula.expression, data.test.x.numpy()), data.test.y[:, j].numpy()
        mse = metrics.mean_squared_error(aims, found)
        assert formula.test["mse"] == pytest.approx(mse, rel=1e-12)
        assert formula.test["rmse"] == pytest.approx(math.sqrt(mse), rel=1e-12)
        assert formula.test["r2"] == pytest.approx(metrics.r2_score(aims, found), rel=1e-10)
        assert "nonfinite_rows" not in formula.test


def test_training_rows_alone_decide_what_is_written() -> None:
    data = dataset(["2*x_1"], 1, noise=0.3)
    elsewhere = replace(data, test=Rows(data.test.x + 5, data.test.y * 100), truth=[])
    model = fixed_network([1, 1], [(0, 0, 0, "x", 1.9, 0.03, 1.0)])
    (here,), (there,) = (write_formulas(symbolic(model), d) for d in (data, elsewhere))
    assert here.expression == there.expression
    assert here.test != there.test


@pytest.mark.parametrize(
    ("known", "edge", "exact"),
    [
        (["3*x_1**2"], ("x^2", 1.0, 0.0, 3.0), True),
        (["3*x_1**2"], ("x^2", 2.0, 0.0, 0.75), True),
        (["3*x_1**2"], ("x^2", 1.001, 0.001, 3.01), True),
        (["3.00001*x_1**2"], ("x^2", 1.0, 0.0, 3.0), False),
        (["3*x_1**2+1e-6*sin(x_1)"], ("x^2", 1.0, 0.0, 3.0), False),
        (["3*x_1**2"], ("x^2", 1.0, 0.35, 2.6), True),  # its constants are polished
        (["3*x_1**2"], ("x^4", 1.0, 0.35, 2.6), False),
        (["exp(x_1)"], ("tanh", 0.6, 0.2, 2.0), False),
        ([], ("x^2", 1.0, 0.0, 3.0), None),
    ],
)
def test_the_exact_flag_compares_with_the_truth(known: list[str], edge: tuple[Any, ...], exact: bool | None) -> None:
    data = dataset(["3*x_1**2"], 1, known=known)
    (formula,) = write_formulas(symbolic(fixed_network([1, 1], [(0, 0, 0, *edge)])), data)
    assert formula.exact is exact


def test_every_output_has_its_own_formula_scores_and_flag() -> None:
    data = dataset(["sin(x_1)", "x_2**2", "x_1+x_2"], 2)
    edges = [(0, 0, 0, "sin", 1, 0, 1), (0, 1, 1, "x^4", 1, 0.1, 1), (0, 0, 2, "x", 1, 0, 1), (0, 1, 2, "x", 1, 0, 1)]
    formulas = write_formulas(symbolic(fixed_network([2, 3], edges)), data)
    assert [f.output for f in formulas] == ["y_1", "y_2", "y_3"]
    assert [f.exact for f in formulas] == [True, False, True]
    for j, formula in enumerate(formulas):
        assert formula.test["mse"] == pytest.approx(error(formula.expression, data.test, j), rel=1e-10, abs=1e-30)


def front_models() -> list[KAN]:
    """From a rough and simple network to the truth, one bad one in between and one twice."""
    line, parabola = ("x", 1.0, 0.0, 1.2), ("x^2", 0.6, 1.0, 1.0)
    bad, better = ("gaussian", 1.0, 0.0, -3.0), ("sin", 1.1, 0.7, 2.0)
    middle = [fixed_network([1, 1], [(0, 0, 0, *edge)]) for edge in (better, line, bad, parabola, line)]
    first = [(0, 0, 0, "sin", 2.0, 0.3, 1.0), (0, 0, 1, "x", 1.0, 0.0, 1.0)]
    return [*middle, fixed_network([1, 2, 1], [*first, (1, 0, 0, "exp", 1.0, 0.0, 1.7), (1, 1, 0, "x", 1.0, 0.0, 0.2)])]


def test_the_front_goes_from_simple_to_exact_and_ends_at_the_best() -> None:
    data = dataset(["1.7*exp(sin(2*x_1+0.3))+x_1/5"], 1)
    models = front_models()
    (formula,) = write_formulas(symbolic(models[-1], *models), data)
    assert len(formula.front) >= 3
    for simple, fine in pairwise(formula.front):
        assert simple.complexity < fine.complexity
        assert simple.error is not None
        assert fine.error is not None
        assert simple.error > fine.error
    for point in formula.front:
        assert point.complexity == sum(1 for _ in sp.preorder_traversal(parse_formula(point.expression)))
        assert point.error == pytest.approx(error(point.expression, data.test), rel=1e-10, abs=1e-28)
    assert formula.front[-1].expression == formula.expression
    assert len({point.expression for point in formula.front}) == len(formula.front)


def test_no_tried_formula_beats_a_point_of_the_front() -> None:
    data = dataset(["1.7*exp(sin(2*x_1+0.3))+x_1/5"], 1, noise=0.05)
    models = front_models()
    (formula,) = write_formulas(symbolic(models[-1], *models), data)
    tried = [str(expressions_of(model, data)[0]) for model in models]
    for text in tried:
        size = sum(1 for _ in sp.preorder_traversal(parse_formula(text)))
        assert any(
            p.complexity <= size and float(p.error or 0) <= error(text, data.test) + 1e-15 for p in formula.front
        )


def test_rows_where_a_formula_is_not_finite_are_counted_and_never_nan() -> None:
    data = dataset(["log(x_1+2)"], 1, low=0.5, high=2.0)
    wide = Rows(uniform_rows(100, 1, 4, -1.0, 2.0), uniform_rows(100, 1, 5))
    data = replace(data, test=wide, truth=[])
    model = fixed_network([1, 1], [(0, 0, 0, "log", 1.234, 0.0, 1.1, 0.3)])
    (formula,) = write_formulas(symbolic(model, model), data)
    positive = wide.x[:, 0].numpy() > 0
    assert formula.test["nonfinite_rows"] == int((~positive).sum()) > 0
    kept = Rows(wide.x[positive], wide.y[positive])
    assert formula.test["mse"] == pytest.approx(error(formula.expression, kept), rel=1e-10)
    json.dumps([formula.test, [vars(point) for point in formula.front]], allow_nan=False)


def test_a_formula_that_has_no_value_on_training_rows_is_none() -> None:
    model = fixed_network([1, 1], [(0, 0, 0, "log", 0.1, -3.0, 1.0)])
    with pytest.raises(FormulaError, match=r"^it has no value on 120 of 120 training rows$"):
        write_formulas(symbolic(model, model), dataset(["x_1"], 1))


def test_a_formula_that_leaves_the_range_of_the_targets_between_the_rows_is_none() -> None:
    data = dataset(["0.1/(x_1-0.5)"], 1, noise=1e-3)
    off_the_pole = (data.train.x[:, 0] - 0.5).abs() > 0.2
    data = replace(data, train=Rows(data.train.x[off_the_pole], data.train.y[off_the_pole]))
    model = fixed_network([1, 1], [(0, 0, 0, "1/x", 1.0, -0.5, 0.1)])
    with pytest.raises(FormulaError, match=r"^between the rows it leaves the range of y$"):
        write_formulas(symbolic(model), data)


def test_a_robust_fit_of_rows_without_noise_has_errors_of_nothing() -> None:
    data = replace(dataset(["2.21734562*exp(-0.73147185*x_1)"], 1), robust="student")
    model = fixed_network([1, 1], [(0, 0, 0, "exp", -0.73147185, 0.0, 2.21734562)])
    (formula,) = write_formulas(symbolic(model), data)
    assert [c.standard_error for c in formula.constants] == [0.0, 0.0] and formula.outliers == []


def test_test_rows_without_a_value_are_counted_and_left_out_of_the_scores() -> None:
    plain = dataset(["x_1"], 1)
    data = replace(plain, train=Rows(plain.train.x.abs() + 1, plain.train.y))
    model = fixed_network([1, 1], [(0, 0, 0, "log", 1.0, 0.0, 1.0)])
    (formula,) = write_formulas(symbolic(model, model), data)
    assert formula.test["nonfinite_rows"] == int((plain.test.x <= 0).sum())
    assert formula.test["mse"] > 0
    json.dumps(formula.test, allow_nan=False)


def classes(x: Tensor) -> Tensor:
    """The class of each row."""
    return (x[:, 0] + x[:, 1] ** 2 > 0.3).long()


def softmax(texts: list[str], x: Array) -> Array:
    """Probabilities of the classes from texts for the logits."""
    logits = np.stack([formula_values(t, x) for t in texts], axis=1)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def test_formulas_of_classes_are_scored_together() -> None:
    rows = [Rows(x, classes(x)) for x in (uniform_rows(150, 2, 1), uniform_rows(90, 2, 2))]
    data = Dataset("d", *rows, ["x_1", "x_2"], ["logit_0", "logit_1"], CLASSIFICATION, CROSS_ENTROPY)
    edges = [(0, 0, 0, "x", 1.0, 0.0, -2.3), (0, 0, 1, "x", 1.0, -0.3, 2.1), (0, 1, 1, "x^2", 1.0, 0.0, 3.7)]
    simpler = fixed_network([2, 2], edges[:2])
    formulas = write_formulas(symbolic(fixed_network([2, 2], edges), simpler), data)
    texts = [f.expression for f in formulas]
    probabilities = softmax(texts, data.test.x.numpy())
    for j, formula in enumerate(formulas):
        assert formula.test["cross_entropy"] == pytest.approx(metrics.log_loss(data.test.y, probabilities), rel=1e-10)
        assert formula.test["accuracy"] == pytest.approx(metrics.accuracy_score(data.test.y, probabilities.argmax(1)))
        assert formula.exact is None
        for point in formula.front:
            changed = [*texts[:j], point.expression, *texts[j + 1 :]]
            expected = metrics.log_loss(data.test.y, softmax(changed, data.test.x.numpy()))
            assert point.error == pytest.approx(expected, rel=1e-10)


def test_two_classes_have_a_formula_of_the_decision_that_decides_as_the_logits_do() -> None:
    rows = [Rows(x, classes(x)) for x in (uniform_rows(150, 2, 1), uniform_rows(90, 2, 2))]
    data = Dataset("d", *rows, ["x_1", "x_2"], ["logit_0", "logit_1"], CLASSIFICATION, CROSS_ENTROPY)
    edges = [
        (0, 0, 0, "x", 1.0, 0.0, -2.3), (0, 1, 0, "x", 1.0, 0.0, 0.37), (0, 0, 1, "x", 1.0, -0.3, 2.1),
        (0, 1, 1, "x^2", 1.0, 0.0, 3.7),
    ]  # fmt: skip
    first, second = write_formulas(symbolic(fixed_network([2, 2], edges)), data)
    decision = first.decision
    assert decision is not None
    assert second.decision is None
    x = data.test.x.numpy()
    values = [formula_values(t, x) for t in (first.expression, second.expression, decision.expression)]
    np.testing.assert_allclose(values[2], values[1] - values[0], rtol=1e-9, atol=1e-12)
    assert np.array_equal(values[2] > 0, values[1] > values[0])
    assert decision.test == pytest.approx(first.test, rel=1e-9)
    assert decision.test["accuracy"] == first.test["accuracy"]
    assert decision.complexity <= first.complexity + second.complexity
    assert decision.complexity == sum(1 for _ in sp.preorder_traversal(parse_formula(decision.expression)))
    assert decision.boundary is not None and decision.boundary.separated
    assert all(c.standard_error is None for c in decision.constants)  # any larger scale suits these rows as well
    train = replace(
        data.train, y=classes(data.train.x + torch.tensor(np.random.default_rng(0).normal(0, 0.3, (150, 2))))
    )
    (overlapping, _) = write_formulas(symbolic(fixed_network([2, 2], edges)), replace(data, train=train))
    assert overlapping.decision is not None and overlapping.decision.boundary is not None
    assert not overlapping.decision.boundary.separated
    assert all(c.standard_error is not None and c.standard_error > 0 for c in overlapping.decision.constants)


def test_other_tasks_have_no_decision() -> None:
    data = dataset(["x_1", "2*x_1"], 1)
    model = fixed_network([1, 2], [(0, 0, 0, "x", 1.0, 0.0, 1.0), (0, 0, 1, "x", 1.0, 0.0, 2.0)])
    assert [f.decision for f in write_formulas(symbolic(model), data)] == [None, None]


def test_constants_have_errors_and_the_front_has_the_chosen_point_and_the_reason() -> None:
    data = dataset(["1.7*exp(sin(2*x_1+0.3))+x_1/5"], 1, noise=0.05)
    models = front_models()
    (formula,) = write_formulas(symbolic(models[-1], *models), data)
    assert formula.reason == "shortest description of the training data"
    assert [p.expression for p in formula.front if p.chosen] == [formula.expression]
    assert formula.constants
    assert all(c.standard_error is not None and 0 < c.standard_error < 0.5 for c in formula.constants)
    (beaten,) = write_formulas(symbolic(models[2], *models), data)
    assert [p.expression for p in beaten.front if p.chosen] == [beaten.expression]
    (clean,) = write_formulas(symbolic(fixed_network([2, 1, 1], HELLO)), dataset(["exp(sin(pi*x_1)+x_2**2)"], 2))
    assert (clean.reason, clean.constants) == ("exact to rounding", [])


def test_constants_that_the_search_left_rough_are_polished_on_the_training_rows() -> None:
    data = dataset(["2.2*exp(-0.731*x_1)+1.87*sin(1.3*x_2)"], 2, noise=0.02)
    edges = [(0, 0, 0, "exp", -0.7, 0.0, 2.3), (0, 1, 0, "sin", 1.2, 0.06, 1.84)]
    rough = fixed_network([2, 1], edges)
    (formula,) = write_formulas(symbolic(rough), data)
    assert error(formula.expression, data.train) < 1.1 * 0.02**2
    for values in ((c.value, c.standard_error) for c in formula.constants):
        nearest = min((2.2, -0.731, 1.87, 1.3, 0.0), key=lambda t: abs(t - values[0]))
        assert abs(values[0] - nearest) < 4 * float(values[1] or 0)


def test_constants_that_were_fixed_for_good_are_not_polished() -> None:
    data = dataset(["2.2137*x_1**2"], 1, noise=0.02)
    model = fixed_network([1, 1], [(0, 0, 0, "x^2", 1.0, 0.0, 2.613)])
    model.layers[0].is_trainable[:] = False
    assert str(expressions_of(model, data)[0]) == "2.613*x_1**2"


def test_latex_and_rounded_text_show_the_same_formula() -> None:
    data = dataset(["2.34567891*sin(1.23456789*x_1)"], 1)
    model = fixed_network([1, 1], [(0, 0, 0, "sin", 1.23456789, 0.0, 2.34567891)])
    (formula,) = write_formulas(symbolic(model), data)
    assert formula.rounded == "2.346*sin(1.235*x_1)"
    assert formula.latex == r"2.346 \sin{\left(1.235 x_{1} \right)}"
    assert formula.exact is True


def test_snapping_never_costs_accuracy_that_the_rows_show() -> None:
    data = dataset(["0.7391857264519*sin(2.9173*x_1+0.4113)+exp(x_2)/pi"], 2)
    edges = [(0, 0, 0, "sin", 2.9173, 0.4113, 0.7391857264519), (0, 1, 0, "exp", 1.0, 0.0, 1 / math.pi)]
    (formula,) = write_formulas(symbolic(fixed_network([2, 1], edges)), data)
    assert formula.exact is True
    assert error(formula.expression, data.test) < 1e-28
    assert "exp(x_2)/pi" in formula.expression


def test_texts_are_evaluated_at_rows_of_any_precision() -> None:
    x = uniform_rows(20, 2, 1).float()
    found = evaluate_texts(["x_1+x_2", "log(x_1)"], x, ["x_1", "x_2"])
    assert found.dtype == torch.float64
    assert found.shape == (20, 2)
    np.testing.assert_allclose(found[:, 0], x.double().sum(1))
    assert torch.equal(torch.isnan(found[:, 1]), x[:, 0] <= 0)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "kind"), [([50, 1], "sin"), ([3, 5, 3, 1], "tanh")])
def test_wide_and_deep_networks_have_formulas_too(width: list[int], kind: str) -> None:
    draw = np.random.default_rng(0)
    edges = [
        (layer, i, s, kind, *draw.uniform(0.3, 0.9, 3).tolist())
        for layer in range(len(width) - 1)
        for i in range(width[layer])
        for s in range(width[layer + 1])
    ]
    model = fixed_network(width, edges)
    x = uniform_rows(15, width[0], 1)
    rows = Rows(x, model(x).detach())
    names = [f"x_{i + 1}" for i in range(width[0])]
    data = Dataset("d", rows, rows, names, ["y"], REGRESSION, MSE)
    (formula,) = write_formulas(symbolic(model), data)
    np.testing.assert_allclose(formula_values(formula.expression, x.numpy()), rows.y[:, 0], rtol=1e-8)
    assert formula.test["mse"] == pytest.approx(0.0, abs=1e-15)


def test_a_formula_is_judged_by_test_rows_else_by_cross_validation_else_by_its_training_rows() -> None:
    model = fixed_network([1, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0)])
    (formula,) = write_formulas(symbolic(model), dataset(["x_1"], 1, noise=0.1))
    scores: list[dict[str, Any]] = [{"mse": 1.0}, {"mse": 2.0}, {"mse": 3.0}]
    whole = replace(formula, test=scores[0], cross_validation=scores[1], train=scores[2])
    others = replace(whole, test=None), replace(whole, test=None, cross_validation=None)
    assert [one.judged for one in (whole, *others)] == scores
