"""From a config to what a run works on: the rows, the network and its optimizer, or a line on why that cannot be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kanrun.config.schema import Config, ModelConfig
from kanrun.data.build import build_dataset, network_width
from kanrun.data.dataset import Dataset
from kanrun.errors import ConfigError, wrong
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.pipeline.stages import build_network, choose_optimizer
from kanrun.training.steppers import Compiler


@dataclass(frozen=True)
class Problem:
    """The rows, the network at its beginning, and the config with the optimizer that `auto` stands for."""

    config: Config
    data: Dataset
    model: Network


def make_problem(config: Config) -> Problem:
    """What `config` describes. Raises ConfigError for all that cannot be trained."""
    dtype, device = set_up_torch(config)
    data = build_dataset(config, dtype, device)
    model = build_network(config, network_width(config, data), data.train.x)
    check_start(model, data, config)
    return Problem(replace(config, optimizer=choose_optimizer(config.optimizer, model)), data, model)


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


def set_up_torch(config: Config) -> tuple[torch.dtype, torch.device]:
    """Threads, precision and device. Raises ConfigError for a device that is not there."""
    torch.set_num_threads(config.threads)
    Compiler.mode = config.compile
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
