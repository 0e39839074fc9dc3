from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kanrun.config.packaged import config_folder
from kanrun.config.schema import GROUPS
from kanrun.pipeline.run import run
from kanrun.report.load import load_run
from kanrun.report.trackers import PACKAGES
from tests.composing import composed
from tests.contract import read_json, violations

# All but rows of one's own, which no config can hold.
OPTIONS = [(group, option) for group, options in GROUPS.items() for option in options if option != "rows"]
# Few rows, steps and functions; the files on disk say all the rest.
SMALL = [
    "dataset.n_train=30", "dataset.n_test=20", "optimizer.steps=3", "optimizer.refit_steps=2", "model.grid=3",
    "symbolic.library=[x,'x^2',sin]", "symbolic.work=100",
]  # fmt: skip
EASY = ["dataset.formula='sin(pi*x_1)+x_2**2'", "model.width=[2,1]"]
LEFT_OUT = {
    "dataset": ("plots", "prune"), "plots": (), "model": ("plots", "symbolic"), "optimizer": ("plots", "symbolic"),
    "tracker": ("plots", "symbolic"),
    "regularization": ("plots", "symbolic"), "prune": ("plots", "symbolic"), "symbolic": ("plots", "prune"),
}  # fmt: skip
EXPERIMENTS: dict[str, tuple[str, str, list[str]]] = {
    "contrastive": ("classification", "mse", ["x_1", "x_2", "x_3", "x_4", "x_5", "x_6"]),
    "contrastive_all": ("classification", "mse", ["x_1", "x_2", "x_3", "x_4", "x_5", "x_6"]),
    "contrastive_wide": ("classification", "mse", ["x_1", "x_2", "x_3", "x_4", "x_5", "x_6"]),
    "discover": ("regression", "rmse", ["x_1", "x_2"]),
    "hello": ("regression", "rmse", ["x_1", "x_2"]),
    "moons_classes": ("classification", "cross_entropy", ["x_1", "x_2"]),
    "moons_regression": ("classification", "mse", ["x_1", "x_2"]),
    "smoke": ("regression", "rmse", ["x_1", "x_2"]),
}


def saved_config(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))


def expected_stages(config: dict[str, Any]) -> tuple[str, ...]:
    if config["model"]["name"] == "mlp":
        return ("train",)
    if config["search"]["seconds"]:
        return ("train", "prune", "symbolic")
    pruned = ("prune", "refit") if config["prune"]["enabled"] else ()
    return ("train", *pruned, *(("symbolic",) if config["symbolic"]["enabled"] else ()))


def test_every_experiment_file_is_run_here() -> None:
    assert {p.stem for p in (config_folder() / "experiment").glob("*.yaml")} == EXPERIMENTS.keys()


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_run_with_every_option_does_what_the_option_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, option: str
) -> None:
    for package in PACKAGES.get(option, ()) if group == "tracker" else ():
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'kanrun[{option}]'")
    monkeypatch.chdir(tmp_path)  # where trackers write
    least = ["symbolic.library=[x,'x^2']", "symbolic.work=1"]
    other = {  # how a dataset or network that is new here is made small
        "moons": ["model.width=[2,2]", *least], "contrastive": ["dataset.n_inputs=5", "model.width=[5,1,1]", *least],
        "mlp": [EASY[0], "model.width=[2,4,1]"],
        "table": [f"dataset.path={tmp_path / 'rows.csv'}", "dataset.target=y", "model.width=[1,1]"],
        "sklearn": ["dataset.table=circles", "dataset.rows=40", "model.width=[2,2]", *least],
    }  # fmt: skip
    (tmp_path / "rows.csv").write_text("x,y\n" + "".join(f"{k / 7},{k / 7 + 2}\n" for k in range(30)))
    folder = tmp_path / "run"
    small = [o for o in SMALL if option != "mlp" or not o.startswith("model.")]  # which has no grid
    small = [o for o in small if option not in ("table", "sklearn") or not o.startswith("dataset.")]
    shape = other.get(option, EASY)
    # Stages on which the option has no say are left out.
    without = [f"{other_group}=none" for other_group in LEFT_OUT.get(group, ("plots",))]
    config = composed(f"{group}={option}", *small, *shape, *without)
    in_a_file = (config_folder() / group / f"{option}.yaml").exists()
    own = composed(f"{group}={option}")[group] if in_a_file else asdict(GROUPS[group][option]())
    changed = {o.partition("=")[0] for o in [*small, *shape]}
    assert all(config[group][k] == v for k, v in own.items() if f"{group}.{k}" not in changed)
    run(config, folder, quiet=True)
    assert saved_config(folder)[group] == config[group]
    stages = expected_stages(config)
    drawn_all = config["plots"]["enabled"]
    assert violations(folder, stages=stages, pictures=drawn_all) == []
    assert (folder / "plots").exists() == drawn_all
    assert (folder / "formula.json").exists() == ("symbolic" in stages)


@pytest.fixture(scope="module")
def made_small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small run of an experiment, which is run once."""

    @cache
    def folder_of(name: str) -> Path:
        task = EXPERIMENTS[name][0]
        own = ["dataset.n_train=16", "symbolic.library=[x,'x^2']", "symbolic.work=1"] * (task == "classification")
        own += ["model.width=[2,2,1]"] * (name == "hello")
        own += ["dataset.formula='sin(3*x_1)+x_2**2'", "search.seconds=2"] * (name == "discover")
        folder = tmp_path_factory.mktemp(name)
        run(composed(f"experiment={name}", *SMALL, *own, "plots=none"), folder, quiet=True)
        return folder

    return folder_of


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_when_made_small(made_small: Callable[[str], Path], name: str) -> None:
    task, score, inputs = EXPERIMENTS[name]
    folder = made_small(name)
    config, metrics = saved_config(folder), read_json(folder / "metrics.json")
    more = ("relations",) if name == "contrastive_all" else ()
    assert violations(folder, stages=(*expected_stages(config), *more), pictures=False) == []
    assert metrics["task"] == task
    assert score in metrics["final"]
    assert metrics["seed"] == config["seed"]
    assert metrics["stages"][0]["active_inputs"] == inputs
    formulas = read_json(folder / "formula.json")
    assert len(formulas) == (config["model"]["width"] or [1])[-1]
    assert [f["exact"] is None for f in formulas] == [task == "classification"] * len(formulas)
    assert ("related_inputs" in metrics) == name.startswith("contrastive")


def test_the_last_edge_of_the_contrastive_network_stays_a_locked_gaussian(
    made_small: Callable[[str], Path],
) -> None:
    last = load_run(made_small("contrastive")).model.layers[-1]
    assert last.functions == {(0, 0): "gaussian"}
    assert last.affine[0, 0].tolist() == [1.0, 0.0, 1.0]
    assert not bool(last.is_trainable[0, 0])


@pytest.mark.slow
def test_all_relations_are_found_one_after_the_other(tmp_path: Path) -> None:
    few = ["symbolic.library=[x,'x^2','x^3',sin,exp,log]", "dataset.n_train=100", "dataset.n_test=30"]
    few += ["optimizer.steps=20", "symbolic.work=1"]
    metrics = run(composed("experiment=contrastive_all", *few, "plots=none"), tmp_path, quiet=True)
    assert violations(tmp_path, stages=("train", "prune", "refit", "symbolic", "relations"), pictures=False) == []
    assert sorted(metrics["related_inputs"]) == [["x_1", "x_2", "x_3"], ["x_4", "x_5"]]
    found = {r["equation"]: r["exact"] for r in read_json(tmp_path / "formula.json")[0]["relation"]}
    assert found == {"x_2**2 - log(x_3) + sin(pi*x_1) = 0": True, "x_4 - x_5**3 = 0": True}
    last = metrics["relation_rounds"][-1]
    assert len(last["set_aside"]) == 2
    assert last["found"] == []
    assert last["accuracy"] <= last["beyond"]
    text = (tmp_path / "formula.txt").read_text(encoding="utf-8").splitlines()
    assert {"relation: x_4 - x_5**3 = 0 (exact)", "  x_4 = x_5**3", "  x_3 = exp(x_2**2 + sin(pi*x_1))"} <= set(text)


@pytest.mark.parametrize(
    "settings",
    [
        ["dataset.formula='x_1*sin(x_2)'", "dataset.domain=[-1,2]"],
        ["dataset.formula='exp(sin(pi*x_1)+x_2**2)'"],  # more than one network is looked at more closely
        ["dataset.formula='sin(x_1*x_2)+exp(x_1)'", "dataset.domain=[-1,3]", "search.seconds=0.01"],  # none is
        ["dataset.formula='sqrt(x_1)'", "dataset.domain=[0,1]", "dataset.n_train=20"],  # no value at some test rows
    ],
    ids=["few trials", "trials", "no time", "border"],
)
def test_a_search_keeps_the_contract(tmp_path: Path, settings: list[str]) -> None:
    small = ["dataset.n_train=60", "dataset.n_test=30", "symbolic.library=[x,'x^2',sin,exp,sqrt]", "search.seconds=3"]
    metrics = run(composed("experiment=discover", *small, *settings, "plots=none"), tmp_path, quiet=True)
    assert violations(tmp_path, stages=("train", "prune", "symbolic"), pictures=False) == []
    assert [s["name"] for s in metrics["stages"]] == ["train", "prune", "symbolic"]
    assert load_run(tmp_path).model.is_symbolic()


def test_hello_finds_its_formula_exactly(tmp_path: Path) -> None:
    few = ["dataset.n_train=200", "dataset.n_test=100", "symbolic.library=[x,'x^2',sin,exp]", "symbolic.work=500"]
    metrics = run(composed("experiment=hello", *few, "plots=none"), tmp_path, quiet=True)
    [formula] = read_json(tmp_path / "formula.json")
    assert formula["exact"] is True
    assert formula["expression"] == "exp(x_2**2 + sin(pi*x_1))"
    assert metrics["final"]["rmse"] < 1e-9
    assert metrics["stages"][-1]["width"] == [2, 1, 1]
