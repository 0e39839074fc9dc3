"""The encoding of a text: told by its user, by its first bytes, or guessed from what is in it."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from kanrun.errors import ConfigError, wrong

SAMPLE_BYTES = 1 << 18
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# Which bytes of a letter are zero where it is one of ASCII.
WIDE: dict[int, dict[str, tuple[bool, ...]]] = {
    4: {"utf-32-le": (False, True, True, True), "utf-32-be": (True, True, True, False)},
    2: {"utf-16-le": (False, True), "utf-16-be": (True, False)},
}
# Of the encodings with one byte a letter those that spreadsheets and instruments write; where several give letters,
# charset-normalizer chooses.
OLD_ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr", "mac_roman")
SIGNS = frozenset("°µ²³·×÷±½¼¾§«»€£¥–—’‘“”…‰ ")  # noqa: RUF001


def encoding_meant(given: str) -> str:
    """The encoding that a user has given. Raises ConfigError for what is none."""
    try:
        "a".encode(given)  # what is no encoding of texts, such as zip, raises
        return codecs.lookup(given).name
    except (LookupError, ValueError, TypeError):
        allowed = "an encoding such as utf-8, cp1252, gb18030 or shift_jis"
        raise ConfigError(wrong("dataset.encoding", given, allowed)) from None


def encoding_of(sample: bytes, chunks: Iterable[bytes]) -> str:
    """The encoding of a text that begins with `sample`, all of which `chunks` give."""
    for mark, name in BOMS:
        if sample.startswith(mark):
            return name
    if zeros := wide_encoding(sample):
        return zeros
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            odd = chunk
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return old_encoding(sample if any(b > 127 for b in sample) else odd)
    return "utf-8"


def wide_encoding(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, where most bytes at the same places of the beginning are zero."""
    begin = sample[:400]
    for width, places in WIDE.items():
        parts = [begin[k::width] for k in range(width)]
        zero = tuple(bool(part) and part.count(0) > 0.7 * len(part) for part in parts)
        none = tuple(part.count(0) < 0.1 * len(part) for part in parts)
        for name, wanted in places.items():
            if zero == wanted and none == tuple(not z for z in wanted):
                return name
    return None


def old_encoding(sample: bytes) -> str:
    """The likeliest encoding of a text that is no UTF-8."""
    from charset_normalizer import from_bytes

    lines = [line for line in sample.splitlines() if any(b > 127 for b in line)]
    odd = b"\n".join(lines[:200])
    try:
        western = odd.decode("cp1252")
    except UnicodeDecodeError:
        western = ""
    # A letter or a sign of units among ASCII is what Windows-1252 is full of, and what guesses by statistics miss in
    # the few words of a table.
    strange = [c for c in western if ord(c) > 127]
    if strange and all(c.isalpha() or c in SIGNS for c in strange) and len(strange) < len(western) / 3:
        return "cp1252"
    best = from_bytes(odd, cp_isolation=list(OLD_ENCODINGS)).best()
    return best.encoding if best else "cp1252"
