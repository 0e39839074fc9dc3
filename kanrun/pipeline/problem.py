"""From a config to what a run works on: the rows, the network and its optimizer, or a line on why that cannot be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from kanrun.config.schema import Config, MlpConfig, ModelConfig, SearchConfig
from kanrun.data.build import build_dataset, network_width
from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.data.scores import missing_classes
from kanrun.errors import ConfigError, counted, wrong
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.pipeline.starting import has_start, other_inputs, starting_network
from kanrun.state import Problem
from kanrun.training.objective import Penalty
from kanrun.training.optimizers import chosen_optimizer
from kanrun.training.target_scaling import Scaled, Unscaled, scaling_of


def make_problem(config: Config) -> Problem:
    """What `config` describes. Raises ConfigError for all that cannot be trained."""
    dtype, device = numbers_of(config)
    return problem_of(config, build_dataset(config, dtype, device))


def problem_of(config: Config, data: Dataset) -> Problem:
    """The problem of these rows. Raises ConfigError where they do not fit the config.

    A search is for formulas of values: where the rows turn out to have classes, the network is trained as it is given.
    """
    if config.search.wanted and data.task == CLASSIFICATION:
        config = replace(config, search=SearchConfig())
        data = replace(data, notes=(*data.notes, "the target has classes, so a network is trained instead of a search"))
    data = replace(data, warnings=(*data.warnings, *missing_classes(data), *other_inputs(config, data)))
    begun = has_start(config)
    model: Network = (
        starting_network(config, data) if begun else build_network(config, network_width(config, data), data.train.x)
    )
    check_start(model, data, config)
    config = replace(config, optimizer=chosen_optimizer(config.optimizer, model))
    # A search has link functions for every size.
    scaling = Unscaled() if config.search.wanted else scaling_of(data, model)
    if begun and isinstance(scaling, Scaled):
        model.rescale_outputs(1 / scaling.scale, -scaling.shift / scaling.scale)
    return Problem(config, data, model, scaling, scaling.scaled(data))


def problem_of_trained(config: Config, data: Dataset, model: KAN) -> Problem:
    """The problem of a network that is trained already. Raises ConfigError where the rows do not fit it."""
    wanted, there = (len(data.inputs), len(data.outputs)), (model.n_in, model.n_out)
    if wanted != there:
        takes = f"it takes {counted(there[0], 'input')} and gives {counted(there[1], 'output')}"
        has = f"the rows have {counted(wanted[0], 'input')} and {counted(wanted[1], 'output')}"
        raise ConfigError(f"model: {takes}, {has}")
    network = model.clone().to(data.train.x)
    check_start(network, data, config)
    config = replace(config, optimizer=chosen_optimizer(config.optimizer, network))
    scaling = scaling_of(data, network)
    return Problem(config, data, scaling.entered(network), scaling, scaling.scaled(data), trained=True)


def build_network(config: Config, width: list[int | list[int]], rows: Tensor, attempt: int = 0) -> Network:
    """The network that `config.model` describes, with its fixed edges, in the precision and on the device of `rows`.

    Its grid is the first of `optimizer.grids` where these are given. Every further `attempt` begins from other random
    numbers; those beyond `optimizer.restarts`, made because nothing was learned, from ever larger splines.
    """
    m, seed = config.model, config.seed + 1_000_003 * attempt
    if isinstance(m, MlpConfig):
        mlp = MLP(width, m.activation, seed, rows.dtype).to(rows.device)
        mlp.standardize(rows)
        return mlp
    noise = m.noise_scale * 2 ** max(0, attempt + 1 - config.optimizer.restarts)
    model = KAN(width, grids_of(config)[0], m.k, m.base, seed, rows.dtype, noise, m.grid_eps, config.symbolic.functions)
    model = model.to(rows.device)
    model.standardize(rows)
    for f in m.fix:
        model.fix(f.layer, f.input, f.output, f.function, f.a, f.b, f.c, f.d, f.trainable)
    return model


def grids_of(config: Config) -> list[int]:
    """The grids to train on, one after the other; none for an MLP."""
    m = config.model
    return config.optimizer.grids or ([] if isinstance(m, MlpConfig) else [m.grid])


def penalty_of(config: Config) -> Penalty:
    """The regularization as numbers."""
    r = config.regularization
    return Penalty(r.lamb, r.lamb_l1, r.lamb_entropy, r.lamb_coef, r.lamb_coefdiff)


def check_start(model: Network, data: Dataset, config: Config) -> None:
    """Raises ConfigError where fixed edges leave the network without finite outputs, which no training mends."""
    with torch.no_grad():
        lost = int((~torch.isfinite(model(data.train.x)).all(1)).sum())
    if lost and isinstance(config.model, ModelConfig):
        assert isinstance(model, KAN)
        traces = model.trace(data.train.x)
        fix = list(enumerate(config.model.fix))
        # The first one along the way whose own values are not finite: what comes behind it only passes that on.
        bad = [(n, f) for n, f in fix if not bool(torch.isfinite(traces[f.layer].edges[:, f.output, f.input]).all())]
        number, edge = min(bad or fix, key=lambda one: one[1].layer)
        reason = f"with it the network has no finite output on {lost} of {len(data.train.x)} training rows"
        raise ConfigError(wrong(f"model.fix[{number}].function", edge.function, f"{reason}; a shift b may help"))


@contextmanager
def threads_of(config: Config) -> Iterator[None]:
    """As many threads of torch's as the config says and cores are free, and as many as before afterwards."""
    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(config.threads, cores))  # more than there are cores wait for each other, without end
    try:
        yield
    finally:
        torch.set_num_threads(before)


def numbers_of(config: Config) -> tuple[torch.dtype, torch.device]:
    """Precision and device. Raises ConfigError for a device that is not there."""
    try:
        device = torch.device(config.device)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        found += ["mps"] if torch.backends.mps.is_available() else []
        raise ConfigError(wrong("device", config.device, f"not there; here are {', '.join(found)}")) from None
    return getattr(torch, config.dtype), device
