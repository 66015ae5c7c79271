"""Models of very many labels: sparse weights of words, a sampled softmax, answers without a sort, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

import textcnn
from textcnn.core.lookup_numpy import activate
from textcnn.errors import ConfigError
from textcnn.evaluation.metrics import Best, score, score_best
from textcnn.labels import MANY_LABELS
from textcnn.nn.label_centroids import SCALE, label_centroids
from textcnn.prediction.answers import answers_of
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import read_examples
from textcnn.runs.calibrate import held_out_folds
from textcnn.tokenization.ngrams import WideRows
from textcnn.training.candidates import NUM_DRAWN, LabelSampler

NUM_LABELS = MANY_LABELS + 7


def rows_of(num_labels: int = NUM_LABELS) -> list[tuple[str, str]]:
    """Rows in which a word tells the label; every seventh label has one row, the others two."""
    random, rows = np.random.default_rng(0), []
    for label in range(num_labels):
        for _ in range(1 if label % 7 == 0 else 2):
            others = " ".join(f"w{word}" for word in random.integers(0, 300, 4))
            rows.append((f"{others} key{label}", f"label {label}"))
    return rows


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return textcnn.train(rows_of(), epochs=1, num_filters=16, calibrate="split", seed=1)


def test_a_word_of_one_label_finds_it_among_thousands(predictor):
    assert predictor.runtime.name == "many-labels"
    texts, labels = zip(*rows_of()[:200], strict=True)
    given = predictor.predict(list(texts))
    assert np.mean([one == other for one, other in zip(given, labels, strict=True)]) > 0.9
    assert predictor.artifact.config.wide == "sparse"
    assert "calibration" in predictor.artifact.training


def test_answers_are_those_of_the_probabilities_and_of_a_text_alone(predictor):
    texts = [text for text, _ in rows_of()[:50]] + ["", "nothing known"]
    answers = predictor.answer(texts)
    probs = predictor.predict_proba(texts)
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-9)
    places, values = answers.best(5)
    np.testing.assert_array_equal(places, np.argsort(-probs, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(values, np.take_along_axis(probs, places, axis=1), atol=1e-6)
    top = list(answers_of(predictor.labels, answers, top_k=5))
    assert [entry["label"] for entry in top[0]["top"]] == [predictor.labels.names[place] for place in places[0]]
    inputs = predictor.text_inputs()
    together = predictor.logits(inputs.encode(texts))
    for number in (0, 7, len(texts) - 2):
        np.testing.assert_array_equal(predictor.logits(inputs.encode([texts[number]]))[0], together[number])
    network, words = predictor.branches(inputs.encode(texts))
    np.testing.assert_allclose(network + words, together / predictor.temperature, rtol=1e-4, atol=1e-4)


def test_a_saved_model_answers_with_the_same_bits(predictor, tmp_path):
    texts = [text for text, _ in rows_of()[:40]]
    predictor.save(tmp_path / "model")
    loaded = textcnn.load(tmp_path / "model")
    assert loaded.runtime.name == "many-labels"
    np.testing.assert_array_equal(loaded.predict_proba(texts), predictor.predict_proba(texts))
    assert loaded.artifact.config == predictor.artifact.config
    assert json.loads((tmp_path / "model" / "config.json").read_text())["wide"] == "sparse"


def test_without_the_core_the_same_answers(predictor, tmp_path, monkeypatch):
    texts = [text for text, _ in rows_of()[:20]]
    expected = predictor.predict_proba(texts)
    predictor.save(tmp_path / "model")
    monkeypatch.setattr("textcnn.core.library", lambda: None)
    np.testing.assert_array_equal(Predictor.load(tmp_path / "model").predict_proba(texts), expected)


def test_what_a_sparse_branch_cannot_do_is_refused(predictor, tmp_path):
    with pytest.raises(ConfigError, match="sparse n-gram branch"):
        predictor.explain(["key3"])
    with pytest.raises(ConfigError, match="look-up"):
        predictor.artifact.lookup()
    predictor.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="runtime"):
        Predictor.load(tmp_path / "model", runtime="torch")
    with pytest.raises(ConfigError, match="sparse"):
        textcnn.train(rows_of(20), wide="sparse", architecture="lstm")
    with pytest.raises(ConfigError, match="wide must be"):
        textcnn.train(rows_of(20), wide="dense")


def test_few_labels_may_have_a_sparse_branch_too():
    predictor = textcnn.train(rows_of(30), wide="sparse", epochs=1, num_filters=16, pooling="max", activation="tanh")
    assert predictor.runtime.name == "many-labels"
    texts = [text for text, _ in rows_of(30)]
    model = predictor.artifact.one_layer()
    assert model is None  # not for look-up
    assert np.isfinite(predictor.predict_proba(texts)).all()
    assert activate(np.zeros(1, np.float32), "tanh")[0] == 0


def test_labels_of_one_row_stay_in_training_and_held_out_rows_are_bounded():
    examples = read_examples(rows_of())
    folds = held_out_folds(examples, "split", 0)
    assert folds is not None
    held = [examples.labels[row] for row in np.flatnonzero(folds >= 0)]
    assert not {name for (name,) in held} & {f"label {label}" for label in range(0, NUM_LABELS, 7)}
    many = read_examples([(f"a b {row}", f"label {row // 2}") for row in range(40_000)])
    folds = held_out_folds(many, "split", 0)
    assert folds is not None
    assert 0 < (folds >= 0).sum() * 20_000 <= 11_000_000


def test_centroids_are_mean_directions_of_the_texts_of_a_label():
    rows = WideRows(
        np.array([0, 1, 1, 2, 0], np.int32), np.array([0.6, 0.8, 1, 1, 1], np.float32), np.array([0, 2, 3, 4, 5])
    )
    targets = np.array([0, 0, 1, 1])
    table = label_centroids(rows, targets, 3, 2)
    dense = np.zeros((3, 2))
    for feature in range(3):
        entries = slice(table.offsets[feature], table.offsets[feature + 1])
        dense[feature, table.labels[entries]] = table.weights[entries]
    sums = np.array([[0.6, 1.0], [1.8, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(dense, SCALE * sums / np.linalg.norm(sums, axis=0), rtol=1e-6)


def test_drawn_labels_have_the_targets_and_estimate_the_sum_over_all():
    random = np.random.default_rng(0)
    targets = random.integers(0, 3_000, 5_000)
    sampler = LabelSampler(targets, 3_000, 0)
    powers, rows = random.random(3_000), np.arange(64)
    estimates = []
    for step in range(300):
        found = sampler.draw(rows if step < 1 else random.permutation(5_000)[:64], 0, step)
        assert (np.diff(found.labels) > 0).all()
        assert NUM_DRAWN <= len(found.labels) <= NUM_DRAWN + 64
        if step < 1:
            assert set(targets[rows]) <= set(found.labels.tolist())
        estimates.append((powers[found.labels] / np.exp(found.log_chances)).sum())
    assert np.mean(estimates) == pytest.approx(powers.sum(), rel=0.02)
    again = sampler.draw(rows, 0, 0)
    np.testing.assert_array_equal(again.labels, LabelSampler(targets, 3_000, 0).draw(rows, 0, 0).labels)


def test_metrics_from_the_best_labels_are_those_from_all_probabilities(predictor):
    truth = [(label,) for _, label in rows_of()[:60]] + [("unseen",)]
    probs = predictor.predict_proba([text for text, _ in rows_of()[:60]] + ["x"])
    best = Best.of(lambda rows: probs[rows], len(truth), len(predictor.labels))
    assert score_best(truth, best, predictor.labels) == score(truth, probs, predictor.labels, [])


def test_a_table_that_the_machine_has_no_room_for_is_refused_before_it_is_made(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 99999 kB\nMemAvailable: 40960 kB\n")
    monkeypatch.setattr("textcnn.training.resource_limits.MEMINFO", tmp_path / "meminfo")
    with pytest.raises(ConfigError, match=r"training needs about \d+ MiB, .* 40 MiB left: .*set wide=sparse"):
        textcnn.train(rows_of(), wide=True, epochs=1, num_filters=16, embedding_dim=16, calibrate="none")


def test_folds_soft_labels_and_continued_training_are_refused(predictor, tmp_path):
    with pytest.raises(ConfigError, match="folds keep the probability"):
        textcnn.train(rows_of(), folds=2, epochs=1)
    soft = {"text": ["a b", "c d"] * 30, "probabilities": [{"x": 0.7, "y": 0.3}, {"x": 0.2, "y": 0.8}] * 30}
    with pytest.raises(ConfigError, match="one label a row"):
        textcnn.train(soft, wide="sparse", epochs=1, calibrate="none")
    predictor.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="expected a model to continue"):
        textcnn.train(rows_of()[:50], start_from=tmp_path / "model", epochs=1)


def test_evaluate_prints_the_best_and_the_worst_labels(predictor, tmp_path, capsys):
    from textcnn_cli.evaluate import render

    truth = [(label,) for _, label in rows_of()]
    probs = np.eye(len(predictor.labels))[np.arange(len(truth)) % len(predictor.labels)]
    best = Best.of(lambda rows: probs[rows], len(truth), len(predictor.labels))
    render(score_best(truth, best, predictor.labels), json=False)
    shown = capsys.readouterr().out
    assert "the best 15 of 2,007 labels" in shown
    assert "the worst 15 of 2,007 labels" in shown
    assert len(shown.splitlines()) < 60


def test_a_report_in_blocks_says_what_a_report_of_all_probabilities_says(predictor, monkeypatch):
    from textcnn.report.gather import _measures
    from textcnn.report.many_labels import measures_of_many

    monkeypatch.setattr("textcnn.report.many_labels.BLOCK_PROBABILITIES", 7 * NUM_LABELS)
    rows = [*rows_of()[:60], ("w1 key5", "label 6"), ("w2 key7", "label 6"), ("w3", "unseen")]
    examples = read_examples(rows)
    encoded = predictor.text_inputs().encode(examples.texts)
    how = {"most": 5, "shares": [0.5, 1.0]}
    many, plain = (measure(predictor, examples, encoded, **how) for measure in (measures_of_many, _measures))
    assert many["scores"] == plain["scores"]
    assert many["answered"] == plain["answered"]
    assert many["num_mistakes"] == plain["num_mistakes"] > 2
    assert many["log_loss"] == pytest.approx(plain["log_loss"])
    assert [mistake.row for mistake in many["mistakes"]] == [mistake.row for mistake in plain["mistakes"]]
    assert many["mistakes"][0].given == plain["mistakes"][0].given
    assert many["after"].error == pytest.approx(plain["after"].error)
    assert many["before"].error == pytest.approx(plain["before"].error)
    pairs = many["confusion"].pairs(100)
    assert set(pairs) == set(plain["confusion"].pairs(100))
    assert many["confusion"].counts.sum() == len(rows)


def test_inspect_shows_the_layers_of_the_network(predictor, tmp_path):
    from textcnn_cli.inspect import _of_model

    predictor.save(tmp_path / "model")
    table, document = _of_model(str(tmp_path / "model"), None, None, None)
    assert {layer.name for layer in table.layers} >= {"encoder", "head"}
    assert set(document["weights"]) == {"network", "n-grams"}


def test_a_dense_branch_of_many_labels_looks_at_all_of_them():
    predictor = textcnn.train(
        rows_of()[:2_400] + rows_of()[-1500:], wide=True, epochs=1, num_filters=16, calibrate="none"
    )
    assert predictor.runtime.name == "look-up"
    assert len(predictor.labels) > MANY_LABELS


def test_torch_trains_a_sparse_branch_too_and_what_no_runtime_answers_is_refused():
    settings = {"epochs": 1, "num_filters": 16, "wide": "sparse", "calibrate": "none"}
    predictor = textcnn.train(rows_of(30), amp="bf16", **settings)
    assert predictor.artifact.training["road"] == "torch"
    assert predictor.runtime.name == "many-labels"
    assert len(predictor.predict(["key3 w1"])) == 1
    with pytest.raises(ConfigError, match="pooling"):
        textcnn.train(rows_of(30), pooling="kmax", **settings)
