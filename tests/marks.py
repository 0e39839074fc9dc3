"""What tests of layers and networks go through."""

from __future__ import annotations

import pytest

bases = pytest.mark.parametrize("base", ["silu", "identity", "zero"])
orders = pytest.mark.parametrize("k", range(6))
