from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from kanrun.report.standard_output import StandardOutput


class Full(io.StringIO):
    """An output without room, which is no file of the system's."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("there", [None, Full()])
def test_where_nothing_can_be_written_that_costs_nothing(monkeypatch: pytest.MonkeyPatch, there: Full | None) -> None:
    monkeypatch.setattr(sys, "stdout", there)
    out = StandardOutput()
    assert out.write("text") == 0
    out.flush()
    assert not out.isatty()


def test_after_an_output_was_full_what_is_written_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class OnceFull(io.TextIOWrapper):
        def flush(self) -> None:
            monkeypatch.setattr(OnceFull, "flush", io.TextIOWrapper.flush)
            raise OSError(28, "No space left on device")

    with open(tmp_path / "out", "wb") as file, OnceFull(file) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        out = StandardOutput()
        out.flush()
        out.write("later")
        out.flush()
    assert (tmp_path / "out").read_bytes() == b""
