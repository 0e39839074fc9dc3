from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.pipeline.run import run
from tests.contract import read_json

pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'kanrun[tensorboard]'")

SMALL: dict[str, Any] = {
    "dataset": {"formula": "x_1", "n_train": 30, "n_test": 10}, "model": {"width": [1, 1], "grid": 3},
    "optimizer": {"name": "lm", "steps": 3}, "prune": {"enabled": False},
    "symbolic": {"library": ["x"], "discover": False}, "tracker": {"name": "tensorboard"},
}  # fmt: skip


def told(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_a_run_has_its_settings_curves_scores_formula_and_pictures_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    metrics = run(SMALL, folder, quiet=True)
    events = told(folder)
    rows = (folder / "history.csv").read_text().splitlines()[1:]
    curve = events.Scalars("train/train_loss")
    assert [point.step for point in curve] == list(range(len(rows)))
    assert [point.value for point in curve] == pytest.approx([float(row.split(",")[2]) for row in rows], rel=1e-5)
    assert events.Scalars("final/rmse")[0].value == pytest.approx(metrics["final"]["rmse"], rel=1e-5, abs=1e-30)
    texts = {
        key: events.Tensors(f"{key}/text_summary")[0].tensor_proto.string_val[0].decode()
        for key in ("config", "formula")
    }
    assert "    dataset.formula=x_1\n" in texts["config"] and "    y = x_1\n" in texts["formula"]
    assert {"history", "predictions", "network_symbolic"} <= set(events.Tags()["images"])
    assert events.Images("history")[0].width > 200
    run({**SMALL, "plots": {"name": "none", "enabled": False}, "overwrite": True}, folder, quiet=True)
    assert len(list((folder / "tensorboard").iterdir())) == 1  # nothing of the run before
    assert read_json(folder / "status.json")["state"] == "completed"
