"""What is survivable but surprising in data, as sentences with counts."""

from __future__ import annotations

from collections import Counter

WORDING: dict[str, str | tuple[str, str]] = {  # one and several, or what needs no count
    "empty_texts": ("1 text is empty", "{} texts are empty"),
    "missing_labels": ("1 row has no label", "{} rows have no label"),
    "dropped": ("1 row without a label was dropped", "{} rows without a label were dropped"),
    "weightless": ("1 row of weight 0 was left out", "{} rows of weight 0 were left out"),
    "nul_bytes": ("1 NUL character was replaced by a blank", "{} NUL characters were replaced by blanks"),
    "surrogates": (
        "1 half of a surrogate pair was replaced by U+FFFD",
        "{} halves of surrogate pairs were replaced by U+FFFD",
    ),
    "marks": (
        "1 byte order mark amid the file was dropped; were files joined?",
        "{} byte order marks amid the file were dropped; were files joined?",
    ),
    "controls": (
        "1 character is a control character, U+0080 to U+009F: in Windows text it is another; try --encoding cp1252",
        "{} characters are control characters, U+0080 to U+009F: in Windows text they are others; "
        "try --encoding cp1252",
    ),
    "headers": (
        "1 row that repeats the header was skipped; were files joined?",
        "{} rows that repeat the header were skipped; were files joined?",
    ),
    "unnamed_cells": (
        "1 cell beyond the named columns was not read",
        "{} cells beyond the named columns were not read",
    ),
    "row_numbers": "rows have one cell more than the header: their first, a row number, is read as 'column 1'",
    "sep_line": (
        "the first line, sep=, gives the delimiter and was skipped",
        "{} lines sep= were skipped, the first gives the delimiter; were files joined?",
    ),
    "over_lines": (
        "1 quoted last cell goes on in the next lines; where quotes are text, say --quotes text",
        "{} quoted last cells go on in the next lines; where quotes are text, say --quotes text",
    ),
    "literal_quotes": (
        "in 1 line quotes do not pair up and were read as text; if cells go over several lines, say --quotes csv",
        "in {} lines quotes do not pair up and were read as text; if cells go over several lines, say --quotes csv",
    ),
    "tabs": "the lines hold tabs; if these are cells, put a line with column names before them and say --format tsv",
    "column_names": "the first line may be names of columns, and is read as text; if it is a header, say --format csv",
    "lone_row": "the file holds one object, read as one row; if a list in it holds the rows, save that list as a file",
    "members_aside": (
        "1 other file in the archive was not read",
        "{} other files in the archive were not read",
    ),
    "blank_lines": ("1 blank line was skipped", "{} blank lines were skipped"),
    "files_aside": (
        "1 entry outside the folders of the classes was not read",
        "{} entries outside the folders of the classes were not read",
    ),
}


def sentences(notices: Counter[str]) -> list[str]:
    """One sentence for each kind of notice that was counted."""
    found = []
    for kind, wording in WORDING.items():
        one, several = (wording, wording) if isinstance(wording, str) else wording
        if count := notices[kind]:
            found.append(one if count == 1 else several.format(f"{count:,}"))
    return found


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
