from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.config.datasets import TableConfig
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset
from kanrun.data.table.dataset import make_table
from kanrun.errors import ConfigError
from tests.data.table.helpers import PLAIN, table


def made(folder: Path, content: str, target: Any = "p", seed: int = 0, **more: Any) -> Dataset:
    """The dataset of a table."""
    return make_table(TableConfig(path=table(folder, content), target=target, **more), seed, torch.float64)


def problem(folder: Path, content: str, target: Any = "p", **more: Any) -> str:
    """The one line about what cannot be used."""
    with pytest.raises(ConfigError) as caught:
        made(folder, content, target, **more)
    (line,) = caught.value.problems
    return line


def long(rows: int = 200, columns: str = "T,g,p") -> str:
    """A table of many rows; g has five groups."""
    return f"{columns}\n" + "".join(f"{i},g{i % 5},{i * i}\n" for i in range(rows))


def test_a_dataset_has_the_rows_names_and_units_of_the_table(tmp_path: Path) -> None:
    content = '"T (K)","x-1","p (bar)"\n' + "".join(f"{i},{i * i % 7},{i**3}\n" for i in range(1, 13))
    data = made(tmp_path, content)
    assert (data.task, data.test, data.outputs, data.input_names) == (REGRESSION, None, ["p"], ["T", "x-1"])
    assert data.units == {data.inputs[0]: "K", "p": "bar"}
    assert torch.equal(data.train.x[:, 0] ** 3, data.train.y[:, 0]) and len(data.train.x) == 12
    described = {c["name"]: c for c in data.about["columns"]}
    wanted = {"name": "T (K)", "symbol": data.inputs[0], "role": "input", "type": "number", "unit": "K"}
    assert described["T (K)"] == wanted | {"low": 1.0, "high": 12.0}
    assert described["p (bar)"]["role"] == "target"


def test_a_table_needs_a_file() -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.path=: a table needs its file"):
        make_table(TableConfig(target="p"), 0, torch.float64)


def test_units_that_are_none_are_shown_and_told(tmp_path: Path) -> None:
    data = made(tmp_path, PLAIN.replace("V,p\n", "V,p\nfurlongs,K,widgets\n"))
    assert data.units == {"T": "furlongs", "V": "K", "p": "widgets"}
    assert list(data.warnings) == ["unknown unit widgets: shown, not reckoned with"]


def test_units_of_the_config_come_before_those_of_the_header(tmp_path: Path) -> None:
    content = PLAIN.replace("T,V", '"T (K)",Länge')
    data = made(tmp_path, content, units={"T": "degC", "L%C3%A4nge": "m"})
    assert list(data.units.values()) == ["degC", "m"]
    assert data.warnings == ("T (K): numbers are taken to be in degC, as dataset.units says, and not in K",)
    assert made(tmp_path, content, units={"T": "kelvin"}).warnings == ()
    assert problem(tmp_path, content, units={"T": "kelvinn"}).endswith("no unit that is known; did you mean kelvin?")
    assert problem(tmp_path, content, units={"W": "m"}).startswith("dataset.units.W=W: no such column")


def test_a_unit_of_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    assert list(made(tmp_path, PLAIN, ignore=["V"], units={"V": "m"}).units) == []


def test_two_columns_of_one_name_in_two_units_keep_their_headers(tmp_path: Path) -> None:
    data = made(tmp_path, PLAIN.replace("T,V", "T (K),T (s)"))
    assert data.input_names == ["T (K)", "T (s)"] and len(set(data.inputs)) == 2


def test_several_targets_are_several_outputs(tmp_path: Path) -> None:
    data = made(tmp_path, PLAIN, ["p", "V"])
    assert (data.outputs, data.input_names, data.train.y.shape) == (["p", "V"], ["T"], (12, 2))
    assert "twice" in problem(tmp_path, PLAIN, ["p", "p"])
    assert "no other column" in problem(tmp_path, PLAIN, ["p", "V", "T"])
    assert problem(tmp_path, PLAIN, {"a": 1}).startswith("dataset.target=")
    assert problem(tmp_path, long(), ["p", "g"]).endswith("several targets have to be numbers; classes come in one")


def test_fewer_than_a_hundred_rows_are_all_trained_on_and_others_held_back_by_the_seed(tmp_path: Path) -> None:
    few, many = made(tmp_path, long(99)), made(tmp_path, long(100))
    assert few.test is None and len(few.train.x) == 99
    assert many.test is not None and (len(many.train.x), len(many.test.x)) == (80, 20)
    again, other = made(tmp_path, long(100)), made(tmp_path, long(100), seed=1)
    assert again.test is not None and torch.equal(again.test.x, many.test.x)
    assert other.test is not None and not torch.equal(other.test.x, many.test.x)


def test_the_last_rows_or_whole_groups_are_the_test(tmp_path: Path) -> None:
    last = made(tmp_path, long(), split="order", test=0.1, inputs=["T"])
    assert last.test is not None and last.test.x[:, 0].tolist() == list(range(180, 200))
    groups = made(tmp_path, long(), group="g", test=0.4)
    assert groups.test is not None and groups.input_names == ["T"]
    assert not {int(t) % 5 for t in groups.test.x[:, 0]} & {int(t) % 5 for t in groups.train.x[:, 0]}


def test_rows_of_another_file_are_the_test_whatever_the_order_of_its_columns(tmp_path: Path) -> None:
    other = table(tmp_path, "p;extra;T;V\n64,0;7;4;2\n125,0;7;5;4\n", "other.csv")
    data = made(tmp_path, PLAIN, test_path=other)
    assert data.test is not None and len(data.train.x) == 12
    assert data.test.x.tolist() == [[4.0, 2.0], [5.0, 4.0]] and data.test.y.tolist() == [[64.0], [125.0]]
    lacking = table(tmp_path, "p,T\n1,2\n3,4\n", "lacking.csv")
    told = problem(tmp_path, PLAIN, test_path=lacking)
    assert told.startswith("dataset.test_path=") and "lacking.csv: dataset.inputs=V: no such column" in told
    assert problem(tmp_path, PLAIN, test_path=str(tmp_path / "no.csv")).startswith("dataset.test_path=")


@pytest.mark.parametrize(("key", "value"), [("test", 0.3), ("test", 0), ("split", "order")])
def test_test_rows_are_asked_for_in_one_way(tmp_path: Path, key: str, value: Any) -> None:
    told = problem(tmp_path, PLAIN, test_path=table(tmp_path, PLAIN, "other.csv"), **{key: value})
    assert told == f"dataset.{key}={value}: the test rows are those of dataset.test_path"


def test_rows_of_another_file_come_in_the_units_of_training(tmp_path: Path) -> None:
    content = "T (K),V,p (bar)\n" + "".join(f"{i + 280},{i * i % 7},{i**3}\n" for i in range(1, 13))
    other = table(tmp_path, "p (Pa),V (m^3),T (degC)\n64e5,4,20\n125e5,3,30\n1e5,3,-10\n-999,3,1\n", "other.csv")
    data = made(tmp_path, content, test_path=other, where="T > 270")
    assert data.test is not None
    assert data.test.x.numpy() == pytest.approx(np.array([[293.15, 4], [303.15, 3]]))
    assert data.test.y.numpy() == pytest.approx(np.array([[64.0], [125.0]]))
    assert sorted(w for w in data.warnings if "converted" in w) == [
        "other.csv: T (degC): degC is converted to K, as in training",
        "other.csv: p (Pa): Pa is converted to bar, as in training",
    ]
    assert any("V (m^3): in training it had no unit" in w for w in data.warnings)
    assert any(w.startswith("other.csv: -999 in p (bar)") for w in data.warnings)
    metres = table(tmp_path, "T (m),V,p\n1,2,3\n4,5,6\n", "metres.csv")
    assert problem(tmp_path, content, test_path=metres).endswith(
        "T (m): numbers in m cannot be had in K, the unit of training"
    )
    overruled = made(tmp_path, content, test_path=other, units={"T (K)": "degC"})
    assert overruled.test is not None and overruled.test.x[0, 0] == 20.0


def test_texts_of_another_file_are_told_apart_as_in_training(tmp_path: Path) -> None:
    content = "gas,T,p\n" + "".join(f"{['He', 'N2', 'O2', 'Ar'][i % 4]},{i},{i * i}.5\n" for i in range(24))
    more = "".join(f"O2,{i},{i * i}.5\n" for i in range(20))
    other = table(tmp_path, f"T,gas,p\n1,N2,3.5\n{more.replace('O2,', '').replace(',', ',O2,')}2,Xe,3.5\n", "other.csv")
    data = made(tmp_path, content, test_path=other, where='gas != "Ar"')
    assert data.input_names[:3] == ["gas = He", "gas = N2", "gas = O2"]
    assert data.test is not None and len(data.test.x) == 21
    assert data.test.x[:2, :3].tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert data.about["columns"][0]["values"] == ["He", "N2", "O2"]
    [told] = [w for w in data.warnings if "did not know" in w]
    assert told == (
        "other.csv: 1 row left out: gas is 'Xe' in 1 row, which training did not know; it had 'He', 'N2', 'O2': line 23"
    )


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["a", "b"], ["a", "b"]),
        (["TRUE", "false", "True"], ["false", "true"]),
        (["0", "1", "2"], ["0", "1", "2"]),
        (["1.0", "2", "1", "2.0"], ["1", "2"]),
        (["10", "y", "x"], ["10", "x", "y"]),
    ],
)
def test_texts_truth_values_and_few_whole_numbers_in_a_row_are_classes(
    tmp_path: Path, cells: list[str], labels: list[str]
) -> None:
    content = "T,p\n" + "".join(f"{i * 1.5},{cells[i % len(cells)]}\n" for i in range(60))
    data = made(tmp_path, content)
    assert (data.task, data.outputs) == (CLASSIFICATION, [f"logit_{label}" for label in labels])
    assert set(data.train.y.tolist()) == set(range(len(labels)))


@pytest.mark.parametrize("cells", [["0", "5"], ["0.5", "1.5"], [str(i) for i in range(20)]])
def test_other_numbers_are_values_unless_the_user_says_so(tmp_path: Path, cells: list[str]) -> None:
    content = "T,p\n" + "".join(f"{i * 1.5},{cells[i % len(cells)]}\n" for i in range(60))
    assert made(tmp_path, content).task == REGRESSION
    assert made(tmp_path, content, task="classification").task == CLASSIFICATION


def test_classes_can_be_values_where_they_are_numbers(tmp_path: Path) -> None:
    numbers = "T,p\n" + "".join(f"{i},{i % 2}\n" for i in range(60))
    assert made(tmp_path, numbers, task="regression").task == REGRESSION
    assert problem(tmp_path, numbers.replace(",0", ",a").replace(",1", ",b"), task="regression").startswith(
        "dataset.task="
    )


def test_a_bad_cell_among_numbers_of_classes_is_no_class(tmp_path: Path) -> None:
    content = "T,p\n" + "".join(f"{i},{'oops' if i == 7 else i % 3}\n" for i in range(60))
    data = made(tmp_path, content)
    assert len(data.outputs) == 3 and "line 9" in data.warnings[0]


def test_classes_of_another_file_are_those_of_the_training_rows(tmp_path: Path) -> None:
    content = "T,p\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(60))
    data = made(tmp_path, content, test_path=table(tmp_path, "T,p\n1,c\n2,a\n3,c\n4,a\n", "other.csv"))
    assert data.test is not None and data.test.y.tolist() == [2, 0, 2, 0]
    strange = table(tmp_path, "T,p\n1,c\n2,z\n3,c\n4,z\n", "strange.csv")
    assert "class z is not among" in problem(tmp_path, content, test_path=strange)


def test_texts_that_are_numbers_in_another_file_cannot_be_told_apart(tmp_path: Path) -> None:
    content = "gas,p\n" + "".join(f"{['He', 'N2'][i % 2]},{i * i}.5\n" for i in range(12))
    other = table(tmp_path, '{"gas": 1, "p": 2.5}\n{"gas": 2, "p": 3.5}\n', "other.jsonl")
    assert problem(tmp_path, content, test_path=other).endswith("other.jsonl: it has no gas = N2")


def test_a_class_without_a_training_row_is_named(tmp_path: Path) -> None:
    content = "T,p\n" + "".join(f"{i},{'late' if i > 195 else 'ab'[i % 2]}\n" for i in range(200))
    assert problem(tmp_path, content, split="order").startswith("dataset.test=late: this class has no training row")


def test_what_was_understood_is_told(tmp_path: Path) -> None:
    data = made(tmp_path, PLAIN.replace(",", ";").replace("T;", "T (K);"))
    assert data.notes[0] == "table.csv: text, separated by semicolon, decimal point, header, 12 rows, 3 columns"
    assert data.notes[1:] == ("target p from 1 to 1728", "inputs T (K) from 1 to 12, V from 0 to 4")


def test_float32_and_large_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, "T,p\n" + "".join(f"{i}e30,{i * i}e-30\n" for i in range(1, 13)))
    data = make_table(TableConfig(path=path, target="p"), 0, torch.float64)
    assert np.allclose(data.train.x[:, 0] / 1e30, range(1, 13))


# ---- how much rows count -------------------------------------------------------------------------------------------

ERRORS = "T,s,p\n" + "".join(f"{i},{1 + i % 2},{i * i}\n" for i in range(1, 13))


def test_rows_count_by_their_errors_of_measurement(tmp_path: Path) -> None:
    data = made(tmp_path, ERRORS, sigma="s")
    weights, noise = data.train.weights, data.noise
    assert weights is not None and noise is not None and data.input_names == ["T"] and not data.absolute
    expected = torch.tensor([4.0, 1.0] * 6, dtype=torch.float64)  # of s = 2, 1, 2, 1, ...
    torch.testing.assert_close(noise / weights, expected)
    assert "rows count by 1/s^2, the errors of the target" in data.notes and data.about["sigma"] == "s"
    assert made(tmp_path, ERRORS, sigma="s", absolute_sigma=True).absolute


def test_errors_that_are_alike_weigh_nothing_but_are_known(tmp_path: Path) -> None:
    data = made(tmp_path, ERRORS, sigma="s", where="s == 2")
    assert data.train.weights is None and data.noise == 4.0


def test_rows_count_by_a_column_of_weights_and_those_with_none_are_left_out(tmp_path: Path) -> None:
    data = made(tmp_path, ERRORS.replace("12,1,", "12,0,"), weights="s")
    assert data.train.weights is not None and data.noise is None
    assert len(data.train.x) == 11 and data.about["dropped"] == {"weight 0": 1}
    torch.testing.assert_close(data.train.weights[0], 2 * data.train.weights[1])
    assert "rows count by s" in data.notes


def test_weights_go_with_rows_of_the_test(tmp_path: Path) -> None:
    content = "T,s,p\n" + "".join(f"{i},{i},{i * i}\n" for i in range(1, 201))
    data = made(tmp_path, content, weights="s")
    assert data.test is not None
    for part in (data.train, data.test):
        assert part.weights is not None
        torch.testing.assert_close(part.weights, part.x[:, 0] / part.x[:, 0].mean())
    other = made(tmp_path, content, weights="s", test_path=str(tmp_path / "table.csv"))
    assert other.test is not None and other.test.weights is not None and len(other.test.weights) == 200


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (ERRORS.replace(",1,", ",0,"), {"sigma": "s"}, "dataset.sigma=s: errors of measurement are above 0, but"),
        (ERRORS.replace(",1,", ",-1,"), {"weights": "s"}, "dataset.weights=s: weights are not negative, but it is -1"),
        (ERRORS, {"sigma": "S1"}, "dataset.sigma=S1: no such column"),
        (ERRORS, {"sigma": "s", "weights": "s"}, "dataset.sigma=s: rows count by dataset.sigma or by dataset.weights"),
        (ERRORS, {"absolute_sigma": True}, "dataset.absolute_sigma=true: it says what dataset.sigma means"),
        (ERRORS, {"balanced": True}, "dataset.balanced=true: p is not of classes"),
        ("q,T,s,p\n" + "".join(f"{i % 5},{i},{1 + i % 3},{i**3}\n" for i in range(9)),
         {"sigma": "s", "target": ["p", "T"]}, "dataset.sigma=s: it has errors of one target, and there are 2"),
        (ERRORS, {"sigma": "T", "target": "s", "task": "classification"}, "dataset.sigma=T: classes have no errors"),
    ],
)  # fmt: skip
def test_weights_that_are_none_are_refused(tmp_path: Path, content: str, settings: Any, reason: str) -> None:
    assert problem(tmp_path, content, **settings).startswith(reason)


def test_classes_may_be_balanced(tmp_path: Path) -> None:
    data = made(tmp_path, "T,p\n" + "".join(f"{i},{'ab'[i < 3]}\n" for i in range(60)), balanced=True)
    assert data.train.weights is not None
    sums = torch.bincount(data.train.y, data.train.weights)
    torch.testing.assert_close(sums[0], sums[1])
