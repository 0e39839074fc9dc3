from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kanrun.exporters.matlab import matlab
from kanrun.exporters.source import CannotExportError, Source
from tests.exporters.laws import EVIL, SPECIAL, TEXTS, X, agree, run, source, tool
from tests.helpers import Array


def computed(written: Source, folder: Path, asked: str = "formulas(x)") -> Array:
    """What Octave makes of the rows."""
    octave = tool("octave-cli", "octave")
    (folder / "formulas.m").write_text(matlab(written), encoding="utf-8")
    np.savetxt(folder / "x.txt", X, fmt="%.17g")
    code = f"x = load('x.txt'); [~, v] = deal(0, {asked}); printf('%.17g ', v');"
    return np.array(run(octave, "--no-gui", "--norc", "--eval", code, cwd=folder).split(), dtype=float)


def test_every_formula_has_the_same_values_in_octave(tmp_path: Path) -> None:
    texts = [*TEXTS, *SPECIAL]
    agree(computed(source(*texts), tmp_path).reshape(len(X), -1), *texts)


def test_column_names_are_only_ever_comments(tmp_path: Path) -> None:
    symbols = {f"x_{i + 1}": name for i, name in enumerate(EVIL[:2])}
    agree(computed(source("x_1 - x_2", symbols=symbols, units=symbols), tmp_path)[:, None], "x_1 - x_2")
    for name in EVIL:
        text = matlab(source("x_1", symbols={"x_1": name}))
        assert sum(not line.strip().startswith("%") for line in text.splitlines()) == 11, text


def test_classes_have_the_number_of_the_largest(tmp_path: Path) -> None:
    text = matlab(source("x_1", "x_2", test="cross_entropy"))
    (tmp_path / "formulas.m").write_text(text, encoding="utf-8")
    code = "[~, k] = formulas([1 2; 2 1]); printf('%d ', k);"
    out = run(tool("octave-cli", "octave"), "--no-gui", "--norc", "--eval", code, cwd=tmp_path)
    assert out.split() == ["1", "0"]


def test_what_matlab_has_not_is_said() -> None:
    with pytest.raises(CannotExportError, match="MATLAB has no besselj"):
        matlab(source("besselj(0, x_1)"))


def test_a_power_that_may_not_be_real_is_asked_and_a_whole_one_is_not() -> None:
    text = matlab(source("x_1**3 + x_2**2.5"))
    [line] = [one for one in text.splitlines() if "values(:, 1)" in one]
    assert "x_1.^3" in line and "real_only(x_1.^3)" not in line
    assert "real_only(x_2.^2.5)" in line
