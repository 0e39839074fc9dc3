from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from kanrun import __version__
from kanrun.cli.help import help_text
from kanrun.config.packaged import config_folder
from kanrun.config.schema import GROUPS, Config, FixConfig

COMMAND = str(Path(sys.executable).with_name("kanrun"))
HEAVY = ("torch", "sympy", "sklearn", "scipy", "matplotlib", "hydra", "omegaconf", "numpy", "rich", "yaml")


@pytest.fixture(scope="module")
def text() -> str:
    return help_text()


def settings_of(text: str, key: str) -> list[str]:
    return re.findall(rf"^ +{re.escape(key)}=.*$", text, flags=re.MULTILINE)


def test_help_names_every_group_with_its_options_and_what_it_is_for(text: str) -> None:
    docs = {f.name: f.metadata["doc"] for f in fields(Config)}
    for group, options in GROUPS.items():
        [line] = re.findall(rf"^  {group} .*$", text, flags=re.MULTILINE)
        assert docs[group] in line
        assert set(line.rpartition(": ")[2].replace(" ", "").split(",")) == set(options)
    [line] = re.findall(r"^  experiment .*$", text, flags=re.MULTILINE)
    experiments = {p.stem for p in (config_folder() / "experiment").glob("*.yaml")}
    assert set(line.rpartition(": ")[2].replace(" ", "").split(",")) == experiments


@pytest.mark.parametrize(
    ("key", "meaning", "allowed"),
    [
        ("model.k", "order of the splines", "(0 to 5)"),
        ("dataset.form", "classes by cross entropy", "(auto | classes | regression)"),
        ("dataset.noise", "its std / the std of y", "(0 or more)"),
        ("search.work", "the same formula on any machine", "(more than 0)"),
        ("seed", "random numbers", "(0 or more)"),
    ],
)
def test_help_explains_a_setting_and_what_is_allowed(text: str, key: str, meaning: str, allowed: str) -> None:
    assert any(meaning in line and line.endswith(allowed) for line in settings_of(text, key))


def test_help_has_every_setting(text: str) -> None:
    keys = [f.name for f in fields(Config) if f.name not in GROUPS]
    for group, options in GROUPS.items():
        keys += [f"{group}.{f.name}" for kind in options.values() for f in fields(kind) if f.name != "name"]
    assert [key for key in keys if not settings_of(text, key)] == []


def test_help_names_what_a_fixed_edge_can_be_given(text: str) -> None:
    about = text[text.index(settings_of(text, "model.fix")[0]) :].partition("the run itself")[0]
    names = [f.name for f in fields(FixConfig) if len(f.name) > 1]  # a, b, c, d are words as well
    assert [name for name in names if not re.search(rf"\b{name}\b", about)] == []


@pytest.mark.parametrize(
    ("key", "shown"),
    [("seed", "0"), ("dtype", "float64"), ("model.width", "null"), ("prune.enabled", "true"), ("model.grid", "5")],
)
def test_help_shows_defaults_as_they_are_typed(text: str, key: str, shown: str) -> None:
    assert {line.split()[0] for line in settings_of(text, key)} == {f"{key}={shown}"}


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_command_prints_its_help_and_loads_nothing_for_it(flag: str, text: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['kanrun', '{flag}']; from kanrun.cli.main import main; main(); "
        f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == text.strip()
    assert done.stderr.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["kanrun", "kanrun.cli.main"])
def test_importing_the_package_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_installed_command_and_the_module_give_the_version_and_the_help(text: str, tmp_path: Path) -> None:
    for start in ([COMMAND], [sys.executable, "-m", "kanrun"]):
        for flag, expected in (("--version", f"kanrun {__version__}"), ("--help", text)):
            done = subprocess.run([*start, flag], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout.strip(), done.stderr) == (0, expected.strip(), "")
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_classes_and_functions_whatever_was_imported_before() -> None:
    names = ["FitResult", "KAN", "LoadedRun", "fit", "load_run", "resume", "run"]
    imported_before = ["", "import kanrun.pipeline.run", "import kanrun; kanrun.run"]
    forget = "for name in [m for m in sys.modules if m.partition('.')[0] == 'kanrun']: del sys.modules[name]"
    code = "import sys\n" + "\n".join(
        f"{forget}\n{before}\nfrom kanrun import {', '.join(names)}\nimport kanrun\n"
        f"print(sorted(kanrun.__all__), [callable(v) for v in ({', '.join(names)}, kanrun.run)])"
        for before in imported_before
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{sorted([*names, '__version__'])} {[True] * 8}"] * 3


def test_the_package_has_no_other_names() -> None:
    import kanrun

    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = kanrun.nothing_like_it
