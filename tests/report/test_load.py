from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kanrun.config.datasets import MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    Config,
    LbfgsConfig,
    ModelConfig,
    PlotsConfig,
    SymbolicFitConfig,
)
from kanrun.errors import KanrunError
from kanrun.pipeline import stages
from kanrun.pipeline.run import run
from kanrun.predictions.inputs import Taken
from kanrun.report.load import load_run
from kanrun.symbolic.values import evaluate_texts
from tests.helpers import uniform_rows

OFF = PlotsConfig("none", enabled=False)


def small() -> Config:
    return Config(
        dataset=SymbolicConfig(formula=["x_1**2", "sin(x_2)"], n_train=40, n_test=20),
        model=ModelConfig(width=[2, 2], grid=3),
        optimizer=LbfgsConfig(steps=2, refit_steps=2, iterations=8),
        symbolic=SymbolicFitConfig(library=["x", "x^2", "sin"], work=300.0),
        plots=OFF,
        seed=2,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    run(small(), folder, quiet=True)
    return folder


def test_a_run_comes_back_with_config_metrics_formulas_and_network(finished: Path) -> None:
    loaded = load_run(str(finished))
    assert loaded.config == small()
    assert loaded.metrics == json.loads((finished / "metrics.json").read_text())
    assert loaded.formulas == json.loads((finished / "formula.json").read_text())
    assert loaded.inputs == ["x_1", "x_2"]
    x = uniform_rows(15, 2, seed=3)
    expected = torch.stack([x[:, 0] ** 2, torch.sin(x[:, 1])], dim=1)
    assert torch.allclose(loaded.predict(x), expected, atol=1e-12)
    with torch.no_grad():
        assert torch.allclose(loaded.model(x), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_network_of_a_run_without_formulas_is_its_last_network(tmp_path: Path, dtype: str) -> None:
    config = Config(
        dataset=MoonsConfig(n_train=40, n_test=20), model=ModelConfig(width=[2, [1, 1], 2], grid=3), dtype=dtype,
        optimizer=LbfgsConfig(steps=2, iterations=5), symbolic=SymbolicFitConfig("none", enabled=False), plots=OFF,
    )  # fmt: skip
    metrics = run(config, tmp_path, quiet=True)
    loaded = load_run(tmp_path)
    assert loaded.formulas == []
    assert loaded.model.width == metrics["stages"][-1]["width"]
    assert {p.dtype for p in loaded.model.parameters()} == {getattr(torch, dtype)}
    with pytest.raises(KanrunError, match="the run has no formula"):
        loaded.predict(torch.zeros(1, 2), formula=1)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_text(text)

    return apply


def set_state(state: str) -> Callable[[Path], None]:
    return write("status.json", json.dumps({"state": state, "stage": "train", "error": None}))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (remove("config.yaml"), "config.yaml"),
        (remove("metrics.json"), "metrics.json"),
        (remove("model.pt"), "model.pt"),
        (write("config.yaml", ""), "config"),
        (write("config.yaml", "seed: [1"), "config.yaml"),
        (write("config.yaml", "sede: 1"), "sede=1"),
        (write("metrics.json", "{"), "metrics.json"),
        (write("metrics.json", '{"inputs": 3}'), "metrics.json"),
        (write("metrics.json", '["mse"]'), "metrics.json"),
        (write("formula.json", "[{"), "formula.json"),
        (write("formula.json", '[{"expression": 3}]'), "formula.json"),
        (write("formula.json", "{}"), "formula.json"),
        (write("model.pt", "no network"), "model.pt"),
        (set_state("failed"), "failed"),
        (set_state("running"), "running"),
        (set_state("interrupted"), "interrupted"),
    ],
)
def test_a_folder_that_holds_no_completed_run_is_refused_in_one_line(
    finished: Path, tmp_path: Path, damage: Callable[[Path], None], named: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    damage(folder)
    with pytest.raises(KanrunError) as caught:
        load_run(folder)
    assert named in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["nowhere", "empty", "file"])
def test_what_is_no_run_folder_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    elif kind == "file":
        path.write_text("text")
    with pytest.raises(KanrunError) as caught:
        load_run(path)
    assert str(path) in str(caught.value)


def broken(*_: object) -> None:
    raise ZeroDivisionError


def test_a_failed_run_in_the_folder_of_a_finished_one_is_not_taken_for_it(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    monkeypatch.setattr(stages, "train_by_schedule", broken)
    with pytest.raises(ZeroDivisionError):
        run(replace(small(), overwrite=True), folder, quiet=True)
    with pytest.raises(KanrunError):
        load_run(folder)


def test_a_run_without_formulas_in_the_folder_of_one_with_them_has_none(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    config = replace(small(), symbolic=SymbolicFitConfig("none", enabled=False), overwrite=True)
    run(config, folder, quiet=True)
    assert load_run(folder).formulas == []


# ---- predictions ---------------------------------------------------------------------------------------------------


def test_rows_of_all_kinds_are_predicted(noisy_run: Path) -> None:
    loaded = load_run(noisy_run)
    x = uniform_rows(5, 2)
    expected = loaded.predict(x)
    assert isinstance(expected, torch.Tensor)
    columns = {"x_2": x[:, 1].tolist(), "more": ["a"] * 5, "x_1": x[:, 0].tolist()}
    for given in (x.numpy(), x.tolist(), columns):
        assert loaded.predict(given).tolist() == expected.tolist()
    with torch.no_grad():
        assert loaded.predict(x, network=True).tolist() == loaded.model(x).tolist()


def test_other_formulas_of_the_front_are_predicted(noisy_run: Path) -> None:
    loaded = load_run(noisy_run)
    x = uniform_rows(5, 2)
    for number, point in enumerate(loaded.formulas[0]["front"], start=1):
        expected = evaluate_texts([point["expression"]], x, loaded.inputs)
        assert torch.equal(loaded.predict(x, formula=number), expected)
    with pytest.raises(KanrunError, match="formula=99: y has formulas 1 to "):
        loaded.predict(x, formula=99)
    for odd in ("one", 1.0, [1.5]):
        with pytest.raises(KanrunError, match="the number of a formula is needed"):
            loaded.predict(x, formula=odd)  # type: ignore[arg-type]
    with pytest.raises(KanrunError, match="the network is asked for"):
        loaded.predict(x, formula=1, network=True)


def test_predictions_have_errors_and_the_range_of_the_training_rows(noisy_run: Path) -> None:
    loaded = load_run(noisy_run)
    first, second = loaded.columns
    assert 0 <= first.low < first.high <= 2
    assert -1 <= second.low < second.high <= 3
    found = loaded.predictions(np.array([[1.0, 1.0], [9.0, 1.0]]))
    assert found.beyond.tolist() == [[False, False], [True, False]]
    [errors] = found.errors
    assert errors is not None
    assert 0 < errors[0] < 0.1
    assert abs(found.values[0, 0] - (2.5 + np.sin(1.0))) < 5 * errors[0]


def test_a_run_without_formulas_has_its_network_only(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    (folder / "formula.json").unlink()
    loaded = load_run(folder)
    assert loaded.predict(uniform_rows(3, 2), network=True).shape == (3, 2)
    with pytest.raises(KanrunError, match="the run has no formula; its network can be asked"):
        loaded.predict(uniform_rows(3, 2))


def test_what_there_is_to_say_of_rows_is_a_warning_in_python(noisy_run: Path) -> None:
    rows = Taken(np.array([[1.0, 1.0]]), np.array([[False, True]]), ("gas is 'Ar' in 1 row",))
    loaded = load_run(noisy_run)
    with pytest.warns(UserWarning, match="^gas is 'Ar' in 1 row$"):
        found = loaded.predict(rows)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == loaded.predict(rows.x).tolist()
