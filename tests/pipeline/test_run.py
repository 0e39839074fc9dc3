from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from kanrun.config.datasets import ContrastiveConfig, MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    AdamConfig,
    AutoConfig,
    Config,
    FixConfig,
    LbfgsConfig,
    LmConfig,
    ModelConfig,
    PlotsConfig,
    PruneConfig,
    SymbolicFitConfig,
)
from kanrun.config.validation import read_config
from kanrun.data.build import build_dataset
from kanrun.errors import KanrunError
from kanrun.model.network import KAN
from kanrun.pipeline import run as running
from kanrun.pipeline import stages
from kanrun.pipeline.run import run
from kanrun.report.load import load_run
from kanrun.training.optimizers import Rows
from kanrun.training.pruning import prune_each_output
from tests.contract import PICTURES, read_json, trainings, violations

NO_PLOTS = PlotsConfig("none", enabled=False)
NO_SYMBOLIC = SymbolicFitConfig("none", enabled=False)
NO_PRUNE = PruneConfig("none", enabled=False)
WIDE = ModelConfig(width=[2, 2, 1], grid=3)
FUNCTIONS = SymbolicFitConfig(library=["x", "x^2", "sin"], work=50.0)


def small(**changes: Any) -> Config:
    """sin(pi x_1) + x_2^2 from 60 rows in a few steps."""
    settings = {
        "dataset": SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=130, n_test=40),
        "model": ModelConfig(width=[2, 1], grid=3),
        "optimizer": LbfgsConfig(steps=4, refit_steps=3, iterations=5),
        "symbolic": FUNCTIONS,
        "plots": NO_PLOTS,
    }
    return Config(**{**settings, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run with everything: pictures, pruning, formulas."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(small(plots=PlotsConfig(), model=WIDE), folder, quiet=True)
    return folder


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- the contract --------------------------------------------------------------------------------------------------


def test_a_run_keeps_the_contract_with_all_its_pictures(whole: Path) -> None:
    assert violations(whole) == []
    [formula] = read_json(whole / "formula.json")
    own = ("edges", "residuals", "importance")
    names = {*PICTURES, *own, *["front"] * (len(formula["front"]) > 1)}
    assert {p.name for p in (whole / "plots").iterdir()} == {f"{n}.{e}" for n in names for e in ("png", "svg")}


def change_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return apply


def change_text(name: str, old: str, new: str) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return apply


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / "model.pt").unlink(), "model.pt is missing"),
        (lambda f: (f / "formula.tex").write_text(""), "formula.tex is missing or empty"),
        (lambda f: (f / "plots" / "history.png").write_text("x"), "history.png is no picture"),
        (lambda f: (f / "plots" / "predictions.svg").unlink(), "predictions.svg is no picture"),
        (change_json("status.json", lambda s: s.update(state="failed")), "state is failed"),
        (change_json("status.json", lambda s: s.update(ended=None)), "time of the status"),
        (change_json("status.json", lambda s: s.update(ended=s["started"], started=s["ended"])), "before it started"),
        (change_json("metrics.json", lambda m: m.pop("seed")), "lack ['seed']"),
        (change_json("metrics.json", lambda m: m["final"].update(mse=7.0)), "final is not"),
        (change_json("metrics.json", lambda m: m["stages"].pop(1)), "the stages are"),
        (change_json("metrics.json", lambda m: m["stages"][0].pop("cpu_seconds")), "train lacks ['cpu_seconds']"),
        (change_json("metrics.json", lambda m: m["stages"][0]["test"].update(rmse=9.0)), "not the root"),
        (change_json("metrics.json", lambda m: m.update(total_seconds=0.0)), "longer than the whole"),
        (change_json("metrics.json", lambda m: m.update(task="classification")), "square root"),
        (change_json("formula.json", lambda f: f[0].pop("front")), "lacks ['front']"),
        (change_text("history.csv", "train,1,", "train,2,"), "steps of train"),
        (change_text("history.csv", "train_loss", "loss"), "the history has the columns"),
        (change_text("history.csv", ",,3,0\n", ",0.5,3,0\n"), "the rows held back change"),
        (change_text("history.csv", ",,3,0\n", ",nan,3,0\n"), "is not finite"),
        (change_text("history.csv", ",,3,0\n", ",,3,1\n"), "the attempt or the rows"),
        (change_text("history.csv", "refit,0", "other,0"), "a stage other"),
        (change_text("formula.py", "import numpy", "import torch"), "more than NumPy"),
        (change_text("formula.txt", "y = ", "z = "), "no line for y"),
    ],
)
def test_the_reader_of_the_contract_sees_what_is_wrong(
    whole: Path, tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    damage(folder)
    assert any(expected in problem for problem in violations(folder)), violations(folder)


def test_the_reader_of_the_contract_refuses_numbers_that_json_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"final": NaN}')
    with pytest.raises(ValueError, match="NaN"):
        read_json(tmp_path / "metrics.json")


def test_the_config_that_a_run_leaves_is_complete(whole: Path) -> None:
    written = yaml.safe_load((whole / "config.yaml").read_text(encoding="utf-8"))
    config = small(plots=PlotsConfig(), model=WIDE)
    assert written == asdict(config)
    assert read_config(written) == config


def test_the_history_has_a_row_a_step_and_ends_with_the_scores_of_its_stage(whole: Path) -> None:
    rows = history(whole)
    assert [(r["stage"], int(r["step"])) for r in rows] == [("train", i) for i in range(4)] + [
        ("refit", i) for i in range(3)
    ]
    for stage in read_json(whole / "metrics.json")["stages"]:
        own = [r for r in rows if r["stage"] == stage["name"]]
        losses = [(float(r["train_loss"]), float(r["test_loss"])) for r in own]
        if own:
            assert (stage["train"]["mse"], stage["test"]["mse"]) in [pytest.approx(pair, rel=1e-9) for pair in losses]


def test_the_scores_of_a_stage_before_the_formula_are_those_of_its_network(tmp_path: Path) -> None:
    metrics = run(small(symbolic=NO_SYMBOLIC), tmp_path, quiet=True)
    loaded = load_run(tmp_path)
    data = build_dataset(loaded.config, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        error = loaded.model(data.test.x) - data.test.y
    mse = float((error**2).mean())
    assert metrics["final"]["mse"] == pytest.approx(mse, rel=1e-9)
    spread = float(data.test.y.var(correction=0))
    assert metrics["final"]["r2"] == pytest.approx(1 - mse / spread, rel=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_final_scores_are_those_of_the_formula_that_is_given(tmp_path: Path, noise: float) -> None:
    dataset = SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=60, n_test=40, noise=noise)
    metrics = run(small(dataset=dataset, model=ModelConfig(width=[2, 1], grid=3)), tmp_path, quiet=True)
    loaded = load_run(tmp_path)
    data = build_dataset(loaded.config, torch.float64, torch.device("cpu"))
    mse = float(((loaded.predict(data.test.x) - data.test.y) ** 2).mean())
    assert metrics["final"]["mse"] == mse
    assert metrics["final"] == loaded.formulas[0]["test"] == metrics["stages"][-1]["test"]
    train = float(((loaded.predict(data.train.x) - data.train.y) ** 2).mean())
    assert metrics["stages"][-1]["train"]["mse"] == train


def test_the_last_stage_names_the_saved_network(whole: Path) -> None:
    loaded = load_run(whole)
    last = loaded.metrics["stages"][-1]
    assert (last["name"], last["width"], last["active_inputs"]) == ("symbolic", loaded.model.width, ["x_1", "x_2"])
    assert last["parameters"] == loaded.model.parameter_count()
    assert last["active_edges"] == loaded.model.active_edges()


def test_pruning_leaves_fewer_parameters_and_the_symbolic_stage_fewer_still(whole: Path) -> None:
    counts = {s["name"]: s["parameters"] for s in read_json(whole / "metrics.json")["stages"]}
    assert counts["train"] > counts["prune"] == counts["refit"] > counts["symbolic"]


def test_the_metrics_name_the_network_that_was_asked_for(whole: Path) -> None:
    metrics = read_json(whole / "metrics.json")
    assert (metrics["width"], metrics["parameters"]) == ([2, 2, 1], metrics["stages"][0]["parameters"])
    assert (metrics["dataset"], metrics["task"], metrics["seed"]) == ("symbolic", "regression", 0)


def test_the_python_file_needs_only_numpy_and_gives_the_values_of_the_formula_and_the_network(
    whole: Path, tmp_path: Path
) -> None:
    shutil.copy(whole / "formula.py", tmp_path / "formula.py")
    loaded = load_run(whole)
    rows = np.random.default_rng(0).uniform(-1, 1, (25, 2))
    np.save(tmp_path / "rows.npy", rows)
    code = (
        "import sys, numpy, formula; numpy.save('values.npy', formula.predict(numpy.load('rows.npy')))\n"
        "print(sorted({'torch', 'sympy', 'scipy', 'kanrun'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    values = np.load(tmp_path / "values.npy")
    assert values.shape == (25, 1)
    x = torch.as_tensor(rows)
    assert values == pytest.approx(loaded.predict(x).numpy(), rel=1e-13)
    with torch.no_grad():
        assert values == pytest.approx(loaded.model(x).numpy(), rel=1e-6, abs=1e-7)
    assert values[:, 0] == pytest.approx(np.sin(np.pi * rows[:, 0]) + rows[:, 1] ** 2, abs=1e-6)


def test_the_model_file_is_read_without_running_code(whole: Path) -> None:
    saved = torch.load(whole / "model.pt", weights_only=True)
    assert [layer["coef"].dtype for layer in saved["layers"]] == [torch.float64] * len(saved["layers"])


# ---- parts switched off, other data --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"prune": NO_PRUNE}, ("train", "symbolic")),
        ({"symbolic": NO_SYMBOLIC}, ("train", "prune", "refit")),
        ({"symbolic": NO_SYMBOLIC, "prune": NO_PRUNE}, ("train",)),
        ({"symbolic": NO_SYMBOLIC, "optimizer": LbfgsConfig(steps=2, refit_steps=0)}, ("train", "prune")),
        ({"symbolic": NO_SYMBOLIC, "optimizer": AdamConfig(steps=3, refit_steps=2)}, ("train", "prune", "refit")),
    ],
)
def test_stages_that_are_switched_off_are_left_out(
    tmp_path: Path, changes: dict[str, Any], stages: tuple[str, ...]
) -> None:
    metrics = run(small(**changes), tmp_path, quiet=True)
    assert violations(tmp_path, stages=stages, pictures=False) == []
    assert tuple(s["name"] for s in metrics["stages"]) == stages
    assert not (tmp_path / "plots").exists()
    assert (tmp_path / "formula.py").exists() == ("symbolic" in stages)


def test_pictures_are_drawn_without_pruning_and_without_formulas(tmp_path: Path) -> None:
    run(small(prune=NO_PRUNE, symbolic=NO_SYMBOLIC, plots=PlotsConfig()), tmp_path, quiet=True)
    names = {p.name for p in (tmp_path / "plots").iterdir()}
    drawn = ("network_trained", "history", "predictions", "edges", "residuals", "importance")
    assert names == {f"{n}.{e}" for n in drawn for e in ("png", "svg")}


def test_a_constant_target_is_a_constant_formula(tmp_path: Path) -> None:
    metrics = run(
        small(dataset=SymbolicConfig(formula="5/2", n_train=30, n_test=20), model=ModelConfig(grid=3)),
        tmp_path, quiet=True,
    )  # fmt: skip
    assert violations(tmp_path, pictures=False) == []
    assert metrics["final"]["mse"] < 1e-20
    assert metrics["final"]["r2"] is None
    [formula] = read_json(tmp_path / "formula.json")
    assert float(load_run(tmp_path).predict(torch.zeros(1, 1))) == 2.5
    assert formula["exact"] is True
    assert metrics["stages"][-1]["active_inputs"] == []


def test_classes_are_scored_by_entropy_and_accuracy_and_never_by_a_root(tmp_path: Path) -> None:
    config = small(
        dataset=MoonsConfig(n_train=80, n_test=50), model=ModelConfig(width=[2, 2], grid=3), symbolic=NO_SYMBOLIC
    )
    metrics = run(config, tmp_path, quiet=True)
    assert violations(tmp_path, stages=("train", "prune", "refit"), pictures=False) == []
    assert metrics["task"] == "classification"
    for stage in metrics["stages"]:
        told = {"cross_entropy", "accuracy", "balanced_accuracy", "roc_auc"}
        assert set(stage["train"]) == set(stage["test"]) == told
    loaded = load_run(tmp_path)
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        logits = loaded.model(data.test.x)
    assert metrics["final"]["accuracy"] == pytest.approx(float((logits.argmax(1) == data.test.y).double().mean()))
    assert metrics["final"]["accuracy"] > 0.8
    share = torch.softmax(logits, 1)[torch.arange(50), data.test.y]
    assert metrics["final"]["cross_entropy"] == pytest.approx(float(-share.log().mean()), rel=1e-9)


@pytest.mark.parametrize(
    ("dataset", "model"),
    [
        (MoonsConfig(n_train=80, n_test=50), ModelConfig(width=[2, 1], grid=3)),
        (
            ContrastiveConfig(relations=["x_3 = x_1*x_2"], n_inputs=3, n_train=40, n_test=25),
            ModelConfig(width=[3, 1, 1], grid=3),
        ),
    ],
    ids=["moons", "contrastive"],
)
def test_classes_by_squared_error_are_right_on_their_side_of_one_half(
    tmp_path: Path, dataset: Any, model: ModelConfig
) -> None:
    config = small(dataset=dataset, model=model, symbolic=NO_SYMBOLIC, prune=NO_PRUNE)
    metrics = run(config, tmp_path, quiet=True)
    assert set(metrics["final"]) == {"mse", "accuracy", "balanced_accuracy", "roc_auc"}
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        outputs = load_run(tmp_path).model(data.test.x)
    assert len(outputs) == 50
    assert metrics["final"]["accuracy"] == pytest.approx(
        float(((outputs > 0.5) == (data.test.y > 0.5)).double().mean())
    )
    assert metrics["final"]["mse"] == pytest.approx(float(((outputs - data.test.y) ** 2).mean()), rel=1e-9)


def test_several_outputs_have_a_formula_each(tmp_path: Path) -> None:
    config = small(
        dataset=SymbolicConfig(formula=["x_1**2", "sin(x_2)"], n_train=60, n_test=40),
        model=ModelConfig(width=[2, 2], grid=3),
    )
    run(config, tmp_path, quiet=True)
    assert violations(tmp_path, pictures=False) == []
    formulas = read_json(tmp_path / "formula.json")
    assert [(f["output"], f["expression"], f["exact"]) for f in formulas] == [
        ("y_1", "x_1**2", True), ("y_2", "sin(x_2)", True)
    ]  # fmt: skip
    assert all(f["test"]["mse"] < 1e-25 for f in formulas)


@pytest.mark.parametrize("width", [[2, 2, 1], [2, [1, 1], 1]], ids=["sums", "products"])
def test_single_precision_goes_the_whole_way(tmp_path: Path, width: list[Any]) -> None:
    library = SymbolicFitConfig(library=["x", "x^2", "sin"], work=20.0)
    metrics = run(
        small(dtype="float32", symbolic=library, model=ModelConfig(width=width, grid=3)), tmp_path, quiet=True
    )
    assert violations(tmp_path, pictures=False) == []
    assert load_run(tmp_path).model.layers[0].coef.dtype == torch.float32
    assert metrics["final"]["rmse"] < 1e-2


def test_a_network_that_is_not_finite_from_the_start_is_told_with_the_edge_that_makes_it_so(tmp_path: Path) -> None:
    fix = [FixConfig(layer=1, function="sin"), FixConfig(layer=0, input=0, output=0, function="log")]  # of -1 to 1
    config = small(model=ModelConfig(width=[2, 2, 1], grid=3, fix=fix))
    with pytest.raises(KanrunError) as caught:
        run(config, tmp_path / "run", quiet=True)
    told = str(caught.value)
    assert told.startswith("model.fix[1].function=log: ") and "\n" not in told
    assert not (tmp_path / "run").exists()


def test_a_network_of_which_nothing_is_left_is_told_on_the_console_and_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fix = [FixConfig(layer=1, function="gaussian", a=500.0, trainable=False)]  # zero nearly everywhere
    run(small(model=ModelConfig(width=[2, 1, 1], grid=3, fix=fix)), tmp_path)
    assert read_json(tmp_path / "metrics.json")["stages"][-1]["active_inputs"] == []
    sentence = "no input is left in the network, so that it is only a constant: the edges of model.fix[0] (gaussian)"
    assert capsys.readouterr().out.count(f"note: {sentence}") == 1
    assert f"WARNING {sentence}" in (tmp_path / "kanrun.log").read_text(encoding="utf-8")


def test_a_restart_that_learns_nothing_is_followed_by_another_from_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Idle:
        finished = False

        def step(self, objective: object) -> None:
            pass

        def state(self) -> dict[str, Any]:
            return {}

    begun: list[torch.Tensor] = []

    def make_idle(rows: Rows, *_: object) -> Idle:
        model = rows.model
        assert isinstance(model, KAN)
        if not begun or not torch.equal(begun[-1], model.layers[0].base_scale):
            begun.append(model.layers[0].base_scale.detach().clone())
        return Idle()

    monkeypatch.setattr("kanrun.training.optimizers.make_optimizer", make_idle)
    dataset = SymbolicConfig(formula="sin(1000*x_1)+sin(999*x_2)", n_train=130, n_test=20)
    config = small(dataset=dataset, symbolic=NO_SYMBOLIC, prune=NO_PRUNE, optimizer=LbfgsConfig(steps=12))
    run(config, tmp_path, quiet=True)
    log = (tmp_path / "kanrun.log").read_text(encoding="utf-8")
    assert len(begun) == log.count("no better than a constant") == 4
    assert violations(tmp_path, stages=("train",), pictures=False) == []
    assert [(int(r["attempt"]), int(r["step"])) for r in history(tmp_path)] == [
        (attempt, step) for attempt in range(4) for step in range(10)
    ]


# ---- the schedule of the training ----------------------------------------------------------------------------------


def trained(folder: Path) -> list[dict[str, str]]:
    return [row for row in history(folder) if row["stage"] == "train"]


def test_auto_trains_like_the_optimizer_it_stands_for_and_is_kept_as_it_was_given(tmp_path: Path) -> None:
    steps = {"steps": 2, "refit_steps": 1}
    for dtype, chosen in (("float64", LmConfig(**steps)), ("float32", LbfgsConfig(**steps))):
        finals = []
        for optimizer in (AutoConfig(**steps), chosen):
            folder = tmp_path / f"{dtype}_{optimizer.name}"
            config = small(
                dtype=dtype, optimizer=optimizer, symbolic=NO_SYMBOLIC, model=ModelConfig(width=[2, 1], grid=3)
            )
            finals.append(run(config, folder, quiet=True)["final"])
            assert load_run(folder).config.optimizer == optimizer
        assert finals[0] == finals[1]


def test_a_run_with_grids_and_restarts_keeps_the_contract_and_finds_its_formula(tmp_path: Path) -> None:
    dataset = SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=60, n_test=40, validation=0.2)
    optimizer = AutoConfig(steps=15, refit_steps=5, grids=[3, 6], restarts=2)
    config = small(dataset=dataset, optimizer=optimizer, model=ModelConfig(width=[2, 1]))
    metrics = run(config, tmp_path, quiet=True)
    assert violations(tmp_path, pictures=False) == []
    rows = trained(tmp_path)
    assert [int(t[0]["attempt"]) for t in trainings(rows)][:2] == [0, 1]
    assert {int(r["grid"]) for r in rows} == {3, 6}
    assert all(r["validation_loss"] for r in rows)
    [formula] = read_json(tmp_path / "formula.json")
    assert (formula["expression"], formula["exact"]) == ("x_2**2 + sin(pi*x_1)", True)
    assert metrics["final"]["rmse"] < 1e-9


def test_the_network_of_a_run_has_the_grid_that_was_best_on_rows_held_back(tmp_path: Path) -> None:
    for name, dataset, optimizer, grid in (
        ("many", SymbolicConfig(formula="sin(3*pi*x_1)+x_2**2", n_train=200, n_test=40), AutoConfig(grids=[3, 9]), 9),
        (
            "noisy",
            SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=50, n_test=40, noise=1.0, seed=2),
            AutoConfig(grids=[3, 15]),
            3,
        ),
    ):
        config = small(
            dataset=dataset, optimizer=optimizer, model=ModelConfig(width=[2, 1]), prune=NO_PRUNE, symbolic=NO_SYMBOLIC
        )
        metrics = run(config, tmp_path / name, quiet=True)
        model = load_run(tmp_path / name).model
        assert (model.grid, trained(tmp_path / name)[-1]["grid"]) == (grid, str(grid))
        assert metrics["stages"][0]["parameters"] == model.parameter_count()


def test_rows_held_back_to_choose_train_at_the_end_and_those_of_the_validation_do_not(tmp_path: Path) -> None:
    for part in (0.0, 0.2):
        dataset = SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=60, n_test=40, validation=part)
        optimizer = AutoConfig(steps=6, restarts=2)
        run(
            small(dataset=dataset, optimizer=optimizer, prune=NO_PRUNE, symbolic=NO_SYMBOLIC),
            tmp_path / str(part), quiet=True,
        )  # fmt: skip
        first, *_, last = trained(tmp_path / str(part))
        assert first["validation_loss"]
        assert bool(last["validation_loss"]) == (part > 0)


def test_a_training_with_no_row_held_back_has_no_validation_loss(whole: Path) -> None:
    assert {(r["validation_loss"], r["grid"], r["attempt"]) for r in history(whole)} == {("", "3", "0")}


# ---- what run() takes and leaves -----------------------------------------------------------------------------------


def test_a_config_and_the_same_as_a_mapping_give_the_same(tmp_path: Path) -> None:
    config = small(symbolic=NO_SYMBOLIC, prune=NO_PRUNE)
    one = run(config, tmp_path / "one", quiet=True)
    two = run(asdict(config), str(tmp_path / "two"), quiet=True)
    assert one["final"] == two["final"]
    assert (tmp_path / "one" / "config.yaml").read_text() == (tmp_path / "two" / "config.yaml").read_text()


def test_what_run_gives_back_is_what_it_wrote(whole: Path, tmp_path: Path) -> None:
    metrics = run(small(symbolic=NO_SYMBOLIC), tmp_path, quiet=True)
    assert json.loads(json.dumps(metrics)) == read_json(tmp_path / "metrics.json")
    assert metrics["total_seconds"] > 0
    assert math.isfinite(metrics["peak_memory_mib"])
    assert read_json(whole / "metrics.json")["schema_version"] == metrics["schema_version"]


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (Config(seed=-1), "seed=-1"),
        (Config(model=ModelConfig(width=[2, 0, 1])), "model.width=[2,0,1]"),
        (Config(symbolic=SymbolicFitConfig(library=["sine"])), "symbolic.library=sine"),
        ({"seed": -1}, "seed=-1"),
        ({"dataset": {"name": "moons", "n_train": 1}}, "dataset.n_train=1"),
        ({"model": {"width": [3, 1]}}, "model.width=[3,1]"),
        (Config(optimizer=AutoConfig(grids=[5, 0])), "optimizer.grids[1]=0"),
        (Config(optimizer=LmConfig(), model=ModelConfig(width=[2, 200, 1])), "optimizer=lm"),
    ],
)
def test_a_bad_config_is_refused_before_anything_is_trained(tmp_path: Path, config: Any, key: str) -> None:
    with pytest.raises(KanrunError) as caught:
        run(config, tmp_path / "run", quiet=True)
    assert str(caught.value).startswith(f"{key}: ")
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_there_stays_unless_it_may_be_replaced(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "run")
    before = (folder / "metrics.json").read_bytes()
    with pytest.raises(KanrunError, match=r"^folder=.*a completed run; .*overwrite=true"):
        run(small(), folder, quiet=True)
    assert (folder / "metrics.json").read_bytes() == before
    run(small(overwrite=True, symbolic=NO_SYMBOLIC), folder, quiet=True)
    assert not (folder / "formula.json").exists()


def test_a_failure_says_in_which_stage_it_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(stages, "train_by_schedule", broken)
    with pytest.raises(RuntimeError, match="planted"):
        run(small(), tmp_path, quiet=True)
    told = read_json(tmp_path / "status.json")
    assert (told["state"], told["stage"], told["error"]) == ("failed", "train", "RuntimeError: planted")
    assert "Traceback" in (tmp_path / "kanrun.log").read_text(encoding="utf-8")


def test_the_status_names_the_stage_while_it_is_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def watched(*arguments: Any) -> Any:
        seen.append(read_json(tmp_path / "status.json"))
        return prune_each_output(*arguments)

    monkeypatch.setattr(stages, "prune_each_output", watched)
    run(small(symbolic=NO_SYMBOLIC), tmp_path, quiet=True)
    [status] = seen
    assert (status["state"], status["error"], status["ended"]) == ("running", None, None)
    assert status["stage"] == "prune"


def test_what_each_stage_has_reached_is_written_before_the_next_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(folder: Path, result: Any, **more: Any) -> Any:
        written.append([entry["name"] for entry in result.state.entries])
        return plain(folder, result, **more)

    plain, written = running.write_outputs, list[list[str]]()
    monkeypatch.setattr(running, "write_outputs", noted)
    run(small(symbolic=NO_SYMBOLIC), tmp_path, quiet=True)
    names = ["train", "prune", "refit"]
    assert written == [names[: n + 1] for n in range(3)] + [names]  # once more at the end, with what ends a run
    written.clear()
    search = {"name": "discover", "work": 30.0}  # begins with a look at the noise, of which alone no file is written
    run({**asdict(small()), "search": search}, tmp_path / "search", quiet=True)
    assert written == [["train", "prune", "symbolic"]] * 2


def test_an_interrupt_is_passed_on_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "prune_each_output", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(small(), tmp_path, quiet=True)
    told = read_json(tmp_path / "status.json")
    assert (told["state"], told["stage"]) == ("interrupted", "prune")


def test_quiet_says_nothing_and_otherwise_the_summary_names_stages_and_formula(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(small(symbolic=NO_SYMBOLIC, prune=NO_PRUNE), tmp_path / "quiet", quiet=True)
    assert capsys.readouterr() == ("", "")
    run(small(), tmp_path / "loud")
    said, complaints = capsys.readouterr()
    assert complaints == ""
    assert "y = x_2**2 + sin(pi*x_1) (exact)" in said
    assert all(f"\n{name}" in said for name in ("train", "prune", "refit", "symbolic"))
    assert str(tmp_path / "loud") in said


def test_the_log_of_a_run_ends_with_the_run(tmp_path: Path) -> None:
    import logging

    logger = logging.getLogger("kanrun")
    before = (list(logger.handlers), logger.level, logger.propagate)
    run(small(symbolic=NO_SYMBOLIC, prune=NO_PRUNE), tmp_path, quiet=True)
    assert (list(logger.handlers), logger.level, logger.propagate) == before
    size = (tmp_path / "kanrun.log").stat().st_size
    logger.error("after the run")
    assert (tmp_path / "kanrun.log").stat().st_size == size > 0
