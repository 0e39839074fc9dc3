from __future__ import annotations

import numpy as np
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.symbolic.forms import SMALL, Forms, shortest_first
from tests.helpers import fixed_network, uniform_rows, used_up


def test_when_time_is_over_only_short_formulas_and_those_made_before_are_written() -> None:
    x = uniform_rows(30, 20, seed=1)
    data = Dataset("d", Rows(x, torch.sin(x).sum(1, keepdim=True)), None, [f"x_{i + 1}" for i in range(20)], ["y"],
                   REGRESSION, MSE)  # fmt: skip
    short = fixed_network([20, 1], [(0, 0, 0, "sin", 1.0, 0.0, 1.0)])
    long = fixed_network([20, 1], [(0, i, 0, "sin", 1.1, 0.2, 1.3) for i in range(20)])
    forms = Forms(data, used_up())
    assert not forms.is_small(long) and SMALL > 1
    assert [[str(e) for e in found] for found in forms.of_all([long, short])] == [["sin(x_1)"]]
    made = forms.of(long)
    assert forms.of_all([long, short])[0] == made


def test_of_networks_with_one_formula_the_one_with_the_fewest_parameters_comes_first() -> None:
    x = uniform_rows(40, 1, 0, 0.2, 1.5)
    noise = 0.004 * torch.as_tensor(np.random.default_rng(0).normal(size=(40, 1)))
    data = Dataset("d", Rows(x, 2.006 * torch.sqrt(x) + noise), None, ["x_1"], ["y"], REGRESSION, MSE)
    root = fixed_network([1, 1], [(0, 0, 0, "sqrt", 1.0, 0.0, 2.006)])
    power = fixed_network([1, 1, 1], [(0, 0, 0, "log", 1.0, 0.0, 0.5), (1, 0, 0, "exp", 1.0, 0.0, 2.006)])
    worse = fixed_network([1, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.8)])
    forms = Forms(data)
    assert [str(forms.of(m)[0]).split("*")[-1] for m in (root, power)] == ["sqrt(x_1)"] * 2
    for networks in ([power, worse, root], [worse, root, power]):
        assert shortest_first(networks, forms) == [root, power, worse]
