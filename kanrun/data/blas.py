"""Threads of NumPy's and SciPy's linear algebra, which knows nothing of those of torch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def blas() -> ThreadpoolController:
    """What sets the threads of BLAS: several of them for a few numbers take four times as long as all else."""
    import scipy.linalg  # noqa: F401 - only a library that is loaded is found

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """One thread of BLAS for as long as this is open: on any machine the same sums in the same order."""
    limit: AbstractContextManager[object] = blas().limit(limits=1, user_api="blas")
    return limit
