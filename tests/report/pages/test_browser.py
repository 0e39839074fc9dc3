"""Pages as people see them; each kind of run is one small run, each awkward one a saved run with other numbers."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kanrun.pipeline.run import run
from kanrun.report.lock import held
from kanrun.report.paging import PAGE, write_page
from kanrun.sweep.summary import summarize
from tests.browser import CHROMIUM, CONTRASTS, DRIVER, MISSING, Browser, chromium

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)

EVIL = "</script><script>alert(1)</script>"
LEAST_CONTRAST = 4.5  # WCAG 2.2, level AA
SMALL: dict[str, Any] = {"n_train": 60, "n_test": 30}
RUNS: dict[str, dict[str, Any]] = {
    "formula": {
        "dataset": {"formula": "2.5*x_1 + sin(x_2)", "domain": [[0, 2], [-1, 3]], "noise": 0.05, **SMALL},
        "model": {"width": [2, 1], "grid": 3}, "symbolic": {"library": ["x", "x^2", "sin"], "work": 400.0},
    },
    "classes": {
        "dataset": {"name": "moons", **SMALL}, "model": {"width": [2, 2], "grid": 3},
        "symbolic": {"library": ["x", "sin"], "work": 100.0},
    },
    "mlp": {"model": {"name": "mlp", "width": [2, 3, 1]}, "dataset": {"formula": "x_1*x_2", **SMALL}},
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of each kind, and those that are awkward to show."""
    base = tmp_path_factory.mktemp("pages")
    for name, config in RUNS.items():
        run({**config, "optimizer": {"name": "lm", "steps": 5}}, base / "sweep" / name, quiet=True)
    for name, change in AWKWARD.items():
        shutil.copytree(base / "sweep" / "formula", base / name)
        change(base / name)
        write_page(base / name)
    summarize(base / "sweep", Console(file=io.StringIO()))
    return {one.name: one for one in [*(base / "sweep").iterdir(), *base.iterdir()] if one.is_dir()}


def changed(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Another content of a JSON file."""
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps(change(content)), encoding="utf-8")


def long(folder: Path) -> None:
    text = " + ".join(f"{k}.5*x_1*x_2" for k in range(1500))
    assert len(text) > 20_000
    changed(folder, "formula.json", lambda f: [{**f[0], "expression": text, "rounded": text, "complexity": 9000}])


def named(folder: Path) -> None:
    changed(folder, "formula.json", lambda f: [{**f[0], "output": EVIL, "symbols": {"x_1": EVIL, "x_2": "<b>"}}])
    columns = [{"name": EVIL, "symbol": "x_1", "role": "input", "unit": "<i>", "low": 0, "high": 1}]
    changed(
        folder, "metrics.json", lambda m: {**m, "outputs": [EVIL], "warnings": [EVIL], "data": {"columns": columns}}
    )


def wide(folder: Path) -> None:
    names = [f"a column with a long name {k}" for k in range(200)]
    columns = [{"name": name, "role": "input", "unit": None, "low": 0.0, "high": 1.0} for name in names]
    changed(folder, "metrics.json", lambda m: {**m, "data": {"rows": 60, "columns": columns}})


def unknown(folder: Path) -> None:
    stages = lambda m: [{**one, "test": dict.fromkeys(one["test"])} for one in m["stages"]]  # noqa: E731
    changed(folder, "metrics.json", lambda m: {**m, "stages": stages(m), "final": None})
    changed(folder, "formula.json", lambda f: [{**f[0], "test": dict.fromkeys(f[0]["test"])}])


def failed(folder: Path) -> None:
    for name in ("metrics.json", "formula.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "plots")
    changed(folder, "status.json", lambda s: {**s, "state": "failed", "error": f"disk full {EVIL}"})


def interrupted(folder: Path) -> None:
    changed(folder, "status.json", lambda s: {**s, "state": "interrupted", "error": "interrupted by SIGINT"})


AWKWARD = {
    "long": long, "named": named, "wide": wide, "unknown": unknown, "failed": failed, "interrupted": interrupted,
}  # fmt: skip
PAGES = [*RUNS, *AWKWARD, "sweep"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_complains_of_nothing_and_fits(
    browser: Browser, folders: dict[str, Path], name: str
) -> None:
    page = folders[name] / PAGE
    assert page.stat().st_size < 1_000_000
    for width in (360, 1280):
        browser.open(page, width, dark=width == 360)
        assert browser.complaints() == []
        assert browser.requests() == [page.resolve().as_uri()]
        assert browser.ask("return document.documentElement.scrollWidth") <= width
        contrasts = browser.ask(CONTRASTS)
        assert len(contrasts) > 10
        assert [one for one in contrasts if one[1] < LEAST_CONTRAST] == []
    title = browser.ask("return document.querySelector('h1').textContent")
    assert title.strip()


def test_the_formula_and_the_pictures_can_be_seen(browser: Browser, folders: dict[str, Path]) -> None:
    boxes = "[...document.querySelectorAll(arguments[0])].map((e) => e.getBoundingClientRect())"
    seen = f"return {boxes}.map((r) => [r.width, r.height])"
    for width in (360, 1280):
        browser.open(folders["formula"] / PAGE, width)
        [formula, *_] = browser.ask(seen, ".equation")
        assert 50 < formula[0] <= width
        assert browser.ask("return document.querySelector('.equation').textContent.includes('sin')")
        pictures = browser.ask(seen, "figure svg")
        assert len(pictures) >= 4
        assert all(100 < wide <= width and high > 50 for wide, high in pictures)


def test_every_control_is_reached_by_keyboard(browser: Browser, folders: dict[str, Path]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.open(folders["formula"] / PAGE)
    can_be_reached = browser.ask(
        "return document.querySelectorAll('a[href], button:not([hidden]), summary, [tabindex]').length"
    )
    inside = "a[href]:not(details:not([open]) *), button:not([hidden]):not(details:not([open]) *), summary"
    wanted = set(
        browser.ask(
            "const all = [...document.querySelectorAll('*')];"
            "return [...document.querySelectorAll(arguments[0])].map((e) => all.indexOf(e))", inside,
        )
    )  # fmt: skip
    assert wanted
    for _ in range(2 * can_be_reached):
        if not wanted:
            break
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        wanted.discard(browser.ask("return [...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert wanted == set()
    assert browser.driver.find_element(By.CSS_SELECTOR, "main")


def test_a_point_of_the_front_shows_its_formula(browser: Browser, folders: dict[str, Path]) -> None:
    browser.open(folders["formula"] / PAGE)
    points = browser.ask("return [...document.querySelectorAll('.point')].map((p) => p.getAttribute('aria-label'))")
    [entry] = json.loads((folders["formula"] / "formula.json").read_text(encoding="utf-8"))
    assert points == [point["rounded"] for point in entry["front"]]
    browser.ask("document.querySelectorAll('.point')[1].dispatchEvent(new Event('mouseenter'))")
    assert browser.ask("return document.querySelector('.pointed').textContent") == points[1]
    assert browser.ask("return document.querySelectorAll('tr.lit').length") == 1


def test_the_jobs_of_a_sweep_are_sorted_and_found(browser: Browser, folders: dict[str, Path]) -> None:
    browser.open(folders["sweep"] / PAGE)
    jobs = "return [...document.querySelectorAll('table.jobs tbody tr')].map((r) => r.cells[0].textContent)"
    assert set(browser.ask(jobs)) == set(RUNS)
    browser.ask("document.querySelector('table.jobs th button').click()")
    assert browser.ask(jobs) == sorted(RUNS)
    browser.ask("document.querySelector('table.jobs th button').click()")
    assert browser.ask(jobs) == sorted(RUNS, reverse=True)
    assert browser.ask("return document.querySelector('table.jobs th').getAttribute('aria-sort')") == "descending"
    browser.ask(
        "const one = document.querySelector('.filter'); one.value = 'MLP'; one.dispatchEvent(new Event('input'))"
    )
    assert browser.ask(jobs) == ["mlp"]
    assert browser.ask("return document.querySelector('table.jobs a').href").endswith("/sweep/mlp/report.html")


def test_a_job_that_goes_on_is_no_link(browser: Browser, folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["sweep"] / "mlp", tmp_path / "ended")
    (tmp_path / "begun").mkdir()
    for name in ("config.yaml", "status.json"):
        shutil.copy(folders["sweep"] / "mlp" / name, tmp_path / "begun")
    status = json.loads((tmp_path / "begun" / "status.json").read_text())
    (tmp_path / "begun" / "status.json").write_text(json.dumps({**status, "state": "running"}))
    with held(tmp_path / "begun"):
        summarize(tmp_path, Console(file=io.StringIO()))
    browser.open(tmp_path / PAGE)
    shown = "return [...document.querySelectorAll('table.jobs tbody tr')].map((r) => [r.cells[0].textContent, "
    assert sorted(browser.ask(f"{shown} r.querySelector('a') !== null])")) == [["begun", False], ["ended", True]]


def test_it_can_be_printed(browser: Browser, folders: dict[str, Path]) -> None:
    browser.open(folders["formula"] / PAGE, dark=True)
    assert browser.pdf().startswith(b"%PDF")
    browser.command("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.ask("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    browser.command("Emulation.setEmulatedMedia", {"media": ""})
