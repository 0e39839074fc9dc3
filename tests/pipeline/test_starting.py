from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.schema import FixConfig
from kanrun.config.validation import read_config
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.pipeline.fit import fit
from kanrun.pipeline.problem import problem_of
from kanrun.pipeline.run import run
from kanrun.pipeline.starting import closest, network_in, starting_network
from kanrun.report.files import save_model
from tests.helpers import additive_network, uniform_rows

X = uniform_rows(200, 2)
Y = 1000 * (torch.sin(3 * X[:, :1]) + X[:, 1:] ** 2) + 5000
OFF = {"name": "none", "enabled": False}
PLAIN = {"prune": OFF, "symbolic": OFF, "plots": OFF}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with targets that are far from 1, trained for a few steps."""
    config = {**PLAIN, "model": {"width": [2, 3, 1]}, "optimizer": {"name": "lm", "steps": 4}}
    folder = tmp_path_factory.mktemp("parent") / "run"
    fit(X, Y, config, test=(X, Y), names=["time", "dose"]).save(folder)
    return folder


def begun(parent: Path, **model: Any) -> dict[str, Any]:
    return {**PLAIN, "model": {"start": str(parent), **model}, "optimizer": {"name": "lm", "steps": 1}}


def started(parent: Path, **model: Any) -> KAN:
    rows = Rows(X, Y)
    data = Dataset("rows", rows, rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE, names={"x_1": "time", "x_2": "dose"})
    return starting_network(read_config({"model": {"start": str(parent), **model}}), data)


def values(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(X)


def test_training_goes_on_where_the_parent_ended(parent: Path) -> None:
    rows = Rows(X, Y)
    data = Dataset("rows", rows, rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE)
    problem = problem_of(read_config(begun(parent)), data)
    before = network_in(parent)
    assert torch.allclose(values(problem.scaling.restored(problem.model)), values(before), rtol=1e-9)
    assert not torch.allclose(values(problem.model), values(before), rtol=0.5)  # targets train in units of their own
    old = json.loads((parent / "metrics.json").read_text(encoding="utf-8"))["final"]["rmse"]
    result = fit(X, Y, {**begun(parent), "optimizer": {"name": "lm", "steps": 10}}, test=(X, Y))
    assert result.metrics["final"]["rmse"] < old
    assert result.metrics["parent"] == str(parent)
    more = fit(X, Y, {**begun(parent, grid=15), "optimizer": {"name": "lm", "steps": 20}}, test=(X, Y))
    assert more.metrics["final"]["rmse"] < 0.1 * old
    assert more.metrics["stages"][0]["grid"] == 15


@pytest.mark.parametrize("grid", [10, 20])
def test_a_finer_grid_has_the_same_curves(parent: Path, grid: int) -> None:
    model = started(parent, grid=grid)
    assert model.grid == grid
    assert torch.allclose(values(model), values(network_in(parent)), rtol=1e-8)


def test_inputs_are_left_out_by_the_users_names(parent: Path) -> None:
    for name in ("dose", "x_2"):
        model = started(parent, without=[name])
        assert model.active_inputs() == [0]
        inner = values(network_in(parent).layers[0]).mean(0)
        assert torch.allclose(values(model.layers[0]).mean(0), inner, rtol=1e-9)  # what they gave on average stays
    with pytest.raises(ConfigError, match=r"model.without\[0\]=doze: unknown input, did you mean dose\?"):
        started(parent, without=["doze"])


def test_an_edge_is_fixed_to_the_function_that_is_closest_to_its_curve(tmp_path: Path) -> None:
    model = KAN([2, 1], grid=20, base="zero")
    model.layers[0].fix(0, 1, "x", (1.0, 0.0, 0.5), 0.0, True)
    model.fit_grids(X)
    curve = KAN([1, 1])
    curve.fix(0, 0, 0, "sin", 2.0, 0.3, 1.5)
    with torch.no_grad():
        from kanrun.model.spline import fit_coefficients

        layer = model.layers[0]
        layer.coef[0, 0] = fit_coefficients(X[:, :1], curve(X[:, :1])[:, None], layer.grid[:1], 3)[0, 0]
    save_model(tmp_path / "model.pt", model)
    own = {"grid": 20, "base": "zero"}
    fixed = started(tmp_path, **own, fix=[{"function": "sin"}])
    assert fixed.is_symbolic()
    assert torch.allclose(values(fixed), values(model), atol=1e-3)
    given = started(tmp_path, **own, fix=[{"function": "sin", "a": 7.0}])
    assert given.layers[0].affine[0, 0].tolist() == [7.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"width": [2, 4, 1]}, r"model.width=\[2,4,1\]: the network of model.start has \[2, 3, 1\]; leave it out"),
        ({"k": 2}, "model.k=2: the network of model.start has 3"),
        ({"base": "zero"}, "model.base=zero: the network of model.start has silu"),
        ({"fix": [{"function": "sin", "layer": 5}]}, r"model.fix\[0\].function=sin: no edge from 0 to 0 in layer 5"),
        ({"fix": [{"function": "sine"}]}, "model.fix"),
    ],
)
def test_what_does_not_fit_the_network_is_said(parent: Path, model: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        started(parent, **model)


def test_what_is_no_network_to_go_on_with_is_said(parent: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.start=.*model.pt is missing"):
        started(tmp_path)
    save_model(tmp_path / "model.pt", MLP([2, 1]))
    with pytest.raises(ConfigError, match="the network there is no KAN"):
        started(tmp_path)
    (tmp_path / "model.pt").write_text("no network")
    with pytest.raises(ConfigError, match=r"model.pt cannot be read"):
        started(tmp_path)
    with pytest.raises(ConfigError, match="its network takes 2 inputs and gives 1 output, the dataset has 1 input"):
        fit(X[:, :1], Y, begun(parent))
    with pytest.raises(ConfigError, match=r"model.start=.*: a search makes its own networks"):
        read_config({**begun(parent), "symbolic": {}, "prune": {}, "search": {"name": "discover", "seconds": 1.0}})


def test_a_run_with_formulas_keeps_its_splines_to_go_on_with(noisy_run: Path, tmp_path: Path) -> None:
    assert not network_in(noisy_run).is_symbolic()
    folder = tmp_path / "copy"
    shutil.copytree(noisy_run, folder)
    (folder / "splines.pt").unlink()  # as a run of an older version
    assert network_in(folder).is_symbolic()


def test_the_config_of_a_run_that_went_on_gives_the_same_numbers(noisy_run: Path, tmp_path: Path) -> None:
    from kanrun.report.load import load_run

    config = load_run(noisy_run).config
    model = network_in(noisy_run)
    again = replace(config, model=replace(config.model, start=str(noisy_run), width=model.width, grid=7))
    again = replace(again, symbolic=replace(again.symbolic, enabled=False))
    first, second = (run(again, tmp_path / name, quiet=True) for name in ("first", "second"))
    assert first["final"] == second["final"]
    assert load_run(tmp_path / "first").config.model == again.model


@pytest.mark.parametrize(
    ("edge", "near"),
    [({}, True), ({"input": 1}, False), ({"input": 2}, False), ({"output": 1}, False), ({"layer": 1}, False),
     ({"function": "sine"}, False)],
    ids=str,
)  # fmt: skip
def test_only_an_edge_that_is_there_has_a_function_close_to_it(edge: dict[str, Any], near: bool) -> None:
    model = additive_network([("sin", 2.0, 0.5, 3.0), ("x", 1.0, 0.0, 1.0)])
    model.layers[0].remove(0, 1)
    rows = Rows(X, Y)
    data = Dataset("rows", rows, rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE)
    found = closest(model, FixConfig(**{"function": "sin", **edge}), data)
    assert (found is not None) == near
    if found:
        curve = found.c * torch.sin(found.a * X[:, 0] + found.b) + found.d
        torch.testing.assert_close(curve, 3 * torch.sin(2 * X[:, 0] + 0.5), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("names", "told"), [(["time", "dose"], False), (["time", "mass"], True)])
def test_a_network_that_was_trained_on_other_inputs_is_told(parent: Path, names: list[str], told: bool) -> None:
    rows = Rows(X, Y)
    problem = problem_of(read_config(begun(parent)), Dataset("rows", rows, rows, names, ["y"], REGRESSION, MSE))
    assert [w.startswith("the network of model.start was trained on time, dose; here") for w in
            problem.data.warnings] == [True] * told  # fmt: skip


def test_a_network_takes_no_inputs_in_another_order(parent: Path) -> None:
    rows = Rows(X, Y)
    data = Dataset("rows", rows, rows, ["dose", "time"], ["y"], REGRESSION, MSE)
    with pytest.raises(ConfigError, match="its network takes time, dose in this order, the dataset has dose, time"):
        problem_of(read_config(begun(parent)), data)
