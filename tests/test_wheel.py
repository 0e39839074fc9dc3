from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kanrun import __version__
from kanrun.config.packaged import config_folder
from tests.contract import violations

ROOT = Path(__file__).resolve().parents[1]


def python(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-w", str(folder)]
    done = python("-m", "pip", "wheel", str(ROOT), *options, folder=folder)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as a user gets it."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(target)]
    done = python("-m", "pip", "install", *options, str(wheel), folder=target)
    assert done.returncode == 0, done.stderr
    return target


def test_the_wheel_holds_all_code_and_all_configs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = (ROOT / "kanrun", ROOT / "hydra_plugins")
    code = {str(p.relative_to(ROOT)) for f in folders for p in f.rglob("*.py") if "configs" not in p.parts}
    configs = {f"kanrun/configs/{p.relative_to(config_folder())}" for p in config_folder().rglob("*.yaml")}
    assert len(configs) > 15
    templates = {str(p.relative_to(ROOT)) for p in (ROOT / "kanrun/report/pages/templates").iterdir()}
    assert {n for n in names if not n.startswith(f"kanrun-{__version__}.dist-info/")} == code | configs | templates | {
        "kanrun/py.typed",
        "kanrun/symbolic/named_forms.txt",
    }
    with zipfile.ZipFile(wheel) as archive:
        entry = archive.read(f"kanrun-{__version__}.dist-info/entry_points.txt").decode()
    assert "kanrun = kanrun.cli.main:main" in entry


def test_an_installed_wheel_runs_from_any_folder_with_its_own_configs(installed: Path, tmp_path: Path) -> None:
    where = python(
        "-c",
        "from kanrun.config.packaged import config_folder; print(config_folder())",
        folder=tmp_path,
        PYTHONPATH=str(installed),
    )
    assert Path(where.stdout.strip()) == installed / "kanrun" / "configs"
    little = ["plots=none", "dataset.n_train=30", "symbolic.work=20", "model.width=[2,1]"]
    arguments = ["experiment=smoke", *little, f"hydra.run.dir={tmp_path / 'run'}"]
    done = python("-m", "kanrun", *arguments, folder=tmp_path, PYTHONPATH=str(installed))
    assert (done.returncode, done.stderr) == (0, "")
    assert violations(tmp_path / "run", pictures=False) == []
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_installed_wheel_gives_help_and_tells_mistakes(installed: Path, tmp_path: Path) -> None:
    done = python("-m", "kanrun", "--help", folder=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0
    assert "moons_classes" in done.stdout
    done = python("-m", "kanrun", "experiment=helo", folder=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 1
    assert done.stderr.startswith("kanrun: experiment=helo: unknown option, did you mean hello?")
    assert len(done.stderr.splitlines()) == 1
