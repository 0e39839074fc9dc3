from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from kanrun.exporters.excel import column, excel
from kanrun.exporters.source import CannotExportError
from tests.exporters.laws import EVIL, TEXTS, X, agree, run, source, tool
from tests.helpers import Array

PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/s.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
    'Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="s" sheetId="1" '
    'r:id="r"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="s.xml"/></Relationships>',
}  # fmt: skip


def computed(text: str, folder: Path) -> Array:
    """What LibreOffice makes of the formulas, filled down as a person would do it."""
    office = tool("soffice", "libreoffice")
    formulas = [line[1:] for line in text.splitlines() if line.startswith("=")]
    lines = []
    for n, row in enumerate(X, start=2):
        cells = [f'<c r="{column(i)}{n}"><v>{float(v)!r}</v></c>' for i, v in enumerate(row)]
        for j, formula in enumerate(formulas):
            here = formula.replace("A2", f"A{n}").replace("B2", f"B{n}")
            cells.append(f'<c r="{column(len(row) + j)}{n}"><f>{escape(here)}</f></c>')
        lines.append(f'<row r="{n}">{"".join(cells)}</row>')
    sheet = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    with zipfile.ZipFile(folder / "law.xlsx", "w") as file:
        for name, part in PARTS.items():
            file.writestr(name, part)
        file.writestr("xl/s.xml", f"{sheet}{''.join(lines)}</sheetData></worksheet>")
    # Contents as they are, not as they are shown.
    target = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false"
    profile = f"-env:UserInstallation=file://{folder}/profile"
    run(office, profile, "--headless", "--convert-to", target, "--outdir", folder, folder / "law.xlsx")
    with (folder / "law.csv").open(encoding="utf-8", newline="") as file:
        rows = [line for line in csv.reader(file) if any(line)]
    return np.array([[number(cell) for cell in row[X.shape[1] :]] for row in rows])


def number(cell: str) -> float:
    """The number in a cell, NaN for an error such as #NUM!."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def test_every_formula_has_the_same_values_in_a_sheet(tmp_path: Path) -> None:
    agree(computed(excel(source(*TEXTS)), tmp_path), *TEXTS)


def test_columns_are_counted_as_sheets_do() -> None:
    assert [column(n) for n in (0, 25, 26, 27, 51, 52, 701, 702)] == ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]


def test_what_binds_otherwise_in_excel_is_written_without_doubt() -> None:
    assert excel(source("-x_1**2")).splitlines()[-1] == "=-POWER(A2,2)"
    assert excel(source("atan2(x_1, x_2)")).splitlines()[-1] == "=ATAN2(B2,A2)"


@pytest.mark.parametrize("name", EVIL)
def test_a_column_name_is_only_ever_a_comment(name: str) -> None:
    lines = excel(source("x_1", output=name, symbols={"x_1": name}, units={"x_1": name})).splitlines()
    assert [line for line in lines if not line.startswith("' ")] == ["=A2"]


def test_what_a_cell_cannot_hold_is_said() -> None:
    with pytest.raises(CannotExportError, match="takes 8192 characters"):
        excel(source("+".join(f"x_1**{n}" for n in range(2, 700))))
    with pytest.raises(CannotExportError, match="Excel has no besselj"):
        excel(source("besselj(0, x_1)"))


def test_classes_are_told_by_the_largest_value() -> None:
    *_, first, second, last = excel(source("x_1", "x_2", test="cross_entropy")).splitlines()
    assert (first, second) == ("=A2", "=B2")
    assert last == "' The class is the one whose value is the largest: y_1, y_2"
