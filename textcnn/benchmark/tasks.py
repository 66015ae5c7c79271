"""One run of the accuracy benchmark, for texts and for images: train, then measure once on the test rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from textcnn.config import Config
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import probabilities
from textcnn.inference.artifact import Artifact
from textcnn.models.forward import branch_logits_of
from textcnn.runs import Run, run_text
from textcnn.runs.images import labelled_images, read_like, run_images
from textcnn.text.reading import Examples, read_examples
from textcnn.training.learned import Part
from textcnn.training.progress import Reporter

METRICS = ("accuracy", "macro_f1", "micro_f1", "ece")
KEPT = ("examples", "num_labels", "num_parameters", "epochs", "best_epoch", "train_seconds", "tokens_per_second")


class Task(Protocol):
    """A data set and what is done with it."""

    unit: ClassVar[str]

    @property
    def num_test(self) -> int:
        """Rows to measure on."""

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train with these settings, by name, and measure: JSON values."""


@dataclass(frozen=True)
class TextTask:
    """Labelled texts.

    Attributes:
        train: the rows to train on.
        test: the rows to measure on, as all the same weight.
        dev: rows that choose the best epoch and calibrate, in any form that is read; or none.
    """

    unit: ClassVar[str] = "words"
    train: Examples
    test: Examples
    dev: Any = None

    @classmethod
    def read(cls, data: Any, test: Any, settings: Mapping[str, Any], *, dev: Any = None) -> TextTask:
        """Read both files.

        Raises:
            DataError: one cannot be read as asked.
        """
        config = Config.from_flat(settings)
        train = read_examples(data, config.data)
        unweighted = replace(config.data, weight_column=None)
        return cls(train, read_examples(test, unweighted, multi_label=train.multi_label), dev)

    @property
    def num_test(self) -> int:
        """Texts to measure on."""
        return len(self.test)

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train, and measure the model and each of its branches alone."""
        run = run_text(self.train, Config.from_flat(settings), reporter, dev=self.dev)
        artifact = run.predictor.artifact
        encoded = artifact.text_inputs().encode(self.test.texts)
        part = Part(encoded, self.test.labels)
        return {**_measured(run, part, 1), "parts": _parts(artifact, encoded, self.test)}


@dataclass(frozen=True)
class ImageTask:
    """Labelled images, read anew for each run; what they are is in the sources.

    Attributes:
        train: a source of training images, as `textcnn image train` takes it.
        test: likewise, to measure on.
        dev: likewise, to choose the best epoch; or none.
        num_test: images to measure on.
    """

    unit: ClassVar[str] = "images"
    train: str
    test: str
    dev: str | None
    num_test: int

    def run(self, settings: Mapping[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Train, and measure the model."""
        run = run_images(self.train, Config.from_flat(settings), reporter, dev=self.dev)
        inputs = run.predictor.artifact.image_inputs()
        part = labelled_images(inputs, read_like(inputs, self.test, "test"))
        return {**_measured(run, part, inputs.shape[1] * inputs.shape[2]), "parts": {}}


def _measured(run: Run, part: Part[Any], places: int) -> dict[str, Any]:
    """Metrics on the rows of ``part``, and how many units a second: a unit has ``places`` tokens, or pixels."""
    predictor = run.predictor
    began = time.perf_counter()
    logits = predictor.logits(part.encoded)
    seconds = time.perf_counter() - began
    probs = probabilities(logits, predictor.labels, predictor.temperature)
    whole = score(part.truth, probs, predictor.labels, predictor.own_thresholds)
    kept = {name: run.summary[name] for name in KEPT}
    return {
        **kept,
        "trained_per_second": kept["tokens_per_second"] / places,
        "classified_per_second": int(predictor.inputs.sizes(part.encoded).sum()) / places / seconds,
        "test": {metric: whole[metric] for metric in METRICS},
    }


def _parts(artifact: Artifact, encoded: Any, test: Examples) -> dict[str, dict[str, Any]]:
    """Metrics of each branch alone; nothing for a model that has one, or whose thresholds were set for the sum."""
    if artifact.labels.multi_label:
        return {}
    logits = branch_logits_of(artifact.model, artifact.text_inputs(), encoded)
    if len(logits) < 2:
        return {}
    parts = {}
    for name, of_branch in logits.items():
        probs = probabilities(of_branch, artifact.labels)
        found = score(test.labels, probs, artifact.labels, [0.5] * len(artifact.labels))
        parts[name] = {metric: found[metric] for metric in METRICS}
    return parts
