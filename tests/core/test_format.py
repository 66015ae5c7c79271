"""Bytes of rows from the core: those of Python's json, csv and repr."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.core.format import As, Piece, fractions, join_rows, literal
from textcnn.tokenization.arrow_texts import ArrowTexts

pytestmark = pytest.mark.usefixtures("core")
LARGEST = 2**63 - 1
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=8)


def forms(values):
    piece = fractions(np.array(values, np.float64))
    bounds = zip(piece.begins.tolist(), piece.ends.tolist(), strict=True)
    return [piece.data[a:b].tobytes().decode() for a, b in bounds]


def piece_of(texts, form):
    found = ArrowTexts.of(texts)
    return Piece(found.data, found.offsets[:-1].copy(), found.offsets[1:].copy(), form=form)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(), st.floats(0, 1), st.floats(1e-4, 1), st.integers(0, 10**17).map(lambda n: n / 10**17))
    )
)
def test_fractions_are_written_as_repr_writes_them(values):
    assert forms(values) == list(map(repr, values))


@pytest.mark.slow
def test_many_fractions_and_those_at_the_bounds():
    draw = random.Random(0)
    values = [draw.random() for _ in range(100_000)]
    values += [draw.random() * 10 ** -draw.randint(0, 5) for _ in range(100_000)]
    values += [round(draw.random(), draw.randint(1, 17)) for _ in range(50_000)]
    values += [n / 2**k for k in range(1, 20) for n in range(1, min(2**k, 300))]  # some lie between two forms
    values += [(2 * draw.randrange(2**16) + 1) / 2**17 for _ in range(20_000)]
    for value in (1.0, 0.1, 0.01, 1e-3, 1e-4, 0.5, 0.25, 2**-13, 2**-10, 2**-4, 2**-7, 1 / 3):
        values += [value, math.nextafter(value, 0), math.nextafter(value, 2)]
    values += [0.0, -0.0, 5e-324, 1e22, math.inf, -math.inf, -0.5]
    values += [struct.unpack("d", struct.pack("Q", draw.getrandbits(62)))[0] for _ in range(1000)]
    assert forms(values) == list(map(repr, values))


@settings(deadline=None)
@given(TEXTS)
def test_strings_of_json(texts):
    data, ends = join_rows([literal("> "), piece_of(texts, As.JSON), literal("\n")], len(texts))
    assert data.tobytes().decode() == "".join(f"> {json.dumps(text, ensure_ascii=False)}\n" for text in texts)
    assert (
        ends.tolist() == np.cumsum([len(json.dumps(text, ensure_ascii=False).encode()) + 3 for text in texts]).tolist()
    )


@pytest.mark.parametrize("delimiter", [",", "\t"])
@settings(deadline=None)
@given(texts=TEXTS, others=st.lists(st.text('",;\t\r\n a', max_size=5), min_size=8, max_size=8))
def test_cells_of_csv(texts, others, delimiter):
    others = others[: len(texts)]
    pieces = [piece_of(texts, As.CSV), literal(delimiter), piece_of(others, As.CSV), literal("\r\n")]
    expected = io.StringIO(newline="")
    csv.writer(expected, delimiter=delimiter).writerows(zip(texts, others, strict=True))
    assert join_rows(pieces, len(texts), delimiter)[0].tobytes().decode() == expected.getvalue()


def test_coded_pieces_and_the_only_entry():
    names = piece_of(["x", 'y"'], As.JSON)
    coded = Piece(names.data, names.begins, names.ends, np.array([1, 0, 1], np.int32), As.JSON)
    assert join_rows([coded, literal(";")], 3)[0].tobytes() == b'"y\\"";"x";"y\\"";'
    with pytest.raises(ValueError, match="do not fit together"):
        join_rows([Piece(names.data, names.begins, names.ends, np.array([2], np.int32))], 1)
    with pytest.raises(ValueError, match="do not fit together"):
        join_rows([names], 3)
    with pytest.raises(ValueError, match="do not fit together"):
        join_rows([Piece(names.data, names.begins, names.ends + 1)], 2)


@pytest.mark.parametrize(("begin", "end"), [(-(2**63), 0), (-1, LARGEST), (LARGEST, LARGEST), (2, 1), (0, 4), (-2, -2)])
def test_entries_that_are_not_in_the_bytes_are_refused(begin, end):
    piece = Piece(np.frombuffer(b"abc", np.uint8), np.array([begin]), np.array([end]))
    with pytest.raises(ValueError, match="do not fit together"):
        join_rows([piece], 1)
