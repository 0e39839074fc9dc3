from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.data.build import build_dataset
from kanrun.errors import KanrunError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.pipeline.run import run
from kanrun.report.files import read_history
from kanrun.report.pictures import PICTURES
from kanrun.report.replot import kept_networks, picture_named, picture_of, scene_in
from tests.helpers import additive_network

TABLE = "speed (m/s),mass (kg),energy (J)\n" + "".join(
    f"{v},{m},{m * v**2 / 2}\n" for v in range(1, 9) for m in range(1, 6)
)


@pytest.fixture(scope="module")
def of_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a table with its pictures, which lies beside it."""
    folder = tmp_path_factory.mktemp("replot")
    (folder / "table.csv").write_text(TABLE)
    config: dict[str, Any] = {
        "dataset": {"name": "table", "path": str(folder / "table.csv"), "target": "energy"},
        "model": {"width": [2, 1], "grid": 3}, "optimizer": {"steps": 5}, "symbolic": {"library": ["x", "x^2"]},
    }  # fmt: skip
    run(config, folder / "run", quiet=True)
    return folder


def test_what_the_run_drew_is_drawn_again_to_the_byte(of_table: Path) -> None:
    plots = of_table / "run" / "plots"
    drawn = {p.stem for p in plots.glob("*.svg")}
    assert {"history", "predictions", "edges", "residuals", "importance", "network_symbolic"} <= drawn
    for name in drawn & {name for name, p in PICTURES.items() if p.lacking(scene_in(of_table / "run")) is None}:
        assert picture_of(of_table / "run", name, "svg") == (plots / f"{name}.svg").read_bytes(), name


def test_the_last_network_is_that_of_the_formula(of_table: Path) -> None:
    last, symbolic = (picture_of(of_table / "run", name, "png") for name in ("network", "network_symbolic"))
    assert last == symbolic


def test_what_a_folder_does_not_have_is_said_with_what_it_has(of_table: Path) -> None:
    with pytest.raises(KanrunError) as caught:
        picture_of(of_table / "run", "network_trained", "png")
    message = str(caught.value)
    assert "\n" not in message and "the trained network is not kept" in message
    there = message.split("/run: ")[1].partition("; as the run drew it: ")[0].split(", ")
    assert {"network", "network_pruned", "network_symbolic", "edges"} <= set(there)
    assert not {"network_trained", "roc", "confusion"} & set(there)
    for name in there:
        assert picture_of(of_table / "run", name, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("change", [None, TABLE + "9,1,40.5\n", TABLE.replace("8,5,160", "8,5,1600")])
def test_a_table_that_is_gone_or_changed_is_one_line(of_table: Path, change: str | None) -> None:
    table = of_table / "table.csv"
    table.unlink()
    try:
        if change:
            assert change != TABLE
            table.write_text(change)
        with pytest.raises(KanrunError, match=r"cannot be had again: .*; what can be made of .*: .*history") as caught:
            picture_of(of_table / "run", "predictions", "png")
        assert "\n" not in str(caught.value)
        assert ("has changed since the run" in str(caught.value)) == bool(change)
        assert "edges" not in str(caught.value).rsplit(": ", 1)[1]
        assert picture_of(of_table / "run", "history", "png").startswith(b"\x89PNG")
    finally:
        table.write_text(TABLE)


def test_rows_that_were_given_in_python_are_not_to_be_had_again(of_table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(of_table / "run", folder)
    text = (folder / "config.yaml").read_text()
    start = text.index("dataset:")
    end = text.index("\nmodel:")
    (folder / "config.yaml").write_text(text[:start] + "dataset:\n  name: rows" + text[end:])
    with pytest.raises(KanrunError, match="its rows are given in Python"):
        picture_of(folder, "edges", "svg")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(KanrunError, match=r"residual: no picture, did you mean residuals\? There are .*importance"):
        picture_named("residual")


def test_history_comes_back(of_table: Path, noisy_run: Path) -> None:
    records = read_history(noisy_run / "history.csv")
    assert records and all(isinstance(r.step, int) and isinstance(r.train_loss, float) for r in records)
    assert {r.stage for r in records} <= {entry["name"] for entry in metrics(noisy_run)["stages"]}
    scene = scene_in(of_table / "run")
    data = build_dataset(scene_config(of_table / "run"), torch.float64, torch.device("cpu"))
    torch.testing.assert_close(scene.data.train.x, data.train.x)


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def scene_config(folder: Path) -> Any:
    from kanrun.report.load import load_run

    return load_run(folder).config


def test_what_only_the_run_could_draw_is_where_it_drew_it(of_table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(of_table / "run", folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").write_text(json.dumps({**metrics, "search": {"stopped": "exact"}}), encoding="utf-8")
    with pytest.raises(KanrunError, match="networks of a search are not kept; what can be made of") as caught:
        picture_of(folder, "history", "png")
    assert str(caught.value).endswith(f"as the run drew it: {folder / 'plots' / 'history.png'}")


def test_rows_with_other_inputs_than_those_of_the_run_are_not_taken_for_them(of_table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(of_table / "run", folder)
    content = metrics(folder)
    (folder / "metrics.json").write_text(json.dumps({**content, "inputs": content["inputs"][::-1]}), encoding="utf-8")
    with pytest.raises(KanrunError, match="cannot be had again: they have other inputs by now"):
        picture_of(folder, "edges", "svg")


FUNCTIONS, SPLINES, PLAIN = additive_network([("sin", 1.0, 0.0, 1.0)]), KAN([1, 1], grid=3), MLP([1, 1])


@pytest.mark.parametrize(
    ("stages", "last", "splines", "named"),
    [
        (["train", "prune", "symbolic"], FUNCTIONS, SPLINES, {"pruned": SPLINES, "symbolic": FUNCTIONS}),
        (["train", "symbolic"], FUNCTIONS, SPLINES, {"trained": SPLINES, "symbolic": FUNCTIONS}),
        (["train", "symbolic"], FUNCTIONS, None, {"symbolic": FUNCTIONS}),
        (["train", "refit", "symbolic"], SPLINES, None, {"pruned": SPLINES}),
        (["train"], FUNCTIONS, None, {"trained": FUNCTIONS}),
        (["train", "symbolic"], PLAIN, None, {"trained": PLAIN}),
    ],
)
def test_networks_are_named_by_the_stage_that_left_them(
    stages: list[str], last: KAN | MLP, splines: KAN | None, named: dict[str, KAN | MLP]
) -> None:
    assert kept_networks(stages, last, splines) == named
