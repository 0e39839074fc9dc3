from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from kanrun.config.datasets import SymbolicConfig
from kanrun.data.dataset import REGRESSION, Dataset
from kanrun.data.formula import make_symbolic, read_domain
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError
from tests.helpers import Array, formula_values

FORMULA = "exp(sin(pi*x_1)+x_2**2)"


def make(formula: Any = FORMULA, seed: int = 0, dtype: torch.dtype = torch.float64, **settings: Any) -> Dataset:
    """A small dataset of a formula."""
    return make_symbolic(SymbolicConfig(formula=formula, **{"n_train": 60, "n_test": 40, **settings}), seed, dtype)


def complaint(**settings: Any) -> str:
    """The one message that a wrong setting gives."""
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_targets_are_the_formula_at_the_inputs() -> None:
    data = make()
    for rows, count in ((data.train, 60), (data.test, 40)):
        assert rows.x.shape == (count, 2)
        assert rows.y.shape == (count, 1)
        np.testing.assert_allclose(rows.y[:, 0], formula_values(FORMULA, rows.x.numpy()), rtol=1e-14)
    assert (data.inputs, data.outputs) == (["x_1", "x_2"], ["y"])
    assert (data.task, data.loss, data.truth) == (REGRESSION, MSE, [FORMULA])
    assert data.relations == []


SPECIAL = {
    "besselk(1,x_1)": lambda x, y: special.k1(x) + 0 * y,
    "besselj(0,5*x_1)*x_2": lambda x, y: special.jv(0, 5 * x) * y,
    "elliptic_f(x_1,x_2)": special.ellipkinc,
    "elliptic_e(x_1,x_2)": special.ellipeinc,
    "re(Ynm(2,1,x_1,x_2))": lambda x, y: special.sph_harm_y(2, 1, x, y).real,
    "im(Ynm(3,-2,x_1,x_2))": lambda x, y: special.sph_harm_y(3, -2, x, y).imag,
    "Ynm(1,0,x_1,0)*x_2": lambda x, y: special.sph_harm_y(1, 0, x, 0).real * y,
    "legendre(4,x_1)*x_2": lambda x, y: special.eval_legendre(4, x) * y,
    "gamma(x_1+x_2)": lambda x, y: special.gamma(x + y),
    "airyai(x_1-2*x_2)": lambda x, y: special.airy(x - 2 * y)[0],
}  # fmt: skip


@pytest.mark.parametrize("text", SPECIAL)
def test_special_functions_have_the_values_of_scipy(text: str) -> None:
    data = make(text, domain=[[0.2, 0.9], [0.1, 0.8]])
    x, y = data.train.x.T.numpy()
    np.testing.assert_allclose(data.train.y[:, 0], SPECIAL[text](x, y), rtol=1e-10, atol=1e-13)


def test_training_and_test_rows_are_separate_draws() -> None:
    data = make(n_train=500, n_test=500)
    values = torch.cat([data.train.x, data.test.x]).flatten()
    assert len(values.unique()) == len(values)


def same(one: Dataset, other: Dataset) -> bool:
    """Whether all rows are equal."""
    pairs = ((one.train, other.train), (one.test, other.test))
    return all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in pairs)


def test_the_seed_alone_decides_the_rows() -> None:
    first = make(seed=7, noise=0.1)
    torch.manual_seed(5)
    np.random.seed(5)
    assert same(first, make(seed=7, noise=0.1))
    for other in (8, 70, 2**31):
        data = make(seed=other, noise=0.1)
        assert not set(data.train.x.flatten().tolist()) & set(first.train.x.flatten().tolist())
        assert not set(data.test.x.flatten().tolist()) & set(first.test.x.flatten().tolist())


def test_global_random_numbers_are_neither_used_nor_changed() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    make(noise=0.2)
    after = np.random.random(), float(torch.rand(1))
    np.random.seed(1)
    torch.manual_seed(1)
    assert after == (np.random.random(), float(torch.rand(1)))


def test_the_test_rows_do_not_depend_on_how_many_training_rows_there_are() -> None:
    assert torch.equal(make(n_train=10).test.x, make(n_train=300).test.x)
    assert torch.equal(make(n_test=10).train.x, make(n_test=300).train.x)


DOMAIN = [[-3.0, -1.0], [0.0, 1e-3], [5, 7], [-1e6, 1e6]]


def test_inputs_are_even_over_their_domains() -> None:
    data = make("x_1+x_2+x_3+x_4", domain=DOMAIN, n_train=2000)
    assert data.domain == [(float(low), float(high)) for low, high in DOMAIN]
    for i, (low, high) in enumerate(DOMAIN):
        column = data.train.x[:, i].numpy()
        assert column.min() >= low
        assert column.max() <= high
        assert stats.kstest((column - low) / (high - low), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(data.train.x.numpy().T)
    assert np.abs(correlation - np.eye(4)).max() < 0.1


def test_one_pair_is_the_domain_of_every_input() -> None:
    data = make("x_1*x_3", domain=[2, 3])
    assert data.domain == [(2.0, 3.0)] * 3
    assert data.train.x.shape == (60, 3)
    assert float(data.train.x.min()) >= 2


def test_more_pairs_than_inputs_make_dummy_inputs() -> None:
    data = make("x_2**2", domain=[[0, 1], [1, 2], [2, 3]])
    assert data.inputs == ["x_1", "x_2", "x_3"]
    np.testing.assert_allclose(data.train.y[:, 0], data.train.x[:, 1] ** 2)
    assert float(data.train.x[:, 2].min()) >= 2


@pytest.mark.parametrize("formula", ["3", 2.5, "pi"])
def test_a_constant_formula_has_one_dummy_input(formula: object) -> None:
    data = make(formula)
    assert data.inputs == ["x_1"]
    assert len(data.train.y.unique()) == 1


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.5])
def test_noise_is_on_training_targets_only_and_as_large_as_asked_for(noise: float) -> None:
    texts = ["x_1", "100*x_1*x_2"]
    clean, noisy = make(texts, n_train=4000), make(texts, n_train=4000, noise=noise)
    assert torch.equal(clean.train.x, noisy.train.x)
    assert torch.equal(clean.test.x, noisy.test.x)
    assert torch.equal(clean.test.y, noisy.test.y)
    error = ((noisy.train.y - clean.train.y) / clean.train.y.std(0)).numpy()
    np.testing.assert_allclose(error.std(0), noise, rtol=0.05)
    np.testing.assert_allclose(error.mean(0), 0, atol=4 * noise / math.sqrt(4000))
    assert abs(np.corrcoef(error.T)[0, 1]) < 0.08
    for column in error.T:
        assert stats.kstest(column / noise, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(column, clean.train.x[:, 0])[0, 1]) < 0.08


def test_several_formulas_are_several_outputs() -> None:
    texts = ["x_1+x_2", "sin(x_3)", "2"]
    data = make(texts)
    assert data.outputs == ["y_1", "y_2", "y_3"]
    assert data.truth == texts
    assert data.inputs == ["x_1", "x_2", "x_3"]
    expected: Array = np.stack([formula_values(t, data.test.x.numpy()) for t in texts], axis=1)
    np.testing.assert_allclose(data.test.y, expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_have_the_precision_of_the_run(dtype: torch.dtype) -> None:
    data = make(dtype=dtype, noise=0.1)
    assert {rows.dtype for part in (data.train, data.test) for rows in (part.x, part.y)} == {dtype}


@pytest.mark.parametrize(
    ("formula", "domain"),
    [
        ("log(x_1)", [-1, 1]),
        ("sqrt(x_1-x_2)", [0, 1]),
        ("x_1**0.5", [-1, 1]),
        ("acos(2*x_1)", [-1, 1]),
        ("exp(1000*x_1)", [0, 1]),
        ("log(-1-x_1**2)", [-1, 1]),
        ("x_1+(-8)**(1/3)", [-1, 1]),
        ("Ynm(2,1,x_1,x_2)", [0.1, 1]),
        (["x_1", "log(x_1)"], [-1, 1]),
    ],
)
def test_a_formula_that_is_not_finite_on_its_domain_is_refused_with_an_example(formula: Any, domain: list[int]) -> None:
    message = complaint(formula=formula, domain=domain)
    wrong = formula[-1] if isinstance(formula, list) else formula
    assert message.startswith(f"dataset.formula={wrong}: not finite on its domain")
    assert "x_1=" in message
    assert "dataset.domain" in message


def test_the_example_is_a_row_where_the_formula_fails() -> None:
    message = complaint(formula="log(x_1)+x_2", domain=[[-1, 1], [5, 6]])
    x_1, x_2 = (float(part.split("=")[1]) for part in message.split("e.g. at ")[1].split(")")[0].split(", "))
    assert -1 <= x_1 <= 0
    assert 5 <= x_2 <= 6


WRONG_DOMAINS: list[Any] = [
    "0,1", [1], [1, 2, 3], [2, 1], [1, 1], [[0, 1]], [math.nan, 1], [0, math.inf], [True, 2], [], [[0, 1], [1]],
    [[0, 1], 2], [0, [0, 1]], None, 5, [[]], [[], []], ["0", "1"], [None, 1], [[0, 1], [3, 2]], {"low": 0, "high": 1},
    [[0, 1], ["a", "b"]], [[[0, 1]], [[0, 1]]],
]  # fmt: skip


@pytest.mark.parametrize("domain", WRONG_DOMAINS, ids=repr)
def test_wrong_domains_are_refused_and_named(domain: Any) -> None:
    message = complaint(formula="x_1+x_2", domain=domain)
    assert message.startswith("dataset.domain=")
    assert len(message.splitlines()) == 1


def test_too_few_pairs_are_counted() -> None:
    assert "2 pairs, but the formula has 5 inputs" in complaint(formula="x_5", domain=[[0, 1], [0, 1]])


def test_a_domain_too_wide_for_the_numbers_is_refused_or_gives_finite_rows() -> None:
    try:
        data = make("x_1", domain=[-1e308, 1e308])
    except ConfigError as error:
        assert "dataset.domain" in str(error)  # noqa: PT017
    else:
        assert bool(torch.isfinite(data.train.x).all())


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
    st.integers(1, 4),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_any_proper_domain_is_read_as_it_is(low: float, width: float, inputs: int) -> None:
    high = low + width
    assert read_domain([low, high], inputs) == [(low, high)] * inputs
    assert read_domain([[low, high]] * inputs, inputs) == [(low, high)] * inputs
    assert read_domain(((low, high),) * (inputs + 1), inputs) == [(low, high)] * (inputs + 1)


WRONG_FORMULAS: list[Any] = [
    [], [""], ["x_1", None], [["x_1"]], {}, None, "", "y+1", ["x_1", "x_2+"], True, "sqrt(-1)*x_1", "10**400*x_1",
    "gamma(10**9)*x_1", "gamma(0)*x_1", "zeta(x_1-x_1+1)*x_1", "x_1+9**9**9**9",
]  # fmt: skip


@pytest.mark.parametrize("formula", WRONG_FORMULAS, ids=repr)
def test_wrong_formulas_are_refused_with_the_key(formula: Any) -> None:
    assert complaint(formula=formula).startswith("dataset.formula=")


INSIDE_OUT = [
    "hermite(3,{})", "floor({})", "atan2({},x_1)", "Max({},x_1)", "sign({})", "elliptic_k({})", "elliptic_f({},0.5)",
    "elliptic_e({},0.5)", "beta({},2)", "zeta({})", "loggamma({})", "LambertW({})", "Ei({})", "Si({})", "Ci({})",
    "Shi({})", "fresnels({})", "airyai({})", "jn(2,{})", "besselk(1,{})", "legendre(3,{})", "assoc_legendre(2,1,{})",
    "laguerre(2,{})", "jacobi(2,1,1,{})", "Ynm(2,1,{},x_1)", "Znm(2,-1,{},x_1)", "cbrt({})", "digamma({})", "erf({})",
    "Abs({})", "log({},2)",
]  # fmt: skip


@pytest.mark.parametrize("inner", ["Ynm(1,1,x_1,x_2)", "x_1+sqrt(-1)*x_2"])
@pytest.mark.parametrize("outer", INSIDE_OUT)
def test_functions_of_complex_values_give_finite_rows_or_a_complaint(outer: str, inner: str) -> None:
    text = f"re({outer.format(inner)})"
    try:
        data = make(text, domain=[0.2, 0.9])
    except ConfigError as error:
        assert "dataset.formula" in str(error)  # noqa: PT017
    else:
        assert bool(torch.isfinite(data.train.y).all())
