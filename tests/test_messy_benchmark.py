from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import messy

RIGHT: dict[str, Any] = {
    "file": "a.csv", "expected": "reads", "rows": 8, "suggested_target": "p",
    "columns": {"T (K)": "float, unit K", "run": "integer", "p": "float, 1 missing"},
    "check": {"sum of p": 28.0, "complete rows": 7}, "must_not": ["shift the columns by one"],
}  # fmt: skip
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rows": 9}, "8 rows, not 9"),
    ({"check": {"sum of p": 29.0}}, "sum of p is 28.0, not 29.0"),
    ({"columns": {"T (K)": "float, unit s"}}, "T (K): unit K, not s"),
    ({"columns": {"q": "float"}}, "q: it is not there, but T (K), run, p"),
    ({"columns": {"T (K)": "text"}}, "T (K): number, not text"),
    ({"must_not": ["count 51 rows", "sing"]}, "nothing here can tell whether it does this: sing"),
    ({"bytes": 3}, "bytes, described are 3"),
]


def described(folder: Path, **other: Any) -> str:
    """The path of a description of one table."""
    (folder / "a.csv").write_text("T (K),run,p\n" + "".join(f"{i * i}.5,{i},{i or ''}\n" for i in range(8)))
    path = folder / "messy.json"
    path.write_text(json.dumps({"files": [RIGHT | other]}))
    return str(path)


def test_a_table_as_described_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert messy.main(described(tmp_path)) == 0
    assert capsys.readouterr().out == "fine  a.csv\n"


@pytest.mark.parametrize(("other", "said"), WRONG)
def test_another_one_fails_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any], said: str
) -> None:
    assert messy.main(described(tmp_path, **other)) == 1
    assert said in capsys.readouterr().out
