from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.errors import HydraException

from kanrun.cli.compose import Composer, compose_job, settings_of
from kanrun.cli.hints import options
from kanrun.config.packaged import config_folder
from tests.cli.command import Call
from tests.composing import composed

CONFIGS = config_folder()
EXPERIMENTS = options("experiment")
EVERY = len(EXPERIMENTS)  # of the options, for each experiment: together they have each of them
CHOICES = [(group, option) for group in ("dataset", "model", "regularization", "search") for option in options(group)]


def set_for_any_option(experiment: str, group: str) -> dict[str, Any]:
    """What an experiment, with the one that it varies, sets for a group whatever its option is."""
    content = yaml.safe_load((CONFIGS / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8"))
    inherited = [set_for_any_option(name, group) for name in content.get("defaults", []) if isinstance(name, str)]
    return {key: value for part in [*inherited, content.get(group, {})] for key, value in part.items()}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_option_that_is_typed_has_its_own_defaults_unless_it_is_that_of_the_experiment(experiment: str) -> None:
    alone, at = composed(f"experiment={experiment}"), EXPERIMENTS.index(experiment)
    for group, option in CHOICES[at % EVERY :: EVERY]:  # each of them with a few of the experiments
        config = composed(f"{group}={option}", f"experiment={experiment}")
        own = composed(f"{group}={option}")[group] | set_for_any_option(experiment, group)
        assert config[group] == (alone[group] if alone[group]["name"] == option else own)
        assert {g: config[g] for g in config if g != group} == {g: alone[g] for g in alone if g != group}


def test_a_setting_that_is_typed_beats_the_experiment_and_its_options() -> None:
    config = composed("experiment=smoke", "dataset.n_train=50", "model.grid=7", "regularization.lamb=0.5", "seed=4")
    assert (config["dataset"]["n_train"], config["dataset"]["n_test"]) == (50, 100)
    assert (config["model"]["grid"], config["model"]["width"]) == (7, [2, 2, 1])
    assert (config["regularization"]["lamb"], config["seed"]) == (0.5, 4)


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=smoke", "seed=3", "optimizer.steps=10", "optimizer.learning_rate=1e-05", "optimizer=adam"],
        ["model.width=[2,[3,1],1]", "model.hidden=[]", "symbolic.library=null", "dtype=float32", "overwrite=true"],
        ["dataset.formula='x_1 + 3'", "dataset.domain=[[0,1],[2,3.5]]", "plots=none", "seed=1", "seed=2"],
        ["seed=7", "dataset.n_test=${seed}", "dataset.n_train=${dataset.n_test}"],
        ["++symbolic.functions={a:x}", "++symbolic.functions.b=x", "model.fix=[{layer:0,input:1}]", "model.k=2"],
        ["dataset.formula='\\${x}'", "dataset=symbolic"],
    ],
)
def test_values_that_are_set_in_a_copy_are_those_that_hydra_composes(overrides: list[str]) -> None:
    composer = Composer(CONFIGS)
    for given in (overrides[:1], overrides, overrides[1:]):
        assert composer.settings(given) == settings_of(composer.whole(given))


@pytest.mark.parametrize("override", ["model.grit=3", "model.grid.x=3", "nothing.here=1", "+seed=3", "seed"])
def test_a_copy_takes_no_value_that_hydra_does_not(override: str) -> None:
    composer = Composer(CONFIGS)
    with pytest.raises(HydraException) as wanted:
        composer.whole(["experiment=smoke", override])
    with pytest.raises(HydraException) as found:
        composer.settings(["experiment=smoke", override])
    assert str(found.value) == str(wanted.value)


def test_an_experiment_of_ones_own_needs_only_a_file(kanrun: Call, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\ndefaults: [override /dataset: moons]\nmodel: {width: [2, 1]}\n"
    (folder / "my_moons.yaml").write_text(text, encoding="utf-8")
    status, out, lines = kanrun("--config-dir", str(tmp_path / "mine"), "--cfg", "job", "experiment=my_moons")
    assert (status, lines) == (0, [])
    shown = yaml.safe_load(out)
    assert (shown["dataset"], shown["model"]["width"]) == (composed("dataset=moons")["dataset"], [2, 1])


def test_a_main_file_may_stand_beside_options_of_ones_own(kanrun: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "paper.yaml").write_text("defaults: [config, _self_]\nseed: 7\n", encoding="utf-8")
    folder = ["--config-dir", str(tmp_path / "mine")]
    status, out, lines = kanrun(*folder, "--config-name", "paper", "--cfg", "job", "dataset=moons")
    assert (status, lines) == (0, [])
    assert yaml.safe_load(out) == {**composed("dataset=moons"), "seed": 7}
    status, _, [line] = kanrun("--config-dir", "nowhere", "--cfg", "job")
    assert (status, line) == (1, "kanrun: --config-dir nowhere: no such folder")


def test_a_copy_of_the_configs_can_be_edited(kanrun: Call, tmp_path: Path) -> None:
    shutil.copytree(CONFIGS, tmp_path / "mine")
    (tmp_path / "mine" / "experiment" / "hello" / "model_kan.yaml").write_text("width: [2, 3, 1]\n", encoding="utf-8")
    mine = ["--config-path", str(tmp_path / "mine"), "--config-name", "config"]
    status, out, lines = kanrun(*mine, "--cfg", "job", "experiment=hello", "plots=none")
    assert (status, lines) == (0, [])
    shown = yaml.safe_load(out)
    expected = composed("experiment=hello", "plots=none")
    expected["model"]["width"] = [2, 3, 1]
    assert shown == expected


def test_a_config_of_ones_own_has_the_folders_of_all_runs_and_may_name_its_own(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text("seed: 3\n", encoding="utf-8")
    (tmp_path / "named.yaml").write_text("seed: 3\nhydra: {run: {dir: mine}}\n", encoding="utf-8")
    for name, run, sweep in (("plain", "outputs/", "outputs/sweeps/"), ("named", "mine", "outputs/sweeps/")):
        hydra = compose_job([], tmp_path, name).hydra
        assert hydra.run.dir.startswith(run)
        assert hydra.sweep.dir.startswith(sweep)
        assert hydra.output_subdir is None
        assert hydra.runtime.choices["hydra/job_logging"] == "none"


@pytest.mark.parametrize("group", ["dataset", "plots", "experiment"])
def test_the_shell_completes_the_options_of_a_group(kanrun: Call, monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    monkeypatch.setenv("COMP_LINE", f"kanrun {group}=")
    monkeypatch.setenv("COMP_POINT", "99")
    status, out, lines = kanrun("-sc", "query=bash")
    assert (status, lines) == (0, [])
    without = ["none"] if group == "experiment" else []  # what there is where no experiment is chosen
    assert out.split() == [f"{group}={option}" for option in sorted([*options(group), *without])]


def test_composing_loads_none_of_what_a_run_needs() -> None:
    code = (
        "import sys; from kanrun.cli.compose import compose_job; from kanrun.config.packaged import config_folder; "
        "compose_job(['experiment=hello'], config_folder()); "
        "print(sorted({'torch', 'sympy', 'sklearn', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--cfg", "job"], ["model.k=9"], ["sede=3"]], ids=["shown", "value", "key"])
def test_a_config_that_is_shown_and_a_mistake_in_it_need_not_wait_for_what_a_run_needs(
    tmp_path: Path, arguments: list[str]
) -> None:
    code = (
        "import sys; from kanrun.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'sympy', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"
