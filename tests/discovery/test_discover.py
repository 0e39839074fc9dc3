from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kanrun.config.schema import Config, ModelConfig, MoonsConfig, SearchConfig, SymbolicConfig
from kanrun.data.build import build_dataset
from kanrun.data.dataset import Dataset
from kanrun.discovery import discover
from kanrun.discovery.discover import Discovery
from kanrun.discovery.structures import structures
from kanrun.discovery.trial import Trial
from kanrun.errors import ConfigError
from kanrun.functions.library import FUNCTIONS, library
from kanrun.symbolic.formula import Formula, write_formulas
from kanrun.symbolic.snap import EXACT
from tests.helpers import formula_values, uniform_rows

FEW = ["x", "x^2", "exp", "sin"]

PEELED = ["x", "x^2", "1/x^2", "1/sqrt(x)", "log", "exp"]


def config(formula: Any, domain: list[Any], rows: int = 300, seconds: float = 30.0, **more: Any) -> Config:
    own = {key: more.pop(key) for key in ("noise",) if key in more}
    dataset = SymbolicConfig(formula=formula, domain=domain, n_train=rows, n_test=100, **own)
    return Config(dataset=dataset, search=SearchConfig("discover", seconds), **more)


def search_of(config: Config, names: list[str] | None = None) -> tuple[Discovery, Dataset, list[Trial]]:
    """The search for a config, its data, and the list that its trials go to."""
    data, trials = build_dataset(config, torch.float64, torch.device("cpu")), []
    search = Discovery.of(config, data, library(names or FEW), trials.append)
    assert search is not None
    return search, data, trials


def found(config: Config, names: list[str] | None = None) -> tuple[Formula, list[Trial]]:
    search, data, trials = search_of(config, names)
    (formula,) = write_formulas(search.run().symbolic, data)
    return formula, trials


@pytest.fixture
def only_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that looks for no sums and fractions of terms."""
    monkeypatch.setattr(discover, "SUMS_BEFORE", {})
    monkeypatch.setattr(discover, "FRACTIONS_BEFORE", -1)


# ---- formulas ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sin(3*x_1)+x_2**2", [-1, 1]),  # a sum
        ("sqrt(x_1**2+x_2**2)", [1, 3]),  # a link function undone
        ("1/(x_1+x_2)", [1, 3]),
        ("x_1*sin(x_2)", [-1, 2]),  # a product
        ("x_1*(sin(2*x_2)+x_3**2)", [[1, 3], [-1, 1], [-1, 1]]),  # a power peeled off
        ("x_1*x_2+x_3**2", [-1, 2]),  # groups of inputs
        ("exp(-x_1**2)", [-1, 1]),  # a single input
    ],
)
@pytest.mark.usefixtures("only_networks")
def test_a_planted_formula_is_found_exactly_by_networks(text: str, domain: list[Any]) -> None:
    formula, trials = found(config(text, domain))
    assert formula.exact is True, formula.expression
    assert formula.reason == "exact to rounding"
    assert trials


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("x_1**4+x_1**3+x_1**2+x_1", [-1, 1]),
        ("2.5*sin(3*x_1+0.7)+0.3*x_1", [-3, 3]),
        ("exp(-x_1)*cos(5*x_1)", [0, 3]),
        ("sin(x_1)+cos(x_2*x_3)", [-2, 2]),
        ("x_1*tanh(x_1*x_2)", [0.5, 2]),
        ("(x_1*x_2+x_3*x_4)/(x_1+x_3)", [1, 5]),
        ("log(x_1**2+exp(x_2))", [-2, 2]),
    ],
)
def test_a_planted_formula_is_found_exactly_among_terms(text: str, domain: list[Any]) -> None:
    formula, trials = found(config(text, domain, rows=600), list(FUNCTIONS))
    assert formula.exact is True, formula.expression
    assert not trials  # no network of splines had to be read


def test_a_formula_that_leaves_only_noise_ends_the_search() -> None:
    search, data, _ = search_of(config("x_1*x_2/(x_1+1)", [1, 5], rows=800, noise=0.02), list(FUNCTIONS))
    result = search.run()
    assert search.findings.explained
    assert not search.over()
    assert result.symbolic.loss == pytest.approx(0.02**2 * float(data.train.y.var()), rel=0.15)
    (formula,) = write_formulas(result.symbolic, data)
    assert formula.complexity <= 8  # x_1*x_2/(x_1 + 1), and no exponential that looks like it


@pytest.mark.usefixtures("only_networks")
def test_a_link_function_is_undone_before_anything_wider_is_tried() -> None:
    _, trials = found(config("sqrt(x_1**2+x_2**2)", [1, 3]))
    assert {t.structure.name for t in trials} == {"sum"}
    assert trials[-1].link.name == "sqrt"


@pytest.mark.usefixtures("only_networks")
def test_powers_are_peeled_off_with_the_rest_explained_by_fewer_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[tuple[list[int], dict[int, float]]] = []
    plain = discover.with_powers

    def noted(rest: Any, inputs: list[int], powers: dict[int, float], n: int) -> Any:
        rests.append((inputs, powers))
        return plain(rest, inputs, powers, n)

    monkeypatch.setattr(discover, "with_powers", noted)
    formula, _ = found(config("x_1/sqrt(1-x_2**2/x_3**2)", [[1, 5], [1, 2], [3, 10]]), PEELED)
    assert formula.exact is True
    assert rests == [([1, 2], {0: 1.0})]


@pytest.mark.usefixtures("only_networks")
def test_inputs_that_do_not_interact_are_put_in_groups() -> None:
    formula, trials = found(config("x_1*x_2+x_3*x_4", [1, 3]), ["x", "x^2", "exp", "log"])
    assert formula.exact is True
    assert "[[0, 1], [2, 3]]" in trials[-1].structure.name


def test_noise_hides_the_constants_but_not_the_form() -> None:
    formula, _ = found(config("x_1**2+sin(2*x_2)", [-1, 1], rows=400, noise=0.05, seconds=4.0), ["x", "x^2", "sin"])
    assert formula.exact is not None
    x = uniform_rows(300, 2, 9).numpy()
    values, truth = (formula_values(t, x) for t in (formula.expression, "x_1**2+sin(2*x_2)"))
    assert float(((values - truth) ** 2).mean()) < 1e-3 * float(truth.var())
    assert "sin(" in formula.expression
    assert "x_1**2" in formula.expression
    assert formula.complexity <= 14


def test_what_is_found_has_a_front_from_simple_to_exact() -> None:
    search, data, _ = search_of(config("x_1*sin(x_2)", [-1, 2]))
    result = search.run()
    assert result.symbolic.loss <= EXACT * float(data.train.y.var())
    assert result.symbolic.front
    assert result.bits == min(f.bits for f in search.findings.all)
    for model in (result.spline, result.pruned, result.symbolic.model):
        off = model(data.train.x).detach() - data.train.y
        assert float((off**2).mean()) < 1e-3 * float(data.train.y.var())
    assert result.symbolic.model.is_symbolic()
    assert result.pruned.active_edges() <= result.spline.active_edges()


def test_the_same_seed_finds_the_same() -> None:
    """Also after others have drawn random numbers."""
    texts = []
    for _ in range(2):
        torch.rand(7)
        formula, trials = found(config("x_1*sin(x_2)", [-1, 2]))
        texts.append((formula.expression, [(t.structure.name, t.link.name, t.unexplained) for t in trials]))
    assert texts[0] == texts[1]


def test_a_search_is_done_once() -> None:
    search, _, trials = search_of(config("1/(x_1+x_2)", [1, 3], rows=100))
    result, count = search.run(), len(trials)
    assert search.run() is result
    assert len(trials) == count


@pytest.mark.parametrize("text", ["3", "0", "0*x_1+2.5"])
def test_targets_that_are_all_the_same_are_a_formula_too(text: str) -> None:
    formula, _ = found(config(text, [-1, 1], rows=50, seconds=2.0))
    assert formula.exact is True


def test_an_input_that_is_zero_in_one_row_does_not_end_the_search() -> None:
    x = torch.cat([1 + uniform_rows(100, 1, 1, 0.0, 1.0), uniform_rows(100, 1, 2, 0.01, 1.0)], dim=1)
    x[0, 1] = 0.0
    search = Discovery(x, x[:, 1:] * torch.sin(3 * x[:, :1]), library(FEW), 10.0)
    assert search.run().symbolic.loss <= EXACT * search.variance


# ---- time ----------------------------------------------------------------------------------------------------------


def test_time_that_is_over_leaves_the_first_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    plain = Discovery.look_at

    def noted(self: Discovery, structure: Any) -> Any:
        looked.append(structure.name)
        return plain(self, structure)

    monkeypatch.setattr(Discovery, "look_at", noted)
    search, data, _ = search_of(config("sin(x_1*x_2)+exp(x_1)", [-1, 2], rows=60, seconds=1e-9), ["x", "x^2"])
    result = search.run()
    assert search.over()
    assert looked == ["sum"]
    assert len(search.findings.all) == 1
    assert math.isfinite(result.symbolic.loss)
    assert len(write_formulas(result.symbolic, data)) == 1


def test_no_structure_is_begun_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on a second whenever it is read."""
    now = iter(range(10**9))
    monkeypatch.setattr(discover, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    counts = {}
    for seconds in (12, 40):
        begun: list[str] = []
        plain = structures

        def noted(*arguments: Any, begun: list[str] = begun, plain: Any = plain) -> Any:
            for structure in plain(*arguments):
                begun.append(structure.name)
                yield structure

        with monkeypatch.context() as patch:
            patch.setattr(discover, "structures", noted)
            truth = config("sin(x_1*x_2)+exp(x_1)*x_2", [-1, 2], rows=60, seconds=seconds)
            search, _, _ = search_of(truth, ["x", "x^2"])
            assert search.run() is not None
        counts[seconds] = len(begun)
    assert 1 <= counts[12] < counts[40]


# ---- what is searched ----------------------------------------------------------------------------------------------


def test_a_given_width_is_used_and_no_other() -> None:
    given = config("sin(3*x_1)+x_2**2", [-1, 1], model=ModelConfig(width=[2, 1, 1]))
    formula, trials = found(given)
    assert formula.exact is True
    assert {t.structure.name for t in trials} == {"the given width"}
    assert all(t.model.width == [2, 1, 1] for t in trials)


def test_no_seconds_are_no_search() -> None:
    none = config("x_1", [-1, 1], seconds=0.0)
    data = build_dataset(none, torch.float64, torch.device("cpu"))
    assert Discovery.of(none, data, library(FEW), lambda _: None) is None


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (MoonsConfig(n_train=20, n_test=20), "classification with 2"),
        (MoonsConfig(n_train=20, n_test=20, form="regression"), "classification with 1"),
        (SymbolicConfig(formula=["x_1", "x_2"], n_train=20, n_test=20), "regression with 2"),
    ],
)
def test_other_problems_than_one_output_name_the_setting(dataset: Any, told: str) -> None:
    other = Config(dataset=dataset, search=SearchConfig("discover", 5.0))
    data = build_dataset(other, torch.float64, torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"search\.seconds=5\.0: .*" + told) as error:
        Discovery.of(other, data, library(FEW), lambda _: None)
    assert "search=none" in str(error.value)


def test_a_search_looks_at_so_many_rows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "MOST_ROWS", 40)
    search, data, _ = search_of(config("x_1+x_2", [-1, 1], rows=100))
    assert 20 <= len(search.x) <= 40
    assert len(search.x) == len(search.y)
    assert len(data.train.x) == 100
