from __future__ import annotations

import pytest

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import (
    AdamConfig,
    AutoConfig,
    Config,
    MlpConfig,
    ModelConfig,
    PruneConfig,
    RegularizationConfig,
    SearchConfig,
    SymbolicFitConfig,
)
from kanrun.config.search_settings import check_search, unused_by_search
from kanrun.config.validation import read_config

SEARCH = SearchConfig("discover", 5.0)


@pytest.mark.parametrize(
    ("changes", "unused"),
    [
        ({}, []),
        ({"model": ModelConfig(width=[2, 2, 1])}, []),  # which a search takes for the only structure
        ({"symbolic": SymbolicFitConfig(library=["x", "sin"])}, []),
        ({"model": ModelConfig(grid=9, base="zero")}, ["model.grid=9", "model.base=zero"]),
        ({"optimizer": AutoConfig(grids=[3, 9], restarts=2)}, ["optimizer.grids=[3,9]", "optimizer.restarts=2"]),
        ({"optimizer": AdamConfig(steps=7)}, ["optimizer=adam"]),
        ({"prune": PruneConfig(tolerance=2.0)}, ["prune.tolerance=2.0"]),
        ({"regularization": RegularizationConfig("sparse", 0.01)}, ["regularization.lamb=0.01"]),
    ],
)
def test_what_a_search_does_not_look_at_is_named_as_it_is_typed(changes: dict[str, object], unused: list[str]) -> None:
    assert unused_by_search(Config(search=SEARCH, **changes)) == unused  # type: ignore[arg-type]


def test_nothing_is_wrong_where_nothing_is_searched() -> None:
    config = Config(prune=PruneConfig("none", False), symbolic=SymbolicFitConfig("none", False))
    assert check_search(config) == []
    assert read_config({"prune": {"enabled": False}, "search": {"seconds": 0}}).prune.enabled is False


def test_all_that_a_search_cannot_honour_is_said_at_once() -> None:
    config = Config(prune=PruneConfig("none", False), symbolic=SymbolicFitConfig("default", False), search=SEARCH)
    assert [line.partition(": ")[0] for line in check_search(config)] == ["prune=none", "symbolic.enabled=false"]


@pytest.mark.parametrize("search", [SEARCH, SearchConfig("discover", work=5.0), SearchConfig("discover", 1.0, 5.0)])
def test_a_search_is_asked_for_by_seconds_or_work(search: SearchConfig) -> None:
    assert search.wanted
    assert [line.partition(": ")[0] for line in check_search(Config(model=MlpConfig(), search=search))] == ["model=mlp"]
    assert search.limit == ("5 s" if search.work is None else "5 units of work")


def test_rows_may_be_held_back_from_a_search() -> None:
    assert check_search(Config(dataset=SymbolicConfig(validation=0.2), search=SEARCH)) == []
    assert not SearchConfig().wanted
