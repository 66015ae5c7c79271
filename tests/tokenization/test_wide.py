from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.tokenization.ngrams import WideFeatures, logarithms
from textcnn.tokenization.ragged import Ragged

TEXTS = st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=8)


def grams(text):
    return Counter([*((i,) for i in text), *pairwise(text)])


def key(gram):
    return gram[0] if len(gram) == 1 else (gram[0] + 1) << 32 | gram[1]


def by_the_formula(train, texts):
    """Sublinear TF-IDF with dictionaries, one text at a time."""
    frequency = Counter(gram for text in train for gram in set(grams(text)))
    idf = {gram: np.log((1 + len(train)) / (1 + n)) + 1 for gram, n in frequency.items()}
    rows = []
    for text in texts:
        weights = {key(g): (1 + np.log(n)) * idf[g] for g, n in grams(text).items() if g in idf}
        norm = np.sqrt(sum(w * w for w in weights.values()))
        rows.append({k: w / norm for k, w in weights.items()})
    return rows


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_weights_follow_the_formula(train, texts):
    features = WideFeatures.fit(Ragged.from_lists(train))
    found = features.transform(Ragged.from_lists(texts))
    for row, expected in enumerate(by_the_formula(train, texts)):
        span = slice(found.offsets[row], found.offsets[row + 1])
        assert features.keys[found.rows[span]].tolist() == sorted(expected)
        np.testing.assert_allclose(found.weights[span], [expected[k] for k in sorted(expected)], rtol=1e-5)


@given(TEXTS)
def test_keys_are_all_that_was_seen_in_order(train):
    features = WideFeatures.fit(Ragged.from_lists(train))
    assert features.keys.tolist() == sorted({key(g) for text in train for g in grams(text)})


@pytest.mark.slow
@given(TEXTS, st.data())
def test_take_is_the_features_of_those_texts(train, data):
    features = WideFeatures.fit(Ragged.from_lists(train))
    chosen = np.array(data.draw(st.lists(st.integers(0, len(train) - 1), max_size=5)), np.int64)
    taken = features.transform(Ragged.from_lists(train)).take(chosen)
    again = features.transform(Ragged.from_lists([train[i] for i in chosen]))
    assert taken.rows.tolist() == again.rows.tolist()
    assert taken.weights.tolist() == again.weights.tolist()
    assert taken.offsets.tolist() == again.offsets.tolist()


def test_temporary_ids_have_no_features():
    """Behind the vocabulary an id stands for another word in every corpus."""
    features = WideFeatures.fit(Ragged.from_lists([[0, 1, 5, 1], [6], [2, 0]]), num_types=5)
    assert features.keys.tolist() == sorted(map(key, [(0,), (1,), (2,), (0, 1), (2, 0)]))


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_further_texts_leave_old_features_as_they_were(train, further):
    old = WideFeatures.fit(Ragged.from_lists(train))
    new = old.extended(Ragged.from_lists(further), 6)
    assert new.keys.tolist() == sorted({*old.keys, *WideFeatures.fit(Ragged.from_lists(further)).keys})
    assert new.idf[np.searchsorted(new.keys, old.keys)].tolist() == old.idf.tolist()
    same, before = (f.transform(Ragged.from_lists(train)) for f in (old.extended(Ragged.from_lists(train), 6), old))
    assert same.weights.tolist() == before.weights.tolist()


def test_a_word_that_a_text_holds_thousands_of_times(monkeypatch):
    """Only the logarithms that are needed are made: the others would take minutes."""
    tokens = Ragged.from_lists([[0, 1] * 20_000 + [2] * 3, [2, 1]])
    features = WideFeatures.fit(tokens)
    monkeypatch.setattr("textcnn.tokenization.ngrams.LOGARITHMS", 16)
    rows = features.transform(tokens)
    weights = dict(zip(features.keys[rows.rows[: rows.offsets[1]]].tolist(), rows.weights.tolist(), strict=False))
    idf = dict(zip(features.keys.tolist(), features.idf.tolist(), strict=True))
    expected = (1 + np.log(20_000)) * idf[0] / ((1 + np.log(3)) * idf[2])
    assert weights[0] / weights[2] == pytest.approx(expected, rel=1e-6)


def test_logarithms_are_correctly_rounded():
    counts = np.array([1, 2, 3, 255, 256, 257, 100_000, 1])
    np.testing.assert_allclose(logarithms(counts), np.log(counts), rtol=3e-16, atol=0)
    assert len(logarithms(np.zeros(0, np.int64))) == 0
