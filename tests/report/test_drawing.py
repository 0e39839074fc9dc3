from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from kanrun.report import plots
from kanrun.report.drawing import draw_network, network_figure
from tests.figures import assert_apart, draw, texts, words_in_files

DOTS = ("inputs", "sums", "factors", "products")


def rows(n_in: int, count: int = 100) -> Tensor:
    return torch.rand(count, n_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def names(model: KAN) -> dict[str, Any]:
    return {"inputs": [f"in_{i}" for i in range(model.n_in)], "outputs": [f"out_{o}" for o in range(model.n_out)]}


def network(model: KAN, **options: Any) -> Figure:
    return draw(network_figure, model, rows(model.n_in), **(names(model) | options))


def collections(figure: Figure, gid: str) -> list[Any]:
    return [c for c in figure.axes[0].collections if c.get_gid() == gid]


def parts(figure: Figure, gid: str) -> list[Any]:
    return [p for c in collections(figure, gid) for p in (c.get_offsets() if gid in DOTS else c.get_paths())]


def words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in texts(figure))


def pruned_and_fixed() -> KAN:
    model = KAN([2, 5, 1])
    for depth, sub, i in ((0, 1, 0), (0, 3, 1), (0, 4, 0), (0, 4, 1), (1, 0, 4)):
        model.layers[depth].remove(sub, i)
    model.fix(0, 0, 0, "sin", 3.0)
    model.fix(0, 1, 2, "x^2")
    model.fix(1, 0, 0, "gaussian")
    return model


@pytest.mark.parametrize("width", [[2, 1], [2, 1, 1], [3, [1, 1], 2], [10, 10, 3]])
def test_network_files(width: list[Any], tmp_path: Path) -> None:
    model = KAN(width)
    draw_network(model, rows(model.n_in), tmp_path / "net.v1", **names(model), title="the title")
    found = words_in_files(tmp_path / "net.v1")
    assert all(name in found for name in [*names(model)["inputs"], *names(model)["outputs"], "the title"])


def test_edges_that_are_left_are_drawn_and_fixed_ones_named() -> None:
    figure = network(pruned_and_fixed())
    assert len(parts(figure, "curves")) == len(parts(figure, "frames")) == 10
    assert len(parts(figure, "lines")) == 20
    lightness = collections(figure, "sums")[0].get_edgecolors()[:, 0]
    assert (lightness > 0.7).tolist() == [False, False, False, False, True]
    assert sorted(t.get_text() for t in texts(figure) if t.get_gid() == "function") == ["gaussian", "sin", "x^2"]
    orange = matplotlib.colors.to_rgb(plots.VERMILLION)
    assert sum(np.allclose(c[:3], orange) for c in collections(figure, "curves")[0].get_colors()) == 3


def test_a_curve_shows_its_function() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "x^2")
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    points = parts(draw(network_figure, model, x, **names(model)), "curves")[0].vertices
    u, v = (points - points.min(0)).T / np.ptp(points, axis=0)[:, None]
    np.testing.assert_allclose(v, (2 * u - 1) ** 2, atol=1e-9)


def test_opacity_follows_the_score() -> None:
    model = KAN([2, 1], seed=1)
    scores = attribution(model, rows(2)).edges[0][0].detach()
    opacity = collections(network(model, beta=0.5), "lines")[0].get_colors()[::2, 3]
    np.testing.assert_allclose(opacity, np.tanh(0.5 * scores.numpy()), rtol=1e-6)


def test_products_have_a_row_of_factors() -> None:
    figure = network(KAN([3, [2, 2], [1, 1], 2]))
    assert [len(parts(figure, gid)) for gid in DOTS] == [3, 5, 6, 3]
    for x, y in parts(figure, "products"):
        assert sum(0.05 < abs(f[0] - x) < 0.3 and 0 < y - f[1] < 0.5 for f in parts(figure, "factors")) == 2


@pytest.mark.parametrize("width", [[2, 1], [6, 1, 1], [3, [2, 2], [1, 1], 2], [6, 8, 4, 2], [10, 10, 2], [130, 1]])
def test_nothing_overlaps(width: list[Any]) -> None:
    model = KAN(width)
    for k, function in enumerate(["gaussian", "1/sqrt(x)", "x^1.5", "arctanh", "sin"]):
        model.fix(0, k % model.n_in, k % model.layers[0].n_sub, function, 0.2, 0.5)
    some = {side: [f"temperature_in_kelvin_{name}" for name in found] for side, found in names(model).items()}
    figure = network(model, **some, title="a title so long that it does not fit into one line of a narrow picture")
    frames = [p.get_extents(figure.axes[0].transData) for p in parts(figure, "frames")]
    assert_apart(frames + [t.get_window_extent() for t in texts(figure) if t.get_gid() != "function"], figure.bbox)
    for t in (t.get_window_extent() for t in texts(figure) if t.get_gid() == "function"):
        assert any(f.x0 <= t.x0 and t.x1 <= f.x1 and f.y0 <= t.y0 and t.y1 <= f.y1 for f in frames)


def test_a_wide_network_has_lines_only(tmp_path: Path) -> None:
    model = KAN([50, 50, 10])
    begin = time.process_time()
    draw_network(model, rows(50), tmp_path / "wide", **names(model), title="wide")
    assert time.process_time() - begin < 5
    assert "wide (3000 edges" in words_in_files(tmp_path / "wide")
    figure = network(KAN([20, 10]))
    assert [len(parts(figure, gid)) for gid in ("lines", "curves")] == [200, 0]


@pytest.mark.parametrize("kept", [[7, 8, 150], list(range(1, 160, 3))])
def test_of_many_inputs_those_with_edges_are_named(kept: list[int]) -> None:
    model = KAN([160, 1])
    model.layers[0].alive[:] = False
    model.layers[0].alive[0, kept] = True
    shown = words(network(model)).split("\n")
    assert {f"in_{i}" for i in kept} <= set(shown)
    assert len(shown) < 150


def test_networks_without_edges_or_values(tmp_path: Path) -> None:
    dead, undefined = KAN([2, 2, 1]), KAN([2, 1, 1])
    for layer in dead.layers:
        layer.alive[:] = False
    undefined.fix(0, 0, 0, "log")
    for model in (dead, undefined):
        draw_network(model, rows(2), tmp_path / "net", inputs=["a", "b"], outputs=["y"])
        assert "a b" in words_in_files(tmp_path / "net")
    assert 30 < len(parts(network(undefined), "curves")[0].vertices) < 60


def test_odd_names_are_shown_as_they_are(tmp_path: Path) -> None:
    draw_network(KAN([2, 1]), rows(2), tmp_path / "odd", inputs=["$x_1$", "温度<&>"], outputs=["$\\frac$"])
    assert all(name in words_in_files(tmp_path / "odd") for name in ("$x_1$", "温度<&>", "$\\frac$"))
