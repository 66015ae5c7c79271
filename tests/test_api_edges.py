"""Runs of the library at the edges: many labels or none, faults, odd texts and seeds, and runs that end early."""

import numpy as np
import pytest
from api_runs import LABELS, PAIRS, TEXTS, TINY, Heard, heard, weights

import textcnn
from textcnn.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def reference():
    return textcnn.train((TEXTS, LABELS), **TINY)


# ---------------------------------------------------------------------------------------------- multi-label


MANY = [(text, [label, "film"] if n % 3 else []) for n, (text, label) in enumerate(PAIRS)]


def test_a_multi_label_model_holds_rows_out_to_set_its_thresholds():
    run, said = heard(MANY)
    assert run.predictor.labels.multi_label
    assert run.predictor.classes_ == ["film", "neg", "pos"]
    assert "multi-label without dev rows: 10% of the rows are held out to set the thresholds" in said
    assert run.summary["examples"]["dev"] == 2
    assert len(run.predictor.artifact.thresholds) == 3
    assert all(isinstance(given, tuple) for given in run.predictor.predict(TEXTS))


def test_a_multi_label_set_too_small_to_hold_rows_out_is_trained_on_whole():
    run, said = heard([("a good film", ["pos"]), ("a bad film", ["neg"]), ("a film", [])])
    assert run.summary["examples"] == {"train": 3, "dev": 0, "test": 0}
    assert run.predictor.artifact.thresholds == [0.5, 0.5]
    assert "too few rows" in said


def test_a_multi_label_task_may_have_one_label():
    run, _ = heard([("good film", ["pos"]), ("bad film", [])] * 12, dev=[("good", ["pos"]), ("bad", [])])
    assert run.predictor.classes_ == ["pos"]
    assert set(run.summary["dev"]["per_label"]) == {"pos"}


def test_dev_rows_of_a_multi_label_task_are_read_alike(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x|y\nb,x\nc,y\n", encoding="utf-8")
    (tmp_path / "dev.csv").write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    run, _ = heard(tmp_path / "train.csv", dev=tmp_path / "dev.csv")
    assert run.predictor.labels.multi_label
    assert run.summary["dev"]["n"] == 2


# --------------------------------------------------------------------------------------------------- errors


def test_one_class_is_told_with_its_count():
    with pytest.raises(
        DataError, match=r"expected at least two labels to tell apart, found 'pos': 24; check the label"
    ):
        textcnn.train((TEXTS, ["pos"] * 24), **TINY)


@pytest.mark.parametrize(
    ("weight", "problem"),
    [
        ("fair", r"class_weight must be 'balanced' or a weight for each label, got 'fair'"),
        ({"odd": 2.0}, r"class_weight names the label 'odd'; the data has .*neg.*pos"),
        ({"pos": 0.0, "odd": 1.0}, r"'odd'; .*; class_weight of 'pos' must be above 0, got 0.0"),
        ({"pos": "much"}, r"class_weight must be str or a table of float or none, got \{'pos': 'much'\}"),
    ],
)
def test_class_weights_that_cannot_be_used(weight, problem):
    with pytest.raises(ConfigError, match=problem):
        textcnn.train(PAIRS, class_weight=weight, **TINY)


@pytest.mark.parametrize("weight", ["balanced", {"pos": 5}])
def test_class_weights_move_the_answer(reference, weight):
    few = [*PAIRS[:4], *[(text, label) for text, label in PAIRS if label == "neg"]]
    plain, weighted = (
        textcnn.train(few, **TINY, **({"class_weight": w} if w else {})).predict_proba(["film"]) for w in (None, weight)
    )
    assert weighted[0, 1] > plain[0, 1]


def test_an_unknown_setting_is_told_with_those_there_are():
    with pytest.raises(
        ConfigError,
        match=r"'kim' has no setting 'filters'; it has kernel_sizes, num_filters, nested, pooling, k, activation, drop",
    ):
        textcnn.train(PAIRS, filters=3)
    with pytest.raises(
        ConfigError, match=r"'bag' has no setting 'num_filters'; it has word_ngrams, ngram_rows, dropout"
    ):
        textcnn.train(PAIRS, architecture="bag", num_filters=3)
    with pytest.raises(ConfigError, match=r"architecture must be one of kim, .* \(text\), got 'lenet'"):
        textcnn.train(PAIRS, architecture="lenet")


def test_settings_are_checked_before_the_data_is_read():
    with pytest.raises(ConfigError, match=r"epochs must be 1 or more, got 0; batch_size must be 1 or more, got -1"):
        textcnn.train("nowhere.csv", epochs=0, batch_size=-1)
    with pytest.raises(DataError, match=r"found no file or folder 'nowhere.csv'"):
        textcnn.train("nowhere.csv")


@pytest.mark.parametrize("texts", [[""] * 4, ["", "good", "", "bad"], [" \n"] * 4])
def test_texts_without_a_token_can_be_trained_on(texts):
    predictor = textcnn.train((texts, ["a", "b"] * 2), dev=(texts, ["a", "b"] * 2), **TINY)
    assert np.isfinite(predictor.predict_proba(["", "x"])).all()


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "char"])
def test_every_tokenizer_trains(kind, tmp_path):
    predictor = textcnn.train(PAIRS, tokenizer=kind, output=tmp_path / "model", **TINY)
    assert len(predictor.predict(["good", "", "漢"])) == 3
    assert weights(textcnn.load(tmp_path / "model")) == weights(predictor)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_every_seed_can_be_used(seed):
    assert textcnn.train(PAIRS[:8], **{**TINY, "epochs": 1}, seed=seed).artifact.training["stopped"] == "done"


# ---------------------------------------------------------------------------------------- it ends before its time


def interrupt(step):
    def at_step(number):
        if number == step:
            raise KeyboardInterrupt

    return at_step


def test_an_interrupted_run_saves_its_best_weights(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        textcnn.train(
            PAIRS, dev=PAIRS, output=tmp_path / "model", reporter=Heard(interrupt(5)), **{**TINY, "epochs": 4}
        )
    found = textcnn.load(tmp_path / "model").artifact.training
    assert (found["stopped"], found["epochs"], found["best_epoch"]) == ("interrupted", 1, 1)
    first, _ = heard(PAIRS, dev=PAIRS, epochs=4)
    assert found["history"] == first.predictor.artifact.training["history"][:1]


def test_a_run_interrupted_at_its_first_step_saves_what_it_has(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        textcnn.train(PAIRS, output=tmp_path / "model", reporter=Heard(interrupt(1)), **TINY)
    found = textcnn.load(tmp_path / "model")
    assert found.artifact.training["history"] == []
    assert np.isfinite(found.predict_proba(TEXTS)).all()


def test_a_diverging_run_never_gives_nan(tmp_path):
    with pytest.raises(textcnn.errors.TextCNNError, match=r"lower learning_rate \(now 1e\+30\) or set clip_norm"):
        textcnn.train(PAIRS, output=tmp_path / "model", **{**TINY, "epochs": 5}, learning_rate=1e30)
    assert not (tmp_path / "model").exists()


def test_the_answer_to_an_unseen_word_does_not_depend_on_its_corpus_when_rare_words_are_unknown():
    rare = [(f"{text} rare{n}", label) for n, (text, label) in enumerate(PAIRS)]
    predictor = textcnn.train(rare, min_frequency=2, **TINY)
    texts = ["rare100 film", "rare101", "a rare102 good rare103", "rare104 rare1 rare2"]
    alone = [predictor.predict_proba([text])[0] for text in texts]
    np.testing.assert_allclose(predictor.predict_proba(texts), alone, atol=1e-6)
