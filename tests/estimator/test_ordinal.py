"""The classifier of ordered classes: grades, their probabilities, and what is refused."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import cross_val_score

import textcnn
from textcnn.errors import ConfigError
from textcnn.estimator import TextCNNOrdinalClassifier

WORDS = {"awful": "low", "fair": "medium", "great": "high"}
TEXTS = [f"{word} film number {n}" for n in range(30) for word in WORDS]
Y = [WORDS[text.split()[0]] for text in TEXTS]
ORDER = ["low", "medium", "high"]
TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 8, "threads": 1, "ngram_buckets": 500}


def tiny(**more):
    return TextCNNOrdinalClassifier(**TINY | {"grades": ORDER} | more)


@pytest.fixture(scope="module")
def fitted():
    return tiny().fit(TEXTS, Y)


def test_classes_are_in_the_order_given(fitted):
    assert fitted.classes_.tolist() == ORDER
    found = fitted.predict(TEXTS)
    assert fitted.score(TEXTS, Y) > 0.9
    proba = fitted.predict_proba(TEXTS)
    assert proba.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (fitted.classes_[proba.argmax(axis=1)] == found).all()
    low, medium, high = fitted.scores(["awful film", "fair film", "great film"])
    assert low < medium < high


def test_numbers_are_their_own_order_and_the_folder_is_that_of_the_command(tmp_path):
    stars = np.array([{"low": 1, "medium": 3, "high": 5}[name] for name in Y])
    model = tiny(grades=None).fit(TEXTS, stars)
    assert model.classes_.tolist() == [1, 3, 5]
    assert cohen_kappa_score(stars, model.predict(TEXTS), weights="quadratic") > 0.9
    predictor = textcnn.load(model.predictor_.save(tmp_path / "model"))
    assert predictor.predict(["awful film", "great film"]) == ["1", "5"]
    assert np.array_equal(predictor.predict_proba(TEXTS[:4]), model.predict_proba(TEXTS[:4]))


def test_grades_without_a_row_have_a_probability(tmp_path):
    model = tiny(grades=["lowest", *ORDER]).fit(TEXTS, Y)
    assert model.predict_proba(TEXTS[:2]).shape == (2, 4)
    assert set(model.predict(TEXTS)) <= set(ORDER) | {"lowest"}


def test_rows_of_weight_0_are_left_out(fitted):
    weights = np.repeat([1.0, 0.0], len(TEXTS))
    model = tiny().fit([*TEXTS, *TEXTS], [*Y, *Y[::-1]], sample_weight=weights)
    assert np.array_equal(model.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_other_losses_learn_too():
    proba = [tiny(loss=loss).fit(TEXTS, Y).predict_proba(TEXTS[:3]) for loss in (None, "cumulative", "squared")]
    assert np.array_equal(proba[0], proba[1])
    assert not np.allclose(proba[0], proba[2], atol=1e-4)


def test_it_is_cloned_and_cross_validated():
    assert clone(tiny()).get_params()["grades"] == ORDER
    assert cross_val_score(tiny(), TEXTS, Y, cv=3).mean() > 0.8


def test_a_warm_start_goes_on(fitted):
    model = tiny(warm_start=True, epochs=2).fit(TEXTS, Y)
    before = model.predict_proba(TEXTS)
    again = model.fit(TEXTS, Y)
    assert again.predictor_.artifact.labels.grades.names == tuple(ORDER)
    assert not np.array_equal(before, again.predict_proba(TEXTS))


@pytest.mark.parametrize(
    ("grades", "y", "message"),
    [
        (["low", "high"], Y, "expected classes among the grades low, high, found 'medium'"),
        (["a,b", "c"], Y, "expected classes without commas, and without blanks around them, found 'a,b'"),
        (["3", "2", "1"], Y, "ordinal must be grades from the lowest to the highest, got 3, 2, 1"),
        (["low"], Y, "expected at least 2 classes, found 1 class"),
        (ORDER, np.ones((len(TEXTS), 2), int), "expected one class for each text in y, found several columns"),
        (ORDER, None, "requires y to be passed"),
    ],
)
def test_what_is_refused(grades, y, message):
    with pytest.raises(ValueError, match=message):
        tiny(grades=grades).fit(TEXTS, y)


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="loss must be squared, huber, cumulative"):
        tiny(loss="hinge").fit(TEXTS, Y)
