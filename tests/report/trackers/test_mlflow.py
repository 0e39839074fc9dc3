from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.report.trackers import PACKAGES

for package in PACKAGES["mlflow"]:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'kanrun[mlflow]'")

from kanrun.report.trackers.mlflow import MlflowSink  # noqa: E402

# What mlflow and the packages it needs warn of when they are imported and make a database is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def runs(sink: MlflowSink) -> list[Any]:
    return list(sink.client.search_runs([e.experiment_id for e in sink.client.search_experiments()]))


def test_a_run_has_its_settings_curves_formula_and_pictures_there_and_goes_on_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "it's" / "0"
    folder.mkdir(parents=True)
    (folder / "history.png").touch()
    sink = MlflowSink(folder, None, "kanrun", False)
    sink.parameters({f"key {n} (m)": "x" * 9000 for n in range(150)} | {"seed": "7"})
    for step in range(3):
        sink.numbers({"train/train_loss": 0.5 / (step + 1), "µ": 1.0}, step)
    sink.text("formula", "y = x_1\n")
    sink.picture("history", folder / "history.png")
    sink.close(completed=False)
    [run] = runs(sink)
    assert (run.info.status, run.info.run_name, len(run.data.params)) == ("KILLED", "it's/0", 151)
    assert run.data.params["seed"] == "7" and run.data.tags["formula"] == "y = x_1\n"
    curve = sink.client.get_metric_history(run.info.run_id, "train/train_loss")
    assert sorted((point.step, point.value) for point in curve) == [(0, 0.5), (1, 0.25), (2, 0.5 / 3)]
    assert {one.path for one in sink.client.list_artifacts(run.info.run_id)} == {"formula.txt", "plots"}
    assert (tmp_path / "mlruns" / "mlflow.db").exists()

    again = MlflowSink(folder, None, "kanrun", True)
    assert again.run == run.info.run_id
    again.parameters({"seed": "7"})
    again.close(completed=True)
    assert [one.info.status for one in runs(again)] == ["FINISHED"]
    assert MlflowSink(folder, None, "kanrun", True).run != run.info.run_id  # that one is finished
