"""The phrase book is that of brute force over the whole vocabulary; seen n-grams are those that win in the texts."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import OPTIONS, TRAIN, make

from textcnn.core.lookup_numpy import activate
from textcnn.core.units import UNIT
from textcnn.errors import ConfigError
from textcnn.explain.attribution import winning_ngrams
from textcnn.explain.blinding import write_blinded
from textcnn.explain.phrases import difference, phrase_book, seen_phrases
from textcnn.explain.top_windows import EDGES, ranked
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.tokenizer import UNKNOWN

TOP = 6
BOOKS = ["one width", "leaky", "tanh", "identity", "vectors", "two channels", "sigmoid", "multi label", "bag"]


def load(folder, option, **more) -> LookupModel:
    make(**{"kernel_sizes": [1, 2], **OPTIONS[option], **more} if option != "bag" else OPTIONS[option]).save(folder)
    return LookupModel.load(folder)


def every_window(model):
    """Filter, words, edge and activation of every window that any text can hold, from the rows of the runtime."""
    names, weights = model.inputs.tokenizer.types(), model.model.filters
    rows, numbers = model.rows(np.arange(len(names)))
    products = rows.products[numbers].astype(np.float64)
    for group, (size, tap) in enumerate(zip(weights.sizes.tolist(), weights.first_taps.tolist(), strict=True)):
        for first, end in itertools.combinations(range(size + 1), 2):
            for types in itertools.product(range(1, len(names)), repeat=end - first):  # type 0 is the padding
                taps = tap + np.arange(first, end)
                scores = products[list(types), taps, : weights.num_filters].sum(axis=0)
                bias = weights.bias[group * weights.num_filters :][: weights.num_filters]
                features = activate((scores + bias).astype(np.float32), weights.activation)
                words = [names[k] for k in types]
                for f, value in enumerate(features.tolist()):
                    yield group * weights.num_filters + f, words, EDGES[first > 0, end < size], value


def brute(model, label, sign, hidden=lambda words: False):
    found = {}
    for f, words, at, value in every_window(model):
        share = sign * value * float(model.model.filters.head[f, label])
        if value > 0 and share > 0 and not hidden(words):
            found[" ".join(words), at] = max(share, found.get((" ".join(words), at), 0))
    return sorted(found.values(), reverse=True)[:TOP], found


@pytest.mark.parametrize("option", BOOKS)
def test_the_lists_are_those_of_brute_force(option, tmp_path):
    model = load(tmp_path / "model", option)
    for label, page in enumerate(phrase_book(model, top=TOP)):
        for sign, phrases in zip((1, -1), page.filters, strict=True):
            values, found = brute(model, label, sign)
            assert np.allclose([sign * phrase.contribution for phrase in phrases], values, atol=1e-5)
            for phrase in phrases:
                assert abs(found[phrase.text, phrase.at] - sign * phrase.contribution) < 1e-5
        if option == "bag":
            assert page.filters == ([], [])


def test_words_of_the_mean_and_n_grams_of_the_wide_branch_add_what_is_said(tmp_path):
    model = load(tmp_path / "model", "default")
    names = model.inputs.tokenizer.types()
    bias = model.model.bias * UNIT
    for label, page in enumerate(phrase_book(model, top=3)):
        rows, numbers = model.rows(np.arange(1, len(names)))
        means = rows.means[numbers][:, label] * UNIT
        assert np.allclose([p.contribution for p in page.mean[0]], np.sort(means)[::-1][:3], atol=1e-9)
        weights = model.model.table[:, label] * model.model.scale
        assert np.allclose([p.contribution for p in page.wide[1]], np.sort(weights)[:3])
        # A text of one word has the feature of that word alone, with weight 1.
        for phrase in [p for side in page.wide for p in side if " " not in p.text]:
            encoded = model.inputs.encode([phrase.text])
            won = winning_ngrams(model, encoded).contributions[:, label].astype(np.float64).sum()
            share = float(model.rows(encoded.ids)[0].means[model.rows(encoded.ids)[1][0], label]) * UNIT
            logit = model.logits(encoded)[0, label]
            assert abs(bias[label] + won + share + phrase.contribution - logit) < 1e-5


@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=1, max_size=4),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_windows_come_best_first_and_each_once(columns, count):
    products = -np.sort(-np.array(columns, np.float64).T, axis=0)  # (4, h), descending
    found = list(ranked(products, count))
    size = products.shape[1]
    every = {
        (first, places): sum(products[k, first + i] for i, k in enumerate(places))
        for first, end in itertools.combinations(range(size + 1), 2)
        for places in itertools.product(range(4), repeat=end - first)
    }
    assert len(set(found)) == len(found) == min(count, len(every))
    assert [every[window] for window in found] == sorted(every.values(), reverse=True)[: len(found)]


def test_blinded_words_and_phrases_are_in_no_list(tmp_path):
    load(tmp_path / "model", "default")
    book = phrase_book(LookupModel.load(tmp_path / "model"), top=TOP)
    word = next(p.text for p in book[0].mean[0] if p.text != UNKNOWN)
    found = [phrase.text for page in book for side in page.filters for phrase in side]
    pair = next(text for text in found if " " in text and not {UNKNOWN, word} & set(text.split(" ")))
    write_blinded(tmp_path / "model", tmp_path / "blind", words=[word], phrases=[pair])
    blind = LookupModel.load(tmp_path / "blind")
    for label, page in enumerate(phrase_book(blind, top=TOP)):
        texts = [p.text for lists in (page.filters, page.mean, page.wide) for side in lists for p in side]
        assert not [text for text in texts if word in text.split(" ") or text == pair]
        values, _ = brute(blind, label, 1, lambda words: word in words or " ".join(words) == pair)
        assert np.allclose([p.contribution for p in page.filters[0]], values, atol=1e-5)


def test_few_of_a_filter_some_labels_and_wrong_ones(tmp_path):
    model = load(tmp_path / "model", "default")
    (page,) = phrase_book(model, top=TOP, labels=["pos"], per_filter=1)
    assert page.label == "pos"
    assert len(page.filters[0]) + len(page.filters[1]) <= len(model.model.filters.bias)
    assert page.filters[0][0] == phrase_book(model, top=TOP, labels=["pos"])[0].filters[0][0]
    with pytest.raises(
        ConfigError, match=re.escape("expected a label of the model ('neg', 'pos', 'unsure'), got 'po'")
    ):
        phrase_book(model, labels=["po"])
    with pytest.raises(ConfigError, match="needs precision 'float32', this model was loaded with 'int8'"):
        phrase_book(LookupModel.load(tmp_path / "model", precision="int8"))


@pytest.mark.parametrize("option", ["pure", "leaky", "cut", "widths", "multi label"])
def test_winners_and_the_bias_are_the_logits_of_a_model_of_maxima(option, tmp_path):
    make(**{**OPTIONS[option], "pooling": "max", "wide": False}).save(tmp_path)
    model = LookupModel.load(tmp_path)
    texts = [*TRAIN, "", "good", "unseen words of a film"]
    encoded = model.inputs.encode(texts)
    won = winning_ngrams(model, encoded)
    sums = np.tile(model.model.bias * UNIT, (len(texts), 1))
    np.add.at(sums, won.texts, won.contributions)
    assert np.allclose(sums, model.logits(encoded), atol=1e-5)


def test_seen_n_grams_have_the_support_and_labels_of_the_texts_where_they_win(tmp_path):
    model = load(tmp_path, "default")
    texts, truth = [*TRAIN, *TRAIN[:2], "xyzzy plugh"], [("pos",), ("neg",), ("pos",), ("neg",)] * 2
    pages = seen_phrases(model, texts, truth[: len(texts)], top=50, min_support=2)
    assert [page.label for page in pages] == ["neg", "pos", "unsure"]
    found = [phrase for page in pages for phrase in [*page.strongest, *page.weakest]]
    assert found
    for phrase in found:
        held = [i for i, text in enumerate(texts) if phrase.text in " ".join(model.inputs.tokenizer.words(text))]
        assert 2 <= phrase.support <= len(held)
        assert sum(phrase.labels.values()) == phrase.support
    assert all(phrase.contribution > 0 for page in pages for phrase in page.strongest)
    every = seen_phrases(model, texts, truth[: len(texts)], top=500, min_support=1, labels=["pos"])
    assert any("xyzzy" in phrase.text for phrase in [*every[0].strongest, *every[0].weakest])
    with pytest.raises(ConfigError, match="expected a label of the model"):
        seen_phrases(model, texts, truth, labels=["no"])


def test_an_n_gram_that_wins_twice_in_a_text_has_the_support_of_one(tmp_path):
    make(kernel_sizes=[1, 2], num_filters=30, wide=False).save(tmp_path)
    model = LookupModel.load(tmp_path)
    won = winning_ngrams(model, model.inputs.encode(["good plot good"]))
    assert {0, 2} <= {
        first for first, last in zip(won.first.tolist(), won.last.tolist(), strict=True) if last - first == 1
    }
    (page,) = seen_phrases(model, ["good plot good"], [("pos",)], top=500, min_support=1, labels=["pos"])
    for phrase in [*page.strongest, *page.weakest]:
        assert (phrase.support, phrase.labels) == (1, {"pos": 1})


def test_no_texts_and_models_without_filters_have_no_seen_n_grams(tmp_path):
    model = load(tmp_path / "kim", "default")
    assert [page.strongest + page.weakest for page in seen_phrases(model, [], [])] == [[], [], []]
    bag = load(tmp_path / "bag", "bag")
    assert [page.strongest + page.weakest for page in seen_phrases(bag, ["a film"], [("pos",)])] == [[], [], []]


def test_two_books_side_by_side(tmp_path):
    one = phrase_book(load(tmp_path / "one", "default"), top=3)
    two = phrase_book(load(tmp_path / "two", "default", seed=1), top=3)
    assert all(entry["first"] == entry["second"] for page in difference(one, one) for entry in page["filters"])
    pages = difference(one, two)
    assert [page["label"] for page in pages] == ["neg", "pos", "unsure"]
    for page, mine, theirs in zip(pages, one, two, strict=True):
        first = {entry["text"]: entry["first"] for entry in page["mean"] if entry["first"] is not None}
        second = {entry["text"]: entry["second"] for entry in page["mean"] if entry["second"] is not None}
        assert first == {p.text: p.contribution for side in mine.mean for p in side}
        assert second == {p.text: p.contribution for side in theirs.mean for p in side}
