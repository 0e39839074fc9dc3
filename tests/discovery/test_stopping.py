"""Why searches end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kanrun.discovery.stopping import REASONS, TRIED, reason_of_end, reason_to_stop

SENTENCES = {
    "alike": "all values are the same",
    "exact": "a formula is exact to rounding",
    "noise": "what the formula leaves looks like noise",
    "cancelled": "cancelled: SIGINT",
    "stalled": "several structures explain equally much, which is what noise leaves",
    "seconds": "the 7 s are over",
    "work": "the 7 units of work are done",
    "tried": "all structures were tried",
}


def search(holds: set[str]) -> Any:
    """What the reasons look at, where these and no others hold."""
    exact = bool(holds & {"exact", "long"})
    undecided = "undecided" in holds and not exact
    findings = SimpleNamespace(
        closed="exact" in holds, exact=exact, explained="noise" in holds, undecided=undecided,
        longest=9.0 * ("lengthy" in holds),
    )  # fmt: skip
    return SimpleNamespace(
        problem=SimpleNamespace(alike="alike" in holds), state=SimpleNamespace(findings=findings, whole=7.0),
        cancelled=lambda: "SIGINT" if "cancelled" in holds else None, stalls=lambda: "stalled" in holds,
        of_work="work" in holds, over=lambda: bool(holds & {"seconds", "work"}),
    )  # fmt: skip


@pytest.mark.parametrize("name", list(SENTENCES))
def test_every_reason_has_its_sentence_and_the_first_one_counts(name: str) -> None:
    names = [reason.name for reason in REASONS]
    later = set(names[names.index(name) + 1 :]) - {"work"} if name in names else set()
    one = search({name} | later)
    reason = reason_of_end(one)
    assert (reason.name, reason.sentence(one)) == (name, SENTENCES[name])
    assert (reason_to_stop(one) or TRIED) is reason


def test_a_long_formula_that_is_exact_does_not_stop_the_search_but_is_why_it_ended() -> None:
    one = search({"long"})
    assert reason_to_stop(one) is None
    assert reason_of_end(one).name == "exact"
    assert reason_of_end(search({"long", "seconds"})).name == "exact"


def test_a_formula_that_fits_like_others_does_not_stop_the_search_and_is_not_called_exact() -> None:
    one = search({"undecided"})
    assert reason_to_stop(one) is None
    reason = reason_of_end(search({"undecided", "work"}))
    assert reason.name == "undecided"
    assert "the data cannot decide" in reason.sentence(one)
    assert reason_of_end(search({"undecided", "long"})).name == "exact"


def test_a_long_formula_that_leaves_noise_stops_the_search_once_shorter_ones_were_looked_for() -> None:
    assert reason_to_stop(search({"noise", "lengthy"})) is None
    assert reason_of_end(search({"noise"})).name == "noise"
