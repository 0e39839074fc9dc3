"""A little of `make fuzz`: strange configs, damaged run folders and strange texts."""

from __future__ import annotations

import sys

import pytest

from benchmarks import fuzz


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be copied")
@pytest.mark.parametrize(("part", "count"), [("texts", 120), ("configs", 1), ("folders", 1)])
def test_a_few_of_each_kind_end_as_they_should(part: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main([part, str(count), "--seed", "5"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (fuzz.Ended(0, "fine\n", 1.0), None),
        (fuzz.Ended(1, "kanrun: seed=-1: allowed is 0 or more\n", 1.0), None),
        (fuzz.Ended(1, "no\n", 1.0), "without a line"),
        (fuzz.Ended(1, "kanrun: KeyError: 'x'\n", 1.0), "an error of our own"),
        (fuzz.Ended(70, "Traceback (most recent call last)\n", 1.0), "traceback"),
        (fuzz.Ended(-11, "", 1.0), "status -11"),
        (fuzz.Ended(None, "", 60.0), "goes on"),
        (fuzz.Ended(None, "", 62.0, late=True), "after SIGTERM"),
    ],
)
def test_what_is_not_as_it_should_be_is_seen(ended: fuzz.Ended, told: str | None) -> None:
    wrong = fuzz.complaint(ended)
    assert wrong is None if told is None else told in str(wrong)
