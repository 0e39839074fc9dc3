"""What a search for the network cannot honour, which is refused, and what it does not look at, which is told."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from kanrun.config.datasets import ContrastiveConfig, MoonsConfig
from kanrun.config.schema import (
    AutoConfig,
    Config,
    MlpConfig,
    ModelConfig,
    PruneConfig,
)
from kanrun.errors import as_typed, wrong

WITHOUT = "leave out experiment=discover, or add search=none"


FEW, ROW = 4_000.0, 20.0  # units of work at most for reading a network, and for each row: few tell little apart


def most_work_of_reading(rows: int) -> float:
    """The units of work beyond which reading a network of so many rows is worth no more."""
    return FEW + ROW * rows


def check_search(config: Config) -> list[str]:
    """Complaints about settings that a search cannot honour, and that would be missed in the result."""
    if not config.search.wanted:
        return []
    problems = []
    data, model = config.dataset, config.model
    if isinstance(data, (MoonsConfig, ContrastiveConfig)):
        reason = f"a search looks for a formula of values, not of classes; {WITHOUT}"
        problems.append(wrong("dataset", data.name, reason))
    if isinstance(model, MlpConfig):
        problems.append(wrong("model", model.name, f"a search is for networks of model=kan; use that, or {WITHOUT}"))
    elif model.start is not None:
        reason = f"a search makes its own networks, from none that is there; {WITHOUT}"
        problems.append(wrong("model.start", model.start, reason))
    elif model.fix:
        reason = f"a search chooses the functions of all edges itself; use model.fix=[], or {WITHOUT}"
        problems.append(wrong("model.fix[0].function", model.fix[0].function, reason))
    stages = {"prune": (config.prune.enabled, config.prune.name)}
    stages["symbolic"] = (config.symbolic.enabled, config.symbolic.name)
    for group, (enabled, name) in stages.items():
        if not enabled:
            key, value = (group, "none") if name == "none" else (f"{group}.enabled", "false")
            reason = f"a search is for a formula, so it always has this stage; use {group}=default, or {WITHOUT}"
            problems.append(wrong(key, value, reason))
    return problems


def unused_by_search(config: Config) -> list[str]:
    """The settings, as they are typed, that differ from what is there without them and that a search does not look at.

    It builds, trains and prunes its networks in its own way.
    """
    defaults: dict[str, Any] = {"model": ModelConfig(), "optimizer": AutoConfig(), "prune": PruneConfig()}
    unused = []
    for group, plain in defaults.items():
        given = getattr(config, group)
        if type(given) is not type(plain):
            unused.append(f"{group}={given.name}")
            continue
        for f in fields(plain):
            value = getattr(given, f.name)
            if value != getattr(plain, f.name) and f.name not in ("name", "width"):
                unused.append(f"{group}.{f.name}={as_typed(value)}")
    if config.regularization.lamb:
        unused.append(f"regularization.lamb={as_typed(config.regularization.lamb)}")
    return unused
