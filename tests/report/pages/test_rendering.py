from __future__ import annotations

import base64
import hashlib
import re
from html import unescape

import pytest

from kanrun.report.pages.rendering import number, render, seconds, short, unit


def empty() -> str:
    return render("page.html")


def test_only_the_pages_own_script_may_run() -> None:
    [script] = re.findall(r"<script>(.*?)</script>", empty(), re.DOTALL)
    [allowed] = re.findall(r"script-src 'sha256-([^']+)'", unescape(empty()))
    assert base64.b64decode(allowed) == hashlib.sha256(script.encode()).digest()
    assert "default-src 'none'" in unescape(empty())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.99996, "0.99996"), (0.9999999, "0.99999990"), (1.0, "1"), (1 - 1e-12, "1 - 1e-12"),
        (0.12345, "0.1235"),
        (-2.5, "\u22122.5"), (None, "\u2013"), (float("nan"), "nan"), (3, "3"), (True, "\u2013"), ("3", "\u2013"),
        (1.00001, "1"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_r2_is_not_rounded_up_to_1(value: object, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(1.26, "1.3 s"), (125, "2 min 5 s"), (7260, "2 h 1 min"), (None, "\u2013")]
)
def test_seconds_are_said_as_one_says_them(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


def test_units_have_raised_powers() -> None:
    assert unit("kg m^2 s^-2") == "kg m\u00b2 s\u207b\u00b2"
    assert unit("J/(mol K)") == "J/(mol K)"
    assert unit("m**10") == "m\u00b9\u2070"
    assert unit("MPa*m^0.5") == "MPa\u00b7m^0.5"


def test_long_texts_lose_their_middle() -> None:
    assert len(short("a" * 1000, 50)) < 60
    assert short("a\nb") == "a b"
