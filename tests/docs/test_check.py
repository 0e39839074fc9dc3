from __future__ import annotations

from pathlib import Path

import pytest

from docs._tools.check import ROOT, check, is_for_a_shell


def checked(tmp_path: Path, text: str, *, long: bool = True, update: bool = False) -> tuple[list[str], str]:
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(text, encoding="utf-8")
    folder.mkdir()
    return check(page, folder, long, update), page.read_text(encoding="utf-8")


def console(*lines: str) -> str:
    return "\n".join(["```console", *lines, "```", ""])


def test_a_page_that_is_right_has_nothing_wrong(tmp_path: Path) -> None:
    page = console("$ echo one; echo two", "one", "two", "$ kanrun --version  # which", "kanrun 0.1.0")
    page += console("$ ls docs/gas_law.csv")
    page += "```python\nx = 4\nprint(x / 3)\n```\n\n```text\n1.33\n```\n"
    page += "<!-- file: new.csv -->\n```text\na,b\n```\n" + console("$ cat new.csv", "a,b")
    assert checked(tmp_path, page) == ([], page)


def test_another_output_is_told_with_its_line_and_put_right_when_asked(tmp_path: Path) -> None:
    [wrong], new = checked(tmp_path, "text\n" + console("$ echo one", "two", "$ echo 3", "3"), update=True)
    assert wrong.startswith("page.md:4: shows another output:\n    one")
    assert new == "text\n" + console("$ echo one", "one", "$ echo 3", "3")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (console("$ false"), "ends with status 1"),
        (console("$ kanrun --no-such-flag"), "ends with status 1"),
        ("<!-- fails -->\n" + console("$ true"), "ends with status 0"),
        ("```python\nnothing_of_this_name\n```\n", "NameError"),
        ("<!-- run the last column -->\n| a | `optimizer.steps=0` |\n", "optimizer.steps=0"),
        ("<!-- run the last column -->\n| a | `model.no_such_key=1` |\n", "no_such_key"),
    ],
)
def test_what_fails_is_told(tmp_path: Path, page: str, said: str) -> None:
    [wrong], _ = checked(tmp_path, page)
    assert said in wrong


def test_what_is_long_or_not_run_is_left_out(tmp_path: Path) -> None:
    page = "<!-- long -->\n" + console("$ false") + "\n<!-- not run: it would fail -->\n" + console("$ false")
    assert checked(tmp_path, page, long=False)[0] == []
    (tmp_path / "other").mkdir()
    run = page.replace("<!-- not run: it would fail -->\n", "")
    assert len(checked(tmp_path / "other", run, long=False)[0]) == 1


def test_only_what_needs_a_shell_goes_to_one() -> None:
    assert is_for_a_shell("kanrun a | head")
    assert is_for_a_shell("kanrun a>b")
    assert not is_for_a_shell("kanrun where='T > 300' 'model.fix=[{layer:0}]'")


def test_the_current_folder_is_as_before(tmp_path: Path) -> None:
    before = Path.cwd()
    checked(tmp_path, console("$ cd .."))
    assert Path.cwd() == before
    assert (ROOT / "docs" / "gas_law.csv").exists()
