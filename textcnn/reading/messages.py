"""Messages about files that are no tables of texts, and about rows with surprising content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from textcnn.errors import DataError

_SHEET = "save the sheet as CSV in UTF-8"
_PROSE = "save its text as .txt, a text a line, or as CSV"
_UNPACK = "unpack it and name the file to read"
_PANDAS = "load it with what wrote it and save a table, as pandas' to_csv or to_parquet do"
_ARROW = "write it as Parquet, as pyarrow.parquet.write_table or Dataset.to_parquet do"
_PICTURE = "texts are expected; pictures are classified by `textcnn image`"
# At the start of a file; what it is; what to do. The longer mark of two goes first.
MARKS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", _PROSE),
    (b"{\\rtf", "an RTF document", _PROSE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document (.xls, .doc, or one with a password)", _SHEET),
    (b"\x09\x08\x10\0\0\x06\x05\0", "an old Excel sheet (.xls)", _SHEET),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    # Other archives are unpacked or refused before.
    (b"PK\x03\x04", "arrays of numpy (.npz), or a zip archive in a packed file", _PANDAS),
    (b"PK\x05\x06", "an empty zip archive", "name a file with rows"),
    (b"PK\x07\x08", "a part of a zip archive", _UNPACK),
    (b"\x1f\x9d", "a file packed by compress (.Z)", _UNPACK),
    (b"LZIP\x01", "a file packed by lzip", _UNPACK),
    (b"\xff\x06\0\0sNaPpY", "a file packed by Snappy", _UNPACK),
    (b"\x93NUMPY", "an array of numpy (.npy)", _PANDAS),
    (b"ARROW1\0\0", "an Arrow or Feather file", _ARROW),
    (b"\xff\xff\xff\xff", "an Arrow stream", _ARROW),
    (b"Obj\x01", "an Avro file", _PANDAS),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV: sqlite3 -header -csv FILE 'select ...'"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _PANDAS),
    (b"RDX3\n", "an R workspace", "save the data frame with write.csv"),
    (b"X\n\0\0\0", "an R object (.rds)", "save the data frame with write.csv"),
    (b"$FL2@(#)", "an SPSS file", _PANDAS),
    (b"<stata_dta>", "a Stata file", _PANDAS),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", _PANDAS),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF87a", "a GIF picture", _PICTURE),
    (b"GIF89a", "a GIF picture", _PICTURE),
    (b"\x7fELF", "a program", "name a file with rows"),
    (b"\xba\x16\x4f\x2f", "a fastText model", "name the file that it was trained on"),
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS", "fetch the file itself: git lfs pull"),
)
# Letters may begin a text too, unless bytes follow that none has.
_LETTERS = re.compile(rb"(?:(?P<ORC>ORC)|FEA1).{0,500}?\0", re.DOTALL)
# pickle writes its protocol first; the oldest one is lines of letters.
_PICKLE = re.compile(rb"\x80[\x02-\x05]|[(][ld]p\d+\n|c(?:copy_?reg|__builtin__|builtins|numpy|pandas)[\w.]*\n")
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html[\s>]|\?xml[\s][^>]*\?>)", re.IGNORECASE)
# In a zip archive: a file of it, what it is, and what to do.
_DOCUMENTS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"xl/(?:workbook|_rels|worksheets)"), "an Excel sheet (.xlsx)", _SHEET),
    (re.compile(r"word/document\.xml"), "a Word document (.docx)", _PROSE),
    (re.compile(r"ppt/presentation\.xml"), "a PowerPoint presentation (.pptx)", _PROSE),
    (re.compile(r"Index/(?:Document|Tables/)"), "an Apple document (.numbers, .pages)", _SHEET),
    (re.compile(r"META-INF/container\.xml"), "an e-book (.epub)", _PROSE),
    (
        re.compile(r"META-INF/manifest\.xml"),
        "an OpenDocument sheet or text (.ods, .odt)",
        f"{_SHEET}, or its text as .txt",
    ),
    (re.compile(r"(?:[^/]+/)?data\.pkl"), "a file of torch.save (.pt)", _PANDAS),
    (re.compile(r"META-INF/MANIFEST\.MF"), "a Java archive (.jar)", "name a file with rows"),
)
_TAR = slice(257, 262)


def refuse_foreign(head: bytes, name: str) -> None:
    """Raise an error if the first bytes are those of a file that is neither a table nor text.

    Raises:
        DataError: they do; the message names the format.
    """
    found = next(((what, advice) for mark, what, advice in MARKS if head.startswith(mark)), None)
    if found is None and _PICKLE.match(head):
        found = "a pickle of Python", _PANDAS
    if found is None and (letters := _LETTERS.match(head)):
        found = "an ORC file" if letters["ORC"] else "a Feather file", _ARROW
    if found is None and head[_TAR] == b"ustar":
        found = "a tar archive", _UNPACK
    if found is not None:
        raise _error(*found, name)


def refuse_page(head: bytes, name: str) -> None:
    """Raise an error if the first bytes are those of a web page or XML.

    Raises:
        DataError: they are; servers send such pages instead of a missing file.
    """
    if _PAGE.match(head):
        raise _error(
            "a web page or XML", "look at it in a browser; fetch the file itself, or save its table as CSV", name
        )


def zip_content(members: Iterable[str], name: str) -> str:
    """Return ``npz`` for the members of a NumPy archive, else ``files``.

    Raises:
        DataError: they are the parts of a document, which is named.
    """
    members = list(members)
    if members and all(member.endswith(".npy") for member in members):
        return "npz"
    for member, what, advice in _DOCUMENTS:
        if any(member.match(found) for found in members):
            raise _error(what, advice, name)
    return "files"


def _error(what: str, advice: str, name: str) -> DataError:
    return DataError(f"expected a table or texts, found {what}; {advice}", path=name)


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
    """Return one sentence for each kind of notice that was counted."""
    found = []
    for kind, wording in WORDING.items():
        one, several = (wording, wording) if isinstance(wording, str) else wording
        if count := notices[kind]:
            found.append(one if count == 1 else several.format(f"{count:,}"))
    return found


def respelled(spellings: dict[str, str]) -> list[str]:
    """Return a note that labels were unified to other spellings than in the cells, with examples."""
    if not spellings:
        return []
    name, label = next(iter(spellings.items()))
    more = f", and {counted(len(spellings) - 1, 'other')} likewise" if len(spellings) > 1 else ""
    return [f"numbers and booleans of one value are one label: {name!r} is read as {label!r}{more}"]


def counted(count: int, noun: str) -> str:
    """Format a count with its noun, as ``5,452 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
