"""What is survivable but surprising in data, as sentences with counts."""

from __future__ import annotations

from collections import Counter

WORDING = {  # one, several
    "empty_texts": ("1 text is empty", "{} texts are empty"),
    "missing_labels": ("1 row has no label", "{} rows have no label"),
    "dropped": ("1 row without a label was dropped", "{} rows without a label were dropped"),
    "weightless": ("1 row of weight 0 was left out", "{} rows of weight 0 were left out"),
    "nul_bytes": ("1 NUL character was replaced by a blank", "{} NUL characters were replaced by blanks"),
    "surrogates": (
        "1 half of a surrogate pair was replaced by U+FFFD",
        "{} halves of surrogate pairs were replaced by U+FFFD",
    ),
    "blank_lines": ("1 blank line was skipped", "{} blank lines were skipped"),
    "files_aside": (
        "1 entry outside the folders of the classes was not read",
        "{} entries outside the folders of the classes were not read",
    ),
}


def sentences(notices: Counter[str]) -> list[str]:
    """One sentence for each kind of notice that was counted."""
    found = [(notices[kind], wording) for kind, wording in WORDING.items()]
    return [one if count == 1 else several.format(f"{count:,}") for count, (one, several) in found if count]


def respelled(spellings: dict[str, str]) -> list[str]:
    """That labels were read in another spelling than the cells have, with the first of them."""
    if not spellings:
        return []
    name, label = next(iter(spellings.items()))
    more = f", and {counted(len(spellings) - 1, 'other')} likewise" if len(spellings) > 1 else ""
    return [f"numbers and booleans of one value are one label: {name!r} is read as {label!r}{more}"]


def counted(count: int, noun: str) -> str:
    """A number with its noun, as ``5,452 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
