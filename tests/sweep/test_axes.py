from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanrun.errors import ConfigError
from kanrun.sweep.axes import combined, each_once, groups_of, plan_of


def axis(key: str, *values: Any) -> tuple[str, list[str]]:
    return key, [f"{key}={value}" for value in values]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_without_pairs_there_is_a_job_for_every_combination(sizes: list[int]) -> None:
    axes = [axis(f"k{number}", *range(size)) for number, size in enumerate(sizes)]
    assert combined(axes) == [list(job) for job in product(*(texts for _, texts in axes))]


def test_paired_settings_count_as_one() -> None:
    jobs = combined([axis("grid", 3, 5), axis("seed", 0, 1), axis("steps", 20, 40)], [("grid", "steps")])
    assert [sorted(job) for job in jobs] == [
        ["grid=3", "seed=0", "steps=20"], ["grid=3", "seed=1", "steps=20"],
        ["grid=5", "seed=0", "steps=40"], ["grid=5", "seed=1", "steps=40"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ([axis("a", 1, 2), axis("b", 1, 2, 3)], "sweep.zip=a,b: values are paired one to one, but a has 2, b has 3"),
        ([axis("a", 1, 2), axis("b", 1)], "sweep.zip=a,b: b has no values to pair: b=A,B"),
        ([axis("a", 1, 2)], "sweep.zip=a,b: b has no values to pair: b=A,B"),
    ],
)
def test_what_cannot_be_paired_is_said(axes: list[Any], reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        combined(axes, [("a", "b")])
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("given_", "groups"),
    [
        (None, ()),
        ("a,b", (("a", "b"),)),
        ("a, b ,c", (("a", "b", "c"),)),
        (["a,b", "c,d"], (("a", "b"), ("c", "d"))),
        (["a", "b"], (("a", "b"),)),
        ([["a", "b"], ["c", "d"]], (("a", "b"), ("c", "d"))),
    ],
)
def test_pairs_are_written_in_several_ways(given_: Any, groups: Any) -> None:
    assert groups_of(given_) == groups


@pytest.mark.parametrize("given_", ["a", "a,a", "a,", ["a,b", "b,c"]])
def test_what_is_no_pair_is_refused(given_: Any) -> None:
    with pytest.raises(ConfigError, match=r"^sweep\.zip="):
        groups_of(given_)


def test_parts_keep_their_texts_and_their_order() -> None:
    plan = plan_of({"parts": {"b": {"model.grid": "3,5", "seed": 1}, "a": {"overwrite": True}}})
    assert list(plan.parts.items()) == [("b", {"model.grid": "3,5", "seed": "1"}), ("a", {"overwrite": "true"})]


@pytest.mark.parametrize(
    ("given_", "start"),
    [
        ({"zips": "a,b"}, "sweep.zips=a,b: unknown. Known: zip, parts, resume"),
        ({"parts": ["seed=1"]}, "sweep.parts=[seed=1]: a mapping"),
        ({"resume": 3}, "sweep.resume=3: the folder"),
        ("ablations", "sweep=ablations: one of the files"),
    ],
)
def test_a_plan_that_is_none_is_refused(given_: Any, start: str) -> None:
    with pytest.raises(ConfigError) as error:
        plan_of(given_)
    assert str(error.value).startswith(start)


def test_a_job_of_two_parts_is_done_once() -> None:
    assert each_once([["a=1", "b=2"], ["a=1", "b=3"], ["b=2", "a=1"]]) == [["a=1", "b=2"], ["a=1", "b=3"]]
