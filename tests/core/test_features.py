"""Chunks, features and rows: the core in C gives the bits of its definition in numpy, with any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.core import chunks, chunks_numpy, features, features_numpy, rows, rows_numpy

pytestmark = pytest.mark.usefixtures("core")

laws = settings(deadline=None, max_examples=30)
byte_texts = st.lists(
    st.lists(st.sampled_from([b"a", b"B", b"'", b"_", b" ", b"\n", b"\x1c", b".", b"ab", b"\xc3\xa9", b"\0", b"\x80"]))
    .map(b"".join),
    max_size=6,
)  # fmt: skip
NUMBERS = st.integers(0, 2**32 - 1)


@pytest.fixture(params=[1, 2, 5], autouse=True)
def threads(request, monkeypatch):
    monkeypatch.setenv("TEXTCNN_THREADS", str(request.param))
    monkeypatch.setattr(features, "_PART", 300)
    monkeypatch.setattr(features, "_TOGETHER", 700)
    monkeypatch.setattr(features, "_BLOCK", 16)


def joined(texts):
    """Bytes of all texts, and where each ends."""
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum(np.array([len(text) for text in texts], np.int64))


def drawn_texts(seed, num_texts=9, most=12, num_types=7):
    """Ids and offsets of some texts, empty ones among them."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, most, num_texts))]).astype(np.int64)
    return rng.integers(0, num_types, offsets[-1]).astype(np.int32), offsets


def drawn_rows(seed, num_rows=40, width=None, count=60):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 70)) if width is None else width
    table = rng.standard_normal((num_rows, width)).astype(np.float32)
    return rng, table, rng.integers(0, num_rows, count), rng.standard_normal((count, width)).astype(np.float32)


def assert_same(found, expected):
    found, expected = (x if isinstance(x, tuple) else (x,) for x in (found, expected))
    for a, b in zip(found, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------------------- chunks


@pytest.mark.slow
@laws
@given(corpora=st.lists(byte_texts, max_size=4))
def test_chunks_have_the_numbers_of_the_definition(corpora):
    fast, plain = chunks.ChunkTable(), chunks_numpy.ChunkTable()
    for texts in corpora:
        before = len(fast)
        assert_same(fast.number(*joined(texts)), plain.number(*joined(texts)))
        assert (len(fast), fast.size) == (len(plain), plain.size)
        assert_same(fast.chunks(before), plain.chunks(before))


def test_a_table_of_chunks_grows():
    texts = [f"{word} {'x' * (word % 500)}".encode() for word in range(5_000)]
    fast, plain = chunks.ChunkTable(), chunks_numpy.ChunkTable()
    for part in (texts, texts[::-1]):
        assert_same(fast.number(*joined(part)), plain.number(*joined(part)))
    assert_same(fast.chunks(0), plain.chunks(0))


@laws
@given(texts=byte_texts)
def test_texts_have_the_hash_of_the_definition(texts):
    assert_same(chunks.hash_texts(*joined(texts)), chunks_numpy.hash_texts(*joined(texts)))


@laws
@given(seed=NUMBERS, picked=st.lists(st.integers(0, 8)))
def test_ragged_rows_are_taken(seed, picked):
    ids, offsets = drawn_texts(seed)
    given = ids, offsets, np.array(picked, np.int64)
    assert_same(chunks.take_ragged(*given), chunks_numpy.take_ragged(*given))


@laws
@given(texts=byte_texts, seed=NUMBERS)
def test_tokens_are_placed(texts, seed):
    table, rng = chunks.ChunkTable(), np.random.default_rng(seed)
    numbers, _ = table.number(*joined(texts))
    spans = np.concatenate([[0], np.cumsum(rng.integers(0, 4, len(table)))]).astype(np.int64)
    lows, highs = rng.integers(0, 9, (2, spans[-1]))
    given = *joined(texts), numbers, spans, lows, highs
    assert_same(chunks.place_tokens(*given), chunks_numpy.place_tokens(*given))


# ----------------------------------------------------------------------------------------------------- features


@pytest.mark.slow
@laws
@given(seed=NUMBERS, num_types=st.sampled_from([3, 7, 2**31 - 1]), spread=st.sampled_from([4, 50, 3_000]))
def test_ngrams_are_counted_and_weighed(seed, num_types, spread):
    ids, offsets = drawn_texts(seed, num_texts=20, most=300, num_types=spread)
    keys, frequency = features.count_ngrams(ids, offsets, num_types)
    assert_same((keys, frequency), features_numpy.count_ngrams(ids, offsets, num_types))
    idf = np.random.default_rng(seed).random(len(keys)).astype(np.float32) + np.float32(0.1)
    other = drawn_texts(seed + 1, num_types=spread + 3)
    for texts in ((ids, offsets), other, (ids, offsets[3:7])):
        largest = features.largest_count(*texts)
        assert largest == features_numpy.largest_count(*texts)
        logs = 1 + np.log(np.arange(1, largest + 1))
        found = features.NgramIndex(keys).weigh(*texts, idf, logs)
        assert_same(found, features_numpy.NgramIndex(keys).weigh(*texts, idf, logs))


@laws
@given(seed=NUMBERS)
def test_labels_of_features_are_counted(seed):
    found, offsets = drawn_texts(seed, num_types=5)
    given = found, offsets, np.random.default_rng(seed).integers(0, 3, len(offsets) - 1), 5, 3
    assert_same(features.count_labels(*given), features_numpy.count_labels(*given))


@pytest.mark.slow
@laws
@given(
    words=st.lists(st.text(max_size=9), max_size=5),
    lengths=st.sampled_from([(1, 1), (2, 4), (3, 3), (5, 2), (1, 30)]),
    num_buckets=st.integers(1, 2**20),
    most=st.none() | st.integers(0, 40),
)
def test_buckets_of_character_ngrams(words, lengths, num_buckets, most):
    given = *joined([word.encode("utf-8", "surrogatepass") for word in words]), *lengths, num_buckets, most
    assert_same(features.ngram_buckets(*given), features_numpy.ngram_buckets(*given))


@laws
@given(seed=NUMBERS, state=st.integers(0, 2**64 - 1))
def test_words_are_dropped_and_types_found(seed, state):
    ids, offsets = drawn_texts(seed)
    rng = np.random.default_rng(seed)
    given = ids, offsets, rng.integers(0, 2**40, len(offsets) - 1), rng.random(7).astype(np.float32), 1, state
    assert_same(features.drop_words(*given), features_numpy.drop_words(*given))
    assert_same(features.unique_types(ids), features_numpy.unique_types(ids))


# --------------------------------------------------------------------------------------------------------- rows


@laws
@given(seed=NUMBERS)
def test_rows_are_summed_and_entries_sorted(seed):
    rng, table, picked, _ = drawn_rows(seed)
    weights = rng.standard_normal(len(picked)).astype(np.float32)
    offsets = np.sort(np.concatenate([[0], rng.integers(0, 61, 12), [60]]))
    given = offsets, picked, weights, table
    assert_same(rows.sum_rows(*given), rows_numpy.sum_rows(*given))
    given = picked, rng.integers(0, 9, len(picked)), weights, len(table)
    assert_same(rows.sort_entries(*given), rows_numpy.sort_entries(*given))


@laws
@given(seed=NUMBERS, name=st.sampled_from(["adam_rows", "adagrad_rows", "adagrad_entries"]))
def test_rows_are_moved(seed, name):
    rng, table, picked, grad = drawn_rows(seed)
    how, state = {
        "adam_rows": ({"rate": 0.1, "betas": (0.9, 0.99), "eps": 1e-6}, np.zeros((len(table), 2, table.shape[1]))),
        "adagrad_rows": ({"rate": 0.2, "eps": 1e-10}, np.zeros(len(table))),
        "adagrad_entries": ({"rate": 0.2}, np.zeros(len(table))),
    }[name]
    if name != "adagrad_entries":
        picked = rng.permutation(len(table))
        grad = grad[: len(picked)]
    results = []
    for module in (rows, rows_numpy):
        weight, moved = table.copy(), state.astype(np.float32)
        for _ in range(3):
            getattr(module, name)(weight, moved, picked, grad, **how)
        results.append((weight, moved))
    assert_same(*results)
    assert not np.array_equal(results[0][0], table)


# ------------------------------------------------------------------------------------- what does not fit together

IDS, OFFSETS = np.array([0, 1, 2], np.int32), np.array([0, 1, 3], np.int64)
TABLE = np.ones((3, 4), np.float32)
BYTES, ENDS = np.frombuffer(b"a b", np.uint8), np.array([1, 3], np.int64)
ONE = np.ones(1, np.float32)


def at(*numbers):
    return np.array(numbers, np.int64)


MISFITS = [
    (chunks, "hash_texts", (BYTES, at(4)), {}),
    (chunks, "take_ragged", (IDS, OFFSETS, at(2)), {}),
    (chunks, "take_ragged", (IDS, OFFSETS, at(-1)), {}),
    (features, "count_ngrams", (IDS, at(0, 4), 9), {}),
    (features, "count_ngrams", (IDS, at(0, 2, 1), 9), {}),
    (features, "count_ngrams", (-IDS, OFFSETS, 9), {}),
    (features, "largest_count", (IDS, at(-1, 2)), {}),
    (features, "count_labels", (IDS, OFFSETS, at(0, 1), 2, 2), {}),
    (features, "count_labels", (IDS, OFFSETS, at(0, 2), 3, 2), {}),
    (features, "ngram_buckets", (BYTES, at(4), 2, 4, 10), {}),
    (features, "ngram_buckets", (BYTES, at(2), 2, 4, 10, -1), {}),
    (features, "drop_words", (IDS, OFFSETS, at(0, 1), ONE, 1, 7), {}),
    (features, "unique_types", (-IDS,), {}),
    (rows, "sum_rows", (at(0, 1), at(3), ONE, TABLE), {}),
    (rows, "sum_rows", (at(0, 2), at(0), ONE, TABLE), {}),
    (rows, "sort_entries", (at(3), at(0), ONE, 3), {}),
    (rows, "adagrad_rows", (TABLE, np.ones(3, np.float32), at(-1), TABLE[:1]), {"rate": 1.0, "eps": 1.0}),
    (rows, "adagrad_entries", (TABLE, np.ones(3, np.float32), at(3), TABLE[:1]), {"rate": 1.0}),
]


@pytest.mark.parametrize(("module", "name", "arguments", "settings"), MISFITS)
def test_sizes_that_do_not_fit_are_errors_of_both(module, name, arguments, settings):
    twin = {chunks: chunks_numpy, features: features_numpy, rows: rows_numpy}[module]
    for one in (module, twin):
        with pytest.raises((ValueError, IndexError)):
            getattr(one, name)(*arguments, **settings)


def test_arrays_of_another_kind_are_errors():
    with pytest.raises(TypeError, match="int32"):
        features.unique_types(IDS.astype(np.int64))
    with pytest.raises(TypeError, match="shape"):
        rows.adagrad_entries(TABLE, ONE, at(0), TABLE[:1], rate=1.0)
    with pytest.raises(TypeError, match="contiguous"):
        rows.sum_rows(at(0, 1), at(0), ONE, TABLE[:, ::2])


def test_offsets_and_logarithms_that_a_text_lacks_are_errors():
    index = features.NgramIndex(at(0, 1))
    for idf, logarithms in ((ONE, np.ones(1)), (np.ones(2, np.float32), np.ones(0))):
        with pytest.raises(ValueError, match=r"expected 2|fit together"):
            index.weigh(IDS, OFFSETS, idf, logarithms)
    with pytest.raises(ValueError, match="fit together"):
        chunks.ChunkTable().number(BYTES, at(9))


def test_the_last_id_there_is_makes_no_key_of_a_pair(core):
    """Its key would be 2^63: found by `make fuzz-core` as an overflow of a signed number."""
    keys, _ = features_numpy.count_ngrams(np.array([3, 4, 3], np.int32), np.array([0, 3]), 9)
    ids, offsets = np.array([3, 2**31 - 1, 3, 4], np.int32), np.array([0, 4])
    index, plain = features.NgramIndex(keys), features_numpy.NgramIndex(keys)
    weights = np.ones(len(keys), np.float32), np.ones(4)
    assert_same(index.weigh(ids, offsets, *weights), plain.weigh(ids, offsets, *weights))
