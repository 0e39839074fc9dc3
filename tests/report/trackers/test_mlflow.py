"""What is put into MLflow: into a store that is made up, and into its own where it is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from kanrun.config.schema import Config, MlflowConfig
from kanrun.report.trackers import PACKAGES, trackers_of

MODULE = "kanrun.report.trackers.mlflow"

# ---- with a store that is made up ----------------------------------------------------------------------------------


class Param(NamedTuple):
    """As MLflow takes one."""

    key: str
    value: str


class Metric(NamedTuple):
    """As MLflow takes one."""

    key: str
    value: float
    timestamp: int
    step: int


class Store:
    """Experiments and runs in memory, with as much of MLflow's client as is asked of it."""

    def __init__(self) -> None:
        self.experiments: dict[str, str | None] = {}
        self.runs: dict[str, Any] = {}
        self.batches: list[int] = []
        self.asked: list[str] = []

    def client(self, tracking_uri: str) -> Store:
        self.asked.append(tracking_uri)
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        self.experiments[name] = artifact_location
        return name

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
        info = SimpleNamespace(run_id=str(len(self.runs)), run_name=run_name, status="RUNNING", experiment=experiment)
        data = SimpleNamespace(params={}, metrics=[], tags=dict(tags), artifacts={})
        self.runs[info.run_id] = SimpleNamespace(info=info, data=data)
        return self.runs[info.run_id]

    def get_run(self, run: str) -> Any:
        return self.runs[run]

    def search_runs(self, experiments: list[str], asked: str, max_results: int) -> list[Any]:
        key, _, said = asked.partition(" = ")
        name, value = key.split("`")[1], said.strip("'")
        there = [one for one in self.runs.values() if one.info.experiment in experiments]
        return [one for one in there if one.data.tags[name] == value][::-1][:max_results]  # the last one first

    def update_run(self, run: str, status: str) -> None:
        self.runs[run].info.status = status

    set_terminated = update_run

    def log_batch(self, run: str, params: list[Param] | None = None, metrics: list[Metric] | None = None) -> None:
        self.batches.append(len(params or metrics or []))
        assert all(0 < len(key) <= 250 for key, *_ in [*(params or []), *(metrics or [])])
        for key, value in params or []:
            assert key not in self.runs[run].data.params  # they cannot change
            self.runs[run].data.params[key] = value
        self.runs[run].data.metrics += metrics or []

    def log_text(self, run: str, text: str, name: str) -> None:
        self.runs[run].data.artifacts[name] = text

    def set_tag(self, run: str, name: str, value: str) -> None:
        self.runs[run].data.tags[name] = value

    def log_artifact(self, run: str, path: str, where: str) -> None:
        self.runs[run].data.artifacts[f"{where}/{Path(path).name}"] = path


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    """What stands for MLflow, whether it is installed or not."""
    made = Store()
    entities, tracking = ModuleType("mlflow.entities"), ModuleType("mlflow.tracking")
    entities.__dict__.update(Metric=Metric, Param=Param)
    tracking.__dict__.update(MlflowClient=made.client)
    monkeypatch.chdir(tmp_path)
    for module in (ModuleType("mlflow"), entities, tracking):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    importlib.import_module(MODULE)
    yield made
    del sys.modules[MODULE]


def sink_of(folder: Path, resumed: bool = False, uri: str | None = None) -> Any:
    return importlib.import_module(MODULE).MlflowSink(folder, uri, "kanrun", resumed)


def test_a_run_that_goes_on_is_the_run_that_it_was_unless_that_is_finished(store: Store, tmp_path: Path) -> None:
    first = sink_of(tmp_path / "it's" / "0")
    first.close(completed=False)
    assert store.runs[first.run].info.status == "KILLED"
    again = sink_of(tmp_path / "it's" / "0", resumed=True)
    assert again.run == first.run and store.runs[first.run].info.status == "RUNNING"
    assert unquote(store.runs[first.run].data.tags["kanrun.folder"]) == str(tmp_path / "it's" / "0")
    again.close(completed=True)
    assert store.runs[first.run].info.status == "FINISHED"
    others = [sink_of(tmp_path / "it's" / "0", resumed=True), sink_of(tmp_path / "it's" / "1", resumed=True)]
    assert len({first.run, *(one.run for one in others)}) == 3
    assert sink_of(tmp_path / "it's" / "1").run not in {one.run for one in others}  # one that begins anew


@pytest.mark.parametrize("uri", [None, "http://127.0.0.1:1"])
def test_runs_lie_in_the_folder_where_the_command_is_given_or_on_the_server_that_is_named(
    store: Store, tmp_path: Path, uri: str | None
) -> None:
    for number in range(2):
        sink_of(tmp_path / str(number), uri=uri)
    here = tmp_path / "mlruns"
    assert store.asked == [uri or f"sqlite:///{here}/mlflow.db"] * 2
    assert store.experiments == {"kanrun": (here / "artifacts").as_uri() if uri is None else None}
    assert here.exists() == (uri is None)


def test_settings_are_put_once_and_cut_to_what_there_is_room_for(store: Store, tmp_path: Path) -> None:
    sink = sink_of(tmp_path / "0")
    sink.parameters({"µ(m)": "x" * 9000, "k" * 300: "1"} | {f"key {n}": str(n) for n in range(150)})
    sink.parameters({"key 7": "other", "seed": "3"})
    params = store.runs[sink.run].data.params
    assert (len(params), params["key 7"], params["seed"]) == (153, "7", "3")
    assert len(params["µ_m_"]) == 6000 and params["k" * 250] == "1"
    assert store.batches == [100, 52, 1]


def test_numbers_are_sent_many_at_a_time_and_none_is_lost(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(f"{MODULE}.time", SimpleNamespace(time=lambda: now[0]))
    sink = sink_of(tmp_path / "0")
    sink.numbers({"loss": 3.0}, 0)  # the first is there at once, for those who look
    for step in range(1, 602):
        sink.numbers({"loss": 1.0 / step}, step)
    assert store.batches == [1, 500]
    now[0] += 6.0
    sink.numbers({"loss": 0.0}, 602)
    sink.numbers({"loss": 0.5}, 603)
    assert store.batches == [1, 500, 102]
    sink.close(completed=True)
    assert store.batches == [1, 500, 102, 1]
    assert [one.step for one in store.runs[sink.run].data.metrics] == list(range(604))


def test_texts_and_pictures_are_files_and_a_text_a_tag_as_long_as_one_may_be(store: Store, tmp_path: Path) -> None:
    sink = sink_of(tmp_path / "0")
    sink.text("formula", "x_1 + " * 2000)
    sink.picture("history", tmp_path / "history.png")
    data = store.runs[sink.run].data
    assert data.artifacts == {"formula.txt": "x_1 + " * 2000, "plots/history.png": str(tmp_path / "history.png")}
    assert len(data.tags["formula"]) == 6000


def test_a_run_is_there_from_its_first_stage_on(store: Store, tmp_path: Path) -> None:
    [tracker] = trackers_of(Config(tracker=MlflowConfig(experiment="springs")), Path("0"), False, print)
    assert store.runs == {}
    tracker.stage_began("train")
    [run] = store.runs.values()
    assert (run.info.experiment, run.info.run_name) == ("springs", f"{tmp_path.name}/0")
    assert run.data.params["seed"] == "0"


# ---- with MLflow itself --------------------------------------------------------------------------------------------


def runs(sink: Any) -> list[Any]:
    return list(sink.client.search_runs([e.experiment_id for e in sink.client.search_experiments()]))


# What mlflow and the packages it needs warn of when they are imported and make a database is not ours.
@pytest.mark.filterwarnings("ignore")
def test_a_run_has_its_settings_curves_formula_and_pictures_there_and_goes_on_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in PACKAGES["mlflow"]:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'kanrun[mlflow]'")
    from kanrun.report.trackers.mlflow import MlflowSink

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
