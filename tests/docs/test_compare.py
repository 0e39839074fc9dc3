from __future__ import annotations

import pytest

from docs._tools.compare import agree, updated


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("RMSE 0.004245", "RMSE 0.004249"),  # within 1 %
        ("2.1 ± 0.3", "2.2 ± 0.3"),  # one of the last digit
        ("RMSE 3.1e-16", "RMSE 0"),  # rounding errors
        ("completed, 11.4 s, kanrun", "completed, 9 s, kanrun"),
        ("a   b", "a b"),
        ("outputs/2026-11-27/12-00-00-000000", "outputs/2027-01-02/03-04-05-999999"),
    ],
)
def test_what_may_differ_does_not_matter(shown: str, real: str) -> None:
    assert agree([shown], [real])


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("RMSE 0.0425", "RMSE 0.0435"),
        ("RMSE 1e-3", "RMSE 1e-9"),
        ("y = x_1**2", "y = x_1**3"),  # whole numbers count
        ("y = 2.5*x", "y = -2.5*x"),
        ("40 rows", "41 rows"),
        ("exact", "not exact"),
        ("R2 0.99", "R2 0.52"),
    ],
)
def test_what_says_something_else_is_seen(shown: str, real: str) -> None:
    assert not agree([shown], [real])


def test_the_column_of_seconds_is_time_wherever_it_stands_in_a_table_and_only_there() -> None:
    shown = ["stage   R2  seconds  formula", "train  0.5      1.2  x", "y = 3.5"]
    assert agree(shown, ["stage   R2  seconds  formula", "train  0.5     99.9  x", "y = 3.5"])
    assert not agree(shown, ["stage   R2  seconds  formula", "train  0.7      1.2  x", "y = 3.5"])
    assert not agree(shown, ["stage   R2  seconds  formula", "train  0.5      1.2  x", "y = 9.5"])


def test_lines_of_progress_come_when_they_come() -> None:
    assert agree(["a"], ["  search      18.0 s   3 structures tried, the best leaves 1.3e-04 of the variance", "a"])


@pytest.mark.parametrize(
    ("shown", "fits"),
    [
        (["...", "z"], True),
        (["a", "..."], True),
        (["a", "...", "c", "...", "z"], True),
        (["..."], True),
        (["a", "...", "c", "b", "...", "z"], False),
        (["b", "..."], False),
        (["...", "c"], False),
        (["a", "b", "c"], False),
        (["a", "b", "c", "z", "..."], True),
        (["a", "b", "c", "z", "...", "z"], False),
    ],
)
def test_dots_stand_for_any_lines(shown: list[str], fits: bool) -> None:
    assert agree(shown, ["a", "b", "c", "z"]) is fits


def test_new_output_leaves_out_what_the_old_one_did() -> None:
    real = ["begin 2", "one", "two", "score 5", "three", "end 7"]
    assert updated(["begin 1", "...", "score 4", "...", "end 6"], real) == [
        "begin 2", "...", "score 5", "...", "end 7",
    ]  # fmt: skip
    assert updated(["?"], real) == real
    assert agree(updated(["x", "...", "y"], real), real)
