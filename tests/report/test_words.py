from __future__ import annotations

from dataclasses import replace

import pytest

from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.report.export import as_text
from kanrun.report.words import (
    MOST_LETTERS,
    about_lines,
    boundary_lines,
    constants_lines,
    decision_lines,
    errors_lines,
    front_lines,
    other_lines,
    score_line,
    with_error,
)
from kanrun.symbolic.boundary import Boundary
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative, Other
from kanrun.symbolic.uncertainty import Constant


def formula(output: str = "y", **more: object) -> Formula:
    return Formula(output, "2.0*x_1", "2*x_1", "2 x_{1}", 3, {"mse": 0.0}, None, more.pop("front", []), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (2.01312, 0.0041, "2.013 ± 0.004"),
        (2.01312, 0.0141, "2.013 ± 0.014"),
        (-0.4, 0.0996, "-0.40 ± 0.10"),
        (1234.567, 32.1, "1230 ± 30"),
        (5.479, 17.2, "5.479 ± 17 (may be 0)"),
        (-0.04321, 400.0, "-0.04321 ± 400 (may be 0)"),
        (1e-9, 0.5, "1e-09 ± 0.5 (may be 0)"),
        (-24.2, 13.1, "-24.2 ± 13 (may be 0)"),
        (5.0, 2.4, "5.0 ± 2.4"),
        (3.14159e-8, 2.2e-10, "(3.14 ± 0.02)e-8"),
        (-6.02214e23, 4e20, "(-6.022 ± 0.004)e+23"),
        (0.0, 0.02, "0 ± 0.02 (may be 0)"),
        (2.5, None, "2.5 (not determined)"),
        (2.5, 0.0, "2.5"),
    ],
)
def test_a_constant_is_shown_to_the_place_of_its_error(value: float, error: float | None, shown: str) -> None:
    assert with_error(Constant(value, error)) == shown


def test_only_noisy_data_has_a_line_of_errors() -> None:
    assert constants_lines("y", []) == []
    assert constants_lines("y", [Constant(2.5, 0.0), Constant(1.5, None)]) == []
    assert constants_lines("y", [Constant(2.013, 0.004)]) == ["constants of y: 2.013 ± 0.004"]
    text = as_text([formula(constants=[Constant(2.013, 0.004)]), formula("z")])
    assert text == "y = 2*x_1\n  test MSE 0\n  constants of y: 2.013 ± 0.004\nz = 2*x_1\n  test MSE 0\n"


def test_a_constant_without_an_error_is_told_with_the_reason() -> None:
    constants = [Constant(2.013, 0.004), Constant(1.5, None)]
    line, why = constants_lines("y", constants)
    assert line == "constants of y: 2.013 ± 0.004, 1.5 (not determined)"
    assert why.startswith("not determined: others can make up for any change of it")
    of_classes = replace(formula("logit_1", constants=constants), test={"cross_entropy": 0.1, "accuracy": 1.0})
    assert "what they share is not determined" in about_lines(of_classes)[1]


def test_constants_of_classes_that_hardly_overlap_are_not_said_to_be_zero() -> None:
    line, why = constants_lines("logit_1", [Constant(-35.13, 35.0), Constant(2.0, 0.1)], classes=True)
    assert line == "constants of logit_1: -35.13 ± 35, 2.00 ± 0.10"
    assert "nor is the scale where they hardly overlap" in why
    assert len(constants_lines("logit_1", [Constant(2.0, 0.1)], classes=True)) == 1


def test_of_many_constants_the_first_are_shown() -> None:
    many = [Constant(2.013, 0.004), Constant(0.0, 0.5), Constant(4.0, 0.4), Constant(5.0, 0.4)]
    [line] = constants_lines("y", many, most=2)
    assert line == "constants of y: 2.013 ± 0.004, 0 ± 0.5 (may be 0), and 2 more in formula.json"
    assert about_lines(formula(constants=many), 2) == [line]
    assert "more in" not in constants_lines("y", many, most=4)[0]


def test_the_text_says_what_is_meant_by_exact() -> None:
    yes, no = (as_text([replace(formula(), exact=exact)]).splitlines() for exact in (True, False))
    assert [yes[0], no[0]] == ["y = 2*x_1"] * 2
    assert yes[2].startswith("  exact: equal to the formula that the rows come from")
    assert no[2].startswith("  not exact: ")
    assert as_text([formula()]) == "y = 2*x_1\n  test MSE 0\n"


def test_the_scores_of_a_formula_are_told() -> None:
    scored = replace(formula(), test={"mse": 0.25, "rmse": 0.5, "r2": 0.99996})
    assert score_line(scored) == "test RMSE 0.5, R2 0.99996"
    others = {"mse": 0.36, "rmse": 0.6, "r2": 0.99}
    assert score_line(replace(scored, cross_validation=others)) == "test RMSE 0.5, R2 0.99996"
    assert score_line(replace(formula(), test=None, cross_validation=others)) == "cross-validated RMSE 0.6, R2 0.99"
    assert score_line(replace(formula(), test={"cross_entropy": 0.1, "accuracy": 0.97})) == (
        "test accuracy 0.97, entropy 0.1"
    )
    assert score_line(replace(formula(), test={"mse": None, "rmse": None})).startswith("no test score")


def test_the_decision_is_told_with_the_name_of_the_second_class() -> None:
    decision = Decision("1.5*x_1", "1.5*x_1", "1.5 x_{1}", 3, {"accuracy": 1.0}, [Constant(1.5, 0.2)])
    formulas = [formula("logit_cat", decision=decision), formula("logit_dog")]
    lines = ["class dog where 1.5*x_1 > 0", "constants of the decision: 1.5 ± 0.2"]
    assert decision_lines(formulas) == lines
    assert as_text(formulas).splitlines()[-2:] == lines
    assert decision_lines([formula()]) == decision_lines([]) == []


def test_the_boundary_is_told_with_its_constants_and_the_odds_only_where_classes_overlap() -> None:
    constants, factor = [Constant(3.012, 0.04, "cm"), Constant(0.52, 0.02, "1/cm")], Constant(-4.1, 0.3)
    boundary = Boundary("x_2", "3.0", "height = 3.012 - 0.52*width**2", False, constants, factor, False)
    decision = Decision("1.5*x_1", "1.5*x_1", "1.5 x_{1}", 3, {"accuracy": 1.0}, [Constant(1.5, 0.2)], boundary)
    _, _, *lines = decision_lines([formula("logit_cat", decision=decision), formula("logit_dog")])
    assert lines == [
        "boundary: height = 3.012 - 0.52*width**2, class dog where the left side is smaller",
        "constants of the boundary: (3.01 ± 0.04) cm, (0.52 ± 0.02) 1/cm",
        "log-odds of dog to cat: the left side less the right one, times -4.1 ± 0.3",
    ]
    separated = replace(boundary, separated=True, factor=Constant(-400.0, None), above=True)
    first, _, last = boundary_lines(separated, "cat", "dog")
    assert first.endswith("class dog where the left side is larger")
    assert "the odds are not determined" in last and "400" not in last


def test_the_front_is_a_table_with_a_mark_at_the_chosen_formula() -> None:
    long = "x_1 + " * 60 + "x_2"
    front = [Alternative(1, 0.5, "1.0", "1"), Alternative(3, 0.0123, "x", "2*x_1", True), Alternative(99, None, long)]
    title, header, *lines = front_lines(formula(front=front, reason="exact to rounding"), MSE)
    assert title == "front of y; chosen (*): exact to rounding"
    assert header.split() == ["complexity", "test", "MSE", "formula"]
    assert [line[0] for line in lines] == [" ", "*", " "]
    assert lines[1].split() == ["*", "3", "0.0123", "2*x_1"]
    assert lines[2].split()[:2] == ["99", "-"]
    assert lines[2].endswith(" ...") and len(lines[2]) < MOST_LETTERS + 40
    column = header.index("formula")
    assert all(line[column] != " " and line[column - 1] == " " for line in lines)
    values = replace(formula(front=front), test={"mse": 0.01, "rmse": 0.1, "r2": 0.99})
    of_values = front_lines(values, MSE)
    assert of_values[1].split() == ["complexity", "test", "RMSE", "formula"]
    assert of_values[3].split()[2] == f"{0.0123**0.5:.3g}"  # one kind of error
    assert "test entropy" in front_lines(formula(front=front), CROSS_ENTROPY)[1]
    assert front_lines(formula(front=front[:1]), MSE) == []


def test_a_constant_is_shown_as_measured_with_the_simple_number_that_it_may_be() -> None:
    lines = constants_lines("y", [Constant(0.498, 0.003, perhaps="1/2"), Constant(2.37, 0.01)])
    assert lines == ["constants of y: 0.498 ± 0.003 (perhaps 1/2), 2.370 ± 0.010"]


def test_how_well_the_errors_that_were_given_are_met_is_told() -> None:
    assert about_lines(formula(reduced_chi_square=1.0349)) == ["chi square of y per degree of freedom: 1.03"]


@pytest.mark.parametrize(
    ("values", "told"),
    [((9.0, 20.25), "20.2 instead of 9"), ((1.0, 1.0001), "1.0001 instead of 1"), ((1.0, 1.0 + 1e-9), None)],
)
def test_a_measurement_is_told_with_as_many_digits_as_it_would_need_and_not_one_that_nobody_makes(
    values: tuple[float, float], told: str | None
) -> None:
    lines = other_lines(formula(alternatives=[Other("x_1**2", "x_1**2", 3, 0.25, {"x_1": 4.5}, values)]))
    assert lines[2:] == ([] if told is None else [f"          told apart at x_1 = 4.5: {told}"])


def test_other_forms_are_told_with_the_measurement_that_would_decide() -> None:
    other = Other("x_1**2", "T^2", 3, 0.25, {"x_1": 4.5}, (9.0, 20.25))
    nothing = Other("sin(x_1)", "sin(T)", 2, 0.01)
    shown = other_lines(formula(alternatives=[other, nothing], symbols={"x_1": "T"}))
    assert shown == [
        "the rows allow for y too, at these odds beside the chosen form:",
        "  0.25    T^2",
        "          told apart at T = 4.5: 20.2 instead of 9",
        "  0.01    sin(T)",
    ]
    assert other_lines(formula()) == []


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ({"model": "constant", "bits": 8.1, "size": 0.0291},
         ["errors of y are of one size, about 0.029 (8 bits say so)"]),
        ({"model": "proportional", "bits": 49.6, "size": 0.0527},
         ["errors of y are in proportion to it, about 5.3 % (50 bits say so)"]),
        ({"model": "poisson", "bits": 12, "size": 1.021},
         ["errors of y are as of counts, with a variance of 1.02 times it (12 bits say so)"]),
        ({"model": "huber", "bits": None, "size": 0.1},
         ["fitted by the loss of huber: rows that lie far off hardly count"]),
        ({}, []),
        ({"model": "of another version", "bits": 3, "size": 1.0}, []),
    ],
)  # fmt: skip
def test_what_errors_are_is_one_line(errors: dict[str, object], told: list[str]) -> None:
    assert errors_lines("y", errors) == told
