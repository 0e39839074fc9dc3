"""What a shell hands over, as Hydra's own parser then understands it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kanrun.cli.quoting import in_quotes, is_table, prepared, without_quotes

PARSER = OverridesParser.create()


def understood(*arguments: str) -> dict[str, Any]:
    """The settings that Hydra reads in the prepared arguments, lists of texts for a sweep."""
    found = {}
    for argument in prepared(list(arguments)):
        if not argument.startswith("-"):
            override = PARSER.parse_override(argument)
            sweep = override.is_sweep_override()
            found[override.key_or_group] = list(override.sweep_string_iterator()) if sweep else override.value()
    return found


def of_table(*arguments: str) -> dict[str, Any]:
    """The settings of the dataset in the short way."""
    found = understood("gas law.csv", *arguments)
    return {key.removeprefix("dataset."): value for key, value in found.items() if key.startswith("dataset.")}


def test_the_short_way_is_the_long_one_with_discovery() -> None:
    found = understood("gas law.csv", "target=V", "seed=3", "dataset.test=0.5")
    assert found == {"dataset": "table", "search": "discover", "dataset.path": str(Path("gas law.csv").absolute()),
                     "dataset.target": "V", "seed": 3, "dataset.test": 0.5}  # fmt: skip
    assert "search" not in understood("gas law.csv", "experiment=smoke")
    assert understood("gas law.csv", "search=none")["search"] == "none"


@pytest.mark.parametrize("folder", ["", "my data/", "/tmp/a b/", "lr=3/"])
def test_a_path_in_the_long_way_is_no_table_in_the_short_one(folder: str) -> None:
    found = understood("dataset=table", f"dataset.path={folder}gas law.csv", "dataset.target=V")
    assert found == {
        "dataset": "table",
        "dataset.path": str(Path(f"{folder}gas law.csv").absolute()),
        "dataset.target": "V",
    }


def test_what_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("lr=3.csv", "without ending"):
        (tmp_path / name).write_text("T,p\n")
    assert is_table("no such.csv", "") and is_table("lr=3.csv", "") and is_table("without ending", "")
    assert not any(is_table(a, "") for a in ("a=b.csv", "seed=3", "-m", "+a.csv", "~a.csv", "word", "x" * 5000, "a\0b"))
    assert not any(is_table("a.csv", flag) for flag in ("--config-path", "-cp", "--config-name", "-cn", "--config-dir"))


TEXTS = [
    "V", "V (m^3)", "a=b", "x,y", 'q"z', "it's", "(k", "k)", "[m]x", "[x", "a:b", "<b>", "x-1", "2003", "1e3",
    "true", "🙂", "a\\b", "a\\", 'a\\"', "#a", "a; b", "a&b", "100%", "a\nb", "{a}", "*", "lambda", "E = mc^2",
    "~x", "a  b", "x" * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_names_of_columns_arrive_as_they_are(text: str) -> None:
    for key in ("target", "group", "where"):
        assert of_table(f"{key}={text}")[key] == text


@pytest.mark.parametrize("text", [t for t in TEXTS if not set(t) & set(',"') and not t.startswith(("[", "'"))])
def test_names_in_lists_arrive_as_they_are(text: str) -> None:
    for key in ("inputs", "ignore", "target"):
        assert of_table(f"{key}=[T, {text}]")[key] == ["T", text]
        assert of_table(f"{key}=[{text},T]")[key] == [text, "T"]


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("a \\\"'\n") | st.characters(exclude_characters="$"), min_size=1, max_size=8))
@example("a\\\n")
def test_any_text_in_quotes_is_that_text_to_hydra_and_without_them_to_us(text: str) -> None:
    value: Any = PARSER.parse_override(f"dataset.target={in_quotes(text)}").value()
    assert value == without_quotes(in_quotes(text)) == text


@pytest.mark.parametrize(
    ("given_list", "names"),
    [
        ("[]", []),
        ("[T]", ["T"]),
        ("T", ["T"]),
        ("p (bar)", ["p (bar)"]),
        ("[T, p (bar), V [m^3]]", ["T", "p (bar)", "V [m^3]"]),
        ('["x,y", T]', ["x,y", "T"]),
        ("['x,y',T]", ["x,y", "T"]),
        ("[f(x, y), T]", ["f(x, y)", "T"]),
        ("[(k, T]", ["(k", "T"]),
        ("[2001, 2002]", ["2001", "2002"]),
        ("null", None),
    ],
)
def test_lists_of_names(given_list: str, names: list[str] | None) -> None:
    assert of_table(f"inputs={given_list}")["inputs"] == names


@pytest.mark.parametrize(
    ("units", "read"),
    [
        ("{T: K}", {"T": "K"}),
        ("{T: K, V: m**3}", {"T": "K", "V": "m**3"}),
        ('{T: "K"}', {"T": "K"}),
        ("{p (bar): bar, x-1: m/s, 2nd run: 1/s, a=b: J/(K mol)}",
         {"p (bar)": "bar", "x-1": "m/s", "2nd run": "1/s", "a=b": "J/(K mol)"}),
        ("{Länge: m}", {"L%C3%A4nge": "m"}),
    ],
)  # fmt: skip
def test_units_by_name(units: str, read: dict[str, str]) -> None:
    assert of_table(f"units={units}")["units"] == read
    assert of_table(f"dataset.units={units}")["units"] == read


def test_one_unit_by_its_key() -> None:
    assert of_table("units.T=m s^-1") == of_table("dataset.units.T=m s^-1") == of_table() | {"units.T": "m s^-1"}


def test_sweeps_are_over_names_lists_and_expressions() -> None:
    assert of_table("-m", "target=V,p")["target"] == ['"V"', '"p"']
    assert of_table("-m", "inputs=[T],[p (bar), T]")["inputs"] == ['["T"]', '["p (bar)","T"]']
    assert of_table("-m", "where=T > 3,T in (1, 2)")["where"] == ['"T > 3"', '"T in (1, 2)"']


@pytest.mark.parametrize("typed", ["a.csv,sub/b c.csv", "'a.csv','sub/b c.csv'", "choice(a.csv,sub/b c.csv)"])
@pytest.mark.parametrize("key", ["path", "test_path"])
def test_the_files_of_a_sweep_are_those_where_it_is_typed(typed: str, key: str) -> None:
    here = [str(Path(name).absolute()) for name in ("a.csv", "sub/b c.csv")]
    assert understood("-m", f"dataset.{key}={typed}")[f"dataset.{key}"] == [in_quotes(name) for name in here]


def test_a_tilde_before_no_user_is_part_of_a_name() -> None:
    here = str(Path("~nobody-of-this-name/a.csv").absolute())
    assert understood("dataset.path=~nobody-of-this-name/a.csv")["dataset.path"] == here


def test_a_comma_in_the_name_of_a_file_that_is_there_parts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.csv").write_text("T,p\n")
    assert understood("-m", "dataset.path=a,b.csv")["dataset.path"] == str(tmp_path / "a,b.csv")
    assert understood("dataset.path='c.csv'")["dataset.path"] == str(tmp_path / "c.csv")


SETTINGS = [("separator", ";"), ("separator", ","), ("separator", "\t"), ("decimal", ","), ("encoding", "cp1252")]


@pytest.mark.parametrize(("key", "value"), [*SETTINGS, ("split", "order"), ("task", "regression")])
def test_other_settings_of_a_table(key: str, value: str) -> None:
    assert of_table(f"{key}={value}")[key] == value


def test_folders_of_configs_are_those_of_the_user_and_flags_come_first() -> None:
    assert prepared(["seed=1", "--config-path", "run", "-m"]) == [
        "-m",
        "seed=1",
        "--config-path",
        str(Path("run").resolve()),
    ]
    assert prepared(["--config-path=run"]) == [f"--config-path={Path('run').resolve()}"]


@pytest.mark.parametrize("given", ["", "${oc.env:HOME}/a.csv", "[a.csv,b.csv]"])
def test_a_path_that_only_hydra_can_read_is_left_to_it(given: str) -> None:
    assert prepared([f"dataset.path={given}"]) == [f"dataset.path={given}"]


def test_a_flag_without_its_folder_is_left_to_hydra() -> None:
    assert prepared(["seed=1", "--config-path"]) == ["seed=1", "--config-path"]


def test_inputs_that_are_left_out_are_typed_as_columns_are() -> None:
    assert understood("model.without=[colour = red, p (bar),T]") == {"model.without": ["colour = red", "p (bar)", "T"]}
    assert understood("-m", "model.without=[a b],[]") == {"model.without": ['["a b"]', "[]"]}
