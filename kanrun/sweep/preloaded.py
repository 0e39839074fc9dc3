"""What every job needs, imported once for all processes of a pool, or by the process that a queue begins for one."""

from __future__ import annotations

import gc
import importlib

before = gc.isenabled()
gc.disable()  # what is imported stays: a fifth of the time went into looking for garbage among it
# With what a run otherwise imports where it needs it.
for name in ("kanrun.pipeline.run", "kanrun.sweep.tasks", "kanrun.report.pages.run", "scipy.optimize", "sympy"):
    importlib.import_module(name)
gc.freeze()  # so that processes that are forked from here share these pages
if before:
    gc.enable()
