from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.errors import KanrunError
from kanrun.exporters.onnx import onnx
from kanrun.exporters.source import CannotExportError, Law, Source
from kanrun.functions.library import FUNCTIONS
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from tests.helpers import Array, additive_network, tangled_network, uniform_rows

runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed, so that nothing runs the graphs")
pytest.importorskip("onnx", reason="onnx is not installed, so that no graph is written")


def written(network: Network | None) -> bytes:
    return onnx(Source([Law("y", 0)], ["x_1", "x_2"], {"x_1": "time\n(s)"}, network=network))


def computed(network: Network, x: Tensor) -> Array:
    """What ONNX Runtime makes of the rows."""
    session = runtime.InferenceSession(written(network), providers=["CPUExecutionProvider"])
    values: Array = session.run(None, {"x": x.double().numpy()})[0]
    return values


def agree(network: Network, x: Tensor) -> None:
    with torch.no_grad():
        expected = network(x).double().numpy()
    assert computed(network, x) == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("base", ["silu", "identity", "zero"])
@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_a_network_of_splines_functions_and_products_has_the_same_values(base: str, k: int) -> None:
    agree(tangled_network(base, k), uniform_rows(200, 3, seed=5, low=-1.7, high=1.7))  # beyond the knots as well


@pytest.mark.parametrize("grid", [1, 2, 30])
def test_every_grid_has_the_same_values(grid: int) -> None:
    agree(KAN([2, 3, 1], grid=grid, seed=1), uniform_rows(100, 2, seed=2, low=-3, high=3))


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_every_function_of_the_library_has_the_same_values(name: str) -> None:
    x = torch.cat([uniform_rows(60, 1, low=0.01, high=0.99), torch.tensor([[0.5], [1.0 - 1e-9]], dtype=torch.float64)])
    agree(additive_network([(name, 1.0, 0.0, 2.0)]), x)


@pytest.mark.parametrize("name", ["arctan", "arcsin", "sin", "tanh", "abs", "sgn", "x^3"])
def test_functions_have_the_same_values_on_both_sides_of_zero(name: str) -> None:
    scale = 0.999 if name == "arcsin" else 30.0
    agree(additive_network([(name, scale, 0.0, 1.0)]), uniform_rows(100, 1, seed=3))


def test_functions_of_the_users_own_too() -> None:
    own = {"a": "asinh(3*x) + cosh(x)/2 - sinh(x)", "b": "acosh(x + 3) + erf(x) - acos(x/2)", "c": "Min(x, 0.2)*2"}
    model = KAN([3, 1], functions=own)
    for i, name in enumerate(own):
        model.fix(0, i, 0, name)
    agree(model, uniform_rows(50, 3))
    unknown = KAN([1, 1], functions={"g": "gamma(x + 3)"})
    unknown.fix(0, 0, 0, "g")
    with pytest.raises(CannotExportError, match="ONNX has no gamma"):
        written(unknown)


def test_without_edges_it_is_a_constant() -> None:
    model = KAN([2, 1])
    for i in range(2):
        model.layers[0].remove(0, i, constant=0.7)
    agree(model, uniform_rows(5, 2))


@pytest.mark.parametrize("activation", ["silu", "tanh", "relu"])
def test_a_perceptron_has_the_same_values(activation: str) -> None:
    model, x = MLP([2, 7, 5, 3], activation, seed=1), uniform_rows(50, 2, low=3, high=9)
    model.standardize(x)
    agree(model, x)


def test_inputs_of_any_size_have_the_same_values() -> None:
    x = uniform_rows(80, 2, low=3e6, high=5e6)
    model = KAN([2, 3, 1], seed=4)
    model.standardize(x)
    model.fit_grids(x)
    assert not torch.equal(model.scale, torch.ones(2, dtype=torch.float64))
    agree(model, x)


def test_single_precision_is_computed_in_double() -> None:
    model = KAN([2, 3, 1], seed=3, dtype=torch.float32)
    agree(model, uniform_rows(50, 2).float())


def test_the_file_says_what_its_columns_are() -> None:
    session = runtime.InferenceSession(written(KAN([2, 1])), providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["inputs"]) == ["time\n(s)", "x_2"]
    [x] = session.get_inputs()
    assert (x.name, x.type, x.shape) == ("x", "tensor(double)", ["rows", 2])


def test_without_a_network_there_is_nothing_to_write() -> None:
    with pytest.raises(CannotExportError, match="no network"):
        written(None)


def test_without_its_package_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(KanrunError, match=r"the package onnx is missing; pip install 'kanrun\[onnx\]'"):
        written(KAN([2, 1]))
