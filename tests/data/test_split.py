from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.data.split import FEW, parts_of
from kanrun.errors import ConfigError


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(2, 300), test=st.floats(0.001, 0.9), seed=st.integers(0, 9), ordered=st.booleans())
def test_every_row_is_in_one_part_and_both_have_some(rows: int, test: float, seed: int, ordered: bool) -> None:
    kept, held = parts_of(rows, test, seed, ordered)
    assert held is not None and len(kept) and len(held)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(rows))
    assert abs(len(held) - test * rows) <= 1
    if ordered:
        assert int(held.min()) > int(kept.max())


def test_few_rows_and_no_part_give_no_test() -> None:
    for kept, held in (parts_of(FEW - 1, None, 0), parts_of(1000, 0, 0), parts_of(1000, 0.0, 0)):
        assert held is None and kept.tolist() == list(range(len(kept)))
    assert len(parts_of(FEW, None, 0)[1]) == FEW // 5  # type: ignore[arg-type]


def test_the_seed_decides() -> None:
    first, again, other = (parts_of(200, 0.2, seed)[1] for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.9])
def test_groups_stay_together(part: float) -> None:
    groups = np.random.default_rng(0).choice(list("abcdefg"), 300)
    kept, held = parts_of(300, part, 3, groups=groups)
    assert held is not None and len(kept) + len(held) == 300 and len(kept) and len(held)
    assert not set(groups[kept.numpy()]) & set(groups[held.numpy()])


def test_the_last_groups_that_begin_are_held_back_where_the_order_decides() -> None:
    groups = ["a", "b", "a", "c", "b", "d", "c", "d"]
    kept, held = parts_of(8, 0.5, 0, ordered=True, groups=groups)
    assert held is not None and (kept.tolist(), held.tolist()) == ([0, 1, 2, 4], [3, 5, 6, 7])


def test_one_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="all rows are of this one group"):
        parts_of(10, 0.2, 0, groups=["a"] * 10)
