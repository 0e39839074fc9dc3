from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanrun import KAN, load_run, run
from kanrun.config.schema import Config, PlotsConfig
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError
from kanrun.exporters.python import python
from kanrun.exporters.source import source_of
from kanrun.functions import user_functions
from kanrun.functions.evaluate import evaluate
from kanrun.functions.library import FUNCTIONS, extended, library
from kanrun.functions.parser import parse_formula, symbol
from kanrun.functions.user_functions import allowed_names, user_function
from kanrun.report.files import load_model, save_model
from kanrun.symbolic.expression import edge_expression, network_expressions
from kanrun.symbolic.fit import fit_edges
from tests.helpers import uniform_rows

LORENTZ = {"lorentz": "1/(1+x**2)"}
# text: domain, parity, period
TEXTS: dict[str, tuple[str, int, float]] = {
    "1/(1+x**2)": ("real", 1, math.inf),
    "log(1+exp(x))": ("real", 0, math.inf),
    "exp(exp(x))": ("real", 0, math.inf),
    "x*log(x)": ("positive", 0, math.inf),
    "x**x": ("nonnegative", 0, math.inf),
    "cbrt(x)": ("nonnegative", 0, math.inf),
    "sqrt(1-x**2)": ("unit", 1, math.inf),
    "x/sqrt(1-x**2)": ("inside", -1, math.inf),
    "1/(x**2-1)": ("inside", 1, math.inf),
    "log(abs(x))": ("nonzero", 1, math.inf),
    "x/(exp(x)-1)": ("nonzero", 0, math.inf),
    "sqrt(2-x)": ("pieces", 0, math.inf),
    "1/(x-50)": ("pieces", 0, math.inf),
    "x*tan(x)": ("pieces", 1, math.inf),
    "acosh(x)": ("pieces", 0, math.inf),
    "Abs(log(x))": ("positive", 0, math.inf),
    "abs(x)**1.5": ("real", 1, math.inf),
    "sgn(x)*sqrt(abs(x))": ("real", -1, math.inf),
    "Max(0,x)": ("real", 0, math.inf),
    "Min(x,1,x**2)": ("real", 0, math.inf),
    "x-floor(x)": ("real", 0, math.inf),
    "atan2(x,2)": ("real", -1, math.inf),
    "asinh(x)+atan(x)": ("real", -1, math.inf),
    "sinh(x)/cosh(x)**2": ("real", -1, math.inf),
    "tanh(x)**2": ("real", 1, math.inf),
    "acos(x)*asin(x)": ("unit", 0, math.inf),
    "atanh(x)": ("inside", -1, math.inf),
    "1/tan(x)+1/cos(x)+1/sin(x)": ("pieces", 0, math.inf),
    "erf(x)": ("real", -1, math.inf),
    "x*erfc(x)": ("real", 0, math.inf),
    "gamma(x)": ("positive", 0, math.inf),
    "loggamma(x)": ("positive", 0, math.inf),
    "2**x": ("real", 0, math.inf),
    "besselj(1,2)*x": ("real", -1, math.inf),
    "sin(x)**2": ("real", 1, math.pi),
    "sin(3*x)+cos(6*x)": ("real", 0, 2 * math.pi / 3),
    "sin(4*x)**2": ("real", 1, math.pi / 4),
    "x*sin(x)": ("real", 1, math.inf),
    "sin(x)+Max(0,x-10)": ("real", 0, math.inf),  # which repeats itself near zero only
    "sin(x)+Max(0,x-15)": ("real", 0, math.inf),
}
every = pytest.mark.parametrize("text", TEXTS)


def problem_of(name: Any, text: Any) -> str:
    """The one line about a function that is none."""
    with pytest.raises(ConfigError) as caught:
        read_config({"symbolic": {"functions": {name: text}}})
    (problem,) = caught.value.problems
    assert len(problem.splitlines()) == 1
    return problem


# ---- one function --------------------------------------------------------------------------------------------------


@every
def test_values_are_those_of_the_text_and_slopes_those_of_autograd(text: str) -> None:
    function = user_function("own", text)
    z = torch.linspace(-3.03, 3.07, 120, dtype=torch.float64, requires_grad=True)
    value = function.value(z)
    finite = torch.isfinite(value.detach())
    expected = evaluate(parse_formula(text, ["x"]), {"x": z.detach().numpy()})
    np.testing.assert_array_equal(finite.numpy(), np.isfinite(expected))
    np.testing.assert_allclose(value.detach()[finite], expected[finite.numpy()], rtol=1e-12)
    (gradient,) = torch.autograd.grad(value[finite].sum(), z)
    torch.testing.assert_close(function.slope(z.detach())[finite], gradient[finite], rtol=1e-12, atol=1e-14)


@every
def test_domain_parity_and_period_are_found(text: str) -> None:
    function = user_function("own", text)
    assert (function.domain, function.parity, pytest.approx(function.period)) == TEXTS[text]


@every
def test_values_are_finite_where_the_domain_allows(text: str) -> None:
    function = user_function("own", text)
    low = uniform_rows(300, 1, 3, -6, 6)[:, 0]
    z = low + torch.linspace(0, 1, 33, dtype=torch.float64)[:, None] * uniform_rows(300, 1, 4, 0, 3)[:, 0]
    allowed = function.allows(z)
    assert bool(allowed.any())
    assert bool(torch.isfinite(function.value(z[:, allowed])).all())
    z[3] = math.nan
    assert not function.allows(z).any()


@pytest.mark.parametrize(
    ("text", "low", "high", "allowed"),
    [
        ("1/(x-2)", 0.0, 1.9, True), ("1/(x-2)", 1.9, 2.1, False), ("1/(x-2)", 2.1, 9.0, True),
        ("1/(x-2)**2", 1.99, 2.02, False), ("sqrt(2-x)", -9.0, 2.0, True), ("sqrt(2-x)", 1.0, 2.1, False),
        ("x*tan(x)", 1.5, 1.6, False), ("x*tan(x)", 1.6, 4.7, True), ("1/cos(x)", 1.5, 1.65, False),
        ("log(abs(x))", -1.0, 1.0, False), ("gamma(x)", -0.6, -0.4, False), ("sqrt(1-x**2)", -1.0, 1.0, True),
    ],
)  # fmt: skip
def test_no_range_with_a_pole_or_a_border_inside_is_allowed(text: str, low: float, high: float, allowed: bool) -> None:
    z = torch.linspace(low, high, 7, dtype=torch.float64)[:, None]  # rows may miss the pole
    assert user_function("own", text).allows(z).tolist() == [allowed]


def test_complexity_is_on_the_scale_of_the_built_in_functions() -> None:
    assert user_function("own", "sin(x)").complexity == FUNCTIONS["sin"].complexity
    assert user_function("own", "x**2").complexity == FUNCTIONS["x^2"].complexity
    assert user_function("own", "1/(1+x**2)").complexity == 4
    assert user_function("own", "x*exp(x)+sin(x)").complexity > 4


def test_precision_and_shape_are_kept() -> None:
    for text in ("2*x", "1/(1+x**2)", "gamma(x)", "Max(0,x)", "loggamma(x)"):
        function = user_function("own", text)
        for result in (function.value(torch.ones(2, 3)), function.slope(torch.ones(2, 3))):
            assert result.dtype == torch.float32
            assert result.shape == (2, 3)


@every
def test_an_edge_is_written_as_the_function_that_it_is(text: str) -> None:
    function = user_function("own", text)
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)
    written = 0
    for a, b, c in ((0.3, 0.5, 2.0), (-0.4, 0.55, -1.5), (1.2, 8.4, 0.7), (0.1, 2.3, 1.0)):
        z = a * x + b
        if (bool(function.allows(z[:, None])) and float(z.abs().max()) < 4) or function.domain == "real":
            written += 1
            expression = edge_expression(function, a, b, c, symbol("x_1"))
            expected = c * function.value(z)
            np.testing.assert_allclose(evaluate(expression, {"x_1": x.numpy()}), expected, rtol=1e-9, atol=1e-9)
    assert written or text in ("1/(x-50)",)


@pytest.mark.parametrize(
    ("text", "a", "b"),
    [
        ("1/(1+x**2)", 3.0, 0.4), ("log(1+exp(x))", 2.5, -0.5), ("x*exp(x)", 1.5, -1.0), ("x*log(x)", 0.9, 1.1),
        ("acosh(x)", 0.7, 1.9), ("sqrt(2-x)", 1.0, 0.8), ("gamma(x)", 1.2, 2.4), ("sin(x)+sin(2*x)/2", 4.0, 1.0),
        ("sin(3*x)+cos(6*x)", 1.4, 0.2), ("1/(x**2-1)", 0.8, 0.1), ("1/(x-3)", 1.5, 4.8), ("erf(x)", 1.7, -0.3),
    ],
)  # fmt: skip
def test_a_curve_is_fitted(text: str, a: float, b: float) -> None:
    function = user_function("own", text)
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    y = 2 * function.value(a * x + b) - 0.7
    (candidate,) = fit_edges(x, y, [function], keep=4)[0]
    assert candidate.unexplained < 1e-5  # training in the network does the rest


# ---- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sin", "x", "gaussian", "abs"])
def test_a_name_of_the_library_cannot_be_taken(name: str) -> None:
    assert problem_of(name, "x**7").startswith(f"symbolic.functions.{name}=x**7: ")


@pytest.mark.parametrize("name", ["a b", "1a", "", "x^9", "a-b", "a.b", "f()", "ü", "n" * 41])
def test_a_name_has_letters_digits_and_underlines(name: Any) -> None:
    assert "letters, digits" in problem_of(name, "x**7")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sin(", "character 4"), ("", "1/(1+x**2)"), ("   ", "1/(1+x**2)"), ("2", "depend on x"),
        ("x-x", "depend on x"), ("pi*e", "depend on x"), ("x_1", "unknown name x_1"), ("x*y", "unknown name y"),
        ("sine(x)", "did you mean sin, "), ("lorentz(x)", "unknown function lorentz"), ("sin", "sin(x)"),
        ("__import__('os').system('true')", "plain names"), ("x.__class__", "only numbers"),
        ("[x]", "only numbers"), ("1/0", "finite"), ("sqrt(-1-x**2)", "not finite anywhere"),
        ("log(-abs(x))", "not finite anywhere"), ("x" + "+x" * 600, "1000 characters"), ("x**5000", "1000"),
        (5, "a text is needed"), (None, "a text is needed"), (["x"], "a text is needed"), (True, "a text is needed"),
        ({"f": "x"}, "a text is needed"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_function_is_one_line(text: Any, said: str) -> None:
    problem = problem_of("own", text)
    assert problem.startswith("symbolic.functions.own=")
    assert said in problem


@pytest.mark.parametrize("text", ["besselj(1,x)", "x+LambertW(x)", "zeta(x+2)", "re(x)", "Si(x)", "digamma(x)"])
def test_a_function_that_torch_does_not_have_is_named_with_those_that_are_allowed(text: str) -> None:
    problem = problem_of("own", text)
    name = next(n for n in ("besselj", "LambertW", "zeta", "re", "Si", "digamma") if n in text)
    assert f": {name} cannot be trained" in problem
    assert all(n in problem for n in ("sin", "exp", "erf", "sqrt"))


def test_everything_that_is_allowed_can_be_used() -> None:
    for name in allowed_names():
        count = parse_count(name)
        assert user_function("own", f"{name}({','.join(['x', '2', '3'][:count])})").name == "own"


def parse_count(name: str) -> int:
    from kanrun.functions import parser

    return parser.FUNCTIONS[name][1][0]


@pytest.mark.parametrize("given", [5, "x", ["x"], None])
def test_functions_are_a_mapping(given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({"symbolic": {"functions": given}})
    (problem,) = caught.value.problems
    assert problem.startswith("symbolic.functions=")
    assert "a mapping is needed" in problem


def test_every_bad_function_has_its_line_and_names_no_other_mistake() -> None:
    given = {"one": "sin(", "two": "y", "three": "x**2"}
    with pytest.raises(ConfigError) as caught:
        read_config({"symbolic": {"functions": given, "library": ["one", "two", "three", "four"]}})
    keys = [p.partition("=")[0] for p in caught.value.problems]
    assert keys == ["symbolic.functions.one", "symbolic.functions.two", "symbolic.library"]
    assert "three" in caught.value.problems[2].partition("Known: ")[2]


# ---- the library ---------------------------------------------------------------------------------------------------


def test_without_functions_the_library_is_the_built_in_one() -> None:
    assert extended({}) is FUNCTIONS
    assert KAN([1, 1]).library is FUNCTIONS
    assert Config().symbolic.functions == {}


def test_the_users_functions_belong_to_one_library_only() -> None:
    known = extended(LORENTZ)
    assert [*known] == [*FUNCTIONS, "lorentz"]
    assert "lorentz" not in FUNCTIONS
    assert known["lorentz"].text == "1/(1+x**2)"
    assert {f.name for f in library(None, known)} == {*FUNCTIONS, "lorentz"}
    assert [f.name for f in library(["lorentz", "x"], known)] == ["x", "lorentz"]
    assert extended({"lorentz": "x/(1+x**2)"})["lorentz"].parity == -1
    with pytest.raises(KeyError):
        library(["lorentz"])
    with pytest.raises(ValueError, match="lorentz"):
        KAN([1, 1]).fix(0, 0, 0, "lorentz")


def test_a_library_may_name_a_users_function_and_an_edge_may_be_fixed_to_it() -> None:
    edge = {"layer": 0, "input": 0, "output": 0, "function": "lorentz"}
    section = {"functions": LORENTZ, "library": ["x", "lorentz"]}
    config = read_config({"symbolic": section, "model": {"width": [1, 1], "fix": [edge]}})
    assert config.symbolic.functions == LORENTZ
    with pytest.raises(ConfigError, match=r"function=lorentz: unknown function"):
        read_config({"model": {"width": [1, 1], "fix": [edge]}})


def test_an_edge_fixed_to_a_function_has_its_values_slopes_and_formula() -> None:
    model = KAN([1, 1], functions=LORENTZ)
    model.fix(0, 0, 0, "lorentz", 3.0, 0.5, 2.0, -0.25)
    x = uniform_rows(20, 1)
    expected = 2 / (1 + (3 * x + 0.5) ** 2) - 0.25
    torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(model.trace(x)[0].nodes, expected)
    y, jacobian = model.jacobian(x)
    torch.testing.assert_close(y, expected)
    z = 3 * x + 0.5
    torch.testing.assert_close(jacobian[:, 0, 1], (-4 * z / (1 + z**2) ** 2)[:, 0])  # by b
    (expression,) = network_expressions(model, ["x_1"])
    np.testing.assert_allclose(evaluate(expression, {"x_1": x[:, 0].numpy()}), expected.detach()[:, 0])


def test_a_network_learns_a_function_that_it_is_given() -> None:
    model = KAN([1, 1, 1])
    model.fix(1, 0, 0, user_function("own", "x/(1+x**2)"))
    assert model.library.own == {"own": "x/(1+x**2)"}
    assert model.library["own"].value(torch.ones(1)).item() == 0.5


def test_copies_share_the_functions_and_files_and_pickles_keep_their_texts(tmp_path: Path) -> None:
    model = KAN([2, 1], functions={**LORENTZ, "softplus": "log(1+exp(x))"})
    model.fix(0, 0, 0, "lorentz", 2.0)
    model.fix(0, 1, 0, "softplus")
    save_model(tmp_path / "model.pt", model)
    x = uniform_rows(30, 2)
    for other in (
        model.clone(),
        copy.deepcopy(model),
        load_model(tmp_path / "model.pt"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert isinstance(other, KAN)
        assert other.library.own == model.library.own
        assert torch.equal(other(x), model(x))
    assert model.clone().library is model.library


def test_a_file_with_text_that_is_no_formula_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    save_model(tmp_path / "model.pt", KAN([1, 1], functions=LORENTZ))
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    content["functions"] = {"lorentz": f"open({str(tmp_path / 'made')!r}, 'w')"}
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"symbolic\.functions\.lorentz"):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "made").exists()


# ---- runs ----------------------------------------------------------------------------------------------------------

PLANTED = {"name": "symbolic", "formula": "1/(1+(3*x_1)**2)+x_2", "domain": [-1, 1], "n_train": 80, "n_test": 40}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that may use a user's function."""
    folder = tmp_path_factory.mktemp("planted")
    section = {"functions": LORENTZ, "library": ["x", "lorentz"], "work": 300}
    run({"dataset": PLANTED, "model": {"width": [2, 1]}, "symbolic": section}, folder, quiet=True)
    return folder


def test_a_run_finds_a_planted_function(planted: Path) -> None:
    loaded = load_run(planted)
    (formula,) = loaded.formulas
    assert formula["exact"] is True
    assert sp.simplify(sp.sympify(formula["expression"]) - sp.sympify("1/(1+9*x_1**2)+x_2")) == 0
    assert loaded.config.symbolic.functions == LORENTZ
    assert isinstance(loaded.model, KAN)
    assert set(loaded.model.layers[0].functions.values()) == {"x", "lorentz"}
    x = uniform_rows(50, 2)
    torch.testing.assert_close(loaded.model(x), loaded.predict(x), rtol=1e-9, atol=1e-9)


def test_the_python_file_and_the_picture_have_it_too(planted: Path) -> None:
    names: dict[str, Any] = {}
    exec((planted / "formula.py").read_text(encoding="utf-8"), names)
    np.testing.assert_allclose(names["predict"](np.array([[0.5, 0.25]])), [[1 / (1 + 1.5**2) + 0.25]], rtol=1e-9)
    assert "lorentz" in (planted / "plots" / "network_symbolic.svg").read_text(encoding="utf-8")


def test_a_run_again_from_its_folder_has_the_function(planted: Path, tmp_path: Path) -> None:
    config = replace(load_run(planted).config, plots=PlotsConfig("none", enabled=False))
    run(config, tmp_path, quiet=True)
    assert load_run(tmp_path).formulas == load_run(planted).formulas


def test_with_the_whole_library_the_users_function_is_found_among_all(tmp_path: Path) -> None:
    dataset = {**PLANTED, "formula": "2*log(1+exp(3*x_1-1))"}
    own = {"softplus": "log(1+exp(x))"}
    config = {
        "dataset": dataset,
        "model": {"width": [1, 1]},
        "symbolic": {"functions": own, "discover": False},
        "plots": {"name": "none", "enabled": False},
    }
    run(config, tmp_path, quiet=True)
    loaded = load_run(tmp_path)
    assert loaded.formulas[0]["exact"] is True
    assert isinstance(loaded.model, KAN)
    assert loaded.model.layers[0].functions == {(0, 0): "softplus"}


def test_a_special_function_is_written_with_scipy() -> None:
    def module(expression: str) -> dict[str, Any]:
        code = python(source_of([{"output": "y", "expression": expression, "test": {"mse": 0.0}}], ["x_1"]))
        assert ("scipy" in code) == ("erf" in expression or "gamma" in expression)
        names: dict[str, Any] = {}
        exec(code, names)
        return names

    x = np.array([[0.4], [1.3]])
    for text in ("pi*erf(x_1)", "gamma(x_1)+sqrt(pi)", "loggamma(x_1)", "pi*sin(x_1)"):
        np.testing.assert_allclose(
            module(text)["predict"](x)[:, 0], evaluate(parse_formula(text), {"x_1": x[:, 0]}), rtol=1e-12
        )


def test_a_function_whose_slope_sympy_cannot_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: sp.Expr) -> sp.Expr:
        raise ValueError("no limit")

    monkeypatch.setattr(user_functions, "slope_of", failing)
    with pytest.raises(
        ConfigError, match=r"^symbolic\.functions\.late=x\*\*2: its slope cannot be computed: no limit$"
    ):
        user_function("late", "x**2")
