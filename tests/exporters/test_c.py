from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kanrun.exporters.c import c
from kanrun.exporters.source import CannotExportError, Source
from tests.exporters.laws import EVIL, SPECIAL, TEXTS, X, agree, run, source, tool
from tests.helpers import Array


def computed(written: Source, folder: Path, flags: tuple[str, ...] = ()) -> Array:
    """What the compiled file makes of the rows; warnings are errors."""
    compiler = tool("gcc", "cc", "clang")
    count, lines = len(written.laws), ["{" + ", ".join(map(repr, map(float, row))) + "}" for row in X]
    main = f"""
#include <stdio.h>
static const double rows[{len(X)}][{X.shape[1]}] = {{{", ".join(lines)}}};
int main(void) {{
    for (int i = 0; i < {len(X)}; i++) {{
        double values[{count}];
        predict(rows[i], values);
        for (int j = 0; j < {count}; j++) printf("%.17g ", values[j]);
    }}
    return 0;
}}
"""
    (folder / "law.c").write_text(c(written) + main, encoding="utf-8")
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-pedantic")
    run(compiler, *strict, *flags, folder / "law.c", "-o", folder / "law", "-lm")
    return np.array(run(folder / "law").split(), dtype=float).reshape(len(X), count)


def test_every_formula_has_the_same_values_in_c(tmp_path: Path) -> None:
    texts = [*TEXTS, *SPECIAL]
    agree(computed(source(*texts), tmp_path), *texts)


@pytest.mark.parametrize("names", [("double", "exp"), ("y0", "é"), ("predict", "values"), ("x", "y"), ("_a", "v_a")])
def test_it_compiles_whatever_inputs_are_called(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = names
    written = source(f"exp({first}) + {second}", f"{first} - {second}", inputs=list(names))
    agree(computed(written, tmp_path), "exp(x_1) + x_2", "x_1 - x_2")


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_only_ever_a_comment(tmp_path: Path, name: str) -> None:
    agree(computed(source("x_1 - x_2", output=name, symbols={"x_1": name}, units={"x_1": name}), tmp_path), "x_1 - x_2")


def test_classes_have_the_number_of_the_largest(tmp_path: Path) -> None:
    text = c(source("x_1", "x_2", test="cross_entropy"))
    main = "\nint main(void) { double a[2] = {1, 2}, b[2] = {2, 1}; return classify(a) * 2 + classify(b); }\n"
    (tmp_path / "law.c").write_text(text + main, encoding="utf-8")
    run(tool("gcc", "cc", "clang"), tmp_path / "law.c", "-o", tmp_path / "law", "-lm")
    with pytest.raises(AssertionError):
        run(tmp_path / "law")  # its status is 2
    assert "double decision(double x_1, double x_2)" in text


def test_what_c_has_not_is_said() -> None:
    with pytest.raises(CannotExportError, match="C has no besselj"):
        c(source("besselj(0, x_1)"))
