"""From a plain mapping to a typed, checked Config; all problems are reported at once, a line each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Union, get_args, get_origin, get_type_hints

from kanrun.config.schema import GROUPS, Config, FixConfig, MlpConfig, ModelConfig
from kanrun.config.search_settings import check_search
from kanrun.errors import ConfigError, unknown, wrong

RETIRED = ("compile",)  # settings that older configs have and that mean nothing any more
LARGEST = 2**1023  # of the whole numbers that are taken for numbers with decimals
NEEDED = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def read_config(mapping: Mapping[str, Any]) -> Config:
    """The typed form of a plain mapping, such as a composed Hydra config or a saved config.yaml.

    Missing keys take their defaults. Raises ConfigError with one line for every unknown key, wrong type and value that
    is not allowed.
    """
    problems: list[str] = []
    if isinstance(mapping, Mapping):
        mapping = {key: value for key, value in mapping.items() if key not in RETIRED}
    config = _read(Config, mapping, "", problems)
    if problems:
        raise ConfigError(problems)
    model = config.model
    problems += check_width(model)
    own = config.symbolic.functions
    problems += check_own_functions(own)
    problems += check_functions(config.symbolic.library, "symbolic.library", own)
    grids = config.optimizer.grids
    if any(finer <= coarser for coarser, finer in pairwise(grids)):
        problems.append(wrong("optimizer.grids", grids, "each grid must be finer than the one before"))
    if isinstance(model, MlpConfig):
        problems += check_mlp(config)
    else:
        if model.without and model.start is None:
            reason = "inputs are taken out of the network of a run, which model.start names; [] without one"
            problems.append(wrong("model.without", model.without, reason))
        if not problems:
            problems += check_fix(model, own)
    problems += check_search(config)
    if problems:
        raise ConfigError(problems)
    return config


def known_keys() -> list[str]:
    """Every dotted key that some choice of options knows."""
    keys = []
    for f in fields(Config):
        keys.append(f.name)
        for kind in set(GROUPS.get(f.name, {}).values()):
            keys += [f"{f.name}.{inner.name}" for inner in fields(kind)]
    return keys


def _read(kind: type, given: Any, path: str, problems: list[str]) -> Any:
    """One section. Values that are wrong are noted in `problems`."""
    if not isinstance(given, Mapping):
        problems.append(wrong(path or "config", given, "a mapping of settings is needed"))
        return None
    hints, known = hints_of(kind), {f.name: f for f in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        full = f"{path}.{key}" if path else str(key)
        if key not in known:
            problems.append(wrong(full, value, unknown("key", str(key), known)))
            continue
        if key in GROUPS:
            values[key] = _read_option(key, value, problems)
        else:
            values[key] = _value(hints[key], value, full, problems, known[key].metadata.get("doc", ""))
            problems += _limits(known[key].metadata, values[key], full)
    return kind(**values)


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of a section's settings: to work them out takes longer than to read all values."""
    return get_type_hints(kind)


def _read_option(group: str, given: Any, problems: list[str]) -> Any:
    """A section whose kind its `name` decides."""
    options = GROUPS[group]
    if not isinstance(given, Mapping):
        problems.append(wrong(group, given, "a mapping of settings is needed"))
        return None
    name = given.get("name", next(iter(options)))
    if not isinstance(name, str) or name not in options:
        problems.append(wrong(f"{group}.name", name, unknown("option", str(name), options)))
        return None
    return _read(options[name], given, group, problems)


def _value(hint: Any, value: Any, key: str, problems: list[str], doc: str = "") -> Any:
    """`value` as the type that `hint` names; whole numbers pass as floats, and 1e5 as 100000."""
    if get_origin(hint) is Union:
        inner = next(a for a in get_args(hint) if a is not type(None))
        return None if value is None else _value(inner, value, key, problems, doc)
    if hint is Any:
        return value
    if get_origin(hint) is list:
        if not isinstance(value, (list, tuple)):
            problems.append(wrong(key, value, f"a list is needed: {doc}"))
            return None
        inner = get_args(hint)[0]
        return [_value(inner, v, f"{key}[{i}]", problems) for i, v in enumerate(value)]
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            problems.append(wrong(key, value, f"a mapping is needed: {doc}"))
            return None
        inner = get_args(hint)[1]
        return {str(name): _value(inner, v, f"{key}.{name}", problems) for name, v in value.items()}
    if is_dataclass(hint):
        return _read(hint, value, key, problems)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < LARGEST else math.inf if value > 0 else -math.inf
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        problems.append(wrong(key, value, f"{NEEDED[hint]} is needed"))
        return None
    return value


def _limits(metadata: Mapping[str, Any], value: Any, key: str) -> list[str]:
    """The complaint about a value outside its limits, if any."""
    if value is None:
        return []
    if isinstance(value, list):
        return [problem for i, v in enumerate(value) for problem in _limits(metadata, v, f"{key}[{i}]")]
    choices, low, high, above = (metadata.get(k) for k in ("choices", "low", "high", "above"))
    if choices and value not in choices:
        return [wrong(key, value, unknown("choice", str(value), choices))]
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return []
    if isinstance(value, float) and not math.isfinite(value):
        return [wrong(key, value, "a finite number is needed")]
    if (low is not None and value < low) or (high is not None and value > high):
        return [wrong(key, value, f"allowed is {low} to {high}" if high is not None else f"allowed is {low} or more")]
    if above is not None and value <= above:
        return [wrong(key, value, f"allowed is more than {above}")]
    return []


def given_width(model: ModelConfig | MlpConfig) -> tuple[str, list[Any] | None]:
    """The width that the config names, if any, and its key; where an MLP has none it is that of the matched KAN."""
    if isinstance(model, MlpConfig) and model.width is None:
        return "model.kan_width", model.kan_width
    return "model.width", model.width


def check_width(model: ModelConfig | MlpConfig) -> list[str]:
    """The complaint about a width that is no network, or about hidden layers that are none, if any."""
    key, width = given_width(model)
    problems = []
    if width is not None and not (len(width) >= 2 and all(map(is_layer, width)) and isinstance(width[0], int)):
        form = (
            "two or more layers, each a whole number above 0 or [sums, products], e.g. [2,5,1]; the first is a number"
        )
        if isinstance(model, MlpConfig) and model.width is not None:
            form = "two or more layers, each a whole number above 0, e.g. [2,20,20,1]"
        problems.append(wrong(key, width, form))
    if isinstance(model, ModelConfig) and not all(map(is_layer, model.hidden)):
        form = "layers, each a whole number above 0 or [sums, products], e.g. [5] or [5,5]; [] for none"
        problems.append(wrong("model.hidden", model.hidden, form))
    return problems


def is_layer(nodes: Any) -> bool:
    """Whether this says how many nodes a layer has: a number, or [sums, products]."""
    if isinstance(nodes, list):
        return len(nodes) == 2 and all(type(n) is int and n >= 0 for n in nodes) and sum(nodes) > 0
    return type(nodes) is int and nodes > 0


def check_mlp(config: Config) -> list[str]:
    """Complaints about settings that only mean something for a KAN, and that would be missed in the result."""
    problems = []
    if config.regularization.lamb:
        reason = "it weakens edges of a KAN, which an MLP has not; use regularization=none or model=kan"
        problems.append(wrong("regularization.lamb", config.regularization.lamb, reason))
    if config.optimizer.grids:
        problems.append(wrong("optimizer.grids", config.optimizer.grids, "an MLP has no grids; use [] or model=kan"))
    return problems


def check_fix(model: ModelConfig, own: Mapping[str, str]) -> list[str]:
    """Complaints about fixed edges that are not in a network of the given width, or name no function."""
    if model.start is not None:
        return []  # of whose network nothing is known yet
    if model.width is None:
        reason = "a fixed edge needs model.width, e.g. [2,5,1]"
        return [wrong("model.fix[0].function", f.function, reason) for f in model.fix[:1]]
    sizes = [(w, 0) if isinstance(w, int) else tuple(w) for w in model.width]
    problems = []
    for n, edge in enumerate(model.fix):
        problems += _check_edge(edge, sizes, f"model.fix[{n}]")
        problems += check_functions([edge.function], f"model.fix[{n}].function", own)
    return problems


def check_own_functions(texts: Mapping[str, str]) -> list[str]:
    """Complaints about functions of the user's that are none."""
    from kanrun.functions.library import extended  # with torch, so not before a run needs it

    try:
        extended(texts)
    except ConfigError as error:
        return error.problems
    return []


def check_functions(names: list[str] | None, key: str, own: Iterable[str]) -> list[str]:
    """Complaints about names that are neither in the library nor among the user's `own`."""
    from kanrun.functions.library import FUNCTIONS  # with torch, so not before a run needs it

    known = [*FUNCTIONS, *own]
    if names is not None and not set(names) - {"0"}:
        return [wrong(key, names, "at least one function besides 0 is needed; null means all")]
    return [wrong(key, n, unknown("function", n, known)) for n in names or [] if n not in known]


def _check_edge(edge: FixConfig, sizes: list[tuple[int, int]], key: str) -> list[str]:
    if edge.layer >= len(sizes) - 1:
        return [wrong(f"{key}.layer", edge.layer, f"the network has layers 0 to {len(sizes) - 2}")]
    inputs, outputs = sum(sizes[edge.layer]), sizes[edge.layer + 1][0] + 2 * sizes[edge.layer + 1][1]
    problems = []
    if edge.input >= inputs:
        problems.append(wrong(f"{key}.input", edge.input, f"layer {edge.layer} has inputs 0 to {inputs - 1}"))
    if edge.output >= outputs:
        problems.append(wrong(f"{key}.output", edge.output, f"layer {edge.layer} has outputs 0 to {outputs - 1}"))
    return problems
