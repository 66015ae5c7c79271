"""Explanations of one-layer models: sums are the logit, terms are the windows that won, places are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn.errors import ConfigError, DataError
from textcnn.explain.attribution import Winners, reasons
from textcnn.explain.explainer import Explainer
from textcnn.prediction.predictor import Predictor

TEXTS = [*ASKED, "A good, GOOD film wıth  a bad plot!", "it's e\u0301tude \u00a0 it's", "good bad good bad good"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: make(**changes).save(place / name.replace(" ", "-")) for name, changes in OPTIONS.items()}


def total(one, entries):
    return one["bias"] + sum(e["contribution"] for e in one[entries]) + sum(t["contribution"] for t in one["other"])


def check_sums(one):
    for entries in ("ngrams", "words"):
        assert total(one, entries) == pytest.approx(one["logit"], abs=1e-9)
    for term in one["other"]:
        if "terms" in term:
            parts = sum(entry["contribution"] for entry in term["terms"])
            assert parts == pytest.approx(term["contribution"], abs=1e-9)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("top", [None, 2])
def test_sums_are_the_logit_and_the_logit_is_that_of_classify(folders, option, top):
    predictor = Predictor.load(folders[option])
    logits = predictor.logits(predictor.inputs.encode(TEXTS))
    for row, text, expected in zip(predictor.explain(TEXTS, labels="all", top=top), TEXTS, logits, strict=True):
        assert [one["label"] for one in row] == predictor.classes_
        np.testing.assert_allclose([one["logit"] for one in row], expected, atol=1e-5)
        for one in row:
            check_sums(one)
            for entry in one["ngrams"] + one["words"]:
                assert entry["text"] == text[entry["start"] : entry["end"]]


@pytest.mark.parametrize("option", ["default", "pure", "tanh", "leaky", "widths", "cut"])
def test_ngrams_are_the_first_windows_with_the_largest_sums(folders, option):
    model = Predictor.load(folders[option]).lookup()
    filters, limit = model.model.filters, model.inputs.max_length
    encoded = model.inputs.encode(TEXTS)
    found = reasons(Winners(model, encoded, slice(0, len(TEXTS))), np.zeros((len(TEXTS), 1), np.int64))
    for b in range(len(TEXTS)):
        ids = encoded.ids[encoded.offsets[b] : encoded.offsets[b + 1]][:limit]
        expected = {}
        for g, sums in enumerate(model.windows(ids, encoded.unseen)):
            size = int(filters.sizes[g])
            for f in range(filters.num_filters if len(ids) else 0):
                k, place = g * filters.num_filters + f, int(sums[:, f].argmax())
                start = place - size + 1
                run = max(start, 0), min(start + size, len(ids))
                score = float(sums[place, f]) + float(filters.bias[k])
                value = {"relu": max(score, 0), "tanh": np.tanh(score)}.get(
                    filters.activation, score if score > 0 else score * 0.01
                )
                expected[run] = expected.get(run, 0) + value * float(filters.head[k, 0])
        part = slice(found.ngrams.offsets[b], found.ngrams.offsets[b + 1])
        runs = list(zip(found.ngrams.first[part].tolist(), found.ngrams.last[part].tolist(), strict=True))
        assert len(set(runs)) == len(runs)
        got = dict(zip(runs, found.ngrams.contributions[part, 0].tolist(), strict=True))
        for run in expected.keys() | got.keys():
            assert got.get(run, 0) == pytest.approx(expected.get(run, 0), abs=1e-5)


def test_words_have_what_they_add_to_the_windows_that_they_won(folders):
    model = Predictor.load(folders["pure"]).lookup()
    filters, encoded = model.model.filters, model.inputs.encode(["good a film bad plot"])
    words = np.zeros(len(encoded.ids))
    held, rows = model.rows(encoded.ids, encoded.unseen)
    for g, sums in enumerate(model.windows(encoded.ids, encoded.unseen)):
        size, tap = int(filters.sizes[g]), int(filters.first_taps[g])
        for f in range(filters.num_filters):
            k, start = g * filters.num_filters + f, int(sums[:, f].argmax()) - size + 1
            if sums[:, f].max() + filters.bias[k] > 0:
                inside = [t for t in range(start, start + size) if 0 <= t < len(words)]
                for t in inside:
                    add = held.products[rows[t], tap + t - start, f] + filters.bias[k] / len(inside)
                    words[t] += add * filters.head[k, 1]
    found = reasons(Winners(model, encoded, slice(0, 1)), np.array([[1]]))
    np.testing.assert_allclose(found.words.contributions[:, 0], words, atol=1e-5)


def test_the_strongest_are_listed_and_the_rest_is_one_entry_without_text(folders):
    predictor = Predictor.load(folders["default"])
    (whole,), (cut,) = predictor.explain(TEXTS[-3:-2]), predictor.explain(TEXTS[-3:-2], top=3)
    for kind in ("ngrams", "words"):
        assert cut[kind][:3] == whole[kind][:3]
        sizes = [abs(entry["contribution"]) for entry in whole[kind]]
        assert sizes == sorted(sizes, reverse=True)
        rest = sum(entry["contribution"] for entry in whole[kind][3:])
        end = len(TEXTS[-3])
        assert cut[kind][3] == {"text": "", "start": end, "end": end, "contribution": pytest.approx(rest, abs=1e-12)}
        assert len(cut[kind]) == 4


def test_wide_terms_say_which_words_and_pairs_count(folders):
    predictor = Predictor.load(folders["default"])
    (one,) = predictor.explain(["unseen, a good film"])
    (wide,) = (term for term in one["other"] if term["name"] == "wide")
    assert {entry["text"] for entry in wide["terms"]} == {",", "a", "good", "film", "a good", "good film"}


@pytest.mark.parametrize("option", ["default", "pure"])
def test_many_texts_have_the_explanations_of_each_alone(folders, option):
    predictor = Predictor.load(folders[option])
    many = TEXTS * 20  # more than a task has, and enough for two threads
    assert predictor.explain(many, top=2) == predictor.explain(TEXTS, top=2) * 20
    singles = [predictor.explain([text], top=2)[0] for text in TEXTS]
    for one, alone in zip(predictor.explain(TEXTS, top=2), singles, strict=True):
        assert one["logit"] == pytest.approx(alone["logit"], abs=1e-12)
        assert [entry["text"] for entry in one["ngrams"]] == [entry["text"] for entry in alone["ngrams"]]


@pytest.mark.parametrize("option", OPTIONS)
def test_answers_that_come_with_explanations_are_the_predictors_to_the_bit(folders, option):
    predictor = Predictor.load(folders[option])
    for texts in (TEXTS, TEXTS * 20):
        answers = Explainer(predictor, top=2).answer(texts)
        expected = predictor.answer(texts)
        assert (answers.probabilities == expected.probabilities).all()
        assert (answers.labels, answers.num_unknown) == (expected.labels, expected.num_unknown)
        best = [predictor.classes_[k] for k in expected.probabilities.argmax(axis=1)]
        assert [one["label"] for one in answers.explanations] == best


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(text=st.text(st.sampled_from("agodbfilm ',\t漢字é\u0301İ\x1c!"), max_size=40))
def test_sums_hold_and_places_are_right_for_any_text(folders, text):
    predictor = Predictor.load(folders["widths"])
    for one in predictor.explain([text], labels="all")[0]:
        check_sums(one)
        assert all(entry["text"] == text[entry["start"] : entry["end"]] for entry in one["words"])
        assert len(one["words"]) == len(predictor.inputs.encode([text]).ids)


def test_a_model_in_memory_explains_itself_as_its_folder_does(folders):
    artifact = make()
    assert Predictor(artifact).explain(TEXTS, top=3) == Predictor.load(folders["default"]).explain(TEXTS, top=3)


def test_labels_are_chosen_by_name(folders):
    predictor = Predictor.load(folders["default"])
    assert [one["label"] for one in predictor.explain(["good"], labels=["pos", "neg"])[0]] == ["pos", "neg"]
    assert predictor.explain(["good"])[0]["label"] == predictor.predict(["good"])[0]
    assert predictor.explain([]) == []
    with pytest.raises(ConfigError, match=r"names of labels \(neg, pos, unsure\), got 'glad'"):
        Explainer(predictor, labels=["glad"])
    with pytest.raises(ConfigError, match="got none"):
        Explainer(predictor, labels=[])
    with pytest.raises(DataError, match="got the single text 'good'"):
        predictor.explain("good")


def test_int8_has_no_reasons(folders):
    predictor = Predictor.load(folders["default"], precision="int8")
    with pytest.raises(ConfigError, match="reasons need precision 'float32', this model was loaded with 'int8'"):
        predictor.explain(["good"])
