from __future__ import annotations

import pytest
import torch

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.functions.library import FUNCTIONS, library
from kanrun.model.network import KAN
from kanrun.symbolic import reading
from kanrun.symbolic.reading import find_formula
from kanrun.symbolic.search import Symbolic
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import uniform_rows


def trained(x: torch.Tensor, y: torch.Tensor) -> tuple[KAN, Dataset]:
    """A sum of splines that has been trained on these rows."""
    rows, names = Rows(x, y), [f"x_{i + 1}" for i in range(x.shape[1])]
    data = Dataset("values", rows, rows, names, [f"y_{j + 1}" for j in range(y.shape[1])], REGRESSION, MSE)
    model = KAN([x.shape[1], y.shape[1]], grid=4)
    model.fit_grids(x)
    levenberg_marquardt(model, x, y, MSE, 5)
    return model, data


def test_the_formula_uses_the_functions_asked_for_and_no_others() -> None:
    x = uniform_rows(80, 3, seed=3)
    y = torch.sin(torch.pi * x[:, :1]) + 0.2 * x[:, 1:2]
    found = find_formula(*trained(x, y), library(["x", "sin"]))
    names = {name for layer in found.model.layers for name in layer.functions.values()}
    assert found.model.is_symbolic()
    assert names <= {"x", "sin"}
    with torch.no_grad():
        assert float(((found.model(x) - y) ** 2).mean()) < 1e-20


def test_logits_are_scaled_down_without_changing_a_class() -> None:
    x = uniform_rows(50, 2, seed=1)
    y = (x[:, 0] > 0).long()
    data = Dataset("planted", Rows(x, y), Rows(x, y), ["x_1", "x_2"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    model = KAN([2, 2, 2], grid=3)
    for part in (model.layers[-1].coef, model.layers[-1].base_scale):
        part.data *= 1e4
    before, classes = model(x).detach(), model(x).argmax(1)
    reading.temper(model, data)
    logits = model(x).detach()
    torch.testing.assert_close(logits / logits[0, 0], before / before[0, 0])  # scaled, and not shifted
    assert float((logits - logits.mean(1, keepdim=True)).abs().mean()) == pytest.approx(reading.LOGITS)
    assert torch.equal(model(x).argmax(1), classes)


def test_each_of_several_outputs_is_read_down_to_rounding_whatever_the_others_are() -> None:
    x = uniform_rows(80, 2, seed=3)
    y = torch.cat([torch.sin(torch.pi * x[:, :1]), 1e4 * x[:, 1:] ** 2], dim=1)
    found = find_formula(*trained(x, y), library(["x", "x^2", "sin"]))
    [layer] = found.model.layers
    assert (layer.functions[0, 0], layer.functions[1, 1]) == ("sin", "x^2")
    for model in (found.model, found.front[-1]):
        with torch.no_grad():
            wrong = (model(x) - y).abs().amax(0) / y.abs().amax(0)
        assert float(wrong.max()) < 1e-10
    assert all(model.n_out == 2 and model.is_symbolic() for model in found.front)


def test_of_a_network_of_very_many_edges_the_strongest_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_READ", 4)
    monkeypatch.setattr(reading, "READ", 2)
    x = uniform_rows(80, 5, seed=3)
    found = find_formula(*trained(x, torch.sin(torch.pi * x[:, :1]) + x[:, 3:4]), library(["x", "sin"]))
    assert found.model.active_inputs() == [0, 3]
    assert found.model.is_symbolic()


def test_a_row_beside_a_pole_has_no_say_in_the_scale_of_logits() -> None:
    x = torch.linspace(0.5, 2, 40, dtype=torch.float64)[:, None]
    beside = torch.cat([x, torch.full((1, 1), 1e-30, dtype=torch.float64)])
    sizes = []
    for rows in (x, beside):
        model = KAN([1, 2], grid=3)
        model.put((0, 0, 0), FUNCTIONS["1/x"], (1.0, 0.0, 20.0), 0.0)
        model.put((0, 1, 0), FUNCTIONS["x"], (1.0, 0.0, -3.0), 0.0)
        labels = torch.zeros(len(rows), dtype=torch.long)
        part = Rows(rows, labels)
        reading.temper(model, Dataset("classes", part, part, ["x_1"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY))
        logits = model(x).detach()
        sizes.append(float((logits - logits.mean(1, keepdim=True)).abs().mean()))
    assert sizes[0] == pytest.approx(reading.LOGITS)
    assert sizes[1] == pytest.approx(reading.LOGITS, rel=0.1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[KAN]:
    """The networks of which every edge would be read."""
    networks: list[KAN] = []

    def remembered(model: KAN, *_: object) -> Symbolic:
        networks.append(model.clone())
        return Symbolic(model, 0.0, 0.0)

    monkeypatch.setattr(reading, "read", remembered)
    return networks


def outputs(model: KAN, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(x)


def test_values_are_read_of_the_network_as_it_was_trained(read: list[KAN]) -> None:
    x = uniform_rows(80, 2, seed=3)
    model, data = trained(x, 100 * torch.sin(torch.pi * x[:, :1]) + x[:, 1:])
    find_formula(model, data, [])
    assert torch.equal(outputs(read[0], x), outputs(model, x))


@pytest.mark.parametrize("large", [False, True])
def test_classes_are_read_of_moderate_logits_unless_the_network_is_too_large_to_fit_them_again(
    read: list[KAN], monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    x = uniform_rows(60, 2, seed=1)
    part = Rows(x, (x[:, 0] > 0).long())
    data = Dataset("planted", part, part, ["x_1", "x_2"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    model = KAN([2, 2], grid=3)
    for entries in (model.layers[-1].coef, model.layers[-1].base_scale):
        entries.data *= 1e4
    before = outputs(model, x)
    if large:
        monkeypatch.setattr(reading, "MOST_PARAMETERS", model.parameter_count() - 1)
    find_formula(model, data, [])
    assert torch.equal(outputs(read[0], x), before) is large
    moderate = float(outputs(read[0], x).abs().mean()) < 1e-2 * float(before.abs().mean())
    assert moderate is not large
