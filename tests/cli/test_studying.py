"""A search for settings as it is typed: what is chosen, how it goes on, and what it says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from kanrun.cli.studying import check_objectives, dimension_of
from kanrun.errors import ConfigError
from kanrun.sweep import studying
from kanrun.sweep.studying import Dimension, Study
from tests.cli.command import QUICK, Call
from tests.contract import read_json

SEARCH = ["-m", "hydra/sweeper=kanrun_optuna", "hydra.launcher.jobs=1", *QUICK]
SPACE = ["model.grid=range(3,9)", "optimizer.learning_rate=tag(log,interval(0.001,0.1))", "optimizer=adam"]


def trials_in(folder: Path) -> list[Any]:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / studying.JOURNAL)))
    return optuna.load_study(study_name="kanrun", storage=storage).trials


@pytest.mark.parametrize(
    ("typed", "dimension"),
    [
        ("a=range(1,6)", Dimension("a", (), 1, 5, 1, False, True)),
        ("a=range(1,10,3)", Dimension("a", (), 1, 7, 3, False, True)),
        ("a=interval(0,5)", Dimension("a", (), 0, 5, None, False, False)),
        ("a=int(interval(0,5))", Dimension("a", (), 0, 5, None, False, True)),
        ("a=interval(0.5,5)", Dimension("a", (), 0.5, 5, None, False, False)),
        ("a=tag(log,interval(0.001,0.1))", Dimension("a", (), 0.001, 0.1, None, True, False)),
        ("a=choice(x,y)", Dimension("a", ("x", "y"))),
        ("a=[2],[3,4]", Dimension("a", ("[2]", "[3,4]"))),
    ],
)
def test_what_is_typed_is_chosen_among(typed: str, dimension: Dimension) -> None:
    [override] = OverridesParser.create().parse_overrides([typed])
    found = dimension_of("a", override)
    assert found == dimension
    if not found.texts:
        assert (found.distribution().low, found.distribution().high) == (dimension.low, dimension.high)


@pytest.mark.parametrize("typed", ["a=interval(5,1)", "a=tag(log,interval(0,1))", "a=range(5,5)"])
def test_what_has_no_values_is_refused(typed: str) -> None:
    [override] = OverridesParser.create().parse_overrides([typed])
    with pytest.raises(ConfigError, match=r"^a="):
        dimension_of("a", override)


def test_trials_are_jobs_that_are_chosen_by_validation_rows(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun(*SEARCH, *SPACE, "hydra.sweeper.trials=4", "hydra.sweep.dir=s")
    assert (status, lines) == (0, [])
    trials = trials_in(tmp_path / "s")
    for trial in trials:
        metrics = read_json(tmp_path / "s" / str(trial.number) / "metrics.json")
        assert trial.values == [metrics["stages"][-1]["validation"]["mse"]]
        assert 3 <= trial.params["model.grid"] <= 8 and metrics["stages"][0]["test"]["mse"] != trial.values[0]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    best = min(trials, key=lambda trial: trial.values)
    assert f"best job {best.number}: validation {best.values[0]:.4g}" in out
    assert out.count("dataset.validation=0.2") == 1


def test_a_search_that_was_killed_goes_on_without_a_trial_lost(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, told = studying.tell, list[int]()

    def killed_before_it_is_told(*given: Any) -> None:
        told.append(given[3].number)
        if len(told) == 3:
            raise SystemExit(137)
        plain(*given)

    with monkeypatch.context() as patched:
        patched.setattr(studying, "tell", killed_before_it_is_told)
        assert kanrun(*SEARCH, *SPACE, "hydra.sweeper.trials=5", "hydra.sweep.dir=s").status == 137
    before = trials_in(tmp_path / "s")
    assert [trial.state.name for trial in before] == ["COMPLETE", "COMPLETE", "RUNNING"]
    done = (tmp_path / "s" / "2" / "metrics.json").stat().st_mtime_ns
    assert kanrun("-m", "sweep.resume=s", "hydra.sweeper.trials=6").status == 0
    after = trials_in(tmp_path / "s")
    assert [trial.state.name for trial in after] == ["COMPLETE"] * 6
    assert [trial.params for trial in after[:3]] == [trial.params for trial in before]
    assert (tmp_path / "s" / "2" / "metrics.json").stat().st_mtime_ns == done  # it was finished, only not told of
    assert len({str(trial.params) for trial in after}) == 6


def test_two_objectives_end_with_a_front(kanrun: Call, tmp_path: Path) -> None:
    two = ["hydra.sweeper.objectives=[validation,seconds]", "hydra.sweeper.trials=3"]
    status, out, _ = kanrun(*SEARCH, *SPACE, *two, "hydra.sweep.dir=s")
    assert status == 0
    front = [line for line in out.splitlines() if line.startswith("best job")]
    assert front and all("validation" in line and "seconds" in line for line in front)
    assert all(len(trial.values) == 2 for trial in trials_in(tmp_path / "s"))


def test_a_trial_without_a_score_has_failed(kanrun: Call, tmp_path: Path) -> None:
    complexity = ["hydra.sweeper.objectives=[validation,complexity]", "hydra.sweeper.trials=2"]
    chosen = "symbolic.enabled=choice(false)"  # which is not known to be the only one
    status, _, lines = kanrun(*SEARCH, *SPACE, chosen, *complexity, "hydra.sweep.dir=s")
    assert status == 1
    assert lines == [f"kanrun: job {n}: no complexity, which the search is for" for n in range(2)]
    assert {trial.state.name for trial in trials_in(tmp_path / "s")} == {"FAIL"}


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ([], "hydra/sweeper=kanrun_optuna: nothing to choose"),
        (["seed=0,1", "sweep=sizes"], "hydra/sweeper=kanrun_optuna: a search has one part and no pairs"),
        (["seed=0,1", "hydra.sweeper.trials=0"], "hydra.sweeper.trials=0: 1 or more"),
        (["seed=0,1", "hydra.sweeper.objectives=[loss]"], "hydra.sweeper.objectives=[loss]: some of validation"),
        (
            ["seed=0,1", "hydra.sweeper.objectives=[validation,complexity]"],
            "hydra.sweeper.objectives=[validation,complexity]: complexity is that of formulas, and symbolic=none looks",
        ),
        (
            ["seed=0,1", "hydra.sweeper.objectives=[complexity]", "model=mlp", "symbolic=default"],
            "hydra.sweeper.objectives=[complexity]: complexity is that of formulas, and model=mlp has none",
        ),
        (["seed=0,1", "hydra.sweeper.trials=x"], "hydra.sweeper.trials=x: 1 or more"),
        (["seed=0,1", "hydra.sweeper.trails=3"], "hydra.sweeper.trails=3: unknown setting, did you mean trials?"),
        (["seed=0,1", "hydra.sweeper.objectives=[]"], "hydra.sweeper.objectives=[]: some of validation"),
        (["seed=0,1", "hydra.sweeper.storage=3"], "hydra.sweeper.storage=3: an address"),
        (["seed=0,1", "hydra.sweeper.prune=maybe"], "hydra.sweeper.prune=maybe: true or false"),
        (["+hydra.sweeper.params={seed: '0,1'}"], "hydra.sweeper.params={seed: '0,1'}: type the values themselves"),
        (["seed=0,1", "hydra.sweeper.sampler=tp"], "hydra.sweeper.sampler=tp: one of tpe"),
        (["seed=0,1", "hydra.sweeper.storage=nowhere://x"], "hydra.sweeper.storage=nowhere://x: "),
        (["seed=0,1", "sweep.resume=nowhere"], "sweep.resume="),
        (["seed=0,1", "hydra/launcher=basic"], "hydra/sweeper=kanrun_optuna: works with hydra/launcher=kanrun"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_begun(
    kanrun: Call, tmp_path: Path, arguments: list[str], start: str
) -> None:
    of_others = {"hydra/launcher=basic": "hydra.launcher.jobs=1", "model=mlp": "model.hidden=[]"}
    given = [a for a in SEARCH if not any(of_others.get(other) == a for other in arguments)]
    status, _, lines = kanrun(*given, *arguments)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"kanrun: {start}")
    assert not list(tmp_path.rglob("status.json"))


@pytest.mark.parametrize(
    ("symbolic", "search", "chosen"),
    [
        (True, {"seconds": 0.0, "work": None}, "model.grid"),
        (False, {"seconds": 10.0, "work": None}, "model.grid"),
        (False, {"seconds": 0.0, "work": 0.0}, "model.grid"),
        (False, {"seconds": 0.0, "work": None}, "symbolic.enabled"),
    ],
)
def test_formulas_may_be_short_where_any_trial_can_have_one(
    symbolic: bool, search: dict[str, Any], chosen: str
) -> None:
    common = {"model": {"name": "kan"}, "symbolic": {"enabled": symbolic}, "search": search}
    study = Study(1, ("validation", "complexity"), "tpe", None, False, 0)
    check_objectives(study, common, [chosen])
    with pytest.raises(ConfigError, match="complexity is that of formulas"):
        check_objectives(study, {**common, "model": {"name": "mlp"}}, ["model.grid"])


def test_a_search_over_other_values_is_not_gone_on_with(kanrun: Call) -> None:
    assert kanrun(*SEARCH, "model.grid=3,4", "hydra.sweeper.trials=1", "hydra.sweep.dir=s").status == 0
    status, _, lines = kanrun(*SEARCH, "model.grid=5,6", "hydra.sweeper.trials=2", "sweep.resume=s")
    assert status == 1 and len(lines) == 1 and "its search was among other values" in lines[0]


def test_the_searches_of_one_database_are_not_mixed(kanrun: Call, tmp_path: Path) -> None:
    import optuna

    storage = f"sqlite:///{tmp_path / 'all.db'}"
    search = [*SEARCH, "model.grid=3,4", f"hydra.sweeper.storage={storage}"]
    for folder, trials in (("a", 1), ("b", 2)):
        assert kanrun(*search, f"hydra.sweeper.trials={trials}", f"hydra.sweep.dir={folder}").status == 0
    assert kanrun("-m", "sweep.resume=a", "hydra.sweeper.trials=3").status == 0
    database = optuna.storages.RDBStorage(storage)
    counts = {name[0]: len(optuna.load_study(study_name=name, storage=database).trials)
              for name in optuna.get_all_study_names(database)}  # fmt: skip
    database.engine.dispose()
    assert counts == {"a": 3, "b": 2}
    other = f"hydra.sweeper.storage=sqlite:///{tmp_path / 'other.db'}"
    status, _, lines = kanrun("-m", "sweep.resume=a", "hydra.sweeper.trials=4", other)
    assert (status, len(lines)) == (1, 1) and lines[0].endswith(f"the search of {tmp_path / 'a'} is not in it")


def test_a_search_never_replaces_what_is_there(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *QUICK, "seed=0,1", "hydra.sweep.dir=s", "hydra.launcher.jobs=1").status == 0
    before = [(tmp_path / "s" / job / "metrics.json").stat().st_mtime_ns for job in "01"]
    for place in ("hydra.sweep.dir=s", "sweep.resume=s"):
        status, _, lines = kanrun(*SEARCH, "model.grid=3,4", "hydra.sweeper.trials=2", place)
        assert status == 1 and len(lines) == 1 and "it holds runs of something else, such as 0" in lines[0]
    assert [(tmp_path / "s" / job / "metrics.json").stat().st_mtime_ns for job in "01"] == before


def test_a_search_goes_on_only_where_that_is_said(kanrun: Call) -> None:
    assert kanrun(*SEARCH, "model.grid=3,4", "hydra.sweeper.trials=1", "hydra.sweep.dir=s").status == 0
    status, _, lines = kanrun(*SEARCH, "model.grid=3,4", "hydra.sweeper.trials=2", "hydra.sweep.dir=s")
    assert status == 1 and len(lines) == 1 and "a search with 1 trials is there; sweep.resume=" in lines[0]
