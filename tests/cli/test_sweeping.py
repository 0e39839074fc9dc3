from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from kanrun.cli.inside_hydra import parse_overrides
from kanrun.cli.sweeping import plain

TEXTS = [
    "1e-05", "1E3", "3", "-3", "+3", "1_000", "0.5", ".5", "5.", "-.5", "1.5e+3", "1_0.5", "1.5_0", "1e1_0", "007",
    "-0", "1_", "_1", "1__0", "1e", "e5", ".", "true", "False", "yes", "on", "1:30", "2026-01-01", "0x1f", "0o7", "x",
    "'1e-05'", '"3"', "'true'", "'a b'", '"it\'s"', "'it\\'s'", '"\\alpha"', "'C:\\new.csv'",
    '"a\\\\"', '"a\\\\\\"b"', '"a  b"', "''",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_swept_value_is_kept_as_hydra_reads_it(text: str) -> None:
    read: Any = OverridesParser.create().parse_override(f"a={text}").value()
    read = getattr(read, "text", read)
    found = plain(text)
    assert (type(found), found) == (type(read), read)


@pytest.mark.parametrize("text", ["nan", "inf", "null", "[1,2]", "{a: 1}"])
def test_what_json_has_no_number_or_cell_for_stays_as_it_is_typed(text: str) -> None:
    assert plain(text) == text


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(HydraException, match='formula="x_1'):
        parse_overrides(["seed=0,1", 'dataset.formula="x_1'])
