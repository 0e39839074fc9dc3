"""Memory that is given back and asked for again at every step."""

from __future__ import annotations

from functools import cache

import torch

LARGEST_CHUNK = 31 * 2**20  # bytes; glibc goes up to 32 MiB


@cache
def keep_freed_memory() -> None:
    """Has the C library keep what is freed, up to about 60 MB, for what is allocated next.

    By default glibc gives tensors of more than 128 KiB back to the system, which maps them anew, page by page, a step
    later: up to half of a step's time. It takes the largest chunk that was freed as the size from which on it does so
    (mallopt(3), M_MMAP_THRESHOLD), so one that is never written to is enough. Elsewhere this does nothing.
    """
    torch.empty(LARGEST_CHUNK, dtype=torch.uint8)
