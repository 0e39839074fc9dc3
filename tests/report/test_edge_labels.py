from __future__ import annotations

import math

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.parser import parse_formula
from kanrun.model.network import KAN
from kanrun.report.edge_labels import edge_labels
from kanrun.report.network_edges import edges_of, scores_of
from tests.planted import rows


def dataset(n_in: int = 2, names: dict[str, str] | None = None) -> Dataset:
    part = Rows(rows(n_in), rows(n_in)[:, :1])
    return Dataset("d", part, part, [f"x_{i + 1}" for i in range(n_in)], ["y"], REGRESSION, MSE, names=names or {})


def labels(model: KAN, *formulas: str, data: Dataset | None = None) -> dict[tuple[int, int, int], list[str]]:
    data = data or dataset(model.n_in)
    found = [parse_formula(text, data.inputs) for text in formulas]
    return edge_labels(model, data, found, edges_of(model, scores_of(model, data.train.x)))


def hello() -> KAN:
    model = KAN([2, 1, 1])
    model.fix(0, 0, 0, "cos", math.pi, -math.pi / 2, 0.7)
    model.fix(0, 1, 0, "x^2", 1.0, 0.0, 0.7, -0.2)
    model.fix(1, 0, 0, "exp", 1 / 0.7, 0.1, 1.3)
    return model


def test_an_edge_has_the_words_of_the_formula() -> None:
    found = labels(hello(), "exp(sin(pi*x_1) + x_2**2)")
    assert found[0, 0, 0] == ["sin(pi*x_1)", "sin"]
    assert found[0, 0, 1] == ["x_2**2", "x^2"]
    assert found[1, 0, 0] == ["exp(·)", "exp"]


def test_without_a_formula_that_says_it_the_network_is_written_plainly() -> None:
    found = labels(hello())
    assert found[0, 0, 0][0] == "sin(pi*x_1)"
    assert found[0, 0, 1][0] == "x_2**2"
    noisy = KAN([1, 1])
    noisy.fix(0, 0, 0, "sin", 2.0173, 0.31)
    assert labels(noisy)[0, 0, 0] == ["sin(2.02*x_1 + 0.31)", "sin"]


def test_inputs_have_the_units_of_the_user() -> None:
    model, x = KAN([1, 1]), rows(1) * 10 + 40
    model.standardize(x)
    model.fix(0, 0, 0, "exp", 0.25)
    data = Dataset("d", Rows(x, x), None, ["x_1"], ["y"], REGRESSION, MSE)
    assert labels(model, data=data)[0, 0, 0][0] == "exp(x_1/4)"


def test_a_straight_edge_has_the_name_of_its_input() -> None:
    model = KAN([2, 1, 1])
    for depth, i in ((0, 0), (0, 1), (1, 0)):
        model.fix(depth, i, 0, "x", 2.0)
    found = labels(model, "3*x_1 + sin(x_2)", data=dataset(names={"x_2": "a name that is far too long"}))
    assert found[0, 0, 0] == ["x_1", "x"]
    assert found[0, 0, 1] == ["x"]
    assert found[1, 0, 0] == ["linear"]


def test_only_what_is_as_near_as_noise_counts() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "x^2")
    assert labels(model, "Abs(x_1)")[0, 0, 0][0] == "x_1**2"


def test_a_function_of_the_users_own_keeps_its_name() -> None:
    model = KAN([1, 1], functions={"lorentz": "1/(1+x**2)"})
    model.fix(0, 0, 0, "lorentz", 3.0)
    assert labels(model, "1/(9*x_1**2 + 1)")[0, 0, 0][0] == "lorentz(3*x_1)"


def test_edges_without_values_and_splines_are_no_obstacle() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "log")
    found = labels(model, "log(x_1) + x_2")
    assert list(found) == [(0, 0, 0)]
    assert found[0, 0, 0][0] == "log(x_1)"
