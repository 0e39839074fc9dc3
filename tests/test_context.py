from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from kanrun.context import GRAIN, PER_SECOND, Budget, Context, Journal, Meter, Unrecorded


class Clock(Meter):
    """A meter whose seconds are set by hand."""

    def __init__(self, cancelled: Callable[[], str | None] = lambda: None) -> None:
        super().__init__(cancelled=cancelled)
        self.time = 0.0

    def seconds(self) -> float:
        return self.time


# ---- budgets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_work", [False, True])
def test_a_budget_is_over_when_more_than_all_of_it_is_used(of_work: bool) -> None:
    meter = Clock()
    budget = Budget.of(meter, 10.0, 10.0 if of_work else None)

    def use(amount: float) -> None:
        if of_work:
            meter.work = amount
        else:
            meter.time = amount

    assert (budget.whole, budget.of_work, budget.left()) == (10.0, of_work, 10.0)
    use(4.0)
    part, rest = budget.within(0.25), budget.share(0.5)
    assert (part.end, part.whole, part.left()) == (6.5, 10.0, 2.5)
    assert (rest.end, rest.whole, rest.left()) == (7.0, 3.0, 3.0)
    assert rest.within(0.5).end == 5.5  # of its own whole
    assert budget.within(0.9).end == 10.0
    assert budget.leaving(0.2).end == 8.0
    assert budget.within(0.0, least=0.002).left() == pytest.approx(2.0 if of_work else 0.002)
    use(6.6)
    assert [b.over() for b in (part, rest, budget)] == [True, False, False]
    use(10.0)
    assert not budget.over()
    use(10.1)
    assert budget.over()


def test_a_budget_of_work_looks_at_no_clock() -> None:
    class Broken(Meter):
        def seconds(self) -> float:
            pytest.fail("a clock was read")

    meter = Broken()
    budget = Budget.of(meter, seconds=1.0, work=5.0)
    assert not budget.within(0.5).over() and not budget.share(0.5).over() and not budget.leaving(0.1).over()
    assert budget.of_seconds(2.0) == 2 * PER_SECOND


def test_without_limits_nothing_is_over_until_it_is_cancelled() -> None:
    reason: list[str] = []
    budget = Budget(Clock(lambda: reason[0] if reason else None))
    assert [b.left() for b in (budget, budget.within(0.1), budget.share(0.1), budget.leaving(0.1))] == [math.inf] * 4
    assert not budget.over()
    reason.append("SIGINT")
    assert budget.over() and budget.within(1.0).over()


def test_a_meter_goes_on_from_what_was_used_before() -> None:
    meter = Meter(used=100.0, cpu_used=50.0, work=7.0)
    assert meter.seconds() >= 100 and meter.cpu_seconds() >= 50 and meter.work == 7.0
    assert Meter().seconds() < 100


def test_work_adds_up_to_the_same_in_any_order() -> None:
    amounts, sums = [0.1, 1e6, 0.3, 2e-3, 123.456], []
    for order in (amounts, amounts[::-1]):
        context = Context()
        for amount in order:
            context.spend(amount)
        sums.append(context.budget.meter.work)
    assert sums[0] == sums[1]
    assert sums[0] == pytest.approx(sum(amounts), abs=5 * GRAIN)


# ---- journals ------------------------------------------------------------------------------------------------------


class Desk:
    """Keeps what a journal has saved, as a checkpoint does: frozen values are texts."""

    def __init__(self) -> None:
        self.saves = 0
        self.due = True
        self.cancelled: str | None = None
        self.kept: Any = None

    def journal(self, kept: Any = None) -> Journal:
        base, entries, partial, work = kept or (None, [], None, 0.0)
        self.one = Journal(self.save, lambda: self.due, repr, eval, base, list(entries), partial, work)
        return self.one

    def save(self) -> None:
        self.saves += 1
        partial = self.one.partial() if self.one.partial else None
        self.kept = (self.one.base, list(self.one.entries), partial, self.one.work)

    def context(self, kept: Any = None) -> Context:
        journal = self.journal(kept)
        return Context(Budget(Meter(work=journal.work, cancelled=lambda: self.cancelled)), journal=journal)


def piece(context: Context, done: list[str], name: str, inner: Callable[[], Any] | None = None) -> Callable[[], Any]:
    """Something to do that takes two units of work and is written down."""

    def compute() -> Any:
        done.append(name)
        context.spend(2.0)
        return [name, inner() if inner else None]

    return compute


def test_without_a_journal_everything_is_done_again() -> None:
    context, done = Context(), []
    for _ in range(2):
        assert context.once(piece(context, done, "a")) == ["a", None]
    assert done == ["a", "a"]
    assert Unrecorded().unfinished() is None and Unrecorded().begun() is None


def test_what_is_finished_is_not_done_again_and_counts_as_before() -> None:
    desk, done = Desk(), []

    def work(context: Context, last: bool) -> list[Any]:
        names = ["a", "b", "c"] if last else ["a", "b"]
        return [context.once(piece(context, done, name)) for name in names]

    first = desk.context()
    work(first, last=False)
    assert (desk.saves, done) == (2, ["a", "b"])
    second = desk.context(desk.kept)
    assert work(second, last=True) == [["a", None], ["b", None], ["c", None]]
    assert done == ["a", "b", "c"]
    assert second.budget.meter.work == 6.0


def test_values_that_are_kept_do_not_change_with_what_was_given_back() -> None:
    desk = Desk()
    value = desk.context().once(lambda: [1])
    value.append(2)
    assert desk.context(desk.kept).once(lambda: [0]) == [1]


def test_pieces_within_a_piece_are_kept_until_it_is_finished() -> None:
    desk, done = Desk(), []

    def outer(context: Context, fails: bool) -> Any:
        def inner() -> Any:
            both = [context.once(piece(context, done, name)) for name in ("in 1", "in 2")]
            if fails:
                raise RuntimeError("killed")
            return both

        return context.once(piece(context, done, "out", inner))

    with pytest.raises(RuntimeError, match="killed"):
        outer(desk.context(), fails=True)
    assert [(e.depth, e.work) for e in desk.kept[1]] == [(1, 2.0), (1, 2.0)]
    context = desk.context(desk.kept)
    value = outer(context, fails=False)
    assert done == ["out", "in 1", "in 2", "out"]
    assert context.budget.meter.work == 6.0
    assert [(e.depth, e.work) for e in desk.kept[1]] == [(0, 6.0)]
    again = desk.context(desk.kept)
    assert outer(again, fails=True) == value
    assert done == ["out", "in 1", "in 2", "out"]
    assert again.budget.meter.work == 6.0


def test_a_piece_that_is_cancelled_is_not_kept() -> None:
    desk, done = Desk(), []
    context = desk.context()
    context.once(piece(context, done, "a"))

    def cancelled() -> int:
        desk.cancelled = "SIGTERM"
        return 1

    context.once(cancelled)
    assert desk.saves == 1
    desk.cancelled = None
    context = desk.context(desk.kept)
    context.once(piece(context, done, "a"))
    assert context.once(lambda: 2) == 2


def test_a_piece_that_was_interrupted_goes_on_from_its_last_state() -> None:
    desk = Desk()

    def count(context: Context, until: int) -> list[int]:
        begun = context.journal.unfinished() or {"from": 0}
        steps = []
        for k in range(begun["from"], until):
            steps.append(k)
            begun["from"] = k + 1
            context.journal.progress(lambda: begun)
        return steps

    context = desk.context()
    context.once(lambda: "before")
    count(context, 3)  # killed before it was finished
    assert desk.kept[2] == {"from": 3}
    again = desk.context(desk.kept)
    assert again.journal.unfinished() is None  # what is finished comes first
    again.once(lambda: "not done again")
    assert again.once(lambda: count(again, 5)) == [3, 4]
    assert again.once(lambda: count(again, 2)) == [0, 1]  # the next one begins at its beginning


def test_progress_is_saved_when_it_is_due_or_the_last_one() -> None:
    desk = Desk()
    desk.due = False
    context = desk.context()
    context.once(lambda: 1)
    context.journal.progress(lambda: "state")
    context.journal.landmark(lambda: "base", context.budget.meter)
    assert desk.saves == 0
    context.journal.progress(lambda: "last", last=True)
    assert (desk.saves, desk.kept[2]) == (1, "last")


def test_behind_a_landmark_nothing_before_it_is_needed() -> None:
    desk, done = Desk(), []
    context = desk.context()
    context.once(piece(context, done, "a"))
    context.journal.landmark(lambda: {"reached": ["a"]}, context.budget.meter)
    assert (desk.kept[1], desk.kept[3]) == ([], 2.0)
    context.once(piece(context, done, "b"))
    again = desk.context(desk.kept)
    assert again.journal.begun() == {"reached": ["a"]}
    assert again.budget.meter.work == 2.0
    again.journal.landmark(lambda: pytest.fail("while pieces are still known"), again.budget.meter)
    assert again.once(piece(again, done, "b")) == ["b", None]
    assert done == ["a", "b"]
    assert again.budget.meter.work == 4.0


def test_a_landmark_takes_the_place_of_pieces_that_were_saved_even_if_nothing_is_due() -> None:
    desk, done = Desk(), []
    context = desk.context()
    context.once(piece(context, done, "a"))
    assert desk.saves == 1
    desk.due = False
    context.journal.landmark(lambda: "behind a", context.budget.meter)
    context.journal.landmark(lambda: pytest.fail("nothing was saved since the last one"), context.budget.meter)
    desk.due = True
    context.once(piece(context, done, "b"))
    again = desk.context(desk.kept)
    assert again.journal.begun() == "behind a"
    assert again.once(piece(again, done, "b")) == ["b", None]
    assert done == ["a", "b"]
