"""What a report says: the same numbers as everywhere else."""

import pytest

import textcnn
from textcnn.reading.rows import read_examples
from textcnn.report import gather


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_metrics_are_those_of_the_predictor(models, reports, kind):
    measured, predictor = reports[kind].measured, textcnn.load(models / kind)
    texts = ["good", "bad"]
    labels = [("pos",), ("pos",)] if kind == "single" else [("glad",), ()]
    examples = read_examples((texts, labels if kind == "multi" else ["pos", "pos"]))
    found = gather(predictor, models / kind, examples, part="dev").measured
    assert found.scores == predictor.score(predictor.inputs.encode(texts), labels)
    assert found.part == "dev"
    assert found.after.error == pytest.approx(found.scores["ece"])
    assert found.confusion.counts.sum() >= found.scores["n"] - found.num_mistakes - (kind == "multi")
    assert measured.num_mistakes == len(measured.mistakes) >= 1
    assert measured.speed.runtime == "look-up"
    assert measured.speed.single_ms <= measured.speed.single_ms_95
    assert measured.speed.texts_per_second > 0


def test_what_training_wrote_is_there(reports):
    report = reports["single"]
    assert report.model == "single"
    assert len(report.training["history"]) == 3
    assert report.training["data"]["statistics"]["rows"] == 24
    assert report.training["data"]["statistics"]["lengths"][-1] == 3
    assert report.measured.statistics["empty"] == 1
    assert ("films", 1) in report.measured.unknown_words


def test_without_rows_there_is_the_training_alone(models):
    report = gather(textcnn.load(models / "single"), models / "single", None)
    assert report.measured is None
    assert report.timing["train_seconds"] > 0
