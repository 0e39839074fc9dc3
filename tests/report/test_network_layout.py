from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanrun.report.look import text_width
from kanrun.report.network_layout import LEAST_SIZE, Layout, columns_for, named, names_of, near


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_boxes_are_apart_within_the_picture_and_close_to_where_they_belong(targets: list[float]) -> None:
    targets.sort()
    room, width = 0.5, 10.0
    places = near(targets, room, width)
    assert all(b - a >= room - 1e-9 for a, b in itertools.pairwise(places))
    assert places[0] >= room / 2 - 1e-9 and places[-1] <= width - room / 2 + 1e-9
    if all(b - a >= room for a, b in itertools.pairwise(targets)) and targets[0] > 0.25 and targets[-1] < 9.75:
        np.testing.assert_allclose(places, targets, atol=1e-9)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 50, 200, 260])
def test_boxes_of_a_layer_take_no_more_rows_than_allowed(count: int) -> None:
    columns = columns_for(count)
    assert -(-count // columns) <= 8
    assert columns == 10 or columns * 8 < count + 8


@pytest.mark.parametrize(("count", "upright"), [(1, False), (2, False), (12, True), (30, True)])
def test_names_of_many_inputs_stand_upright(count: int, upright: bool) -> None:
    how = names_of(["a_name_of_22_letters_xx"] * count, Layout(4.2, 1.0))
    assert how.upright == upright
    share = 4.2 / count
    assert all((how.size / 72 if upright else text_width(t, how.size)) <= share for t in how.texts)
    if upright:
        assert max(text_width(t, how.size) for t in how.texts) < how.height


def test_a_function_has_the_first_name_that_fits_then_a_smaller_one_or_none() -> None:
    assert named(["sin(pi*x_1)", "sin"], 2.0, 9.0) == ("sin(pi*x_1)", 9.0)
    assert named(["sin(pi*x_1)", "sin"], 0.4, 9.0) == ("sin", 9.0)
    text, size = named(["1/sqrt(x)"], 0.4, 9.0)
    assert text == "1/sqrt(x)" and LEAST_SIZE <= size < 9 and text_width(text, size) <= 0.4 + 1e-9
    assert named(["1/sqrt(x)"], 0.1, 9.0) == ("", 0.0)
