"""One answer a row, in order, and never another one because of the rows beside it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError, DataError
from textcnn.models.registry import TEXT
from textcnn.prediction.predictor import Predictor

words = st.sampled_from(["a", "good", "bad", "film", "really", "unseen", "漢", "!", "\ud800", "\0"])
texts = st.lists(words, max_size=12).map(" ".join) | st.text(max_size=10)
with_fixtures = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@with_fixtures
@given(rows=st.lists(texts, max_size=8))
def test_predict_is_the_argmax_of_predict_proba(predictor, rows):
    probs = predictor.predict_proba(rows)
    assert (probs.dtype, probs.shape) == (np.float64, (len(rows), 3))
    assert ((probs >= 0) & (probs <= 1)).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=0, atol=1e-9)
    assert predictor.predict(rows) == [predictor.classes_[i] for i in probs.argmax(axis=1)]


@pytest.mark.slow
@with_fixtures
@given(rows=st.lists(texts, max_size=8))
def test_multi_label_predictions_are_the_labels_that_reach_their_thresholds(multi, rows):
    multi.artifact.thresholds = [0.5, 0.48, 0.52]
    probs = multi.predict_proba(rows)
    expected = [
        tuple(name for name, p, t in zip(multi.classes_, row, multi.artifact.thresholds, strict=True) if p >= t)
        for row in probs
    ]
    assert multi.predict(rows) == expected
    assert multi.answer(rows, threshold=1.0).labels == [()] * len(rows)
    assert multi.answer(rows, threshold=0).labels == [tuple(multi.classes_)] * len(rows)


@pytest.mark.parametrize("architecture", TEXT)
def test_a_text_has_the_same_answer_alone_in_any_batch_and_in_any_order(make_text, architecture):
    predictor = Predictor(make_text(architecture=architecture))
    bound = 1e-6 if architecture in ("kim", "bag") else 1e-5
    random = np.random.default_rng(0)
    names = ["a", "good", "bad", "film", "unseen", ",", "with"]
    lengths = [0, 1, 1, 2, 3, 5, 8, 40, 120]
    rows = ["", "good", *(" ".join(random.choice(names, n)) for n in lengths)]
    alone = np.concatenate([predictor.predict_proba([row]) for row in rows])
    for _ in range(3):
        order = random.permutation(len(rows))
        np.testing.assert_allclose(predictor.predict_proba([rows[i] for i in order]), alone[order], rtol=0, atol=bound)
    repeated = predictor.predict_proba([*rows, "film " * 300, *rows])
    np.testing.assert_allclose(repeated[: len(rows)], alone, rtol=0, atol=bound)
    np.testing.assert_allclose(repeated[-len(rows) :], alone, rtol=0, atol=bound)


def test_flags_say_what_was_not_seen(make_text):
    predictor = Predictor(make_text(max_length=3))
    answers = predictor.answer(["", "good", " \t\n", "a good film", "a good film !", "unseen words"])
    assert answers.empty.tolist() == [True, False, True, False, False, False]
    assert answers.cut.tolist() == [False, False, False, False, True, False]
    assert (answers.num_tokens, answers.num_unknown) == (1 + 3 + 4 + 2, 2)
    whole, cut = predictor.predict_proba(["a good film", "a good film ! bad bad"])
    np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-6)


def test_an_empty_text_is_answered_by_the_bias_alone(predictor):
    bias = predictor.artifact.model.head.bias.detach().numpy().astype(np.float64)
    expected = np.exp(bias) / np.exp(bias).sum()
    for row in predictor.predict_proba(["", " ", "\n"]):
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-7)


def test_temperature_moves_probabilities_but_no_decision(make_text):
    cold, hot = (Predictor(make_text(temperature=t)) for t in (0.05, 20.0))
    rows = ["a good film", "bad", "unseen"]
    assert cold.predict(rows) == hot.predict(rows)
    assert (cold.predict_proba(rows).max(axis=1) > hot.predict_proba(rows).max(axis=1)).all()


def test_no_rows(predictor, multi):
    for each in (predictor, multi):
        answers = each.answer([])
        assert answers.probabilities.shape == (0, 3)
        assert (answers.labels, len(answers.empty), len(answers.cut)) == ([], 0, 0)
        assert each.predict([]) == []


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda rows: np.array(rows, object), iter])
def test_texts_may_come_in_any_sequence(predictor, make):
    rows = ["a good film", "bad"]
    assert predictor.predict(make(rows)) == predictor.predict(rows)


def test_texts_may_come_in_a_column_of_pandas(predictor):
    import pandas

    rows = ["a good film", "bad"]
    assert predictor.predict(pandas.Series(rows, index=[7, 3])) == predictor.predict(rows)


def test_a_single_text_where_a_list_belongs(predictor):
    with pytest.raises(DataError, match=r"expected a list of texts, got the single text 'a good film'; write \[text\]"):
        predictor.predict("a good film")
    with pytest.raises(DataError, match=r"got the single text 'x{40}'; write"):
        predictor.predict_proba("x" * 1_000)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["a", None], r"None \(NoneType\) at position 1"),
        (["a", "b", 3], r"3 \(int\) at position 2"),
        ([float("nan")], r"nan \(float\) at position 0"),
        ([b"bytes"], r"b'bytes' \(bytes\) at position 0"),
        ([["a"]], r"\['a'\] \(list\) at position 0"),
    ],
)
def test_rows_that_are_no_texts(predictor, rows, found):
    with pytest.raises(DataError, match=rf"expected texts, found {found}") as caught:
        predictor.predict(rows)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("rows", [None, 5, 1.5])
def test_something_that_is_no_list(predictor, rows):
    with pytest.raises(DataError, match=rf"expected a list of texts, got {rows!r}"):
        predictor.predict(rows)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_its_range(multi, threshold):
    with pytest.raises(ConfigError, match=rf"threshold must be in \[0, 1\].*, got {threshold!r}"):
        multi.answer(["a"], threshold=threshold)


def test_a_threshold_for_a_single_label_model(predictor):
    with pytest.raises(ConfigError, match=r"for multi-label models, got 0.5 for single_label_classification"):
        predictor.answer(["a"], threshold=0.5)


def test_a_prediction_leaves_the_model_as_it_was(predictor):
    before = {name: value.clone() for name, value in predictor.artifact.model.state_dict().items()}
    predictor.predict(["a good film"] * 3)
    assert not predictor.artifact.model.training
    assert all((value == before[name]).all() for name, value in predictor.artifact.model.state_dict().items())


def test_several_threads_may_ask_at_once(predictor):
    rows = ["a good film", "", "bad", "really unseen"] * 10
    expected = predictor.predict_proba(rows)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(predictor.predict_proba, [rows] * 12):
            assert (found == expected).all()


def test_scores_are_those_of_the_predictions(predictor, multi):
    rows, truth = ["a good film", "bad", "", "unseen"], [("pos",), ("neg",), ("unsure",), ("never seen",)]
    scores = predictor.score(predictor.artifact.inputs.encode(rows), truth)
    right = [given == name for given, (name,) in zip(predictor.predict(rows), truth, strict=True)]
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    assert scores["per_label"]["never seen"]["recall"] == 0
    wanted = [("calm",), (), ("glad", "odd"), ("calm",)]
    scores = multi.score(multi.artifact.inputs.encode(rows), wanted)
    same = [set(given) == set(names) for given, names in zip(multi.predict(rows), wanted, strict=True)]
    assert scores["accuracy"] == pytest.approx(np.mean(same))


# ---------------------------------------------------------------------------------------------------- images


def test_images_are_answered_one_by_one(image):
    predictor = Predictor(image)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), np.uint8)
    probs = predictor.predict_proba(pixels)
    assert predictor.predict(pixels) == [predictor.classes_[i] for i in probs.argmax(axis=1)]
    alone = np.concatenate([predictor.predict_proba(pixels[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(alone, probs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(predictor.predict_proba(pixels[::-1]), probs[::-1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(predictor.predict_proba(list(pixels)), probs, rtol=0, atol=1e-6)
    answers = predictor.answer(pixels)
    assert not answers.empty.any()
    assert not answers.cut.any()
    assert predictor.predict(pixels[:0]) == []


@pytest.mark.parametrize(
    ("rows", "shape"),
    [
        (np.zeros((2, 1, 8, 8)), r"\(2, 1, 8, 8\)"),
        (np.zeros((3, 8, 8)), r"\(3, 8, 8\)"),
        (["a text"], r"\(1,\)"),
        ("a text", r"\(\)"),
    ],
)
def test_images_of_another_shape(image, rows, shape):
    with pytest.raises(DataError, match=rf"expected images of shape \(N, 3, 8, 8\) as in training, got {shape}"):
        Predictor(image).predict(rows)
