from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import Any

import pytest

from kanrun import fit
from kanrun.config.schema import Config, MlflowConfig, TensorboardConfig
from kanrun.errors import ConfigError
from kanrun.pipeline.run import run
from kanrun.report import trackers
from kanrun.report.trackers import check_tracker, trackers_of
from tests.helpers import uniform_rows


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a tracker needs is installed."""

    def find(name: str) -> Any:
        return None if name in ("tensorboard", "mlflow") else util.find_spec(name)

    monkeypatch.setattr(trackers, "find_spec", find)


@pytest.mark.parametrize("kind", [TensorboardConfig, MlflowConfig])
@pytest.mark.usefixtures("without")
def test_a_tracker_that_is_not_installed_is_one_line_with_its_extra_before_anything_is_written(
    tmp_path: Path, kind: type[TensorboardConfig]
) -> None:
    name = kind().name
    with pytest.raises(ConfigError) as caught:
        run({"tracker": {"name": name}}, tmp_path / "run", quiet=True)
    assert str(caught.value) == f"tracker={name}: {name} is not installed; pip install 'kanrun[{name}]'"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without")
def test_without_a_tracker_nothing_is_needed(tmp_path: Path) -> None:
    check_tracker(Config())
    assert trackers_of(Config(), tmp_path, False, print) == []


def test_a_run_in_memory_has_no_tracker() -> None:
    x = uniform_rows(20, 1)
    with pytest.raises(ConfigError, match=r"^tracker=mlflow: a run in memory has no folder"):
        fit(x, x, {"tracker": {"name": "mlflow"}})
