"""Going on from the network of another run: on the grid that is asked for, without some inputs, with edges fixed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from kanrun.config.schema import Config, FixConfig, ModelConfig
from kanrun.data.dataset import Dataset
from kanrun.errors import ConfigError, counted, listed, shorten, unknown, wrong
from kanrun.model.network import KAN
from kanrun.report.files import load_model, read_json
from kanrun.symbolic.fit import Candidate, fit_edges

# The network of splines of a run, which the last one no longer is once its edges have become functions.
SPLINES, LAST = "splines.pt", "model.pt"
MOST_NAMED = 8  # inputs that a message names


@dataclass(frozen=True)
class Start:
    """The network of another run, as settings."""

    width: list[int | list[int]]
    grid: int
    k: int
    base: str


def has_start(config: Config) -> bool:
    """Whether the config names a network to go on from."""
    return isinstance(config.model, ModelConfig) and config.model.start is not None


def network_in(folder: str | Path) -> KAN:
    """The network of splines that a run has left. Raises ConfigError, about `model.start`, where there is none."""
    folder = Path(folder)
    name = SPLINES if (folder / SPLINES).exists() else LAST
    try:
        model = load_model(folder / name)
    except FileNotFoundError:
        reason = f"not the folder of a run with a network, {LAST} is missing"
        raise ConfigError(wrong("model.start", folder, reason)) from None
    except Exception as error:  # a damaged file can make a reader raise whatever it likes
        reason = f"{name} cannot be read ({shorten(str(error) or repr(error), 120)})"
        raise ConfigError(wrong("model.start", folder, reason)) from None
    if not isinstance(model, KAN):
        raise ConfigError(
            wrong("model.start", folder, "the network there is no KAN, so that there is nothing to refine")
        )
    return model


def start_in(folder: str | Path) -> Start:
    """The network of a run, as settings."""
    model = network_in(folder)
    return Start(model.width, model.grid, model.k, model.base)


def inputs_in(folder: str | Path) -> list[str]:
    """What the inputs of a run's network are called; nothing where the run does not say so."""
    try:
        found = read_json(Path(folder) / "metrics.json")["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def other_inputs(config: Config, data: Dataset) -> list[str]:
    """A warning where the inputs have other names than those that the network of `model.start` was trained on."""
    there = inputs_in(config.model.start) if isinstance(config.model, ModelConfig) and config.model.start else []
    if not there or there == data.inputs:
        return []
    return [f"the network of model.start was trained on {listed(there, MOST_NAMED)}; "
            f"here its inputs are {listed(data.inputs, MOST_NAMED)}, in this order"]  # fmt: skip


def starting_network(config: Config, data: Dataset) -> KAN:
    """The network that `model.start` names, in the precision and on the device of the rows.

    It is on the first of the grids that are asked for; `model.without` leaves out inputs, whose edges become constants;
    then the edges of `model.fix` become functions. Raises ConfigError where it does not suit the rows or the config.
    """
    m = config.model
    assert isinstance(m, ModelConfig) and m.start is not None
    model = network_in(m.start)
    check(model, m, data)
    model = model.to(data.train.x)
    grid = (config.optimizer.grids or [m.grid])[0]
    if grid != model.grid:
        model = model.refine(grid)
    leave_out(model, m, data)
    for number, edge in enumerate(m.fix):
        fix(model, edge, f"model.fix[{number}]", data)
    return model


def check(model: KAN, m: ModelConfig, data: Dataset) -> None:
    """Raises ConfigError with a line for everything in which the network is another than what is asked for."""
    problems = []
    wanted, there = (len(data.inputs), len(data.outputs)), (model.n_in, model.n_out)
    if wanted != there:
        takes = f"its network takes {counted(there[0], 'input')} and gives {counted(there[1], 'output')}"
        has = f"the dataset has {counted(wanted[0], 'input')} and {counted(wanted[1], 'output')}"
        problems.append(wrong("model.start", m.start, f"{takes}, {has}"))
    named = inputs_in(str(m.start))
    if named != data.inputs and sorted(named) == sorted(data.inputs):
        order = f"its network takes {listed(named, MOST_NAMED)} in this order, the dataset has"
        problems.append(wrong("model.start", m.start, f"{order} {listed(data.inputs, MOST_NAMED)}"))
    if m.width is not None and list(m.width) != model.width:
        problems.append(wrong("model.width", m.width, f"the network of model.start has {model.width}; leave it out"))
    for key, given, own in (("k", m.k, model.k), ("base", m.base, model.base)):
        if given != own:
            problems.append(wrong(f"model.{key}", given, f"the network of model.start has {own}"))
    if problems:
        raise ConfigError(problems)


def leave_out(model: KAN, m: ModelConfig, data: Dataset) -> None:
    """Takes out the inputs of `model.without`; what their edges give on average stays."""
    names = {name: i for i, name in enumerate(data.inputs)} | {name: i for i, name in enumerate(data.input_names)}
    first, means = model.layers[0], model.trace(data.train.x)[0].edges.mean(0)
    for number, name in enumerate(m.without):
        if name not in names:
            raise ConfigError(wrong(f"model.without[{number}]", name, unknown("input", name, data.input_names)))
        i = names[name]
        for sub in first.alive[:, i].nonzero().flatten().tolist():
            first.remove(sub, i, constant=float(means[sub, i]))


def fix(model: KAN, edge: FixConfig, key: str, data: Dataset) -> None:
    """Makes an edge a function; one without constants of its own gets those with which it is closest to the curve."""
    given = (edge.a, edge.b, edge.c, edge.d)
    plain = given == (FixConfig.a, FixConfig.b, FixConfig.c, FixConfig.d) and edge.trainable
    found = closest(model, edge, data) if plain else None
    if found is not None:
        place = (edge.layer, edge.output, edge.input)
        model.put(place, found.function, (found.a, found.b, found.c), found.d)
        return
    try:
        model.fix(edge.layer, edge.input, edge.output, edge.function, *given, edge.trainable)
    except ValueError as error:
        raise ConfigError(wrong(f"{key}.function", edge.function, shorten(str(error)))) from None


def closest(model: KAN, edge: FixConfig, data: Dataset) -> Candidate | None:
    """The function with the constants that come closest to the edge; None where there is no curve to be close to.

    They are constants of the edge's input as its layer takes it.
    """
    if edge.layer >= len(model.layers) or edge.function not in model.library:
        return None  # which the network itself refuses
    layer = model.layers[edge.layer]
    here = edge.input < layer.n_in and edge.output < layer.n_sub
    if not here or not bool(layer.alive[edge.output, edge.input]):
        return None
    trace = model.trace(data.train.x)[edge.layer]
    x, y = trace.inputs[:, edge.input], trace.edges[:, edge.output, edge.input]
    with torch.no_grad():
        found = fit_edges(x[:, None], y[:, None], [model.library[edge.function]])[0]
    return found[0] if found else None
