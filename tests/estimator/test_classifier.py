"""The classifier among scikit-learn's tools, on texts."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import textcnn
from textcnn.config import ModelConfig, TextConfig, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.estimator import TextCNNClassifier
from textcnn.estimator.base import _OWN
from textcnn.models.registry import settings_of

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 3, "batch_size": 8, "threads": 1, "ngram_buckets": 500}
WORDS = {"good": 1, "bad": 0}
TEXTS = [f"{word} film number {n}" for n in range(12) for word in WORDS]
Y = np.array([WORDS[text.split()[0]] for text in TEXTS])
INDICATORS = np.array([[text.startswith("good"), "1" in text] for text in TEXTS], int)


def tiny(**settings):
    return TextCNNClassifier(**{**TINY, **settings})


@pytest.fixture(scope="module")
def fitted():
    return tiny().fit(TEXTS, Y)


def test_arguments_are_the_settings_with_their_defaults():
    own = {f.name: f.default for f in dataclasses.fields(TextCNNClassifier)}
    known = settings_of("text", "kim")
    expected = {"preset": "default", "warm_start": False, "verbose": False, "settings": None, **dict.fromkeys(known)}
    expected["hierarchy"] = None  # of the settings of data, what a column of classes can have
    for section in (TextConfig, ModelConfig, TrainingConfig):
        expected |= {f.name: f.default for f in dataclasses.fields(section) if f.name not in ("settings", "loss")}
    assert own == expected
    assert set(_OWN) == {"warm_start", "verbose"}


def test_importing_textcnn_imports_no_scikit_learn():
    code = "import sys, textcnn, textcnn.api; sys.exit('sklearn' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_answers_are_those_of_the_predictor(fitted):
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.score(TEXTS, Y) == 1
    probs = fitted.predict_proba(TEXTS)
    assert np.allclose(probs, fitted.predictor_.predict_proba(TEXTS), atol=1e-6)
    assert (fitted.predict(TEXTS) == probs.argmax(1)).all()
    assert np.allclose(fitted.decision_function(TEXTS), np.log(probs[:, 1] / probs[:, 0]))


def test_saved_it_is_a_model_folder(fitted, tmp_path):
    saved = textcnn.load(fitted.predictor_.save(tmp_path / "model"))
    assert saved.predict(["a good film"]) == [str(fitted.predict(["a good film"])[0])] == ["1"]


def test_classes_keep_their_type_and_order():
    y = np.where(Y == 1, 10, 9)  # as strings, "10" comes first
    model = tiny().fit(TEXTS, y)
    assert model.classes_.tolist() == [9, 10]
    assert model.predictor_.labels.names == ("10", "9")
    assert model.score(TEXTS, y) == 1
    assert (model.predict_proba(TEXTS).argmax(1) == (y == 10)).all()


def test_pandas_series_and_a_frame_of_one_column(fitted):
    series = pd.Series(TEXTS, index=range(100, 100 + len(TEXTS)))
    same = tiny().fit(series, pd.Series(Y, index=series.index))
    for given in (series, series.to_frame(), tuple(TEXTS), np.array(TEXTS)):
        assert (same.predict_proba(given) == fitted.predict_proba(TEXTS)).all()


def test_in_a_pipeline_under_a_search_and_cross_validated():
    steps = [("lower", FunctionTransformer(lambda texts: [text.lower() for text in texts])), ("cnn", tiny())]
    search = GridSearchCV(Pipeline(steps), {"cnn__epochs": [1, 3], "cnn__kernel_sizes": [(2,)]}, cv=2)
    assert search.fit(TEXTS, Y).best_score_ == 1
    assert search.best_estimator_["cnn"].predictor_.artifact.config.settings["kernel_sizes"] == (2,)
    assert cross_val_score(tiny(), TEXTS, Y, cv=3).mean() == 1


def test_calibrated():
    model = CalibratedClassifierCV(tiny(), cv=2, method="sigmoid").fit(np.array(TEXTS), Y)
    assert (model.predict(np.array(TEXTS)) == Y).all()
    assert np.allclose(model.predict_proba(np.array(TEXTS)).sum(1), 1)


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, scipy.sparse.csr_matrix, pd.DataFrame])
def test_multi_label(form):
    model = tiny(dev_fraction=0.25).fit(TEXTS, form(INDICATORS))
    assert model.predictor_.labels.multi_label
    assert model.classes_.tolist() == [0, 1]
    given = model.predict(TEXTS)
    assert given.shape == model.predict_proba(TEXTS).shape == model.decision_function(TEXTS).shape == INDICATORS.shape
    assert (given[:, 0] == Y).mean() > 0.9


def test_a_class_that_no_row_has_is_never_given():
    frame = pd.DataFrame({"good": INDICATORS[:, 0], "never": 0, "one": INDICATORS[:, 1]})
    model = tiny().fit(TEXTS, frame)
    assert model.classes_.tolist() == ["good", "never", "one"]
    assert (model.predict_proba(TEXTS)[:, 1] == 0).all()
    assert (model.predict(TEXTS)[:, 1] == 0).all()
    assert np.isfinite(model.decision_function(TEXTS)).all()


def test_rows_of_weight_0_are_as_if_they_were_not_there(fitted):
    texts, y = [*TEXTS, "a good film", "a film"], [*Y, 0, 2]
    weighted = tiny().fit(texts, y, sample_weight=[1.0] * len(TEXTS) + [0, 0])
    assert (weighted.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_weights_of_classes_by_their_own_values(fitted):
    steep = {"learning_rate": 0.02, "embedding_learning_rate": 0.05}
    heavy = tiny(class_weight={1: 1000.0, 0: 0.001}, **steep).fit(TEXTS, Y)
    assert heavy.predict_proba(["film"])[0, 1] > tiny(**steep).fit(TEXTS, Y).predict_proba(["film"])[0, 1] + 0.1
    assert tiny(class_weight={1: 1.0}).fit(TEXTS, Y).score(TEXTS, Y) == 1  # a class left out has weight 1
    assert tiny(class_weight="balanced").fit(TEXTS, Y).score(TEXTS, Y) == 1


def test_a_warm_start_goes_on_with_new_words_and_a_new_class():
    model = tiny(warm_start=True).fit(TEXTS, Y)
    before = model.predict_proba(TEXTS)
    more = [f"so so picture {n}" for n in range(12)]
    model.set_params(epochs=1).fit([*more, *TEXTS], [2] * 12 + Y.tolist())
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.score([*more, *TEXTS], [2] * 12 + Y.tolist()) == 1
    alone = tiny(epochs=1).fit([*more, *TEXTS], [2] * 12 + Y.tolist())
    margins = [np.abs(np.diff(m.predict_proba(TEXTS)[:, :2])).mean() for m in (model, alone)]
    assert margins[0] > margins[1] + 0.1  # what it knew, it did not have to learn again
    assert before.shape[1] == 2


def test_without_it_a_second_fit_starts_afresh(fitted):
    again = tiny().fit(TEXTS[::-1], Y[::-1]).fit(TEXTS, Y)
    assert (again.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_another_architecture_and_its_settings():
    model = TextCNNClassifier(architecture="gru", embedding_dim=8, epochs=1, threads=1, settings={"hidden_size": 5})
    assert model.fit(TEXTS, Y).predict_proba(TEXTS).shape == (24, 2)
    assert model.predictor_.artifact.config.settings == {"hidden_size": 5}


def test_pickled_and_cloned(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    assert clone(fitted).get_params() == fitted.get_params()


def test_progress_is_shown_where_it_is_asked_for(capsys):
    tiny(epochs=1, verbose=True).fit(TEXTS, Y)
    assert "24 rows" in capsys.readouterr().err
    tiny(epochs=1).fit(TEXTS, Y)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "y", "weights", "message"),
    [
        ("good film", [1], None, "expected a sequence of texts, got 'good film'"),
        (["good", 3], [0, 1], None, r"expected texts in X, found 3 \(int\) in row 1"),
        (["good", None], [0, 1], None, r"expected texts in X, found None \(NoneType\) in row 1"),
        ([["a", "b"]], [1], None, r"found the shape \(1, 2\); select one column"),
        (["a", "b"], [1, 1], None, r"at least two classes, found 1 class: \[1\]"),
        (["a", "b"], [0, 1], [1, 0], r"at least two classes with a weight above 0, found 1 class: \[0\]"),
        (["a", "b"], [0, 1], [1, -2], r"finite weights of 0 or more, found -2.0 in row 1"),
        (["a", "b"], [0, 1], [0, 0], "a weight above zero in sample_weight, found none"),
        (["a", "b"], [0, 1], [1], r"sample_weight of shape \(2,\), found \(1,\)"),
        (["a", "b"], ["", "x"], None, "expected classes with a name, found ''"),
        (["a", "b"], [[0, 0], [0, 0]], None, "rows of at least one class, found only 0"),
    ],
)
def test_what_it_refuses(texts, y, weights, message):
    with pytest.raises(ValueError, match=message):
        tiny().fit(texts, y, sample_weight=weights)


def test_settings_are_checked_when_it_is_fitted():
    with pytest.raises(ConfigError, match=r"epochs must be .*; seed must be .*got -1"):
        tiny(epochs=0, seed=-1).fit(TEXTS, Y)


@pytest.mark.parametrize(
    ("texts", "classes", "problem"),
    [
        (["a", "b", "c"], ["x", "y", None], "expected a class in each row of y, found None in row 2"),
        (["a", "b", "c"], ["x", "y", float("nan")], "expected a class in each row of y, found nan in row 2"),
        ({"text": ["a", "b"]}, ["x", "y"], "found a dict of 'text'; select its texts"),
        ({"a", "b"}, ["x", "y"], "found a set of no order; select its texts"),
        ((text for text in "ab"), ["x", "y"], r"got <generator .* \(generator\)"),
    ],
)
def test_errors_say_what_was_found(texts, classes, problem):
    with pytest.raises(ValueError, match=problem):
        TextCNNClassifier(epochs=1).fit(texts, classes)


def test_a_frame_of_several_columns_is_told_by_their_names():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"found the columns \['text', 'id'\]; select one, as X\['text'\]"):
        TextCNNClassifier(epochs=1).fit(pandas.DataFrame({"text": ["a", "b"], "id": [1, 2]}), ["x", "y"])
