"""A piece of advice, and what all of them are made from."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kanrun.config.schema import Config, SearchConfig
from kanrun.config.search_settings import check_search
from kanrun.data.dataset import CLASSIFICATION
from kanrun.data.noise import NoiseLevel
from kanrun.errors import as_typed
from kanrun.state import Result
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.judging import EXACT_REASON

CLEARLY_WORSE = "clearly worse"
FIRST = ("nonfinite", CLEARLY_WORSE)  # kinds of advice without which no formula is an answer
MORE = 4  # times as much, where there was too little


@dataclass(frozen=True)
class Advice:
    """A sentence with what was measured, and what to try next: a setting or command, empty where there is none.

    `kind` names the case, as metrics.json has it.
    """

    kind: str
    finding: str
    suggestion: str = ""


def settled(result: Result) -> bool:
    """Whether there are formulas, and all of them are exact."""
    return bool(result.formulas) and all(map(is_exact, result.formulas))


def is_exact(formula: Formula) -> bool:
    """Whether nothing is left to be found."""
    return bool(formula.exact) or formula.reason == EXACT_REASON


def last_splines(result: Result) -> Mapping[str, Any] | None:
    """What metrics.json says of the last network before it became formulas, None where there is none."""
    before = [entry for entry in result.metrics["stages"] if entry["name"] not in ("symbolic", "relations")]
    return before[-1] if before else None


def judged(entry: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The scores of a stage that say most, and what rows these are of."""
    return ("test", entry["test"]) if entry["test"] else ("training", entry["train"])


def noise_of(result: Result) -> dict[str, NoiseLevel]:
    """The noise of each output whose rows show some."""
    return {name: NoiseLevel(**one) for name, one in result.state.noise.items() if one is not None}


def output_of(result: Result, name: str) -> str:
    """What an output is called in a sentence."""
    return name if len(result.problem.data.outputs) > 1 else "the target"


def other_forms(result: Result) -> list[str]:
    """Settings by which a run would look for formulas that this one has not looked for."""
    config, ways = result.problem.config, list[str]()
    ended = result.state.search.get("stopped")
    if not config.symbolic.discover:
        ways.append("symbolic.discover=true")
    if config.search.wanted:
        if ended in ("seconds", "work"):
            key, before = ("seconds", config.search.seconds) if ended == "seconds" else ("work", config.search.work)
            ways.append(f"search.{key}={MORE * float(before or 0):.9g}")
    elif can_search(config) and result.problem.data.task != CLASSIFICATION and not result.problem.trained:
        ways.append("search=discover")
    if config.symbolic.library is not None:
        ways.append("symbolic.library=null")
    return ways


def can_search(config: Config) -> bool:
    """Whether a search can honour the rest of a config."""
    return not check_search(replace(config, search=SearchConfig("discover", 60.0)))


def more_rows(result: Result, factor: float = MORE) -> str:
    """How more rows are had: by a setting where they are made, else from where they come."""
    rows = getattr(result.problem.config.dataset, "n_train", None)
    return "more rows" if rows is None else f"dataset.n_train={math.ceil(factor * rows)}"


def alternatives(ways: Sequence[str]) -> str:
    """`a, or b, or c`."""
    return ", or ".join(ways)


def as_override(key: str, names: Sequence[str]) -> str:
    """A list of names of columns as it is typed in a shell."""
    return shlex.quote(f"{key}={as_typed([in_quotes(name) for name in names])}")


def in_quotes(name: str) -> str:
    """A name that would be taken for several without quotes."""
    return f'"{name}"' if "," in name and '"' not in name else name
