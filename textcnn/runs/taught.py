"""Runs with a teacher: held-out rows say whether it helps and how much it counts; then all rows train."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter, Silent
from textcnn.reading.messages import counted
from textcnn.reading.rows import Examples, open_rows
from textcnn.runs.calibrate import NUM_FOLDS, HeldOut, calibration_kind, held_out_folds, out_of_sample
from textcnn.runs.continuing import fits_scale
from textcnn.runs.finish import Run
from textcnn.runs.prepare import collected_labels, read_rows
from textcnn.runs.text import run_text, train_apart
from textcnn.teacher.lesson import Lesson, read_lesson
from textcnn.teacher.teachers import find_teacher
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Calibration, teacher_weight
from textcnn.training.sampler import default_epochs

OTHER_WEIGHTS = (0.1, 0.6)  # also tried where labelled rows are at least as many as the others
MANY, FEWER_FOLDS = 2_000, 3  # from so many rows on, labelled or not, each pupil takes its time
SHOWN = 10  # texts in which pupil and teacher differ most
Scores = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A pupil on held-out rows.

    Attributes:
        weight: of the teacher; none: without it.
        calibration: of its answers.
        right: ``(M,)``, how right each answer is, from 0 to 1.
        scores: its metrics.
    """

    weight: float | None
    calibration: Calibration
    right: Scores
    scores: dict[str, Any]

    def rank(self, metric: str) -> tuple[float, float]:
        """Return what makes it better than another: the metric, and where that is the same the log loss."""
        return self.scores[metric], -self.calibration.facts.get("log_loss_after", 0.0)

    def margin(self, other: Attempt) -> tuple[float, float]:
        """Return by how much it is better than another, and the standard error of that."""
        gain = self.right - other.right
        return float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.inf


def run_taught(
    data: Any,
    config: Config,
    reporter: Reporter,
    *,
    teacher: Any,
    unlabelled: Sequence[Any] = (),
    dev: Any = None,
    test: Any = None,
    start: Artifact | None = None,
    evidence: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Train a text classifier with a teacher, unless held-out rows say that it is better without.

    ``summary["teacher"]`` has what came of it.

    Args:
        data: the labelled rows, as for :func:`run_text`, as are all arguments but the next two.
        config: all settings.
        reporter: receives progress messages.
        teacher: as for :func:`textcnn.teacher.teachers.find_teacher`; none: ``unlabelled`` is a file with its answers.
        unlabelled: files or other sources of texts without a label.
        dev: the dev rows.
        test: the test rows.
        start: the model to start from.
        evidence: whether to build an index of evidence.
        watch: the resource limits.

    Raises:
        ConfigError: there is no such teacher.
        DataError: the data cannot be read, or the teacher answers nonsense.
    """
    examples = read_rows(data, config, reporter, like=None if start is None else start.schema)
    if examples.soft is not None:
        raise ConfigError("teacher is given, but the training rows have probabilities of their own; leave one out")
    texts = _read_texts(unlabelled, examples, config, reporter)
    if teacher is None:
        if len(unlabelled) != 1 or not isinstance(unlabelled[0], (str, os.PathLike)):
            raise ConfigError("unlabelled texts need a teacher, or one file with its answers; give teacher")
        teacher = unlabelled[0]
    known = collected_labels(examples, config, start, Silent())
    found = find_teacher(teacher, known.names, config.data)
    lesson = read_lesson(found, examples, texts, known, config.training.seed, reporter)
    reporter.say(f"teacher {lesson.teacher.name}: {counted(len(lesson.texts), 'text')} without a label")
    if watch is not None:
        watch.add_fits(1)
    attempts, facts = _compare(lesson, examples, config, reporter, start, watch)
    best, given = attempts[-1] if attempts else None, teacher_weight(config.training.teacher_weight)
    is_used = best is None or best.weight is not None
    weight = best.weight if best is not None and best.weight is not None else given
    settings = dataclasses.replace(config, training=dataclasses.replace(config.training, teacher_weight=weight))
    more: dict[str, Any] = {"dev": dev, "test": test, "start": start, "evidence": evidence, "watch": watch}
    is_open = dev is None and not config.training.dev_fraction and config.training.calibrate != "none"
    if best is not None and is_open and best.calibration.facts:
        more["calibration"] = best.calibration
    run = run_text(lesson.teach(examples) if is_used else examples, settings if is_used else config, reporter, **more)
    facts |= {"used": is_used, "weight": weight if is_used else None}
    if len(lesson.texts):
        facts |= _agreement(run, lesson, examples)
    reporter.say(describe(facts))
    run.predictor.artifact.training["teacher"] = facts
    return dataclasses.replace(run, summary={**run.summary, "teacher": facts})


def describe(facts: dict[str, Any]) -> str:
    """Describe what came of the teacher in one line."""
    if facts["held_out"] is None:
        scores = "too few labelled rows to compare with the pupil alone"
    else:
        found = facts["held_out"]
        named = {"teacher": "teacher", "pupil": "pupil", "without": "pupil without it"}
        scores = f"{facts['metric']} on {found['rows']:,} held-out rows: " + ", ".join(
            f"{what} {found[name]:.4f}" for name, what in named.items() if found[name] is not None
        )
    used = (
        f"used with weight {facts['weight']:g}" if facts["used"] else "left out, since the pupil is not better with it"
    )
    agreement = ""
    if facts.get("agreement") is not None:
        agreement = f"; pupil and teacher agree on {facts['agreement']:.1%} of {facts['unlabelled']:,} texts"
    return f"teacher {facts['name']}: {scores}; {used}{agreement}"


def _read_texts(sources: Sequence[Any], examples: Examples, config: Config, reporter: Reporter) -> list[str]:
    """Return the texts without a label, each once, without those of training rows."""
    like = dataclasses.replace(examples.schema, label_columns=())
    known, found = {*examples.texts}, dict[str, None]()
    for source in sources:
        rows = open_rows(source, config.data, labels="ignored", like=like)
        count, before = 0, len(found)
        for row in rows:
            count += 1
            if row.text.strip() and row.text not in known:
                found[row.text] = None
        reporter.say(rows.describe())
        reporter.say(f"read {counted(count, 'row')} without a label, {len(found) - before:,} of them new texts")
        for notice in rows.warnings():
            reporter.say(f"note: {notice}")
    if sources and not found:
        raise DataError("expected texts that are not among the training rows, found none")
    return list(found)


def _compare(
    lesson: Lesson,
    examples: Examples,
    config: Config,
    reporter: Reporter,
    start: Artifact | None,
    watch: Watch | None,
) -> tuple[list[Attempt], dict[str, Any]]:
    """Return the pupils on held-out rows, the best one last, and facts about them; none where rows are too few."""
    metric = "micro_f1" if examples.multi_label else "accuracy"
    facts: dict[str, Any] = {
        "name": lesson.teacher.name,
        "labelled": len(examples),
        "unlabelled": len(lesson.texts),
        "metric": metric,
        "held_out": None,
    }
    kind = calibration_kind(len(examples), config)
    kind = kind if kind == "split" else "folds"
    num_folds = FEWER_FOLDS if len(examples) + len(lesson.texts) > MANY else NUM_FOLDS
    folds = held_out_folds(examples, kind, config.training.seed, num_folds)
    if folds is None:
        return [], facts
    truth = [examples.labels[row] for row in np.flatnonzero(folds >= 0).tolist()]

    def attempt(weight: float | None) -> Attempt:
        what = "without the teacher" if weight is None else f"with the teacher, weight {weight:g}"
        reporter.say(f"comparison on {len(truth):,} held-out rows: {what}")
        found = _held_out(lesson, examples, folds, config, weight, reporter, start, watch)
        calibration = found.calibrate(examples, lesson.labels, config.model, kind, fits_scale=fits_scale(config, start))
        return _scored(
            calibration.probabilities(found.branches, lesson.labels), truth, lesson.labels, weight, calibration
        )

    alone, taught = attempt(None), attempt(teacher_weight(config.training.teacher_weight))
    tried = [alone, taught]
    if config.training.teacher_weight is None and len(lesson.texts) <= len(examples):
        for weight in OTHER_WEIGHTS:
            tried.append(attempt(weight))
            gain, error = tried[-1].margin(taught)
            taught = tried[-1] if gain > error else taught
    shown = _scored(_teacher_answers(lesson, examples, folds), truth, lesson.labels, None, alone.calibration)
    facts["held_out"] = {
        "rows": len(truth),
        "teacher": None if np.isnan(shown.right).any() else shown.scores[metric],
        "pupil": taught.scores[metric],
        "without": alone.scores[metric],
        "weights": {f"{each.weight:g}": each.scores[metric] for each in tried if each.weight is not None},
    }
    return [*tried, taught if taught.rank(metric) > alone.rank(metric) else alone], facts


def _scored(
    probabilities: npt.NDArray[Any],
    truth: Sequence[tuple[str, ...]],
    labels: Labels,
    weight: float | None,
    how: Calibration,
) -> Attempt:
    if np.isnan(probabilities).any():  # a file without answers to labelled rows
        return Attempt(weight, how, np.full(len(truth), np.nan), {})
    targets = labels.encode(truth)
    if labels.multi_label:
        right = ((probabilities >= np.array(how.thresholds)) == (targets > 0)).mean(axis=1)
    else:
        right = (probabilities.argmax(axis=1) == targets).astype(np.float64)
    return Attempt(weight, how, right, score(truth, probabilities.astype(np.float64), labels, how.thresholds))


def _held_out(
    lesson: Lesson,
    examples: Examples,
    folds: npt.NDArray[np.int64],
    config: Config,
    weight: float | None,
    reporter: Reporter,
    start: Artifact | None,
    watch: Watch | None,
) -> HeldOut:
    """Return the logits of held-out rows by pupils with a weight of the teacher, or without it."""
    training, num_rows = config.training, len(examples) + (0 if weight is None else len(lesson.texts))
    training = dataclasses.replace(training, teacher_weight=weight, epochs=training.epochs or default_epochs(num_rows))
    if watch is not None:
        watch.add_fits((int(folds.max()) + 1) * training.ensemble)
    train = partial(train_apart, reporter, start, watch)

    def train_taught(rows: Examples, settings: Config) -> Run:
        return train(rows if weight is None else lesson.teach(rows), settings)

    return out_of_sample(
        examples, folds, lesson.labels, dataclasses.replace(config, training=training), train_taught, reporter
    )


def _teacher_answers(lesson: Lesson, examples: Examples, folds: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return the teacher's answers ``(M, C)`` to the held-out rows."""
    rows = np.flatnonzero(folds >= 0)
    found = np.zeros((len(rows), len(lesson.labels)), np.float32)
    for number in range(folds.max() + 1):
        held_out = np.flatnonzero(folds == number)
        texts = [examples.texts[row] for row in held_out.tolist()]
        found[np.searchsorted(rows, held_out)] = lesson.answers(examples.subset(folds != number), texts)
    return found


def _agreement(run: Run, lesson: Lesson, examples: Examples) -> dict[str, Any]:
    """Return how often pupil and teacher agree on texts without a label, and where they differ most."""
    labels, predictor = run.predictor.labels, run.predictor
    pupil = np.zeros((len(lesson.texts), len(lesson.labels)))
    pupil[:, [lesson.labels.names.index(name) for name in labels.names]] = predictor.predict_proba(list(lesson.texts))
    teacher = lesson.answers(examples, lesson.texts).astype(np.float64)
    first, second = pupil.argmax(axis=1), teacher.argmax(axis=1)
    differs = np.flatnonzero(first != second)
    gaps = pupil[differs, first[differs]] + teacher[differs, second[differs]]
    places = differs[np.argsort(-gaps, kind="stable")[:SHOWN]].tolist()
    texts = [lesson.texts[place] for place in places]
    is_exact = not predictor.artifact.lookup_refusal
    reasons: list[Any] = list(predictor.explain(texts, top=3)) if texts and is_exact else [None] * len(texts)
    shown = []
    for place, text, reason in zip(places, texts, reasons, strict=True):
        words = [] if reason is None else [entry["text"] for entry in reason["ngrams"] if entry["text"]]
        shown.append(
            {
                "text": text if len(text) <= 200 else text[:199] + "…",
                "pupil": [lesson.labels.names[first[place]], float(pupil[place, first[place]])],
                "teacher": [lesson.labels.names[second[place]], float(teacher[place, second[place]])],
                "reasons": words,
            }
        )
    return {"agreement": float((first == second).mean()), "differences": shown}
