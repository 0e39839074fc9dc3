from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import sympy as sp

from kanrun.exporters.mathml import NAMESPACE, Content, Shown, mathml, text_of_name, written
from kanrun.exporters.source import CannotExportError
from tests.exporters.laws import EVIL, INPUTS, TEXTS, X, agree, source
from tests.helpers import Array

M = f"{{{NAMESPACE}}}"
OPERATIONS = {
    "plus": lambda *v: sum(v[1:], start=v[0]), "minus": lambda a, b=None: -a if b is None else a - b,
    "times": lambda *v: np.prod(np.broadcast_arrays(*v), axis=0), "divide": np.divide, "power": np.power,
    "eq": lambda _, b: b, "exp": np.exp, "ln": np.log, "root": np.sqrt, "abs": np.abs, "sign": np.sign,
    "floor": np.floor, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsin": np.arcsin, "arccos": np.arccos, "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "arctan": lambda a, b=None: np.arctan(a) if b is None else np.arctan2(a, b),
    "min": lambda *v: np.minimum.reduce(np.broadcast_arrays(*v)),
    "max": lambda *v: np.maximum.reduce(np.broadcast_arrays(*v)),
}  # fmt: skip


def value(node: ElementTree.Element, columns: dict[str, Array]) -> Array:
    """What an element of content MathML means, for the elements that formulas have."""
    tag = node.tag.removeprefix(M)
    if tag == "cn":
        mantissa = node.text or ""
        return np.float64(mantissa + (f"e{node[0].tail}" if node.get("type") == "e-notation" else ""))
    if tag in ("pi", "exponentiale"):
        return np.float64({"pi": np.pi, "exponentiale": np.e}[tag])
    if tag == "ci":
        return columns.get(node.text or "", np.float64(0))
    operation, *arguments = list(node)
    name, degree = operation.tag.removeprefix(M), 2.0
    if arguments and arguments[0].tag == f"{M}degree":
        degree = float(value(arguments.pop(0)[0], columns))
    values = [value(a, columns) for a in arguments]
    if name == "root" and degree != 2:
        return np.power(values[0], 1 / degree)
    return OPERATIONS[name](*values)


@pytest.mark.parametrize("text", TEXTS)
def test_the_content_has_the_same_values(text: str) -> None:
    [line] = mathml(source(text)).splitlines()
    [content] = ElementTree.fromstring(line).iter(f"{M}annotation-xml")
    with np.errstate(all="ignore"):
        found = value(content[0], {name: X[:, i] for i, name in enumerate(INPUTS)})
    agree(np.broadcast_to(found, len(X))[:, None], text)


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_text(name: str) -> None:
    [line] = mathml(source("2.5*x_1", symbols={"x_1": name})).splitlines()
    root = ElementTree.fromstring(line)
    plain = " ".join(name.split())
    assert f"`{plain}`" in {e.text for e in root.iter(f"{M}mtext")}  # set off: x-1 is a name, not mathematics
    assert {e.text for e in root.iter(f"{M}ci")} == {"y", plain}
    assert [e.tag for e in root.iter(f"{M}script")] == []


def test_what_is_looked_at_is_rounded_and_has_indices() -> None:
    [line] = mathml(source("2.54321678*x_1")).splitlines()
    [shown] = list(ElementTree.fromstring(line).iter(f"{M}semantics"))
    assert [e.text for e in shown[0].iter(f"{M}mn")] == ["2.543", "1"]
    assert [len(e) for e in shown[0].iter(f"{M}msub")] == [2]


def test_two_classes_have_their_decision() -> None:
    lines = mathml(source("x_1", "x_2", test="cross_entropy")).splitlines()
    assert len(lines) == 3
    assert "decision for y_2" in lines[2]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Reynolds number", "Reynolds number"),
        ("x-1", "`x-1`"),
        ("E (eV)", "`E (eV)`"),
        ("2 x", "`2 x`"),
        ("a`b", "`a`b`"),
    ],
)
def test_words_with_blanks_need_no_backticks(name: str, shown: str) -> None:
    assert text_of_name(name) == shown


# Of what the bounds of algebra let through, which is written where no tracer sees it; here it is written outside them.


@pytest.mark.parametrize("text", ["2.5*x_1 + x_2", "1.5e-30*x_1", "-6.02e+23", "-0.1*x_2"])
def test_numbers_have_all_their_digits_in_the_content(text: str) -> None:
    given = source(text)
    node = ElementTree.fromstring(written(Content, given.laws[0].expression, given))
    for one in node.iter():
        one.tag = f"{M}{one.tag}"
    found = value(node, {name: X[:, i] for i, name in enumerate(INPUTS)})
    agree(np.broadcast_to(found, len(X))[:, None], text, tolerance=0)


@pytest.mark.parametrize(
    ("name", "shown", "content"),
    [
        ("T", "<mi>T</mi>", "T"),
        ("T_1", "<msub><mi>T</mi><mn>1</mn></msub>", "T_1"),
        ("T (K)", "<mtext>`T (K)`</mtext>", "T (K)"),
        ("a<b", "<mtext>`a&lt;b`</mtext>", "a&lt;b"),
        ("Ω", "<mi>Ω</mi>", "Ω"),
    ],
)
def test_a_name_is_an_identifier_with_its_index_or_a_text(name: str, shown: str, content: str) -> None:
    given, x = source("x_1", symbols={"x_1": name}), sp.Symbol("x_1", real=True)
    assert written(Shown, x, given) == shown
    assert written(Content, x, given) == f"<ci>{content}</ci>"
    assert written(Shown, sp.Symbol("x_1"), given) == "<msub><mi>x</mi><mn>1</mn></msub>"  # an output of that name


def test_what_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanrun.exporters.mathml.bounded", lambda _, otherwise: otherwise)
    with pytest.raises(CannotExportError, match=r"MathML has no way to write x_1\*x_2"):
        mathml(source("x_1*x_2"))


@pytest.mark.parametrize(("name", "dots"), [("mass", 2), ("path length", 2), ("m", 0), ("x_1", 0)])
def test_long_names_are_kept_apart_by_dots(name: str, dots: int) -> None:
    shown = mathml(source("2.5*x_1*x_2", symbols={"x_1": name, "x_2": "v"})).split("<annotation-xml")[0]
    assert shown.count("&#xB7;") == dots and shown.count("&InvisibleTimes;") + shown.count("\u2062") == 2 - dots
