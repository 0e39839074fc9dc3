from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows, at_most, hold_back, in_all_parts, of_output
from kanrun.data.losses import CROSS_ENTROPY, MSE
from tests.helpers import uniform_rows


def numbered(rows: int) -> Dataset:
    """The first input counts the rows; the target is its square."""

    def part(count: int, first: float) -> Rows:
        x = torch.stack([first + torch.arange(count).double(), uniform_rows(count, 1)[:, 0]], dim=1)
        return Rows(x, x[:, :1] ** 2)

    return Dataset("numbered", part(rows, 0.0), part(5, 1e6), ["x_1", "x_2"], ["y"], REGRESSION, MSE, truth=["x_1**2"])


def held(data: Dataset) -> Rows:
    assert data.validation is not None
    return data.validation


@pytest.mark.parametrize(
    ("rows", "fraction", "count"), [(80, 0.2, 16), (81, 0.5, 40), (10, 0.001, 1), (2, 0.9, 1), (2, 0.1, 1), (3, 0.9, 2)]
)
def test_the_rows_held_back_and_those_kept_are_all_rows_each_once(rows: int, fraction: float, count: int) -> None:
    data = numbered(rows)
    split = hold_back(data, fraction, seed=4)
    assert (len(held(split).x), len(split.train.x)) == (count, rows - count)
    numbers = torch.cat([held(split).x[:, 0], split.train.x[:, 0]])
    assert numbers.sort().values.tolist() == list(range(rows))
    for part in (held(split), split.train):
        assert torch.equal(part.x, data.train.x[part.x[:, 0].long()])  # whole rows, with their own targets
        assert torch.equal(part.y, part.x[:, :1] ** 2)
        assert bool((part.x[:, 0].diff() > 0).all())  # in their old order


def test_all_else_stays_as_it_was() -> None:
    data = numbered(20)
    x, y = data.train.x.clone(), data.train.y.clone()
    split = hold_back(data, 0.3, seed=0)
    assert split.test is data.test
    assert (split.name, split.inputs, split.outputs, split.task, split.loss, split.truth) == (
        data.name, data.inputs, data.outputs, data.task, data.loss, data.truth
    )  # fmt: skip
    assert data.validation is None
    assert torch.equal(data.train.x, x)
    assert torch.equal(data.train.y, y)


def test_class_numbers_go_with_their_rows() -> None:
    x = uniform_rows(40, 2)
    rows = Rows(x, (x[:, 0] > 0).long())
    data = Dataset("classes", rows, rows, ["x_1", "x_2"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    split = hold_back(data, 0.25, seed=0)
    for part, count in ((held(split), 10), (split.train, 30)):
        assert part.y.shape == (count,)
        assert torch.equal(part.y, (part.x[:, 0] > 0).long())


def test_the_seed_alone_chooses_the_rows_held_back() -> None:
    data = numbered(80)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, same, other = (held(hold_back(data, 0.2, seed)).x for seed in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_row_may_be_held_back() -> None:
    data = numbered(10)
    chosen = {int(n) for seed in range(60) for n in held(hold_back(data, 0.2, seed)).x[:, 0]}
    assert chosen == set(range(10))


def test_validation_rows_are_drawn_as_the_rows_themselves_are() -> None:
    """The split leaves no pattern behind: means of both parts differ by chance alone."""
    data = numbered(10_000)
    split = hold_back(data, 0.2, seed=3)
    assert float(held(split).x[:, 0].mean()) == pytest.approx(4999.5, rel=0.05)
    assert float(split.train.x[:, 0].mean()) == pytest.approx(4999.5, rel=0.02)


def test_rows_are_the_users_own_where_they_come_from_a_file() -> None:
    data = numbered(4)
    assert data.of_a_file is False
    assert replace(data, about={"file": "rows.csv"}).of_a_file is True


def test_the_rows_that_are_judged_are_those_of_the_test_or_all() -> None:
    data = numbered(4)
    assert data.judged is data.test
    assert replace(data, test=None).judged is data.train


def test_inputs_have_the_names_that_the_user_gave_them() -> None:
    assert replace(numbered(4), names={"x_2": "time in s"}).input_names == ["x_1", "time in s"]


@pytest.mark.parametrize(("rows", "most", "step"), [(10, 10, 1), (10, 11, 1), (10, 9, 2), (10, 5, 2), (10, 4, 3)])
def test_no_more_rows_than_asked_for_are_taken_evenly(rows: int, most: int, step: int) -> None:
    few = at_most(numbered(rows), most)
    assert few.train.x[:, 0].tolist() == list(range(0, rows, step))
    assert torch.equal(few.train.y, few.train.x[:, :1] ** 2)
    assert few.train.numbers is None if step == 1 else few.train.numbers.tolist() == list(range(1, rows + 1, step))
    named = replace(numbered(rows).train, numbers=torch.arange(rows) + 50)
    again = at_most(replace(numbered(rows), train=named), most).train.numbers
    assert again is not None and again.tolist() == list(range(50, 50 + rows, step))


def test_one_output_has_its_own_targets_and_truth_in_all_parts() -> None:
    data = hold_back(numbered(10), 0.3, 0)
    both = replace(
        in_all_parts(data, lambda rows: replace(rows, y=torch.cat([rows.y, -rows.y, rows.y + 1], dim=1))),
        outputs=["a", "b", "c"], truth=["x_1**2", "-x_1**2", "x_1**2+1"],
    )  # fmt: skip
    one = of_output(both, 1)
    assert (one.outputs, one.truth) == (["b"], ["-x_1**2"])
    assert one.test is not None
    for part in (one.train, one.test, held(one)):
        assert torch.equal(part.y, -(part.x[:, :1] ** 2))
