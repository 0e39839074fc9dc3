from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from kanrun.config.datasets import ContrastiveConfig, SymbolicConfig
from kanrun.config.schema import Config, FixConfig, ModelConfig
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError
from kanrun.report.files import read_yaml
from kanrun.report.folder import check_folder, clear_folder, results, write_config
from kanrun.report.lock import held

CONFIGS = {
    "references": Config(dataset=SymbolicConfig(formula=["x_1 + ${oc.env:HOME}", "\\${seed}", "a\\\\${b}"])),
    "default": Config(),
    "odd text": Config(dataset=SymbolicConfig(formula=["x_1 + '", 'é: "#x', "- a\nb"], domain=[[0, 1], [-2.5, 1e-7]])),
    "fixed edges": Config(model=ModelConfig(width=[2, [1, 1], 1], fix=[FixConfig(function="1/x^2", a=1e300, d=-0.1)])),
    "relations": Config(dataset=ContrastiveConfig(relations=["x_3 = x_1: yes", "null"]), seed=2**31),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_written_config_is_complete_and_reads_back_the_same(tmp_path: Path, name: str) -> None:
    write_config(tmp_path, CONFIGS[name])
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    if name != "references":
        assert written == asdict(CONFIGS[name])
    # As the package reads it, and as Hydra does, to which ${ means a reference where nothing is before it.
    assert read_config(read_yaml(tmp_path / "config.yaml")) == CONFIGS[name]
    assert OmegaConf.to_container(OmegaConf.load(tmp_path / "config.yaml"), resolve=True) == asdict(CONFIGS[name])


@pytest.mark.parametrize(
    ("files", "overwrite", "told"),
    [
        ({}, False, None),
        ({"notes.txt": "mine"}, False, None),
        ({"status.json": '{"state": "completed"}'}, False, "completed run"),
        ({"status.json": '{"state": "completed"}', "model.pt": "x"}, True, None),
        ({"status.json": '{"state": "interrupted"}'}, False, "a run that was interrupted, which `kanrun resume`"),
        ({"status.json": '{"state": "interrupted"}'}, True, None),
        (
            {"status.json": '{"state": "running"}', "model.pt": "x"},
            False,
            "killed, which `kanrun resume` takes up again",
        ),
        ({"status.json": '{"state": "running"}'}, True, None),
        ({"status.json": '{"state": "failed"}', "model.pt": "x"}, False, None),
        ({"status.json": '{"state": "inter'}, False, None),
        ({"model.pt": "of another program"}, False, "model.pt of something else"),
    ],
)
def test_a_run_that_is_finished_or_can_be_resumed_or_what_is_no_run_is_in_the_way(
    tmp_path: Path, files: dict[str, str], overwrite: bool, told: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if told is None:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
        check_folder(tmp_path / "new" / "folder", "hydra.run.dir", overwrite)
        return
    with pytest.raises(ConfigError, match=told) as caught:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
    assert str(caught.value).startswith(f"hydra.run.dir={tmp_path}: ")


def test_a_run_that_goes_on_is_never_replaced(tmp_path: Path) -> None:
    with held(tmp_path):
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match="a run is going on there"):
                check_folder(tmp_path, "hydra.run.dir", overwrite)
    check_folder(tmp_path, "hydra.run.dir", overwrite=False)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        check_folder(tmp_path / "file" / "run", "hydra.run.dir", overwrite=True)


def test_a_cleared_folder_keeps_what_is_not_of_a_run(tmp_path: Path) -> None:
    for name in (*results(), "notes.txt", "plots/history.svg", "plots/mine.txt", "checkpoint/state.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    clear_folder(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["notes.txt", "plots", "plots/mine.txt"]
