from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from benchmarks import speed


@pytest.mark.slow
def test_speed_runs_without_the_peers_and_names_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_peers(name: str) -> Any:
        return None if name in ("kan", "flashkan") else find_spec(name)

    monkeypatch.setattr(speed, "find_spec", without_peers)
    monkeypatch.setattr(speed, "SHAPES", speed.SHAPES[:1])
    monkeypatch.setattr(speed, "TURN", 0.02)
    speed.main(["--quick", "--threads", "1"])
    text = capsys.readouterr().out
    assert "Left out: pykan (not installed)." in text
    assert "Left out: flashkan (not installed)." in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| 1 |")]
    assert [row[2] for row in rows] == ["kanrun", "MLP"]
    assert float(rows[0][3].split()[0]) > 0
