"""Trackers: what others look at runs with. Each is a listener of a run's events; its package is imported late."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from kanrun.config.schema import Config, MlflowConfig, TensorboardConfig
from kanrun.context import Events
from kanrun.errors import ConfigError, wrong

PACKAGES = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}  # by the names of extras

__all__ = ["check_tracker", "trackers_of"]


def check_tracker(config: Config) -> None:
    """Raises ConfigError, which names the extra, where the tracker that is asked for is not installed."""
    name = config.tracker.name
    missing = [package for package in PACKAGES.get(name, ()) if find_spec(package) is None]
    if missing:
        raise ConfigError(wrong("tracker", name, f"{missing[0]} is not installed; pip install 'kanrun[{name}]'"))


def trackers_of(config: Config, folder: Path, resumed: bool, tell: Callable[[str], None]) -> list[Events]:
    """The listener that the config asks for, of the run in `folder`; none where it asks for none.

    It is told where tracking fails.
    """
    from kanrun.report.trackers.listener import Tracker

    tracker = config.tracker
    if isinstance(tracker, TensorboardConfig):
        from kanrun.report.trackers.tensorboard import TensorboardSink

        return [Tracker(config, lambda: TensorboardSink(folder / "tensorboard"), tell)]
    if isinstance(tracker, MlflowConfig):
        from kanrun.report.trackers.mlflow import MlflowSink

        where, experiment = tracker.uri, tracker.experiment
        return [Tracker(config, lambda: MlflowSink(folder.absolute(), where, experiment, resumed), tell)]
    return []
