"""kanrun: Kolmogorov-Arnold networks from a config to a formula."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kanrun.version import __version__

if TYPE_CHECKING:
    from kanrun.model.network import KAN
    from kanrun.pipeline.fit import FitResult, fit
    from kanrun.pipeline.run import resume, run
    from kanrun.report.load import LoadedRun, load_run

__all__ = ["KAN", "FitResult", "LoadedRun", "__version__", "fit", "load_run", "resume", "run"]

logging.getLogger("kanrun").addHandler(logging.NullHandler())  # whoever imports the package says what is shown of it

_HOMES = {
    "KAN": "kanrun.model.network",
    "LoadedRun": "kanrun.report.load",
    "load_run": "kanrun.report.load",
    "FitResult": "kanrun.pipeline.fit",
    "fit": "kanrun.pipeline.fit",
    "resume": "kanrun.pipeline.run",
    "run": "kanrun.pipeline.run",
}


def __getattr__(name: str) -> Any:
    """Imports torch and the rest only when something of it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kanrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What there is for users."""
    return sorted(__all__)
