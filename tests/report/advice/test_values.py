from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kanrun.config.schema import SearchConfig, SymbolicFitConfig
from kanrun.report.advice.values import other_forms
from tests.report.test_outputs import result


@pytest.mark.parametrize(
    ("search", "stopped", "ways"),
    [
        ({}, None, ["search=discover"]),
        ({"seconds": 10.0}, "seconds", ["search.seconds=40"]),
        ({"work": 300.0}, "work", ["search.work=1200"]),
        ({"seconds": 10.0}, "noise", []),  # more of the same would find nothing else
    ],
)
def test_other_formulas_are_looked_for_with_what_there_was_too_little_of(
    search: dict[str, Any], stopped: str | None, ways: list[str]
) -> None:
    found = result("train")
    config = replace(found.problem.config, search=SearchConfig(**search))
    state = replace(found.state, search={"stopped": stopped} if stopped else {})
    assert other_forms(replace(found, problem=replace(found.problem, config=config), state=state)) == ways
    narrow = replace(config, symbolic=SymbolicFitConfig(discover=False, library=["x"]))
    assert other_forms(replace(found, problem=replace(found.problem, config=narrow), state=state)) == [
        "symbolic.discover=true", *ways, "symbolic.library=null",
    ]  # fmt: skip
