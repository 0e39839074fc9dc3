from __future__ import annotations

from pathlib import Path

import pytest

import kanrun.exporters
from kanrun.errors import KanrunError
from kanrun.exporters.table import EXPORTERS, exporter
from tests.exporters.laws import source


def test_every_exporter_is_a_file_and_listed() -> None:
    files = {p.stem for p in Path(kanrun.exporters.__file__).parent.glob("*.py")}
    assert files - {"__init__", "table", "source", "code", "onnx_graph"} == set(EXPORTERS)


@pytest.mark.parametrize("name", [name for name, one in EXPORTERS.items() if not one.of_network])
def test_each_of_them_writes_text_about_formulas(name: str) -> None:
    text = exporter(name).write(source("x_1 + 2.5", "sin(x_2)"))
    assert isinstance(text, str)
    assert text.endswith("\n")


def test_an_unknown_one_is_answered_with_the_nearest() -> None:
    with pytest.raises(KanrunError, match="--to pyton: unknown exporter, did you mean python"):
        exporter("pyton")
