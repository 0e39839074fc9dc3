from __future__ import annotations

import shlex
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from kanrun.cli.main import prepared
from kanrun.config.datasets import ContrastiveConfig, MoonsConfig, SymbolicConfig
from kanrun.config.packaged import config_folder
from kanrun.config.schema import (
    GROUPS,
    AdamConfig,
    AutoConfig,
    Config,
    FixConfig,
    LmConfig,
)
from kanrun.config.validation import read_config
from kanrun.data.build import build_dataset, network_width
from kanrun.pipeline.problem import build_network
from kanrun.training.optimizers import chosen_optimizer
from tests.composing import composed

CONFIGS = config_folder()
OPTIONS = [(group, option) for group, options in GROUPS.items() for option in options]
EXPERIMENTS = sorted(p.stem for p in (CONFIGS / "experiment").glob("*.yaml"))
# What an option that shares its class with another one says differently, besides its name.
DEPARTURES = {
    ("regularization", "sparse"): {"lamb"},
    ("prune", "none"): {"enabled"},
    ("symbolic", "none"): {"enabled"},
    ("search", "discover"): {"seconds"},
    ("plots", "none"): {"enabled"},
}


def default_of(f: Field[Any]) -> Any:
    return f.default if f.default_factory is MISSING else f.default_factory()


def every_class() -> list[type]:
    return [Config, FixConfig, *dict.fromkeys(kind for options in GROUPS.values() for kind in options.values())]


def yaml_files() -> list[str]:
    return sorted(str(p.relative_to(CONFIGS)) for p in CONFIGS.rglob("*.yaml"))


def test_every_option_is_a_class_of_that_name_or_a_file() -> None:
    on_disk = {f for f in yaml_files() if not f.startswith(("experiment/", "sweep/"))}
    derived = {f"{group}/{option}.yaml" for group, option in OPTIONS if GROUPS[group][option]().name != option}
    assert on_disk == derived | {"config.yaml"}
    assert len(EXPERIMENTS) == 8


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_an_option_has_the_defaults_of_its_class(group: str, option: str) -> None:
    content = composed(f"{group}={option}")[group]
    defaults = {f.name: default_of(f) for f in fields(GROUPS[group][option])}
    assert list(content) == list(defaults)
    assert content["name"] == option
    departed = {key for key in content if key != "name" and content[key] != defaults[key]}
    assert departed == DEPARTURES.get((group, option), set())
    for key, value in defaults.items():
        assert value is None or type(content[key]) is type(value), key


OF_RUNS = [f for f in yaml_files() if f != "config.yaml" and not f.startswith("sweep/")]  # see tests/cli/test_sweeps.py


def without(file: str) -> dict[str, Any]:
    """What a file has below it: the config without it, with what it builds on."""
    content = yaml.safe_load((CONFIGS / file).read_text(encoding="utf-8"))
    below = [entry for entry in content.get("defaults", []) if isinstance(entry, str)]
    match Path(file).parts:
        case ["experiment", _]:
            return composed(*(f"experiment={name}" for name in below))
        case ["experiment", _, inner]:
            group, _, option = Path(inner).stem.partition("_")
            experiments = [f"experiment={entry.split('/')[2]}" for entry in below]
            return {group: composed(*experiments, f"{group}={option}")[group]}
        case [group, _]:
            return {group: composed(f"{group}={below[0]}")[group]}
    raise ValueError(file)


@pytest.mark.parametrize("file", OF_RUNS)
def test_no_file_says_again_what_holds_without_it(file: str) -> None:
    content = yaml.safe_load((CONFIGS / file).read_text(encoding="utf-8"))
    content.pop("defaults", None)
    if not file.startswith("experiment/"):
        content = {Path(file).parts[0]: content}
    elif file.count("/") == 2:
        content = {Path(file).stem.partition("_")[0]: content}
    below = without(file)
    for key, value in content.items():
        assert key in below
        if isinstance(value, dict):
            assert value.keys() <= below[key].keys()
            assert [k for k, v in value.items() if below[key][k] == v] == []
        else:
            assert value != below[key], key


def test_options_called_none_switch_their_stage_off_and_sparse_regularizes() -> None:
    config = read_config(composed("prune=none", "symbolic=none", "plots=none", "regularization=sparse"))
    assert not (config.prune.enabled)
    assert not (config.symbolic.enabled)
    assert not (config.plots.enabled)
    assert config.regularization.lamb > 0
    assert read_config(composed("regularization=none")).regularization.lamb == 0


def test_what_is_chosen_when_nothing_is_said_is_the_same_with_and_without_hydra() -> None:
    assert composed() == asdict(Config())
    assert read_config(composed()) == Config() == read_config({})


def test_every_setting_has_a_line_of_documentation() -> None:
    for kind in every_class():
        for f in fields(kind):
            assert f.metadata["doc"].strip(), f"{kind.__name__}.{f.name}"
            assert "\n" not in f.metadata["doc"]


def test_two_configs_share_no_lists() -> None:
    one, other = Config(), Config()
    one.model.fix.append(FixConfig())
    assert isinstance(one.dataset, SymbolicConfig)
    assert isinstance(other.dataset, SymbolicConfig)
    one.dataset.domain.append(7)
    assert other.model.fix == []
    assert other.dataset.domain == [-1.0, 1.0]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_is_allowed(name: str) -> None:
    config = read_config(composed(f"experiment={name}"))
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    assert network_width(config, data)[0] == data.train.x.shape[1]
    assert (config.model.width is None) == (config.search.seconds > 0)  # what searches needs none
    assert read_config(asdict(config)) == config


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_network_of_every_experiment_is_small_enough_for_lm(name: str) -> None:
    config = read_config(composed(f"experiment={name}"))
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    model = build_network(config, network_width(config, data), data.train.x)
    assert isinstance(chosen_optimizer(config.optimizer, model), LmConfig)


def test_an_override_beats_an_experiment_and_an_experiment_the_defaults() -> None:
    config = read_config(composed("experiment=hello", "model.grid=7", "optimizer=adam"))
    assert config.model.grid == 7
    assert isinstance(config.optimizer, AdamConfig)
    assert config.regularization.lamb == 0.01


def test_hello_is_as_in_the_paper() -> None:
    config = read_config(composed("experiment=hello"))
    assert isinstance(config.dataset, SymbolicConfig)
    assert config.dataset.formula == "exp(sin(pi*x_1)+x_2**2)"
    assert (config.dataset.n_train, config.dataset.n_test, config.dataset.domain) == (1000, 1000, [-1, 1])
    assert (config.model.width, config.model.grid, config.model.k) == ([2, 5, 1], 5, 3)
    assert (config.regularization.lamb, config.regularization.lamb_entropy) == (0.01, 10)
    assert (config.optimizer, config.seed) == (AutoConfig(refit_steps=50), 0)


@pytest.mark.parametrize(("name", "width"), [("moons_regression", [2, 1]), ("moons_classes", [2, 2])])
def test_moons_are_small_networks_without_regularization(name: str, width: list[int]) -> None:
    config = read_config(composed(f"experiment={name}"))
    assert isinstance(config.dataset, MoonsConfig)
    assert config.optimizer == AutoConfig()
    assert (config.dataset.noise, config.regularization.lamb) == (0.1, 0)
    assert (config.model.width, config.model.grid, config.model.k) == (width, 3, 3)


def test_the_classes_of_moons_have_a_library_of_their_own() -> None:
    library = read_config(composed("experiment=moons_classes")).symbolic.library
    assert library == ["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"]
    assert read_config(composed("experiment=moons_regression")).symbolic.library is None


@pytest.mark.parametrize(("name", "seed", "steps"), [("contrastive", 1, 50), ("contrastive_wide", 42, 100)])
def test_contrastive_networks_end_in_a_locked_gaussian(name: str, seed: int, steps: int) -> None:
    config = read_config(composed(f"experiment={name}"))
    assert isinstance(config.dataset, ContrastiveConfig)
    assert (config.model.width, config.model.grid, config.model.k) == ([6, 1, 1], 3, 3)
    assert (config.dataset.n_inputs, config.dataset.n_train) == (6, 500)
    assert (config.seed, config.optimizer.steps) == (seed, steps)
    [edge] = config.model.fix
    assert (edge.layer, edge.input, edge.output, edge.function, edge.trainable) == (1, 0, 0, "gaussian", False)


def test_the_wide_contrastive_run_begins_wilder_and_regularizes_less() -> None:
    one, wide = (read_config(composed(f"experiment={n}")) for n in ("contrastive", "contrastive_wide"))
    assert wide.model.noise_scale > one.model.noise_scale > 0
    assert wide.regularization.lamb == 0.001 < one.regularization.lamb
    assert wide.regularization.lamb_entropy == one.regularization.lamb_entropy
    assert wide.dataset == one.dataset
    assert wide.model.fix == one.model.fix


INNER = [f for f in yaml_files() if f.count("/") == 2]  # what an experiment sets for an option of a group


@pytest.mark.parametrize("file", INNER)
def test_what_an_experiment_sets_for_an_option_is_for_one_that_it_has(file: str) -> None:
    _, experiment, inner = Path(file).parts
    group, _, option = Path(inner).stem.partition("_")
    section = composed(f"experiment={experiment}")[group]
    assert section["name"] == option
    content = yaml.safe_load((CONFIGS / file).read_text(encoding="utf-8"))
    assert all(section[key] == value for key, value in content.items() if key != "defaults")


def example_of(file: str) -> list[str]:
    """The words of the command in a file's first comment that has one."""
    lines = (CONFIGS / file).read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("# kanrun "))
    command = line.removeprefix("# ")
    if file.startswith("experiment/"):
        command = command.partition(": ")[0]
    return shlex.split(command)


@pytest.mark.parametrize("file", OF_RUNS)
def test_the_example_on_top_of_every_file_is_a_command_that_works(file: str) -> None:
    program, *arguments = example_of(file)
    assert program == "kanrun"
    assert arguments
    group, option = Path(file).parts[0], Path(file).stem
    config = read_config(composed(*prepared(arguments)))
    if file in INNER:
        assert arguments == [f"experiment={Path(file).parts[1]}", option.replace("_", "=", 1)]
    elif group != "experiment":
        assert getattr(config, group).name == option
        assert any(a == f"{group}={option}" or a.startswith(f"{group}.") for a in arguments)
    else:
        assert arguments[0] == f"experiment={option}"
        assert len(arguments) == 1 or option == "discover"  # which finds any formula
    build_dataset(config, torch.float64, torch.device("cpu"))
