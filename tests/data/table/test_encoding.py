from __future__ import annotations

import pytest

from kanrun.data.table.encoding import encoding_meant, encoding_of, wide_encoding
from kanrun.errors import ConfigError

TEXT = "Temperatur (°C);Gefäß\r\n12,5;3\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
                                      "utf-32-be", "cp1252"])  # fmt: skip
def test_an_encoding_is_found_that_gives_the_text_again(encoding: str) -> None:
    written = (TEXT * 20).encode(encoding)
    assert written.decode(encoding_of(written, [written])).lstrip("\ufeff") == TEXT * 20


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("cp1250", "Teplota;Příkon žluť"), ("cp1251", "Температура;Объём"), ("shift_jis", "温度;体積")],
)
def test_old_encodings_of_other_languages_are_told_apart(encoding: str, words: str) -> None:
    written = (words + "\n" + "1;2\n" * 50).encode(encoding)
    assert written.decode(encoding_of(written, [written])).startswith(words)


def test_a_letter_behind_the_sample_decides_as_well() -> None:
    begin, end = b"a;b\n" * 10, "1;Prüfer\n".encode("cp1252")
    assert encoding_of(begin, [begin, end]) == "cp1252"
    assert encoding_of(begin, [begin, "1;ü\n".encode()]) == "utf-8"


def test_a_letter_cut_in_two_between_chunks_is_no_fault() -> None:
    written = "a;ü\n".encode()
    assert encoding_of(written, [written[:3], written[3:]]) == "utf-8"


@pytest.mark.parametrize("content", [b"", b"a", b"ab,1\n" * 9, bytes(400)])
def test_what_is_not_wide_is_not_taken_for_it(content: bytes) -> None:
    assert wide_encoding(content) is None


@pytest.mark.parametrize("given", ["nope", "zip", "rot13", "base64", "", "../os", "a\0b", "x" * 1000])
def test_an_encoding_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset.encoding=.*such as utf-8"):
        encoding_meant(given)


def test_an_encoding_goes_by_any_of_its_names() -> None:
    assert encoding_meant("Latin-1") == encoding_meant("iso8859-1")
