from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from kanrun.errors import KanrunError
from kanrun.report.pages.run import page_of
from kanrun.report.paging import PAGE, paged, write_page
from tests.sweep.folders import finished, write_run


def text_of(page: str) -> str:
    body = page[page.index("<main") : page.index("</main>")]
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def test_a_finished_run_has_a_page_with_its_answer_first(noisy_run: Path) -> None:
    page = (noisy_run / PAGE).read_text(encoding="utf-8")
    text = text_of(page)
    [entry] = json.loads((noisy_run / "formula.json").read_text(encoding="utf-8"))
    assert text.startswith("The answer")
    assert entry["expression"] in text
    assert "kanrun 'dataset.formula=2.5*x_1 + sin(x_2)'" in text
    assert f"kanrun predict {noisy_run} FILE" in text
    for point in entry["front"]:
        assert point["rounded"] in text
    for stage in json.loads((noisy_run / "metrics.json").read_text(encoding="utf-8"))["stages"]:
        assert stage["name"] in text


def test_the_data_are_told_with_their_parts_their_target_and_what_made_them(noisy_run: Path) -> None:
    text = text_of((noisy_run / PAGE).read_text(encoding="utf-8"))
    told = text[text.index("The data as understood") : text.index("Stage by stage")]
    about = json.loads((noisy_run / "metrics.json").read_text(encoding="utf-8"))["data"]
    assert f"{about['parts']['train']} training rows, {about['parts']['test']} test rows" in told
    assert "Made by y = 2.5*x_1 + sin(x_2)" in told
    assert re.search(r"y target", told) and "x_2 input" in told


def test_inputs_that_come_from_one_column_of_texts_are_told_apart(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    gas = {"name": "gas", "role": "input", "low": 0.0, "high": 1.0}
    metrics["data"]["columns"] = [{**gas, "label": f"gas = {value}", "value": value} for value in ("N2", "O2")]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    text = text_of(page_of(folder))
    assert "gas = N2 input" in text and "gas = O2 input" in text


def test_that_the_network_knows_more_is_said_before_the_formula(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    advice = [{"kind": kind, "finding": f"it is {kind}", "suggestion": ""} for kind in ("worse", "clearly worse")]
    (folder / "metrics.json").write_text(json.dumps({**metrics, "advice": advice}), encoding="utf-8")
    text = text_of(page_of(folder))
    assert text.startswith("The answer The network knows more: it is clearly worse. ")
    assert text.index("What the run says of itself") < text.index("it is worse")


def test_it_is_the_same_when_it_is_made_again(noisy_run: Path) -> None:
    assert page_of(noisy_run) == (noisy_run / PAGE).read_text(encoding="utf-8")


def test_warnings_stand_before_the_answer(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8")) | {"warnings": ["mind <the> gap"]}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    assert text_of(page_of(folder)).startswith("mind <the> gap The answer")


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_a_run_that_did_not_end_says_so_first(tmp_path: Path, state: str) -> None:
    folder = write_run(tmp_path / "a run", {}, state, "no room on <disk>")
    (folder / "kanrun.log").write_text("last words\n", encoding="utf-8")
    page = page_of(folder)
    text = text_of(page)
    assert text.startswith("This run")
    assert ("no room on <disk>" in text) == (state != "running")
    assert (f"kanrun resume '{folder}'" in text) == (state == "interrupted")
    assert "last words" in text


def test_a_resumed_run_says_so(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", {}, 0.5)
    assert ">resumed" not in page_of(folder)
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    (folder / "status.json").write_text(json.dumps(status | {"resumed": 2}), encoding="utf-8")
    assert "resumed 2 times" in page_of(folder)


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", {}, 0.5)
    (folder / "formula.json").write_text("{", encoding="utf-8")
    assert "<h1>" in page_of(folder)


def test_there_is_no_page_of_no_run(tmp_path: Path) -> None:
    with pytest.raises(KanrunError, match="not a run folder"):
        write_page(tmp_path)


def test_the_page_is_written_however_a_run_ends(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", {}, "failed", "why")
    with pytest.raises(ZeroDivisionError), paged(folder):
        1 / 0  # noqa: B018
    assert "why" in (folder / PAGE).read_text(encoding="utf-8")


def test_relations_are_the_answer_of_a_run_that_has_some(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", {}, 0.5)
    entries = json.loads((folder / "formula.json").read_text(encoding="utf-8"))
    entries[0]["relation"] = [{"rounded": "x_1 - x_2 = 0", "exact": True, "solutions": {"x_1": "x_2"}}]
    (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
    assert text_of(page_of(folder)).startswith("The answer x_1 - x_2 = 0 (exact) Solved: x_1 = x_2")
