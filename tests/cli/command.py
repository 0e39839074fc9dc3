"""The command as tests call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# The quickest run there is: one step of training, nothing else.
QUICK = [
    "experiment=smoke", "plots=none", "prune=none", "symbolic=none", "dataset.n_train=15", "dataset.n_test=10",
    "optimizer.steps=1", "model.width=null", "model.hidden=[]",
]  # fmt: skip


class Outcome(NamedTuple):
    status: int
    out: str
    lines: list[str]  # of standard error


Call = Callable[..., Outcome]
