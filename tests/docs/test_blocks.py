from __future__ import annotations

import pytest

from docs._tools.blocks import Block, blocks_of, commands_of

PAGE = """\
# A page

<!-- long -->
```console
$ kanrun a=1 \\
    b=2
out
$ ls
```

<!-- not run: it needs a cluster -->
```console
$ ray start
```

<!-- file: new.csv -->
```text
x,y
```

<!-- long -->
A paragraph takes the mark away.

```python
print(1)
```

<!-- run the last column, long -->
| there | here |
|---|---|
| `left` | `a=1` or `f("x \\| y")` |

| no mark | `c=1` |
"""


def test_a_page_comes_apart_into_its_blocks_with_their_marks() -> None:
    found = blocks_of(PAGE)
    assert [b.kind for b in found] == ["console", "console", "text", "python", "cell", "cell"]
    assert [b.long for b in found] == [True, False, False, False, True, True]
    assert [b.reason for b in found] == [None, "it needs a cluster", None, None, None, None]
    assert [b.file for b in found] == [None, None, "new.csv", None, None, None]
    assert [b.lines for b in found[-2:]] == [("a=1",), ('f("x | y")',)]


def test_a_block_knows_where_it_stands() -> None:
    lines = PAGE.splitlines()
    for block in blocks_of(PAGE):
        if block.kind != "cell":
            assert tuple(lines[block.first : block.first + len(block.lines)]) == block.lines


def test_a_command_goes_on_behind_a_backslash_and_has_the_lines_up_to_the_next_one() -> None:
    assert commands_of(blocks_of(PAGE)[0]) == [("kanrun a=1 b=2", 2, 3), ("ls", 4, 4)]


def test_a_console_block_that_begins_with_output_is_refused() -> None:
    with pytest.raises(ValueError, match="line 8: a console block begins with"):
        commands_of(Block("console", 7, ("out", "$ ls")))
