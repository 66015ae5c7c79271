"""The regressor of scikit-learn's interface, in pipelines and searches."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from textcnn.errors import ConfigError
from textcnn.estimator import TextCNNClassifier, TextCNNRegressor

TINY = {"embedding_dim": 16, "num_filters": 16, "epochs": 20, "batch_size": 8, "threads": 1, "ngram_buckets": 500}
STARS = {"great": 5.0, "good": 4.0, "fair": 3.0, "bad": 1.5}
TEXTS = [f"a {word} film number {n}" for n in range(15) for word in STARS]
Y = np.array([STARS[text.split()[1]] for text in TEXTS])


def tiny(**settings):
    return TextCNNRegressor(**{**TINY, **settings})


@pytest.fixture(scope="module")
def fitted():
    return tiny().fit(TEXTS, Y)


def test_it_predicts_and_scores(fitted):
    assert fitted.predict(["a great film", "a bad film"]) == pytest.approx([5, 1.5], abs=0.9)
    assert fitted.score(TEXTS, Y) > 0.9
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(TEXTS), fitted.predict(TEXTS))


def test_it_takes_the_arguments_of_the_classifier_that_are_not_about_labels():
    both = [{f.name for f in dataclasses.fields(kind)} for kind in (TextCNNClassifier, TextCNNRegressor)]
    about_labels = {"binary_sigmoid", "label_smoothing", "class_weight", "focal_gamma", "teacher_weight", "hierarchy"}
    assert both[0] - both[1] == about_labels
    assert both[1] - both[0] == {"loss"}


def test_several_targets_have_a_column_each():
    found = tiny(loss="huber").fit(TEXTS, np.stack([Y, -Y], axis=1)).predict(TEXTS[:8])
    assert found.shape == (8, 2)
    assert np.corrcoef(found[:, 0], -found[:, 1])[0, 1] > 0.95


def test_rows_of_weight_0_are_left_out():
    weights = np.where(np.arange(len(Y)) % 2, 0.0, 2.0)
    half = tiny().fit(np.array(TEXTS)[::2].tolist(), Y[::2]).predict(TEXTS)
    assert np.array_equal(tiny().fit(TEXTS, Y, sample_weight=weights).predict(TEXTS), half)


def test_it_is_searched_and_cross_validated():
    found = GridSearchCV(tiny(epochs=2), {"loss": ["squared", "huber"]}, cv=2).fit(TEXTS, Y)
    assert found.best_params_["loss"] in ("squared", "huber")
    assert len(cross_val_score(tiny(epochs=2), TEXTS, Y, cv=3)) == 3


def test_a_warm_start_goes_on(fitted):
    warm = tiny(warm_start=True, epochs=5).fit(TEXTS, Y)
    first = warm.predictor_.labels
    assert warm.fit(TEXTS, Y).score(TEXTS, Y) > 0.8
    assert warm.predictor_.labels == first


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan], "contains NaN"),
        ([2.0, 2.0], "expected different numbers in 'y', found 2 in all rows"),
        (None, "requires y"),
    ],
)
def test_a_wrong_y_says_so(y, message):
    with pytest.raises(ValueError, match=message):
        tiny().fit(["one", "two"], y)
    with pytest.raises(ConfigError, match="loss must be squared, huber, cumulative"):
        tiny(loss="mean").fit(TEXTS, Y)
