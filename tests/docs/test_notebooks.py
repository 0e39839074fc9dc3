from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from docs._tools.compare import texts


class Output(SimpleNamespace):
    """An output of a cell as nbformat has it: entries that are attributes, too."""

    def get(self, key: str, default: Any = None) -> Any:
        return vars(self).get(key, default)


def printed(text: str, name: str = "stdout") -> Output:
    return Output(output_type="stream", name=name, text=text)


def test_what_is_printed_in_parts_is_one_text() -> None:
    value = Output(output_type="execute_result", data={"text/plain": "<A at 0x7f>"})
    outputs = [printed("[1 2]"), printed(" [3]\n4"), printed("careful\n", "stderr"), value, printed("5")]
    assert texts({"outputs": outputs}) == ["[1 2] [3]", "4", "careful", "<A>", "5"]
    assert texts({}) == []
