"""What every job needs, imported once for all processes of a pool."""

from __future__ import annotations

import gc
import importlib

# With what a run otherwise imports where it needs it.
for name in ("kanrun.pipeline.run", "kanrun.sweep.tasks", "scipy.optimize", "sympy", "sklearn.metrics"):
    importlib.import_module(name)
gc.freeze()  # so that processes that are forked from here share these pages
