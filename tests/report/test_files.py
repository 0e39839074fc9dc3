from __future__ import annotations

import csv
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.errors import KanrunError
from kanrun.model.mlp import MLP
from kanrun.report.files import (
    finite,
    load_model,
    read,
    read_json,
    read_yaml,
    save_model,
    write_history,
    write_json,
    write_text,
)
from kanrun.training.history import Record
from tests.contract import HISTORY
from tests.helpers import tangled_network, uniform_rows

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
CONTENT = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def without_infinities(content: Any) -> Any:
    """What is expected back, by another way than the package's: through Python's own lenient JSON."""
    return json.loads(json.dumps(content), parse_constant=lambda _: None)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in a JSON file")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(CONTENT)
def test_json_keeps_everything_but_numbers_that_are_not_finite(content: Any) -> None:
    expected = without_infinities(content)
    assert finite(content) == expected
    assert json.loads(json.dumps(finite(content), allow_nan=False), parse_constant=refuse) == expected


def test_a_json_file_never_holds_nan(tmp_path: Path) -> None:
    content = {"a": math.nan, "b": [1.5, math.inf, (2, -math.inf)], "c": {"d": {"e": math.nan}}, "f": "NaN", "g": None}
    write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=refuse)
    assert read == {"a": None, "b": [1.5, None, [2, None]], "c": {"d": {"e": None}}, "f": "NaN", "g": None}
    assert text.endswith("}\n")


def test_a_number_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    numbers = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.pi]
    write_json(tmp_path / "x.json", numbers)
    assert [n.hex() for n in json.loads((tmp_path / "x.json").read_text())] == [n.hex() for n in numbers]


def test_a_file_is_replaced_in_one_go_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "first: ä\n")
    assert path.read_bytes() == "first: ä\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half " * 10000 + "\udc80")
    assert path.read_text(encoding="utf-8") == "first: ä\n"
    write_text(path, "second\n")
    assert path.read_text(encoding="utf-8") == "second\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_the_history_is_a_table_with_a_row_a_step(tmp_path: Path) -> None:
    records = [Record("train", 0, 1 / 3, 0.5, 1e-300, 0.01), Record("refit", 0, 2e-17, math.pi, 0.0, 0.0, 0.1, 20, 3)]
    write_history(tmp_path / "history.csv", records)
    with (tmp_path / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == HISTORY
    read = [
        Record(
            r["stage"], int(r["step"]), float(r["train_loss"]), float(r["test_loss"]), float(r["regularization"]),
            float(r["seconds"]), float(r["validation_loss"]) if r["validation_loss"] else None, int(r["grid"]),
            int(r["attempt"]),
        )
        for r in rows
    ]  # fmt: skip
    assert read == records
    write_history(tmp_path / "empty.csv", [])
    assert (tmp_path / "empty.csv").read_text() == ",".join(HISTORY) + "\n"


def test_a_loaded_network_is_the_saved_one(tmp_path: Path) -> None:
    for number, model in enumerate((tangled_network(seed=2), MLP([3, 4, 2], "tanh", seed=2))):
        save_model(tmp_path / f"{number}.pt", model)
        loaded = load_model(tmp_path / f"{number}.pt")
        x = uniform_rows(40, 3, seed=9, low=-1.5, high=1.5)
        assert torch.equal(loaded(x), model(x))
        assert (loaded.width, type(loaded)) == (model.width, type(model))


def test_the_saved_network_is_plain_data(tmp_path: Path) -> None:
    save_model(tmp_path / "model.pt", tangled_network())
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert saved["layers"][0]["coef"].requires_grad is False


def test_a_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"layers": Trap()}, tmp_path / "model.pt")
    with pytest.raises((pickle.UnpicklingError, Exception)):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x", "{a: &x 1, b: *x}", "[&x 1,*x]", "- &x 1\n- *x", "? &x 1\n: *x"])
def test_a_part_of_a_config_that_stands_for_another_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match="an alias in it stands for another part"):
        read_yaml(tmp_path / "config.yaml")


@pytest.mark.parametrize("formula", ["x_1**2 * x_2*3", "(x_1)*x_2", "x_1 *x_2", "*x_1"])
def test_the_stars_of_a_formula_stand_for_nothing_else(tmp_path: Path, formula: str) -> None:
    write_text(tmp_path / "config.yaml", yaml.safe_dump({"formula": formula, "list": [formula]}))
    assert read_yaml(tmp_path / "config.yaml") == {"formula": formula, "list": [formula]}


def test_what_is_too_large_for_a_run_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_text("[1, 2]")
    assert read_json(tmp_path / "x.json") == [1, 2]
    monkeypatch.setattr("kanrun.report.files.LARGEST", 5)
    with pytest.raises(ValueError, match="it has more than 5 bytes"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["a: " + "[" * 201 + "]" * 201, "[" * 201 + "a", "{" * 201])
def test_what_is_nested_so_deep_that_it_would_take_long_is_not_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match="nested more than 200 deep"):
        read_yaml(tmp_path / "config.yaml")


@pytest.mark.parametrize("name", ["metrics.json", "model.pt"])
def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    reader: Callable[[Path], Any] = load_model if name == "model.pt" else read_json
    with pytest.raises(KanrunError, match=f"{name}: cannot be read \\(it is no file\\)"):
        read(tmp_path, name, reader)


@pytest.mark.parametrize("entry", [math.nan, math.inf])
def test_a_network_with_an_entry_that_is_no_number_is_refused(tmp_path: Path, entry: float) -> None:
    model = MLP([1, 1], "tanh", seed=0)
    with torch.no_grad():
        next(model.parameters()).fill_(entry)
    save_model(tmp_path / "model.pt", model)
    with pytest.raises(ValueError, match="its entries are not finite"):
        load_model(tmp_path / "model.pt")
