from __future__ import annotations

import ast
import json
import math
import os
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special

from kanrun.errors import ConfigError
from kanrun.functions import parser
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import CONSTANTS, FUNCTIONS, MAX_DEPTH, MAX_LENGTH, parse_formula, symbol
from tests.helpers import Array, formula_values, run_limited, uniform_rows

POINTS = uniform_rows(40, 2, seed=3, low=0.1, high=0.9).numpy()


def parsed_values(text: str, x: Array = POINTS) -> Array:
    """What the parsed formula is worth at rows `x`."""
    return evaluate(parse_formula(text), {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])})


def complaint(text: object, names: list[str] | None = None, key: str = "dataset.formula") -> str:
    """The one message that a wrong formula gives."""
    with pytest.raises(ConfigError) as caught:
        parse_formula(text, names, key)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


# ---- arithmetic ------------------------------------------------------------------------------------------------------

ARITHMETIC = [
    "x_1+x_2", "x_1-x_2-1", "x_1-(x_2-1)", "x_1/x_2/2", "x_1/(x_2/2)", "x_1*x_2/2*3", "x_1/x_2*3", "2*x_1+3*x_2",
    "2*(x_1+3)*x_2", "-x_1**2", "(-x_1)**2", "2**-x_1", "x_1**-2", "-x_1**-2", "2**3**x_1", "(2**3)**x_1", "x_1**x_2",
    "x_1**2**x_2", "+x_1", "-+-x_1", "x_1--x_2", "x_1-+x_2", "x_1*-x_2", "1/2*x_1", "x_1*1/2", "1/3+x_1*2/3",
    "0.1+.5*x_1", "1.5e-3*x_1+2E2", "1_000*x_1", "x_1**0.5", "x_1**(1/3)", "x_1**(3/2)", "(x_1+x_2)**3-(x_1-x_2)**3",
    "pi*x_1", "x_1 ** 2 + x_2 * pi", " x_1\t+ x_2 ", "(x_1\n+x_2)", "((((x_1))))", "x_1+x_2 # a comment", "3", "-2.5",
    "0*x_1", "12345678901234567890*x_1", "0.1+0.2-x_1", "1e-300*x_1", "E**x_1", "exp(sin(pi*x_1)+x_2**2)",
    "sin(x_1)**2+cos(x_1)**2*2", "-sin(-x_1)", "sqrt(x_1**2+x_2**2)", "Abs(x_1-x_2)", "log(x_1)/log(x_2)",
]  # fmt: skip


@pytest.mark.parametrize("text", ARITHMETIC)
def test_arithmetic_means_what_it_means_in_python(text: str) -> None:
    np.testing.assert_allclose(parsed_values(text), formula_values(text.strip(), POINTS), rtol=1e-13, atol=1e-15)


def joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Longer texts from shorter ones, mostly without brackets, so that precedence decides what they mean."""
    two = st.tuples(parts, st.sampled_from(["+", "-", "*", "/", " - ", "*-"]), parts).map("".join)
    powers = st.tuples(parts, st.sampled_from(["**2", "**3", "**-1", "**(1+1)"])).map("".join)
    return two | powers | parts.map("({})".format) | parts.map("-{}".format) | parts.map("+{}".format)


@given(st.recursive(st.sampled_from(["x_1", "x_2", "2", "3", "10"]), joined, max_leaves=8))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_random_arithmetic_is_what_python_computes_with_fractions(text: str) -> None:
    x_1, x_2 = Fraction(3, 7), Fraction(-5, 4)
    assume(text.count("**") < 5)
    try:
        exact = eval(re.sub(r"(?<![\w*])(\d+)", r"F(\1)", text), {"F": Fraction, "x_1": x_1, "x_2": x_2})
    except ZeroDivisionError:
        assume(False)
    assume(isinstance(exact, (int, Fraction)))  # a root, as of 2**2**-1, is none
    expression = parse_formula(text)
    found = expression.subs({symbol("x_1"): sp.Rational(3, 7), symbol("x_2"): sp.Rational(-5, 4)})
    if expression.atoms(sp.Float):
        assert float(found) == pytest.approx(float(exact), rel=1e-12)
    else:
        assert found == sp.Rational(Fraction(exact).numerator, Fraction(exact).denominator)


@pytest.mark.parametrize("number", [3, -4, 0, 2.5, -1e-7, 1e300, 0.1])
def test_a_plain_number_is_a_constant_formula(number: float) -> None:
    assert float(parse_formula(number)) == number
    assert parse_formula(number).free_symbols == set()


@pytest.mark.parametrize(("name", "value"), [("pi", math.pi), ("e", math.e), ("E", math.e)])
def test_constants_have_their_values(name: str, value: float) -> None:
    assert set(CONSTANTS) == {"pi", "e", "E"}
    assert float(parse_formula(name)) == value


def test_a_decimal_halfway_between_two_numbers_is_the_one_that_python_reads() -> None:
    value = 3.126946549881489e137
    assert evaluate(parse_formula(f"x_1*{value!r}"), {"x_1": np.ones(1)})[0] == value


@given(st.floats(-1e300, 1e300).filter(lambda v: v == 0 or abs(v) > 1e-300))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_decimals_keep_every_digit_through_text_and_back(value: float) -> None:
    once = parse_formula(f"x_1*({value!r})")
    again = parse_formula(str(once))
    for expression in (once, again):
        assert evaluate(expression, {"x_1": np.ones(1)})[0] == value


# ---- functions -------------------------------------------------------------------------------------------------------

ONE_INPUT: dict[str, Callable[[Array], Array]] = {
    "sin(x_1)": np.sin, "cos(x_1)": np.cos, "tan(x_1)": np.tan, "asin(x_1)": np.arcsin, "arcsin(x_1)": np.arcsin,
    "acos(x_1)": np.arccos, "arccos(x_1)": np.arccos, "atan(x_1)": np.arctan, "arctan(x_1)": np.arctan,
    "sinh(x_1)": np.sinh, "cosh(x_1)": np.cosh, "tanh(x_1)": np.tanh, "asinh(x_1)": np.arcsinh,
    "acosh(x_1+1)": lambda x: np.arccosh(x + 1), "atanh(x_1)": np.arctanh, "arctanh(x_1)": np.arctanh,
    "exp(x_1)": np.exp, "log(x_1)": np.log, "ln(x_1)": np.log, "log(x_1,10)": np.log10,
    "sqrt(x_1)": np.sqrt, "cbrt(x_1)": np.cbrt, "floor(7*x_1)": lambda x: np.floor(7 * x),
    "Abs(x_1-0.5)": lambda x: np.abs(x - 0.5), "abs(x_1-0.5)": lambda x: np.abs(x - 0.5),
    "sign(x_1-0.5)": lambda x: np.sign(x - 0.5), "sgn(x_1-0.5)": lambda x: np.sign(x - 0.5),
    "erf(x_1)": special.erf, "erfc(x_1)": special.erfc, "gamma(x_1)": special.gamma,
    "gamma(-x_1)": lambda x: special.gamma(-x), "loggamma(x_1)": special.gammaln, "digamma(x_1)": special.digamma,
    "zeta(x_1+1.5)": lambda x: special.zeta(x + 1.5), "airyai(-3*x_1)": lambda x: special.airy(-3 * x)[0],
    "airybi(x_1)": lambda x: special.airy(x)[2], "besselj(0,3*x_1)": lambda x: special.j0(3 * x),
    "bessely(1,x_1)": special.y1, "besseli(1,x_1)": special.i1, "besselk(0,x_1)": special.k0,
    "jn(1,x_1)": lambda x: np.sin(x) / x**2 - np.cos(x) / x, "jn(3,x_1)": lambda x: special.spherical_jn(3, x),
    "yn(0,x_1)": lambda x: -np.cos(x) / x, "yn(2,x_1)": lambda x: special.spherical_yn(2, x),
    "elliptic_k(x_1)": special.ellipk, "elliptic_e(x_1)": special.ellipe,
    "LambertW(x_1)": lambda x: special.lambertw(x).real, "LambertW(-x_1/3)": lambda x: special.lambertw(-x / 3).real,
    "Ei(x_1)": special.expi, "Ei(-x_1)": lambda x: special.expi(-x),
    "Si(x_1)": lambda x: special.sici(x)[0], "Ci(x_1)": lambda x: special.sici(x)[1],
    "Shi(x_1)": lambda x: special.shichi(x)[0], "Chi(x_1)": lambda x: special.shichi(x)[1],
    "fresnels(x_1)": lambda x: special.fresnel(x)[0], "fresnelc(x_1)": lambda x: special.fresnel(x)[1],
    "legendre(3,x_1)": lambda x: (5 * x**3 - 3 * x) / 2, "legendre(9,x_1)": lambda x: special.eval_legendre(9, x),
    "assoc_legendre(3,2,x_1)": lambda x: special.lpmv(2, 3, x),
    "assoc_legendre(2,1,x_1)": lambda x: -3 * x * np.sqrt(1 - x**2),
    "chebyshevt(5,x_1)": lambda x: np.cos(5 * np.arccos(x)),
    "chebyshevu(4,x_1)": lambda x: np.sin(5 * np.arccos(x)) / np.sin(np.arccos(x)),
    "hermite(4,x_1)": lambda x: special.eval_hermite(4, x), "laguerre(3,x_1)": lambda x: special.eval_laguerre(3, x),
    "gegenbauer(3,0.7,x_1)": lambda x: special.eval_gegenbauer(3, 0.7, x),
    "jacobi(3,0.5,1.5,x_1)": lambda x: special.eval_jacobi(3, 0.5, 1.5, x),
    "re(Ynm(2,1,0.7,0.3))*x_1": lambda x: special.sph_harm_y(2, 1, 0.7, 0.3).real * x,
    "Ynm(2,0,x_1,1)": lambda x: np.sqrt(5 / np.pi) / 4 * (3 * np.cos(x) ** 2 - 1),
    "Znm(2,0,x_1,1)": lambda x: np.sqrt(5 / np.pi) / 4 * (3 * np.cos(x) ** 2 - 1),
}  # fmt: skip
TWO_INPUTS: dict[str, Callable[[Array, Array], Array]] = {
    "atan2(x_1-0.5,x_2-0.5)": lambda x, y: np.arctan2(x - 0.5, y - 0.5),
    "log(x_1,x_2)": lambda x, y: np.log(x) / np.log(y), "Min(x_1,x_2)": np.minimum, "Max(x_1,x_2)": np.maximum,
    "Min(x_1,x_2,0.5)": lambda x, y: np.minimum(np.minimum(x, y), 0.5),
    "Max(x_1,x_2,0.5)": lambda x, y: np.maximum(np.maximum(x, y), 0.5),
    "Min(x_1,x_2,0.5,x_1*x_2)": lambda x, y: np.minimum(0.5, x * y),
    "Max(x_1,x_2,0.5,x_1*x_2)": lambda x, y: np.maximum(0.5, np.fmax(x, y)),
    "beta(x_1,x_2)": special.beta, "besselj(x_2,x_1)": lambda x, y: special.jv(y, x),
    "bessely(x_2,x_1)": lambda x, y: special.yv(y, x), "besseli(x_2,x_1)": lambda x, y: special.iv(y, x),
    "besselk(x_2,x_1)": lambda x, y: special.kv(y, x), "elliptic_f(x_1,x_2)": special.ellipkinc,
    "elliptic_e(x_1,x_2)": special.ellipeinc, "re(Ynm(3,2,x_1,x_2))": lambda x, y: special.sph_harm_y(3, 2, x, y).real,
    "im(Ynm(3,-1,x_1,x_2))": lambda x, y: special.sph_harm_y(3, -1, x, y).imag,
    "Znm(3,2,x_1,x_2)": lambda x, y: np.sqrt(2) * special.sph_harm_y(3, 2, x, y).real,
    "Znm(3,-2,x_1,x_2)": lambda x, y: np.sqrt(2) * special.sph_harm_y(3, -2, x, y).imag,
}  # fmt: skip
function_texts = pytest.mark.parametrize("text", [*ONE_INPUT, *TWO_INPUTS])


@function_texts
def test_functions_have_the_values_of_scipy(text: str) -> None:
    x, y = POINTS.T
    expected = ONE_INPUT[text](x) if text in ONE_INPUT else TWO_INPUTS[text](x, y)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(parsed_values(text), expected, rtol=1e-10, atol=1e-13)


@function_texts
def test_functions_have_the_values_that_sympy_computes_digit_by_digit(text: str) -> None:
    expression, found = parse_formula(text), parsed_values(text)
    for row in (0, 1):
        numbers = dict(zip(map(symbol, ("x_1", "x_2")), map(sp.Float, POINTS[row]), strict=True))
        exact = complex(sp.N(expression.subs(numbers), 20))
        assert abs(exact.imag) < 1e-12
        assert found[row] == pytest.approx(exact.real, rel=1e-9, abs=1e-12)


def test_every_function_of_the_table_is_tested_with_every_number_of_arguments() -> None:
    calls = [
        node for text in [*ONE_INPUT, *TWO_INPUTS] for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)
    ]
    tested = {(call.func.id, len(call.args)) for call in calls if isinstance(call.func, ast.Name)}
    assert tested == {(name, count) for name, (_, counts) in FUNCTIONS.items() for count in counts}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_number_of_arguments_is_named(name: str) -> None:
    counts = FUNCTIONS[name][1]
    for given_count in {0, min(counts) - 1, max(counts) + 1}:
        message = complaint(f"{name}({','.join(['1'] * given_count)})")
        assert f"{name} takes {' or '.join(map(str, counts))} argument" in message


@pytest.mark.parametrize("name", ["legendre", "hermite", "laguerre", "chebyshevt", "chebyshevu", "jn", "yn"])
@pytest.mark.parametrize("order", ["61", "-61", "10**9", "x_1", "1.5", "1/2", "pi"])
def test_orders_are_small_whole_numbers(name: str, order: str) -> None:
    assert f"order of {name}" in complaint(f"{name}({order},x_1)")


# ---- names -----------------------------------------------------------------------------------------------------------


def test_inputs_are_x_and_a_number_unless_other_names_are_given() -> None:
    assert parse_formula("x_1+x_12*x_3").free_symbols == {symbol("x_1"), symbol("x_12"), symbol("x_3")}
    assert parse_formula("mass*speed**2/2", ["mass", "speed"]).free_symbols == {symbol("mass"), symbol("speed")}
    for name in ("x_0", "x_01", "x1", "x", "X_1", "x_", "x_1_", "x_12345", "y"):
        assert f"unknown name {name}" in complaint(f"{name}+1")


def test_with_given_names_no_others_are_known() -> None:
    assert "Known: mass, speed, pi, e, E" in complaint("x_1+mass", ["mass", "speed"])


def test_given_names_come_before_constants_and_functions() -> None:
    assert parse_formula("e+beta", ["e", "beta"]).free_symbols == {symbol("e"), symbol("beta")}
    product = parse_formula("e*beta(1,2)", ["e", "beta"])
    assert evaluate(product, {"e": np.array([3.0])}).tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sine(x_1)", ["unknown function sine", "did you mean sin, "]),
        ("x_1+bessel_j(1,x_1)", ["unknown function bessel_j", "did you mean besselj, "]),
        ("qqqq(x_1)", ["unknown function qqqq; there are sin, "]),
        ("x1+1", ["unknown name x1", "did you mean x_1?", "x_2", "pi"]),
        ("sin+1", ["function sin needs brackets"]),
        ("x_1+", ["cannot be read"]),
        ("2 x_1", ["cannot be read", "character 3"]),
        ("x_1 < 2", ["only numbers, inputs, + - * / **, brackets and functions"]),
        ("x_1 // 2", ["only + - * / **"]),
        ("x_1**1001", ["-1000 to 1000"]),
        ("log(0)", ["not finite"]),
        ("1/(x_1-x_1)", ["not finite"]),
    ],
)
def test_messages_name_the_key_the_text_and_what_is_known(text: str, parts: list[str]) -> None:
    message = complaint(text, key="some.key")
    assert message.startswith(f"some.key={text}: ")
    assert [part for part in parts if part not in message] == []
    assert len(message.splitlines()) == 1
    assert complaint(text).startswith("dataset.formula=")


# ---- texts that mean harm --------------------------------------------------------------------------------------------

FORBIDDEN = [
    "", "   ", "\n", "x_1.real", "x_1.__class__", "(1).real", "sin.__call__(1)", "x_1[0]", "[x_1]", "[x_1][0]",
    "{x_1}", "{1:x_1}", "(x_1,x_2)", "x_1,", "()", "lambda: x_1", "(lambda x: x)(1)", "[x for x in (1,2)]",
    "(i for i in x_1)", "{k:1 for k in x_1}", "f'{x_1}'", "'x_1'", "b'x'", "'a' 'b'", '"""x_1"""', "(y:=1)",
    "x_1 if x_1 else 2", "x_1<2", "x_1==1", "x_1 in x_2", "x_1 is x_2", "not x_1", "x_1 and x_2", "x_1 or 1", "~x_1",
    "x_1//2", "x_1%2", "x_1@x_2", "x_1<<2", "x_1>>2", "x_1|x_2", "x_1&x_2", "1j", "x_1+2.5j", "True", "False",
    "None", "...", "True+x_1", "sin(x=1)", "sin(x_1,evaluate=0)", "sin(*[1])", "sin(**{})", "sin(*x_1)", "sin()",
    "x_1(2)", "2(3)", "sin(x_1)(2)", "(sin)(x_1,2)", "await x_1", "yield x_1", "x_1;x_2", "x_1\nx_2", "x_1=2",
    "import os", "del x_1", "pass", "print(1)", "eval('1')", "exec('1')", "open('/etc/passwd')", "globals()",
    "getattr(x_1,'a')", "__class__", "__builtins__", "__import__('os')", "Symbol('x')", "S(1)", "sympify('1')",
    "Integer(1)", "I", "oo", "zoo", "nan", "inf", "I*x_1", "\x00", "x_1\x00", "x_1\x00+1", "\ud800", "\u202ex_1",
    "\u0445_1", "π*x_1", "x_1²", "x_1\u00d7x_2", "√x_1", "x_1\u22121", "½*x_1", "∞", "1e999", "1e9999*x_1",
    "9**9**9**9", "2**99999", "x_1**9**9**9", "10**-99999", "x_1**(10**10)", "1/0", "x_1/0", "0**-1", "0/0", "log(0)",
    "sqrt(-1)", "sqrt(-2)*x_1", "log(-2)+x_1", "atan2(0,0)", "((x_1)", "x_1)", "*x_1", "**x_1", "x_1 x_2", "2x_1",
    "0x", "(" * 10_000 + "x_1" + ")" * 10_000, "(" * 4000 + "x_1" + ")" * 4000,
    "(" * 150 + "-" * 150 + "x_1" + ")" * 150, "-" * 9000 + "x_1", "x_1" + "**2" * 3000,
    "sin(" * 2000 + "x_1" + ")" * 2000, "[" * 5000, "x_1+" * 100_000 + "1", "1" * 9999, "9" * 1_000_000,
    "0x" + "f" * 9000 + "**9", "lambda:" * 1000 + "1", "not " * 2000 + "x_1", "#" * 100, "\\", "'", "f'{", "{" * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN, ids=lambda text: ascii(text[:30]))
def test_what_is_not_a_formula_is_refused_in_one_short_line(text: str) -> None:
    message = complaint(text)
    assert message.startswith("dataset.formula=")
    assert len(message.splitlines()) == 1
    assert len(message) < 1500


@pytest.mark.parametrize(
    "value", [None, True, False, [], ["x_1"], {}, {"x_1": 1}, (), b"x_1", math.nan, math.inf, -math.inf, 1j, object()]
)  # fmt: skip
def test_values_that_are_no_text_are_refused(value: object) -> None:
    assert complaint(value).startswith("dataset.formula=")


@pytest.mark.parametrize(
    "attempt",
    [
        "__import__('os').system('touch {}')", "__import__('subprocess').run(['touch','{}'])", "open('{}','w')",
        "open('{}','w').write('x')", "[c for c in ().__class__.__base__.__subclasses__()][0]('{}')",
        "exec(\"open('{}','w')\")", "eval(\"open('{}','w')\")", "sin(open('{}','w'))", "f\"{{open('{}','w')}}\"",
        "(lambda: open('{}','w'))()", "(y:=open('{}','w'))", "sin(x_1, evaluate=open('{}','w'))",
        "Abs(open('{}','w').name)",
        "parse_expr(\"open('{}','w')\")", "sympify(\"open('{}','w')\")", "x_1 if open('{}','w') else 1",
    ],
)  # fmt: skip
def test_nothing_in_a_text_is_executed(attempt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def caught(*_: object, **__: object) -> None:
        raise AssertionError("the text was executed")

    monkeypatch.setattr(os, "system", caught)
    monkeypatch.setattr(subprocess, "run", caught)
    target = tmp_path / "made"
    complaint(attempt.format(target))
    assert not target.exists()


# Small texts that ask for enormous numbers or trees. Either answer is right, but one must come soon.
HEAVY = [
    "gamma(10**9)", "beta(10**9,10**9)", "loggamma(10**9)*x_1", "(9**999)**999", "((9**999)**999)**999",
    "besselj(10**9,10**9)", "exp(exp(exp(exp(10))))", "floor(exp(exp(exp(exp(10)))))", "2**exp(exp(exp(exp(10))))",
    "Max(exp(exp(exp(exp(10)))),1)", "exp(" * 90 + "1.0" + ")" * 90, "gamma(" * 6 + "4.5" + ")" * 6,
    "jacobi(60,x_1,x_2,x_3)", "gegenbauer(60,x_1,x_2)", "legendre(60," * 8 + "x_1" + ")" * 8,
    "re((x_1+sqrt(-1))**1000)", "Abs((x_1+sqrt(-1))**1000)", "(x_1+x_2+x_3)**1000", "sqrt(9**999+1)*x_1",
    "sqrt(" * 90 + "x_1" + ")" * 90, "exp(" * 90 + "x_1" + ")" * 90, "(x_1+1)**(" * 50 + "2" + ")" * 50,
    "Min(Max(" * 45 + "x_1" + ",x_2),x_3)" * 45, "assoc_legendre(60,30,x_1)", "re(Ynm(60,30,x_1,x_2))",
    "Znm(60,-30,x_1,x_2)", "cos(pi/65537)", "zeta(100)", "digamma(100)", "1" * 9000 + "*x_1",
]  # fmt: skip

PARSE_EACH = """
import json, os, sys
from kanrun.errors import ConfigError
from kanrun.functions.parser import parse_formula
for text in json.loads(sys.argv[1]):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (4, 4))
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        try:
            answer = "formula of %d characters" % len(str(parse_formula(text)))
        except ConfigError as error:
            answer = "refused: %s" % error
        except BaseException as error:
            answer = "wrong: %s %s" % (type(error).__name__, error)
        os.write(write, answer.encode()[:2000])
        os._exit(0)
    os.close(write)
    answer = b""
    while part := os.read(read, 4096):
        answer += part
    os.waitpid(child, 0)
    print(json.dumps(answer.decode() or "wrong: no answer after 4 s of processor time"))
"""


@pytest.fixture(scope="module")
def heavy_answers() -> dict[str, str]:
    """What became of every heavy text, each read by a process of its own."""
    lines = run_limited(PARSE_EACH, json.dumps(HEAVY), seconds=200).splitlines()
    return dict(zip(HEAVY, map(json.loads, lines), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("text", HEAVY, ids=lambda text: text[:40])
def test_enormous_numbers_and_trees_get_an_answer_soon(text: str, heavy_answers: dict[str, str]) -> None:
    assert not heavy_answers[text].startswith("wrong"), heavy_answers[text]


def answer(text: str) -> str:
    """The formula as a text again, or the complaint."""
    try:
        return str(parse_formula(text))
    except ConfigError as error:
        return str(error)


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_arbitrary_text_gives_a_formula_or_a_complaint(text: str) -> None:
    assert len(answer(text).splitlines()) == 1


WORDS = [
    "x_1", "x_2", "1", "2.5", "pi", "e", "+", "-", "*", "/", "**", "(", ")", ",", "sin(", "log(", "besselj(", "1j",
    "=", "[", "]", "^", ".", " ", "lambda ", ":", "if", "'", "_", "Max(", "legendre(", "0", "Ynm(", "\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
@settings(deadline=None, max_examples=120, derandomize=True)
def test_arbitrary_pieces_of_formulas_give_a_formula_or_a_complaint(text: str) -> None:
    assert len(answer(text).splitlines()) == 1


@pytest.mark.parametrize("count", [100, 101, 150, 400])
def test_a_sum_of_many_terms_can_be_read(count: int) -> None:
    expression = parse_formula("+".join(f"x_{i + 1}" for i in range(count)))
    assert len(expression.args) == count


def test_the_limits_on_depth_and_length_are_where_they_are_said_to_be() -> None:
    assert parse_formula("sin(" * MAX_DEPTH + "x_1" + ")" * MAX_DEPTH).free_symbols == {symbol("x_1")}
    assert f"{MAX_DEPTH} deep" in complaint("sin(" * (MAX_DEPTH + 1) + "x_1" + ")" * (MAX_DEPTH + 1))
    assert parse_formula("x_1".ljust(MAX_LENGTH)) == symbol("x_1")
    assert f"at most {MAX_LENGTH} characters" in complaint("x_1".ljust(MAX_LENGTH + 1))


def test_numbers_that_are_too_large_for_sympy_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(parser._Reader, "read", failing)
    with pytest.raises(ConfigError, match=r"^my\.key=x_1\*2\.718: a number in it is too large, or it divides by zero$"):
        parse_formula("x_1*2.718", None, "my.key")


def test_whole_numbers_of_up_to_15_digits_are_exact_and_larger_ones_decimals() -> None:
    assert parse_formula(str(10**15 - 1)) == sp.Integer(10**15 - 1)
    large = parse_formula(str(10**15))
    assert large.is_Float and float(large) == 1e15
