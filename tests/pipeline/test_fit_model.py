"""A network that somebody has trained on their own, pruned and read as a formula."""

from __future__ import annotations

import copy

import pytest
import torch

from kanrun import KAN, fit
from kanrun.errors import ConfigError
from kanrun.model.mlp import MLP
from tests.helpers import uniform_rows

X = uniform_rows(100, 2)
Y = torch.sin(3 * X[:, :1]) + X[:, 1:] ** 2
CONFIG = {"symbolic": {"library": ["x", "x^2", "sin"], "work": 100}}


def own_network(dtype: torch.dtype = torch.float64) -> KAN:
    """Trained by a loop of one's own."""
    model = KAN([2, 3, 1], grid=5, seed=1, dtype=dtype)
    x, y = X.to(dtype), Y.to(dtype)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_pruned_and_read_and_stays_itself(dtype: torch.dtype) -> None:
    model = own_network(dtype)
    before = copy.deepcopy(model.state_dict())
    result = fit(X, Y, CONFIG, model=model, names=["time", "dose"])
    assert [s["name"] for s in result.metrics["stages"]] == ["train", "prune", "refit", "symbolic"]
    assert result.metrics["width"] == [2, 3, 1]
    assert result.metrics["stages"][0]["seconds"] < result.metrics["total_seconds"]
    assert result.metrics["final"]["rmse"] < 1e-6
    assert result.formulas[0].rounded == "dose**2 + sin(3*time)"
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


def test_the_first_stage_scores_it_as_it_is() -> None:
    model = own_network()
    result = fit(X, Y, {"prune": {"name": "none", "enabled": False}, "symbolic": {"name": "none", "enabled": False}},
                 model=model, test=(X, Y))  # fmt: skip
    [stage] = result.metrics["stages"]
    assert stage["test"]["mse"] == pytest.approx(float(((model(X) - Y) ** 2).mean().detach()), rel=1e-6)
    assert torch.equal(result.network(X), model(X))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (KAN([3, 1]), "model: it takes 3 inputs and gives 1 output, the rows have 2 inputs and 1 output"),
        (KAN([2, 2]), "model: it takes 2 inputs and gives 2 outputs"),
        (MLP([2, 1]), "model: a kanrun.KAN is needed, not MLP"),
        (torch.nn.Linear(2, 1), "model: a kanrun.KAN is needed, not Linear"),
    ],
)
def test_what_does_not_fit_the_rows_is_refused(model: torch.nn.Module, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fit(X, Y, model=model)  # type: ignore[arg-type]
