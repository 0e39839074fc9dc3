"""kanrun: Kolmogorov-Arnold networks from a config to a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kanrun.model.network import KAN
    from kanrun.pipeline.run import run
    from kanrun.report.load import LoadedRun, load_run

__version__ = "0.1.0"
__all__ = ["KAN", "LoadedRun", "load_run", "run"]

_HOMES = {
    "KAN": "kanrun.model.network",
    "LoadedRun": "kanrun.report.load",
    "load_run": "kanrun.report.load",
    "run": "kanrun.pipeline.run",
}


def __getattr__(name: str) -> Any:
    """Imports torch and the rest only when something of it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kanrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
