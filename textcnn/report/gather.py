"""From a model folder and labelled rows to what a report says."""

from __future__ import annotations

from pathlib import Path

from textcnn.evaluation.confusion import confusion
from textcnn.evaluation.intervals import score_intervals
from textcnn.evaluation.metrics import calibration_bins, score
from textcnn.evaluation.precision_recall import precision_recall
from textcnn.evaluation.probabilities import decide, probabilities
from textcnn.inference.folder import CONFIG, TIMING, TRAINING
from textcnn.inference.manifest import read_json
from textcnn.inference.predictor import Predictor
from textcnn.report.content import Measured, Report
from textcnn.report.speed import measure_speed
from textcnn.report.worst import worst_errors
from textcnn.text.reading import Examples
from textcnn.text.statistics import frequent_unknown, text_statistics

WORST = 20  # errors shown
UNKNOWN_WORDS = 20


def gather(predictor: Predictor, folder: str | Path, examples: Examples | None, *, part: str = "test") -> Report:
    """Measure a model for a report.

    Args:
        predictor: the model, a text model.
        folder: where it was loaded from: training.json and timing.json are read there.
        examples: labelled rows; none: the report is of the training alone.
        part: ``test``, or ``dev`` for rows that training has used to choose the epoch and to calibrate.

    Raises:
        ArtifactError: this is an image model, or a file of the folder is damaged.
    """
    folder = Path(folder)
    inputs = predictor.text_inputs()
    config, training, timing = (read_json(folder / name) for name in (CONFIG, TRAINING, TIMING))
    measured = None if examples is None else _measure(predictor, examples, part)
    return Report(folder.resolve().name, config, len(inputs.tokenizer), training, timing, measured)


def _measure(predictor: Predictor, examples: Examples, part: str) -> Measured:
    inputs, labels, truth = predictor.text_inputs(), predictor.labels, examples.labels
    encoded = inputs.encode(examples.texts)
    logits = predictor.logits(encoded)
    raw, probs = probabilities(logits, labels), probabilities(logits, labels, predictor.temperature)
    given = decide(probs, labels, predictor.own_thresholds)
    mistakes, num_mistakes = worst_errors(examples.texts, truth, given, probs, labels, most=WORST)
    return Measured(
        name=Path(examples.name).name or "data",
        part=part,
        scores=score(truth, probs, labels, predictor.own_thresholds),
        intervals=score_intervals(truth, given, labels),
        confusion=confusion(truth, given, labels),
        curves=precision_recall(truth, probs, labels),
        before=calibration_bins(truth, raw, labels),
        after=calibration_bins(truth, probs, labels),
        statistics=text_statistics(inputs, encoded),
        unknown_words=frequent_unknown(inputs, encoded, UNKNOWN_WORDS),
        mistakes=mistakes,
        num_mistakes=num_mistakes,
        speed=measure_speed(predictor, examples.texts),
    )
