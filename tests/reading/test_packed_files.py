"""Files that are packed, and files of other programs."""

import gzip
import io
import pickle
import re
import tarfile
import zipfile

import numpy as np
import pytest
from labelled_files import CONTENTS, CSV, OBJECTS, PACKERS, ROWS, feed, read, written, zipped

from textcnn.errors import DataError
from textcnn.reading.rows import open_rows


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_packed_files(tmp_path, monkeypatch, kind, suffix):
    content = CONTENTS[kind]
    inside = zipped(**{f"data/train.{kind}": content, "__MACOSX/._train": b"x", "data/": b""})
    content = inside if suffix == "zip" else PACKERS[suffix](content)
    for name in (f"a.{kind}.{suffix}", "bare"):
        path = written(tmp_path / name, content)
        rows = open_rows(path, labels="required")
        for _ in range(2):
            assert [(row.text, row.labels) for row in rows] == [(text, (label,)) for text, label in ROWS]
        assert rows.warnings() == []
    feed(monkeypatch, content)
    assert read("-")[0] == ROWS


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_packed_files_that_were_joined_or_cut(tmp_path, suffix):
    pack = PACKERS[suffix]
    path = written(tmp_path / f"a.csv.{suffix}", pack(CSV) + pack(CSV))
    assert read(path)[0] == ROWS * 2
    many = pack(CSV + b"".join(b"%d text,pos\n" % n for n in range(20_000)))
    with pytest.raises(DataError, match=r"expected a readable file, found: "):
        read(written(path, many[:-30]))


def test_joined_and_damaged_zstd(tmp_path):
    pack = PACKERS["zst"]
    path = written(tmp_path / "a.csv.zst", pack(CSV) + pack(CSV))
    assert read(path)[0] == ROWS * 2
    with pytest.raises(DataError, match=r"expected a readable file, found: "):
        read(written(path, pack(CSV)[:-5]))


def test_a_zip_archive_with_an_empty_name(tmp_path):
    def without_name(**files):
        return zipped(**files).replace(b"Qx", b"\0x")  # a name ends at a NUL

    path = written(tmp_path / "a.zip", without_name(**{"Qx": b"x", "rows.csv": CSV}))
    assert read(path)[0] == ROWS
    with pytest.raises(DataError, match="expected one readable file in a zip archive, found 0"):
        read(written(path, without_name(Qx=CSV)))


def test_zip_archives(tmp_path):
    path = tmp_path / "a.zip"
    found, said, _ = read(written(path, zipped(**{"train.csv": CSV, "README.md": b"read me", "LICENSE": b""})))
    assert (found, said) == (ROWS, ["2 other files in the archive were not read"])
    with pytest.raises(
        DataError, match=r"one readable file in a zip archive, found 2: 'train.csv', 'b/test.csv'; unpack"
    ):
        read(written(path, zipped(**{"train.csv": CSV, "b/test.csv": CSV})))
    with pytest.raises(DataError, match=r"one readable file in a zip archive, found 0: 'a', 'b'"):
        read(written(path, zipped(a=CSV, b=CSV)))
    with pytest.raises(DataError, match=r"an empty zip archive"):
        read(written(path, zipped()))
    secret = bytearray(zipped(**{"train.csv": CSV}))
    for at in (6, secret.index(b"PK\1\2") + 8):
        secret[at] |= 1
    with pytest.raises(DataError, match=r"a zip archive without a password"):
        read(written(path, bytes(secret)))
    with pytest.raises(DataError, match=r"expected a whole zip archive, found: "):
        read(written(path, zipped(**{"train.csv": CSV})[:-10]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", CSV)
    with pytest.raises(DataError, match=r"packed by deflate, found method 14"):
        read(written(path, file.getvalue()))
    with pytest.raises(DataError, match=r"expected one readable file .*'f0.csv'.*, \.\.\.; unpack"):
        read(written(path, zipped(**{f"f{n}.csv": CSV for n in range(30)})))


# ----------------------------------------------------------------------------------------------- what they are not


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return file.getvalue()


def npy(save, *arrays):
    file = io.BytesIO()
    save(file, *arrays)
    return file.getvalue()


FOREIGN = {
    "an Excel sheet": zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": "<workbook/>"}),
    "an OpenDocument sheet": zipped(**{"mimetype": "", "content.xml": "", "META-INF/manifest.xml": ""}),
    "a Word document": zipped(**{"[Content_Types].xml": "", "word/document.xml": ""}),
    "a PowerPoint": zipped(**{"ppt/presentation.xml": ""}),
    "an e-book": zipped(**{"mimetype": "", "META-INF/container.xml": ""}),
    "a file of torch.save": zipped(**{"archive/data.pkl": ""}),
    "an Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n",
    "an RTF document": b"{\\rtf1\\ansi text}",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(20),
    "a RAR archive": b"Rar!\x1a\x07\x01\0",
    "a tar archive": tar(),
    "a pickle": pickle.dumps(OBJECTS),
    "a pickle ": pickle.dumps(OBJECTS, 2),
    "a pickle  ": pickle.dumps(OBJECTS, 0),
    "an array of numpy": npy(np.save, np.arange(3)),
    "arrays of numpy": npy(np.savez, np.arange(3)),
    "an SQLite database": b"SQLite format 3\0" + bytes(100),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(8),
    "an Arrow or Feather file": b"ARROW1\0\0" + bytes(8),
    "an ORC file": b"ORC\n\x03\0\0" + bytes(8),
    "a PNG picture": b"\x89PNG\r\n\x1a\n\0\0",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n",
}


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a", "a.jsonl", "a.parquet", "a.xlsx", "-"])
@pytest.mark.parametrize("what", FOREIGN)
def test_files_of_other_programs_are_called_what_they_are(tmp_path, monkeypatch, what, name):
    for options in ({}, {"encoding": "latin-1"}):
        if name == "-":
            feed(monkeypatch, FOREIGN[what])
        with pytest.raises(DataError, match=rf"expected a table or texts, found {re.escape(what.strip())}.*; \w+"):
            read(name if name == "-" else written(tmp_path / name, FOREIGN[what]), **options)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("what", ["a PDF document", "a Word document", "a PNG picture"])
def test_files_of_other_programs_in_a_folder_per_class(tmp_path, what, encoding):
    (tmp_path / "good").mkdir()
    written(tmp_path / "good" / "a.txt", "fine")
    written(tmp_path / "good" / "b", FOREIGN[what])
    with pytest.raises(DataError, match=rf"good/b: expected a table or texts, found {what}"):
        read(tmp_path, encoding=encoding)


def test_a_tar_archive_that_is_packed(tmp_path):
    with pytest.raises(DataError, match=r"found a tar archive; unpack it"):
        read(written(tmp_path / "a.tar.gz", gzip.compress(tar())))


def test_a_web_page_in_place_of_a_table(tmp_path):
    page = b"\n<!DOCTYPE html>\n<html><body>Please, log in</body></html>"
    for name in ("a.csv", "a.json", "a.tsv"):
        with pytest.raises(DataError, match=r"found a web page or XML; look at it"):
            read(written(tmp_path / name, page))
    assert len(list(open_rows(written(tmp_path / "a.txt", page)))) == 3


@pytest.mark.parametrize("text", ["ORCHIDS are fine", "FEAR", "BZh", "GIF8 and more", "{last} words", "[music] plays"])
def test_texts_that_begin_like_another_file(tmp_path, text):
    assert [row.text for row in open_rows(written(tmp_path / "a.txt", text + "\nb\n"))] == [text, "b"]
