from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.discovery.links import LINK_NAMED, LINKS, LOGARITHM, Link
from kanrun.functions.library import FUNCTIONS

BY_NAME = {link.name: link for link in LINKS}
# Where the targets may lie, whether all of them may be negative instead, and how exactly they come back: the inverse of
# arcsin and arccos is flat at the ends.
TARGETS = {
    "x": (-1e6, 1e6, False, 0.0),
    "exp": (1e-6, 1e6, True, 1e-12),
    "1/x": (1e-6, 1e6, True, 1e-12),
    "sqrt": (0.0, 1e6, True, 1e-12),
    "x^2": (0.0, 1e6, True, 1e-12),
    "1/sqrt(x)": (1e-6, 1e6, True, 1e-12),
    "1/x^2": (1e-6, 1e6, True, 1e-12),
    "tanh": (-1 + 1e-9, 1 - 1e-9, False, 1e-12),
    "log": (-14.0, 14.0, False, 1e-12),
    "arcsin": (-1.57, 1.57, False, 1e-7),
    "arctan": (-1.57, 1.57, False, 1e-12),
    "arccos": (1e-6, 3.1415, False, 1e-7),
}


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_there_is_one_of_each_from_the_library_and_the_plain_one_comes_first() -> None:
    assert len(BY_NAME) == len(LINKS)
    assert set(BY_NAME) <= set(FUNCTIONS)
    assert set(BY_NAME) == set(TARGETS)
    assert LINKS[0].name == "x"


@pytest.mark.parametrize("link", LINKS, ids=lambda o: o.name)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_what_is_undone_comes_back_wherever_that_is_allowed(link: Link, data: st.DataObject) -> None:
    low, high, both, error = TARGETS[link.name]
    y = tensor(*data.draw(st.lists(st.floats(low, high), min_size=2, max_size=20)))
    if both and data.draw(st.booleans()):
        y = -y
    assert link.allows(y)
    z = link.undo(y)
    assert z.shape == y.shape
    assert torch.isfinite(z).all()
    torch.testing.assert_close(link.apply(z, y), y, rtol=error, atol=error)


@pytest.mark.parametrize("link", LINKS, ids=lambda o: o.name)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_any_targets_that_are_allowed_leave_finite_numbers(link: Link, data: st.DataObject) -> None:
    sizes = st.floats(1e-3, 1e3).flatmap(lambda size: st.sampled_from([size, -size])) | st.just(0.0)
    y = tensor(*data.draw(st.lists(sizes, min_size=2, max_size=6)))
    if link.allows(y):
        assert torch.isfinite(link.undo(y)).all()
        torch.testing.assert_close(link.apply(link.undo(y), y), y, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("link", LINKS, ids=lambda o: o.name)
def test_the_link_function_is_that_of_the_library_with_its_constants(link: Link) -> None:
    y, z = tensor(0.2, 0.5, 0.9), tensor(0.3, 0.6, 0.7)
    c, d = link.constants(y)
    assert torch.equal(link.apply(z, y), c * FUNCTIONS[link.name].value(z) + d)
    assert (c, d) == (1.0, 0.9 if link.name == "log" else 0.0)


@pytest.mark.parametrize("name", ["exp", "sqrt", "x^2", "1/sqrt(x)", "1/x^2"])
def test_targets_below_zero_have_a_negative_factor(name: str) -> None:
    assert BY_NAME[name].constants(tensor(-1.0, -4.0)) == (-1.0, 0.0)


@pytest.mark.parametrize(
    ("names", "values", "allowed"),
    [
        ("exp 1/x 1/sqrt(x) 1/x^2", (-1.0, 2.0), False),
        ("exp 1/x 1/sqrt(x) 1/x^2", (0.0, 2.0), False),
        ("exp 1/x 1/sqrt(x) 1/x^2", (-1.0, -2.0), True),
        ("sqrt x^2", (0.0, 2.0), True),
        ("sqrt x^2", (0.0, -2.0), True),
        ("sqrt x^2", (-0.1, 2.0), False),
        ("tanh", (-1.0, 0.0), False),
        ("tanh", (0.0, 1.0), False),
        ("log", (0.0, 31.0), False),
        ("log", (-1000.0, -980.0), True),
        ("arcsin arctan", (-math.pi / 2, 0.0), False),
        ("arcsin arctan", (0.0, math.pi / 2), False),
        ("arccos", (0.0, 1.0), False),
        ("arccos", (0.1, math.pi), False),
        ("arccos", (-0.1, 1.0), False),
        ("x", (-1e300, 1e300), True),
    ],
)
def test_targets_that_no_such_function_has_are_not_allowed(
    names: str, values: tuple[float, ...], allowed: bool
) -> None:
    for name in names.split():
        assert BY_NAME[name].allows(tensor(*values)) == allowed, name


def test_the_logarithm_of_targets_over_decades_leaves_out_those_that_are_zero() -> None:
    y = -(10.0 ** torch.linspace(-200, 2, 40, dtype=torch.float64)[:, None])
    y[3] = 0.0
    assert LOGARITHM.allows(y)
    assert LINK_NAMED[LOGARITHM.name] is LOGARITHM
    z, there = LOGARITHM.undone(y)
    assert there.sum() == 39
    assert float(z[3]) == 0.0
    torch.testing.assert_close(LOGARITHM.apply(z, y)[there], y[there], rtol=1e-12, atol=0.0)
    assert not LOGARITHM.allows(-y.abs().clamp(min=1.0))  # two decades
    assert not LOGARITHM.allows(torch.cat([y, -y]))
