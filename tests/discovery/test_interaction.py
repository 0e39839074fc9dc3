"""Inputs that interact, and link functions taken away."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kanrun.discovery.interaction import interacting, without
from kanrun.discovery.links import LINKS
from tests.helpers import formula_values, uniform_rows


def test_a_link_function_is_taken_away() -> None:
    exp = next(o for o in LINKS if o.name == "exp")
    x = uniform_rows(20, 2)
    assert torch.allclose(without(exp, lambda z: torch.exp(z[:, :1]))(x), x[:, :1])


@pytest.mark.parametrize(
    ("text", "n", "groups"),
    [
        ("x_1+x_2**2+sin(x_3)", 3, [[0], [1], [2]]),
        ("x_1*x_2+x_3", 3, [[0, 1], [2]]),
        ("x_1*x_3+x_2*x_4", 4, [[0, 2], [1, 3]]),
        ("x_1*x_2*x_3", 3, [[0, 1, 2]]),
        ("x_1*x_2+x_2*x_3", 3, [[0, 1, 2]]),
        ("x_3*x_4+x_2*x_4+x_1*x_2", 4, [[0, 1, 2, 3]]),
        ("exp(x_1+x_4)+sin(x_2)+x_3", 4, [[0, 3], [1], [2]]),
        ("x_2", 3, [[0], [1], [2]]),
    ],
)
def test_inputs_interact_where_their_mixed_differences_are_not_zero(text: str, n: int, groups: list[list[int]]) -> None:
    def f(z: Tensor) -> Tensor:
        return torch.from_numpy(formula_values(text, z.numpy()).copy())[:, None]

    x = uniform_rows(300, n, 2)
    before = x.clone()
    assert interacting(f, x, 1e-4) == groups
    assert torch.equal(x, before)


def test_a_weak_interaction_counts_from_the_threshold_on() -> None:
    def f(z: Tensor) -> Tensor:
        return (z[:, 0] + z[:, 1] + 0.1 * z[:, 0] * z[:, 1])[:, None]

    x = uniform_rows(500, 2, 2)
    assert interacting(f, x, 1e-4) == [[0, 1]]
    assert interacting(f, x, 0.5) == [[0], [1]]


def test_rows_without_a_value_say_nothing_about_interactions() -> None:
    def f(z: Tensor) -> Tensor:
        values = (z[:, 0] * z[:, 1] + z[:, 2])[:, None]
        return torch.where(z[:, :1] > 0.8, values / 0, values)

    assert interacting(f, uniform_rows(500, 3, 2), 1e-4) == [[0, 1], [2]]
