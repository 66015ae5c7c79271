"""Sizes that do not fit are refused by the scanner; what it finds is tested by ``tests/reading/test_scanning.py``."""

import ctypes

import numpy as np
import pytest

from textcnn.core import scan
from textcnn.core.scan import TableForm, scan_objects, scan_rows, take_bytes

pytestmark = pytest.mark.usefixtures("core")
LARGEST = 2**63 - 1


def rows_of(data):
    return scan_rows(data, TableForm(1, 100), is_last=True, most_rows=4)


def objects_of(data):
    return scan_objects(data, ["a"], 100, is_last=True, most_rows=4)


@pytest.mark.parametrize("scanned", [rows_of, objects_of])
@pytest.mark.parametrize("progress", [(0, 0, LARGEST), (0, 0, -1), (9, 0, 0), (-1, 0, 0), (0, 5, 0), (0, -1, 0)])
def test_progress_that_no_scan_has_made_is_refused(monkeypatch, scanned, progress):
    class Progress(scan._Progress):
        def __init__(self):
            super().__init__(*progress)

    data = np.frombuffer(b'{"a":1}\n', np.uint8).copy()
    assert len(scanned(data).spans) == 1
    monkeypatch.setattr(scan, "_Progress", Progress)
    with pytest.raises(ValueError, match="do not fit together"):
        scanned(data)


@pytest.mark.parametrize(("begin", "end"), [(-(2**63), 0), (-1, LARGEST), (LARGEST, LARGEST), (2, 1), (0, 4), (-2, -2)])
def test_parts_that_are_not_in_the_bytes_are_refused(begin, end):
    parts = np.array([[0, begin], [0, end]])
    out = np.empty(4, np.uint8)
    arrays = [np.frombuffer(b"abc", np.uint8), parts[0], parts[1], out, np.empty(2, np.int64)]
    data, begins, ends, to, out_ends = (ctypes.c_void_p(a.__array_interface__["data"][0]) for a in arrays)
    whole = ctypes.c_int64
    with pytest.raises(ValueError, match="do not fit together"):
        scan.call("tc_take_bytes", data, whole(3), begins, ends, whole(1), whole(2), to, whole(4), out_ends)
    assert take_bytes(arrays[0], np.array([1]), np.array([3]))[0].tobytes() == b"bc"
