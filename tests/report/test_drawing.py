from __future__ import annotations

import itertools
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
from kanrun.report import look
from kanrun.report.drawing import draw_network, network_figure
from tests.figures import assert_nothing_overlaps, draw, texts, words_in_files
from tests.planted import long_names, rows

DOTS = ("inputs", "sums", "factors", "products")


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
    assert sorted((lightness > 0.7).tolist()) == [False, False, False, False, True]
    assert sorted(t.get_text() for t in texts(figure) if t.get_gid() == "function") == ["gaussian", "sin", "x^2"]
    orange = matplotlib.colors.to_rgb(look.VERMILLION)
    assert sum(np.allclose(c[:3], orange) for c in collections(figure, "curves")[0].get_colors()) == 3


def test_a_curve_shows_its_function() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "x^2")
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    points = parts(draw(network_figure, model, x, **names(model)), "curves")[0].vertices
    u, v = (points - points.min(0)).T / np.ptp(points, axis=0)[:, None]
    np.testing.assert_allclose(v, (2 * np.linspace(0, 1, len(u)) - 1) ** 2, atol=0.05)
    np.testing.assert_allclose(np.sqrt(v), np.abs(2 * np.arange(len(u)) / (len(u) - 1) - 1), atol=0.05)


def test_darkness_and_width_follow_the_score() -> None:
    model = KAN([2, 1], seed=1)
    scores = attribution(model, rows(2)).edges[0][0].detach().numpy()
    [lines] = collections(network(model, beta=0.5), "lines")
    np.testing.assert_allclose(lines.get_colors()[::2, 3], np.tanh(0.5 * scores), rtol=1e-6)
    thin, thick = sorted(lines.get_linewidths()[::2])
    assert (thick - 0.5) / (thin - 0.5) == pytest.approx(scores.max() / scores.min())


def test_edges_that_are_functions_differ_in_strength() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "x", 1.0)
    model.fix(0, 1, 0, "x", 3.0)
    [lines] = collections(network(model), "lines")
    weak, strong = lines.get_linewidths()[::2]
    assert strong > 1.5 * weak
    assert lines.get_colors()[2, 3] > 0.99


def test_products_have_a_row_of_factors() -> None:
    figure = network(KAN([3, [2, 2], [1, 1], 2]))
    assert [len(parts(figure, gid)) for gid in DOTS] == [3, 5, 6, 3]
    for x, y in parts(figure, "products"):
        assert sum(0.05 < abs(f[0] - x) < 0.3 and 0 < y - f[1] < 0.5 for f in parts(figure, "factors")) == 2


def boxes_of(figure: Figure) -> list[Any]:
    return [p.get_extents(figure.axes[0].transData) for p in parts(figure, "frames")]


WIDTHS = [
    [1, 1],
    [2, 1],
    [3, [2, 2], [1, 1], 2],
    [6, 8, 4, 3],
    [12, 3, 1],
    [20, 10, 5],
    [30, 2, 1],
    [130, 1],
    [40, 40, 2],
]


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_nothing_overlaps_with_long_names(width: list[Any]) -> None:
    model = KAN(width)
    for k, function in enumerate(["gaussian", "1/sqrt(x)", "x^1.5", "arctanh", "sin"]):
        model.fix(0, k % model.n_in, k % model.layers[0].n_sub, function, 0.2, 0.5)
    some = {"inputs": long_names(model.n_in), "outputs": long_names(model.n_out)}
    figure = network(model, **some, title="a title so long that it does not fit into one line of a narrow picture")
    assert_nothing_overlaps(figure)
    frames, functions = boxes_of(figure), [t for t in texts(figure) if t.get_gid() == "function"]
    for a, b in itertools.combinations(frames, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) < 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) < 0.5
    for t in texts(figure):
        box = t.get_window_extent()
        if t in functions:
            assert any(f.x0 <= box.x0 and box.x1 <= f.x1 and f.y0 <= box.y0 and box.y1 <= f.y1 for f in frames)
        else:
            assert not any(f.overlaps(box) for f in frames)


@pytest.mark.parametrize("width", [[6, 8, 4, 3], [20, 10, 5]], ids=str)
def test_no_line_runs_through_a_box_of_another_edge(width: list[Any]) -> None:
    figure = network(KAN(width))
    frames = [p.get_extents() for p in parts(figure, "frames")]
    inner = [f.padded(-0.005) for f in frames]
    for line in parts(figure, "lines"):
        assert not any(line.intersects_bbox(box, filled=False) for box in inner)


@pytest.mark.parametrize("inputs", [1, 12, 30])
def test_names_can_be_read_where_the_picture_is_printed_8_cm_wide(inputs: int) -> None:
    figure = network(KAN([inputs, 1]), inputs=long_names(inputs))
    scale = 8 / 2.54 / figure.get_size_inches()[0]
    assert all(t.get_fontsize() * scale > 6 for t in texts(figure))


def test_functions_of_many_edges_can_be_read_at_8_cm() -> None:
    model = KAN([6, 8, 4, 3])
    for depth, layer in enumerate(model.layers):
        for sub, i in itertools.product(range(layer.n_sub), range(layer.n_in)):
            model.fix(depth, i, sub, ["sin", "exp", "x^2"][(sub + i) % 3], 0.1)
    figure = network(model)
    scale = 8 / 2.54 / figure.get_size_inches()[0]
    functions = [t for t in texts(figure) if t.get_gid() == "function"]
    assert len(functions) == 92
    assert all(t.get_fontsize() * scale > 5.5 for t in functions)


def test_of_a_large_network_the_strongest_paths_are_drawn(tmp_path: Path) -> None:
    model = KAN([50, 50, 10], seed=3)
    draw_network(model, rows(50), tmp_path / "wide", **names(model), title="wide")
    found = " ".join(words_in_files(tmp_path / "wide").split())
    assert "the 24 strongest of 25 000 paths" in found
    figure = network(model)
    shown = len(parts(figure, "curves"))
    assert f"{3000 - shown} of 3000 edges not shown" in " ".join(words(figure).split())
    assert 24 <= shown <= 48
    scores = attribution(model, rows(50)).edges[0]
    [lines] = collections(figure, "lines")
    i = int(scores.argmax()) % 50
    assert f"in_{i}" in words(figure).split("\n")
    assert len(lines.get_paths()) == 2 * shown


@pytest.mark.parametrize("kept", [[7, 8, 150], list(range(1, 160, 3))])
def test_of_many_inputs_those_with_edges_are_named(kept: list[int]) -> None:
    model = KAN([160, 1])
    model.layers[0].alive[:] = False
    model.layers[0].alive[0, kept] = True
    shown = words(network(model)).split("\n")
    named = {f"in_{i}" for i in kept} & set(shown)
    assert len(named) == min(len(kept), 24)
    assert not {f"in_{i}" for i in range(160) if i not in kept} & set(shown)


def test_networks_without_edges_or_values(tmp_path: Path) -> None:
    dead, undefined = KAN([2, 2, 1]), KAN([2, 1, 1])
    for layer in dead.layers:
        layer.alive[:] = False
    undefined.fix(0, 0, 0, "log")
    for model in (dead, undefined):
        draw_network(model, rows(2), tmp_path / "net", inputs=["a", "b"], outputs=["y"])
        assert "a b" in words_in_files(tmp_path / "net")
    drawn = parts(network(undefined), "curves")[0].vertices
    assert 40 < len(drawn) < 80  # the half of its range that it has values in


def test_a_network_of_one_row(tmp_path: Path) -> None:
    draw_network(KAN([3, 2, 1]), rows(3, 1), tmp_path / "net", inputs=["a", "b", "c"], outputs=["y"])
    assert "a b c" in words_in_files(tmp_path / "net")


def test_odd_names_are_shown_as_they_are(tmp_path: Path) -> None:
    draw_network(KAN([2, 1]), rows(2), tmp_path / "odd", inputs=["$x_1$", "温度<&>"], outputs=["$\\frac$"])
    assert all(name in words_in_files(tmp_path / "odd") for name in ("$x_1$", "温度<&>", "$\\frac$"))


def test_labels_stand_for_the_names_of_functions_and_the_longest_that_fits_is_taken() -> None:
    model = pruned_and_fixed()
    labels = {(0, 0, 0): ["sin(pi*x_1)", "sin"], (0, 2, 1): ["x_2**2 and much that does not fit", "x^2"]}
    found = {t.get_text() for t in texts(network(model, labels=labels)) if t.get_gid() == "function"}
    assert found == {"sin", "x^2", "gaussian"} or found == {"sin(pi*x_1)", "x^2", "gaussian"}
    lone = KAN([1, 1])
    lone.fix(0, 0, 0, "sin")
    figure = network(lone, labels={(0, 0, 0): ["sin(pi*x_1)", "sin"]})
    assert "sin(pi*x_1)" in words(figure).split("\n")


def crossings(model: KAN) -> int:
    figure = network(model)
    lines = [p.vertices for p in parts(figure, "lines")]
    pairs = itertools.combinations([(line[a], line[a + 1]) for line in lines for a in range(len(line) - 1)], 2)

    def side(a: Tensor, b: Tensor, c: Tensor) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    return sum(
        side(a, b, c) * side(a, b, d) < -1e-12 and side(c, d, a) * side(c, d, b) < -1e-12 for (a, b), (c, d) in pairs
    )


def test_nodes_are_ordered_so_that_lines_do_not_cross_where_they_need_not() -> None:
    model = KAN([4, 4, 4, 1])
    for depth in (0, 1):  # each node has one edge, to the node on the other side
        model.layers[depth].alive[:] = False
        for n in range(4):
            model.layers[depth].alive[3 - n if depth == 0 else (n + 2) % 4, n] = True
    assert crossings(model) == 0
