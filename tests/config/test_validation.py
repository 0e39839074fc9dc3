from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any, get_type_hints

import pytest

from kanrun.config.datasets import MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    GROUPS,
    AutoConfig,
    Config,
    FixConfig,
    ModelConfig,
)
from kanrun.config.validation import known_keys, read_config
from kanrun.errors import ConfigError, as_typed
from kanrun.functions.library import FUNCTIONS

ALLOWED_BY_TYPE = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", list: "a list"}
ALLOWED_BY_TYPE |= {dict: "a mapping"}
WRONG_BY_TYPE: dict[type, list[Any]] = {
    int: ["many", 1.5, True, [1], {"a": 1}],
    float: ["much", True, [1.0]],
    str: [3, True, ["text"]],
    bool: ["yes", 1, 0.0],
    list: [5, "x", {"a": 1}],
    dict: [5, "x", ["x"]],
}


def sections() -> Iterator[tuple[str, str, type]]:
    """Every group with each of its options, then the run itself ("") and the edges of model.fix."""
    for group, options in GROUPS.items():
        shown = set()
        for name, kind in options.items():
            if kind not in shown:
                shown.add(kind)
                yield group, name, kind
    yield "", "", Config
    yield "model.fix[0]", "", FixConfig


def settings() -> Iterator[tuple[str, str, Any, Any]]:
    """Section, option, field and its type without None."""
    for section, option, kind in sections():
        hints = get_type_hints(kind)
        for f in fields(kind):
            if f.name != "name" and f.name not in GROUPS:
                hint = hints[f.name]
                inner = next((a for a in getattr(hint, "__args__", ()) if a is not type(None)), hint)
                yield section, option, f, hint if getattr(hint, "__origin__", None) in (list, dict) else inner


def plain_type(hint: Any) -> type:
    return getattr(hint, "__origin__", hint)


def config_with(section: str, option: str, key: str, value: Any) -> dict[str, Any]:
    if section == "model.fix[0]":
        return {"model": {"width": [2, 1], "fix": [{key: value}]}}
    return {section: {"name": option, key: value}} if section else {key: value}


def problems_of(mapping: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_config(mapping)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def value_in(config: Config, section: str, key: str) -> Any:
    if section == "model.fix[0]":
        return getattr(config.model.fix[0], key)
    return getattr(getattr(config, section) if section else config, key)


TYPED = [
    pytest.param(section, option, f.name, plain_type(hint), id=f"{section}.{option}.{f.name}")
    for section, option, f, hint in settings()
    if plain_type(hint) in WRONG_BY_TYPE
]
LIMITED = [
    pytest.param(section, option, f, plain_type(hint), id=f"{section}.{option}.{f.name}")
    for section, option, f, hint in settings()
    if any(f.metadata.get(k) is not None for k in ("low", "high", "above"))
]
CHOSEN = [
    pytest.param(section, option, f, id=f"{section}.{option}.{f.name}")
    for section, option, f, _ in settings()
    if f.metadata.get("choices")
]


def test_the_generated_cases_cover_the_settings() -> None:
    assert len(TYPED) >= 60
    assert len(LIMITED) >= 40
    assert len(CHOSEN) >= 4


@pytest.mark.parametrize(("section", "option", "key", "kind"), TYPED)
def test_a_wrong_type_is_one_line_with_the_key_the_value_and_what_is_needed(
    section: str, option: str, key: str, kind: type
) -> None:
    for value in WRONG_BY_TYPE[kind]:
        [problem] = problems_of(config_with(section, option, key, value))
        full = f"{section}.{key}" if section else key
        assert problem.startswith(f"{full}={as_typed(value)}: ")
        assert ALLOWED_BY_TYPE[kind] in problem


@pytest.mark.parametrize(("section", "option", "f", "kind"), LIMITED)
def test_a_value_beyond_its_limits_is_one_line_with_the_limit_and_the_limit_itself_is_allowed(
    section: str, option: str, f: Any, kind: type
) -> None:
    low, high, above = (f.metadata.get(k) for k in ("low", "high", "above"))
    listed = kind is list  # of whole numbers, each with these limits
    kind = int if listed else kind
    low, high, above = (None if v is None else kind(v) for v in (low, high, above))
    step = 1 if kind is int else 1e-6
    full = f"{section}.{f.name}" if section else f.name
    outside = [(low - step, low)] if low is not None else [(above, above), (above - step, above)]
    outside += [(high + step, high)] if high is not None else []
    for value, limit in outside:
        given = [low, value] if listed else value
        [problem] = problems_of(config_with(section, option, f.name, given))
        assert problem.startswith(f"{full}{'[1]' if listed else ''}={value}: allowed is ")
        assert f"{limit:g}" in problem.partition(": ")[2] or str(limit) in problem.partition(": ")[2]
    if section != "model.fix[0]":
        allowed = [v for v in (low, high) if v is not None] or [above + step]
        for value in [[allowed[0], allowed[-1]]] if listed else allowed:
            config = read_config(config_with(section, option, f.name, value))
            assert value_in(config, section, f.name) == value


@pytest.mark.parametrize(("section", "option", "f"), CHOSEN)
def test_only_the_named_choices_are_allowed(section: str, option: str, f: Any) -> None:
    for choice in f.metadata["choices"]:
        assert value_in(read_config(config_with(section, option, f.name, choice)), section, f.name) == choice
    typo = f.metadata["choices"][0] + "x"
    [problem] = problems_of(config_with(section, option, f.name, typo))
    assert f"{f.name}={typo}: " in problem
    assert f"did you mean {f.metadata['choices'][0]}?" in problem
    assert all(choice in problem for choice in f.metadata["choices"])


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_are_refused_wherever_a_number_is_needed(value: float) -> None:
    keys = [p.values for p in TYPED if p.values[3] is float]
    assert len(keys) > 10
    for section, option, key, _ in keys:
        [problem] = problems_of(config_with(str(section), str(option), str(key), value))
        assert f"{key}={value}: a finite number is needed" in problem


def test_whole_numbers_pass_as_numbers_and_round_numbers_as_whole_ones() -> None:
    config = read_config({"dataset": {"n_train": 1e3, "noise": 1}, "seed": 7.0})
    assert isinstance(config.dataset, SymbolicConfig)
    assert (config.dataset.n_train, config.dataset.noise, config.seed) == (1000, 1.0, 7)
    assert [type(v) for v in (config.dataset.n_train, config.dataset.noise, config.seed)] == [int, float, int]


@pytest.mark.parametrize(
    ("mapping", "key", "nearest"),
    [
        ({"sede": 1}, "sede=1", "seed"),
        ({"model": {"widht": [2, 1]}}, "model.widht=[2,1]", "width"),
        ({"dataset": {"name": "moons", "nois": 0.1}}, "dataset.nois=0.1", "noise"),
        ({"model": {"width": [2, 1], "fix": [{"functoin": "sin"}]}}, "model.fix[0].functoin=sin", "function"),
    ],
)
def test_an_unknown_key_is_one_line_with_the_nearest_and_all_known_ones(
    mapping: dict[str, Any], key: str, nearest: str
) -> None:
    [problem] = problems_of(mapping)
    assert problem.startswith(f"{key}: unknown key, did you mean {nearest}? Known: ")
    assert nearest in problem.partition("Known: ")[2].split(", ")


@pytest.mark.parametrize("group", list(GROUPS))
def test_an_unknown_option_is_one_line_with_the_known_ones(group: str) -> None:
    [problem] = problems_of({group: {"name": "nothing"}})
    assert problem.startswith(f"{group}.name=nothing: ")
    assert all(option in problem for option in GROUPS[group])


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_group_that_is_no_mapping_is_one_line(group: str) -> None:
    [problem] = problems_of({group: 3})
    assert problem.startswith(f"{group}=3: ")


@pytest.mark.parametrize("given", [None, 3, "text", [1]])
def test_a_config_that_is_no_mapping_is_refused(given: Any) -> None:
    [problem] = problems_of(given)
    assert as_typed(given) in problem


def test_all_mistakes_are_reported_at_once_a_line_each() -> None:
    mapping = {
        "seed": -1, "dtype": "float16", "nothing": 3,
        "dataset": {"name": "symbolic", "n_train": -5, "noise": "loud"},
        "model": {"k": 9, "grid": 0, "widht": 3, "fix": [{"layer": -1, "trainable": "maybe"}]},
    }  # fmt: skip
    problems = problems_of(mapping)
    keys = [p.partition("=")[0] for p in problems]
    assert sorted(keys) == sorted(
        ["seed", "dtype", "nothing", "dataset.n_train", "dataset.noise", "model.k", "model.grid", "model.widht",
         "model.fix[0].layer", "model.fix[0].trainable"]
    )  # fmt: skip
    assert not any("\n" in p for p in problems)


def test_a_bad_width_and_a_bad_function_are_reported_together() -> None:
    problems = problems_of({"model": {"width": [2]}, "symbolic": {"library": ["sine", "cosine"]}})
    assert [p.partition(": ")[0] for p in problems] == [
        "model.width=[2]", "symbolic.library=sine", "symbolic.library=cosine"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "width",
    [
        [], [2], [2, 0], [0, 1], [2, -1, 1], [2, 1.5], [2, "x"], [True, 1], [2, True], [2, None], [[2, 0], 5, 1],
        [2, [0, 0], 1], [2, [1], 1], [2, [1, 1, 1], 1], [2, [-1, 2], 1], [2, [1, 0.5], 1], [2, [True, 1], 1],
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_width_is_one_line_with_its_form(width: list[Any]) -> None:
    [problem] = problems_of({"model": {"width": width}})
    assert problem.startswith(f"model.width={as_typed(width)}: ")
    assert "[2,5,1]" in problem
    assert "[sums, products]" in problem


@pytest.mark.parametrize("hidden", [[0], [5, -1], [[0, 0]], [2.5], ["x"]], ids=str)
def test_hidden_layers_that_are_none_are_one_line_with_their_form(hidden: list[Any]) -> None:
    [problem] = problems_of({"model": {"hidden": hidden}})
    assert problem.startswith(f"model.hidden={as_typed(hidden)}: layers, each ")
    assert read_config({"model": {"hidden": [5, [2, 1]]}}).model.hidden == [5, [2, 1]]


@pytest.mark.parametrize("width", [[1, 1], [2, 5, 1], [2, [3, 1], 1], [2, [0, 1], [1, 1]], [3, 2, 2, 2]], ids=str)
def test_a_width_of_sums_and_products_is_allowed(width: list[Any]) -> None:
    assert read_config({"model": {"width": width}}).model.width == width


@pytest.mark.parametrize(
    ("edge", "key", "allowed"),
    [
        ({"layer": 2}, "layer=2", "0 to 1"),
        ({"input": 2}, "input=2", "0 to 1"),
        ({"layer": 1, "input": 2}, "input=2", "0 to 1"),
        ({"output": 3}, "output=3", "0 to 2"),
        ({"layer": 1, "output": 1}, "output=1", "0 to 0"),
    ],
)
def test_a_fixed_edge_outside_the_network_is_one_line_with_what_there_is(
    edge: dict[str, int], key: str, allowed: str
) -> None:
    width = [2, [1, 1], 1]  # layer 0 has one sum and two factors, layer 1 has two inputs
    [problem] = problems_of({"model": {"width": width, "fix": [{}, {"function": "sin", **edge}]}})
    assert problem.startswith(f"model.fix[1].{key}: ")
    assert allowed in problem


def test_the_last_edge_of_each_layer_can_be_fixed() -> None:
    edges = [{"layer": 0, "input": 1, "output": 2}, {"layer": 1, "input": 1, "output": 0}]
    config = read_config({"model": {"width": [2, [1, 1], 1], "fix": edges}})
    assert [(f.layer, f.input, f.output) for f in config.model.fix] == [(0, 1, 2), (1, 1, 0)]


def test_a_fixed_edge_needs_a_width() -> None:
    [problem] = problems_of({"model": {"fix": [{"function": "sin"}]}})
    assert problem.startswith("model.fix[0].function=sin: ")
    assert "model.width" in problem


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({"symbolic": {"library": ["x", "sine"]}}, "symbolic.library=sine"),
        ({"model": {"width": [2, 1], "fix": [{"function": "sine"}]}}, "model.fix[0].function=sine"),
    ],
)
def test_an_unknown_function_is_one_line_with_the_whole_library(mapping: dict[str, Any], key: str) -> None:
    [problem] = problems_of(mapping)
    assert problem.startswith(f"{key}: ")
    assert "did you mean sin?" in problem
    assert problem.partition("Known: ")[2].split(", ") == list(FUNCTIONS)


@pytest.mark.parametrize("grids", [[5, 5], [5, 3], [3, 10, 8], [2, 4, 4, 8]], ids=str)
def test_grids_that_do_not_grow_are_one_line(grids: list[int]) -> None:
    for optimizer in GROUPS["optimizer"]:
        [problem] = problems_of({"optimizer": {"name": optimizer, "grids": grids}})
        assert problem == f"optimizer.grids={as_typed(grids)}: each grid must be finer than the one before"


@pytest.mark.parametrize("grids", [[], [7], [3, 4], [1, 10, 1000]], ids=str)
def test_grids_that_grow_are_allowed(grids: list[int]) -> None:
    assert read_config({"optimizer": {"grids": grids}}).optimizer.grids == grids


def test_grids_that_do_not_grow_are_reported_with_the_other_mistakes() -> None:
    problems = problems_of({"optimizer": {"grids": [5, 3]}, "model": {"width": [2]}})
    assert [p.partition(": ")[0] for p in problems] == ["model.width=[2]", "optimizer.grids=[5,3]"]


def test_an_empty_library_is_refused() -> None:
    [problem] = problems_of({"symbolic": {"library": []}})
    assert problem.startswith("symbolic.library=[]: ")


def test_a_library_of_nothing_but_zero_is_refused() -> None:
    [problem] = problems_of({"symbolic": {"library": ["0"]}})
    assert problem.startswith("symbolic.library=[0]: ")


def test_missing_keys_take_the_defaults_of_the_chosen_option() -> None:
    config = read_config({"dataset": {"name": "moons", "noise": 0.3}, "model": {"grid": 9}})
    assert config == Config(dataset=MoonsConfig(noise=0.3), model=ModelConfig(grid=9))
    assert config.optimizer == AutoConfig()


@pytest.mark.parametrize(("group", "option"), [(g, o) for g, options in GROUPS.items() for o in options])
def test_a_config_written_out_and_read_again_is_the_same(group: str, option: str) -> None:
    model: dict[str, Any] = {"width": [2, 1], "fix": [{"function": "exp", "b": 2}]}
    config = read_config({"model": model, group: {"name": option}})
    section = getattr(config, group)
    assert section.name == option
    assert isinstance(section, GROUPS[group][option])
    assert read_config(asdict(config)) == config


def test_reading_leaves_the_mapping_as_it_was() -> None:
    mapping = {"dataset": {"name": "moons", "n_train": 1e2}, "model": {"width": [2, [1, 1], 2], "fix": [{"input": 1}]}}
    before = copy.deepcopy(mapping)
    read_config(mapping)
    assert mapping == before


def test_the_known_keys_are_those_of_all_options() -> None:
    keys = known_keys()
    assert {"seed", "dataset.formula", "dataset.form", "dataset.relations", "optimizer.batch_size"} <= set(keys)
    for section, _, f, _ in settings():
        if section != "model.fix[0]":
            assert (f"{section}.{f.name}" if section else f.name) in keys


def test_a_long_value_is_shortened_in_its_line() -> None:
    [problem] = problems_of({"seed": "9" * 5000})
    assert len(problem) < 400
    assert problem.startswith("seed=999")
    [problem] = problems_of({"seed": "two\nlines"})
    assert problem.startswith("seed=two lines: ")


@pytest.mark.parametrize("name", [[1], [[1]], {"a": 1}, 3, None, True, 1.5])
@pytest.mark.parametrize("group", GROUPS)
def test_the_name_of_an_option_of_any_kind_gets_its_line(group: str, name: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({group: {"name": name}})
    assert str(caught.value).startswith(f"{group}.name={as_typed(name)}: ")


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["above", "below"])
def test_whole_numbers_beyond_all_floats_are_refused(value: int) -> None:
    with pytest.raises(ConfigError, match="finite"):
        read_config({"dataset": {"name": "symbolic", "noise": value}})
    with pytest.raises(ConfigError):
        read_config({"seed": value})


def test_inputs_are_taken_out_of_the_network_of_another_run_only() -> None:
    with pytest.raises(ConfigError, match=r"model\.without=\[x_1\]: .*model\.start"):
        read_config({"model": {"without": ["x_1"]}})
    started = read_config({"model": {"without": ["x_1"], "start": "run"}}).model
    assert isinstance(started, ModelConfig) and started.without == ["x_1"]
