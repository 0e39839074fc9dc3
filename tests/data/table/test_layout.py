from __future__ import annotations

import pytest

from kanrun.data.table.layout import BLANKS, Layout, decimal_of, layout_of, numbered, separator_meant
from kanrun.errors import ConfigError

ROWS = [(i, i * i, i + 0.5) for i in range(1, 9)]


def text(separator: str, decimal: str = ".", header: str = "T V p") -> str:
    """A table of three columns."""
    lines = [separator.join(header.split())] if header else []
    lines += [separator.join(str(v).replace(".", decimal) for v in row) for row in ROWS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("separator", [";", "\t", "|", BLANKS, "   "])
def test_separator_and_decimal_mark_are_found(separator: str, decimal: str) -> None:
    found = layout_of(text(separator, decimal))
    assert (found.separator, found.decimal) == (separator.strip(" ") or BLANKS, decimal)
    assert (found.names, found.header, found.skip) == (("T", "V", "p"), True, 1)


def test_one_column_of_decimal_commas_is_not_two() -> None:
    found = layout_of("T (K)\n300,5\n-301,25\n12\n")
    assert (found.names, found.decimal) == (("T (K)",), ",")
    assert layout_of("T,p\n1,300,5\n2,301,7\n").names == ("", "T", "p")
    assert layout_of("T\na,300\nb,301\n").names == ("", "T")


def test_what_the_user_says_is_not_doubted() -> None:
    found = layout_of("a;b,c\n1;2,3\n4;5,6\n", separator=",", decimal=".")
    assert (found.separator, found.names) == (",", ("a;b", "c"))


@pytest.mark.parametrize(
    ("cells", "separator", "decimal"),
    [
        (["1,5", "2"], ";", ","),
        (["1.5", "2"], ";", "."),
        (["1.234,5"], ";", ","),
        (["1,234.5"], ";", "."),
        (["1.234.567"], ";", ","),  # two points can only be thousands
        (["1,234,567"], ";", "."),
        (["1,234"], ";", ","),
        (["1,234"], ",", "."),  # quoted, in a file of commas
        (["1.234"], ";", "."),
        (["1'234.5", "1’234.5"], ";", "."),  # noqa: RUF001
        (["1,23,456.5"], ",", "."),
        (["a", "b"], ",", "."),
    ],
)
def test_the_decimal_mark_is_what_the_cells_leave(cells: list[str], separator: str, decimal: str) -> None:
    assert decimal_of([cells], separator) == decimal


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_three_systems(end: str) -> None:
    assert layout_of(text(",").replace("\n", end)).names == ("T", "V", "p")


def test_without_a_header_columns_are_numbered() -> None:
    found = layout_of(text(",", header=""))
    assert (found.names, found.header, found.skip) == (("x_1", "x_2", "x_3"), False, 0)


def test_years_are_a_header_where_the_user_calls_a_column_so() -> None:
    years = text(",", header="2001 2002 2003")
    assert not layout_of(years).header
    assert layout_of(years, called=["2003"]).names == ("2001", "2002", "2003")


@pytest.mark.parametrize(
    ("first", "is_header"),
    [("T,p,300", True), ("T,300,400", False), ("T,,300", False), ("T,NA,300", False), ("1,2,3", False)],
)
def test_a_header_with_numbers_among_its_names_has_a_text_over_most_columns(first: str, is_header: bool) -> None:
    rows = [",".join(["1.5"] * len(first.split(","))), ",".join(["2.5"] * len(first.split(",")))] * 3
    assert layout_of("\n".join([first, *rows]) + "\n").header is is_header


@pytest.mark.parametrize(
    ("above", "header", "comment"),
    [
        ("# by hand, in May\n#\n", "T,V,p\n", "#"),
        ("% by hand\n", "T,V,p\n", "%"),
        ("// by hand\n\n", "T,V,p\n", "//"),
        ("", "#T,V,p\n", "#"),
        ("# made\n# T,V,p\n", "", "#"),
        ("\n\n", "T,V,p\n", None),
        ("# T,V,p\n\n#\n", "", "#"),
    ],
)
def test_comments_above_hold_the_names_or_nothing(above: str, header: str, comment: str | None) -> None:
    found = layout_of(above + header + text(",", header=""))
    assert (found.names, found.comment, found.header) == (("T", "V", "p"), comment, True)


@pytest.mark.parametrize("between", ["", "\n", "# units follow\n", "\n\n# so\n\n"])
def test_a_row_of_units_is_one_wherever_blank_lines_are(between: str) -> None:
    lines = "T,V,p\n" + between + "K,m^3,bar\n" + between + text(",", header="") + "# end\n"
    found = layout_of(lines)
    assert found.units == ("K", "m^3", "bar")
    filled = [cells for _, _, cells in numbered(lines.splitlines(keepends=True), found) if cells]
    assert filled == [[str(v) for v in row] for row in ROWS]


def test_texts_below_a_header_are_no_units() -> None:
    assert layout_of("a,b\nx,y\nu,v\nr,s\n").units == ()
    assert layout_of("a,b\n1,2\n3,4\n5,6\n").units == ()


def test_a_title_above_the_header_is_left_out_and_told() -> None:
    for title in ("Measured by hand\nMay 2020\n\n", "Report;;\n;;\n", "Run 7:;;\n"):
        found = layout_of(title + text(";"))
        assert found.names == ("T", "V", "p")
        assert "above the header" in found.words


def test_no_title_is_seen_where_most_cells_of_every_column_are_missing() -> None:
    found = layout_of("only;;\na;b;c\n1;;\n;2;\n;;3\n4;;\n;5;\n;;6\n")
    assert (found.names, found.title) == (("only", "", ""), 0)


def test_names_of_rows_as_r_writes_them_have_no_name_of_their_own() -> None:
    lines = "\n".join(["T,V", *(f"r{i},{a},{b}" for i, (a, b, _) in enumerate(ROWS))])
    assert layout_of(lines).names == ("", "T", "V")
    trailing = "\n".join(["T,V", *(f"{a},{b}," for a, b, _ in ROWS)])
    assert layout_of(trailing).names == ("T", "V", "")


def test_quotes_in_the_middle_are_inches_and_others_hold_fields_together() -> None:
    assert not layout_of('a,b\n1,3"\n2,4"\n').quoted
    assert layout_of('a,b\n1,"3, 4"\n2,"4"\n').quoted
    assert layout_of('"a\nb",c\n1,2\n3,4\n').names == ("a\nb", "c")
    assert layout_of('"the gas" V\n1 2\n3 4\n').names == ("the gas", "V")


@pytest.mark.parametrize(("content", "reason"), [("", "no table"), ("\n \n", "no table"), ("# a\n# b\n", "comments")])
def test_what_holds_no_table_is_refused(content: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        layout_of(content)


def test_a_quote_that_never_ends_is_named_by_its_line() -> None:
    with pytest.raises(ConfigError, match="line 3 does not end"):
        layout_of('a,b\n1,2\n3,"' + "x" * 200_000, complete=True)


def test_records_are_counted_as_lines_whatever_stands_between_them() -> None:
    lines = ["a,b\n", "\n", '1,"x\n', '# inside"\n', "# comment\n", "2,y\n", " \n", "3,z\n"]
    layout = Layout(",", comment="#", skip=1)
    assert [(line, cells) for _, line, cells in numbered(lines, layout) if len(cells) == 2] == [
        (3, ["1", "x\n# inside"]), (6, ["2", "y"]), (8, ["3", "z"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "meant"), [(";", ";"), ("tab", "\t"), ("\\t", "\t"), ("comma", ","), ("blanks", " ")]
)
def test_a_separator_has_a_sign_or_a_name(given: str, meant: str) -> None:
    assert separator_meant(given) == meant


@pytest.mark.parametrize("given", ["", ";;", "a", "1", '"', "\n", "\0", "é", ".", "import os", "-"])
def test_a_separator_that_can_be_none_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.separator="):
        separator_meant(given)
