from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.datasets import TableConfig
from kanrun.data.dataset import Dataset
from kanrun.data.table.dataset import make_table
from kanrun.errors import ConfigError
from tests.data.table.helpers import table

SQUARES = [(k, k * k % 11) for k in range(1, 13)]


def made(folder: Path, header: str, rows: list[tuple[Any, ...]], **more: Any) -> Dataset:
    """The dataset of a table whose target is p."""
    content = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    return make_table(TableConfig(path=table(folder, content), target="p", **more), 0, torch.float64)


def problem(folder: Path, header: str, rows: list[tuple[Any, ...]], **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(folder, header, rows, **more)
    (line,) = caught.value.problems
    return line


def test_a_column_that_says_what_another_or_the_target_says_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    rows = [(a, 2 * a + 3, p, p) for a, p in SQUARES]
    data = made(tmp_path, "a,b,c,p", rows)
    assert data.inputs == ["a"]
    assert any(text.startswith("b is a with another scale or zero, so it is left out") for text in data.warnings)
    assert any(text.startswith("c is the target itself, so it is left out") for text in data.warnings)
    named = made(tmp_path, "a,b,c,p", rows, inputs=["a", "b"])
    assert named.inputs == ["a", "b"]
    assert any(text == "b is a with another scale or zero" for text in named.warnings)


def test_of_many_such_columns_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(12)]
    data = made(tmp_path, ",".join([*names, "p"]), [(*(n + a * (n + 1) for n in range(12)), p) for a, p in SQUARES])
    assert data.inputs == ["c0"]
    assert sum("another scale" in text for text in data.warnings) == 8
    assert "3 more columns say what others say, in the same way" in data.warnings


def test_a_column_that_is_the_same_in_all_rows_that_are_left_is_no_input(tmp_path: Path) -> None:
    rows = [*((a, 7, p) for a, p in SQUARES), (20, 8, "")]
    assert made(tmp_path, "a,b,p", rows).inputs == ["a"]
    assert "no column is left as an input" in problem(tmp_path, "a,p", [(p, p) for _, p in SQUARES])


def test_too_few_rows_are_refused_with_why_the_others_are_gone(tmp_path: Path) -> None:
    told = problem(tmp_path, "a,p", SQUARES, where="a > 11")
    assert "of 12 rows one is left: 11 left out by dataset.where" in told
    emptied = [(a, "") for a, _ in SQUARES]
    assert "of 13 rows one is left: 12 left out for missing values" in problem(tmp_path, "a,p", [*emptied, (1, 2)])


def test_more_inputs_than_rows_have_to_be_chosen_by_the_user(tmp_path: Path) -> None:
    rows = [(1, 5, 2, 8, 3.5), (4, 1, 7, 3, 1.5), (2, 8, 8, 1, 2.5)]
    told = problem(tmp_path, "a,b,c,d,p", rows)
    assert "there are 4 inputs for 3 rows; name those that count in dataset.inputs, or add rows" in told
    data = made(tmp_path, "a,b,c,d,p", rows, inputs=["a", "b", "c", "d"])
    assert "there are 4 inputs for 3 rows: what is found may well be chance" in data.warnings


def test_rows_with_another_number_of_fields_are_left_out_and_empty_lines_are_none(tmp_path: Path) -> None:
    lines = [f"{a},{a * a % 7},{a**3}" for a in range(1, 41)]
    lines[3], lines[7], lines[20] = "4,2,64,9", "8,1", "21,0,9261,,"  # empty fields at the end are nothing
    lines[30:30] = ["", ",,", "   "]
    path = table(tmp_path, "a,b,p\n" + "\n".join(lines) + "\n")
    data = make_table(TableConfig(path=path, target="p"), 0, torch.float64)
    assert any(
        text == "2 rows left out: the header has 3, but line 5 has 4 fields, line 9 has 2 fields"
        for text in data.warnings
    )
    parts = [part for part in (data.train, data.test, data.validation) if part is not None]
    a, p = torch.cat([part.x[:, 0] for part in parts]), torch.cat([part.y[:, 0] for part in parts])
    assert sorted(a.tolist()) == [k for k in range(1, 41) if k not in (4, 8)]
    assert torch.equal(p, a**3)


def test_rows_without_a_number_for_their_error_or_of_no_weight_are_left_out_and_groups_may_be_texts(
    tmp_path: Path,
) -> None:
    def left(**more: Any) -> list[float]:
        data = made(tmp_path, "a,s,g,w,p", rows, **more)
        told.extend(data.warnings)
        return sorted(torch.cat([part.x[:, 0] for part in (data.train, data.test) if part is not None]).tolist())

    told = list[str]()
    rows: list[tuple[Any, ...]] = [(a, 0.1 * a, f"g{a % 4}", a % 3, a**3) for a in range(1, 41)]
    rows[3], rows[7] = (4, "oops", "g0", 1, 64), (8, "", "g0", 1, 512)
    assert left(sigma="s", group="g") == [a for a in range(1, 41) if a not in (4, 8)]
    assert any("no finite number in s" in text and "line 5" in text for text in told)
    assert left(weights="w", ignore=["s", "g"]) == [a for a in range(1, 41) if a % 3]


@pytest.mark.parametrize("before", [0, 1, 10, 11])
def test_a_text_that_training_did_not_know_is_named_wherever_its_column_stands(tmp_path: Path, before: int) -> None:
    header = ",".join([*(f"c{k}" for k in range(before)), "gas", "p"])

    def rows(gases: list[str]) -> list[tuple[Any, ...]]:
        return [(*((i + 1) ** 2 % (23 + k) for k in range(before)), gas, i**2) for i, gas in enumerate(gases)]

    other = rows(["Ar"] * 19 + ["Xe"])
    path = table(tmp_path, "\n".join([header, *(",".join(map(str, row)) for row in other)]) + "\n", "other.csv")
    data = made(tmp_path, header, rows(["N2", "He", "Ar"] * 12), test_path=path)
    told = "gas is 'Xe' in 1 row, which training did not know; it had 'Ar', 'He', 'N2'"
    assert any(told in text and "line 21" in text for text in data.warnings)
    assert data.test is not None and len(data.test.x) == 19


def test_a_cell_that_is_no_number_is_told_of_by_its_column_beside_texts(tmp_path: Path) -> None:
    header = ",".join(["gas", *(f"c{k}" for k in range(12)), "p"])
    rows = [("ab"[i % 2], *((i + 1) ** 2 % (23 + k) for k in range(12)), i**2) for i in range(40)]
    rows[4] = (*rows[4][:-2], "oops", 16)
    assert any(
        "no finite number in c11, such as 'oops': line 6" in text for text in made(tmp_path, header, rows).warnings
    )


def test_rows_of_which_hardly_any_counts_are_told(tmp_path: Path) -> None:
    def told(errors: list[float]) -> list[str]:
        rows = [(a, error, a**3) for a, error in enumerate(errors, 1)]
        return [text for text in made(tmp_path, "a,s,p", rows, sigma="s").warnings if "worth" in text]

    # Two rows of weight 1 and 18 of 1/9: (2 + 18/9)^2 / (2 + 18/81) = 7.2 rows; of 1/10000 hardly more than two.
    assert told([1.0] * 2 + [3.0] * 18) == []
    assert told([1.0] * 2 + [100.0] * 18) == ["by s the 20 rows count so differently that they are worth 2"]
    assert told([1e-300] + [1.0] * 19) == ["by s the 20 rows count so differently that they are worth 1"]


def test_percent_signs_in_some_cells_only_are_told(tmp_path: Path) -> None:
    def told(cells: list[str]) -> list[str]:
        rows = [(cell, i**3) for i, cell in enumerate(cells)]
        return [text for text in made(tmp_path, "a,p", rows).warnings if "percent" in text]

    signs = [f"{i}.5 %" for i in range(20)]
    some = "19 of 20 cells of a have a percent sign: all numbers are taken as they stand"
    assert (told(signs), told(["", *signs[:19]]), told([*signs[:19], "0.205"])) == ([], [], [some])
