"""Estimators that choose among few functions: among all of them they take longer."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

# All that the formulas of these tests need, and some that look like it.
FEW = ["x", "x^2", "1/x", "exp", "log", "sin"]


def choose_among_few(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Lets the estimators of a module do so."""
    plain = module.fitted

    def fitted(x: Any, y: Any, config: dict[str, Any], *more: Any) -> Any:
        return plain(x, y, {**config, "symbolic": {**config.get("symbolic", {}), "library": FEW}}, *more)

    monkeypatch.setattr(module, "fitted", fitted)
